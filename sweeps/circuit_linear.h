#pragma once

// The circuit about a steady state, linearised (Wang, Niu, Liang & Lee 2025): dr/dt = J r with
//
//   J = diag(f'(u) / tau) [[W_ee, -W_ei], [W_ie, 0]] - diag(1 / tau)
//
// over excitatory and inhibitory rates. A left eigenvector reads a mode out of the rates; it decays with -1 / Re(lambda).

#include <ATen/core/Tensor.h>

#include "models/circuit.h"

namespace palimpsest {

/// All eigenvectors of a dense matrix are found: more neurons would take minutes and gigabytes.
constexpr std::int64_t kMostLinearNeurons = 1024;

struct LinearModes {
  at::Tensor time_scales;  // [n] ms, slowest first; negative: the mode grows
  at::Tensor readers;      // [n, 2 C] complex128, each of length 1
};

/// The `count` slowest modes about the steady excitatory rates r [C], float64.
LinearModes slowest_modes(const Circuit&, const at::Tensor& rates, std::int64_t count);

/// Excitatory rates x [..., C] at steady states as the modes see them: [..., 2 n], real and imaginary parts.
at::Tensor seen_by(const LinearModes&, const Circuit&, const at::Tensor& x);

}  // namespace palimpsest

#include "sweeps/circuit_metrics.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "sweeps/manifold.h"

namespace palimpsest {
namespace {

at::Tensor length(const at::Tensor& x) { return x.square().sum(-1).sqrt(); }

at::Tensor cosine(const at::Tensor& a, const at::Tensor& b) {
  return (a * b).sum(-1) / (length(a) * length(b)).clamp_min(1e-300);
}

at::Tensor mean_over(const at::Tensor& x, int trailing) { return x.flatten(-trailing, -1).contiguous().mean(-1); }

// sqrt(trace of the covariance over dimension `over`), with 1 / n.
at::Tensor spread_over(const at::Tensor& x, std::int64_t over) {
  return (x - x.mean(over, true)).square().sum(-1).mean(over).sqrt();
}

// Distances between the rows of a [..., A, C] and of b [..., B, C]: [..., A, B].
at::Tensor distances(const at::Tensor& a, const at::Tensor& b) { return length(a.unsqueeze(-2) - b.unsqueeze(-3)); }

// Vinje & Gallant over the last dimension; NaN where all is silent.
at::Tensor vinje_gallant(const at::Tensor& r) {
  const auto n = static_cast<double>(r.size(-1));
  return (1 - r.mean(-1).square() / r.square().mean(-1)) / (1 - 1 / n);
}

at::Tensor change_index(const at::Tensor& before, const at::Tensor& after) {
  return (after - before) / (after + before + 1e-8);
}

// Means of `values` [S, C] over neurons of equal rank in `order_by` [S, C], largest first, in bins: [bins].
at::Tensor by_rank(const at::Tensor& order_by, const at::Tensor& values) {
  const auto C = values.size(-1), bins = rank_bins(C);
  const auto order = std::get<1>(order_by.sort(/*stable=*/true, /*dim=*/-1, /*descending=*/true));
  const auto curve = values.gather(-1, order).mean(0);
  std::vector<at::Tensor> out;
  for (std::int64_t bin = 0; bin < bins; ++bin)
    out.push_back(curve.slice(0, bin * C / bins, (bin + 1) * C / bins).mean());
  return at::stack(out);
}

at::Tensor histogram_of(const at::Tensor& indices) {
  const auto finite = indices.masked_select(indices.isfinite());
  const auto bins = ((finite + 1) / 2 * kIndexBins).floor().clamp(0, kIndexBins - 1).to(at::kLong);
  return at::bincount(bins, {}, kIndexBins).to(at::kDouble) / std::max<double>(1, static_cast<double>(finite.numel()));
}

}  // namespace

std::int64_t rank_bins(std::int64_t neurons) { return std::min<std::int64_t>(100, neurons); }

std::string index_label(std::int64_t bin) {
  return fmt::format("{:.3g}", (2.0 * static_cast<double>(bin) + 1) / kIndexBins - 1);
}

at::Tensor levels_of(const at::Tensor& x, std::int64_t levels, std::int64_t patterns) {
  const auto I = x.size(0), C = x.size(2);
  const auto variants = x.transpose(0, 1).reshape({1, 1, 1, x.size(1), I, C});
  return by_level(variants, levels, patterns)[0][0][0].contiguous();
}

CircuitValues circuit_geometry(const at::Tensor& x, const std::vector<double>& levels, bool unbiased) {
  const auto I = x.size(2);
  const auto noisy = x.slice(0, 1), clean = x.slice(0, 0, 1);  // [N - 1, P, I, C], [1, P, I, C]
  const auto m = x.mean(1);                                    // [N, I, C]
  const auto m_noisy = m.slice(0, 1), m_clean = m.slice(0, 0, 1);
  const auto centre = m_clean.mean(1, true);
  CircuitValues out;
  for (const auto& [metric, value] : manifold(x.view({1, 1, 1, x.size(0), x.size(1), I, x.size(3)}), unbiased))
    out[metric] = value.flatten();

  out["manifold.relative"] = mean_over(length(noisy - clean) / spread_over(noisy, 2).unsqueeze(-1), 2);
  const auto across = distances(m_noisy, m_clean);  // [N - 1, I, I]
  const auto own = across.diagonal(0, -2, -1);
  const auto others = (across.sum(-1) - own) / static_cast<double>(I - 1);
  out["manifold.effective"] = (own / others).mean(-1);
  out["manifold.alignment"] = cosine(m_noisy - centre, m_clean - centre).mean(-1);
  out["manifold.similarity"] = mean_over(cosine(noisy - centre.unsqueeze(0), clean - centre.unsqueeze(0)), 2);

  out["manifold.increment"] = circuit_increment(x, levels);
  return out;
}

at::Tensor circuit_increment(const at::Tensor& x, const std::vector<double>& levels) {
  std::vector<double> steps;  // in tenths
  for (std::size_t l = 1; l < levels.size(); ++l) steps.push_back(10 * (levels[l] - levels[l - 1]));
  const auto below = x.slice(0, 0, x.size(0) - 1);
  const auto between = (distances(below, below).square().sum(-1) / static_cast<double>(x.size(2) - 1)).sqrt();  // [N - 1, P, I]
  return mean_over(length(x.slice(0, 1) - below) / between, 2) / at::tensor(steps, at::TensorOptions().dtype(at::kDouble));
}

// From the covariance of the stimuli, of which there are fewer than neurons.
at::Tensor principal_axes(const at::Tensor& pooled, std::int64_t count) {
  const auto centred = pooled - pooled.mean(0, true);
  const auto directions = std::get<2>(at::linalg_svd(centred, /*full_matrices=*/false));  // [min(S, C), C], largest first
  return directions.slice(0, 0, count).t().contiguous();
}

CircuitValues circuit_activity(const at::Tensor& x) {
  const auto by_neuron = x.flatten(0, 2).transpose(0, 1).contiguous();  // [C, stimuli]
  const auto lifetime = vinje_gallant(by_neuron);
  return {{"activity.mean", mean_over(x, 3)},
          {"sparseness.population", at::nanmean(vinje_gallant(x).flatten(1), 1)},
          {"sparseness.lifetime", at::nanmean(lifetime)}};
}

CircuitValues circuit_change(const at::Tensor& pre, const at::Tensor& x) {
  const auto flat = [](const at::Tensor& t) { return t.flatten(0, -2); };
  CircuitValues out;
  out["tuning.curve"] = by_rank(flat(pre), change_index(flat(pre), flat(x)));
  // Chosen by half of the noise patterns, tested on the other half: what was chosen for being large is not bound to
  // fall.
  const auto half = x.size(1) / 2;
  if (half > 0) {
    const auto mean_of = [&](const at::Tensor& t, std::int64_t from, std::int64_t to) {
      return flat(t.slice(0, 1).slice(1, from, to).mean(1));
    };
    out["tuning.held_out"] =
        by_rank(mean_of(pre, 0, half), change_index(mean_of(pre, half, x.size(1)), mean_of(x, half, x.size(1))));
  }
  out["tuning.peak_change"] = change_index(pre.amax(-1), x.amax(-1)).mean();

  const auto by_neuron = [](const at::Tensor& t) {
    return vinje_gallant(t.flatten(0, 2).transpose(0, 1).contiguous());
  };
  const auto lifetime = change_index(by_neuron(pre), by_neuron(x));
  out["sparseness.lifetime_change"] = at::nanmean(lifetime);
  out["sparseness.lifetime_histogram"] = histogram_of(lifetime);
  out["sparseness.population_change"] = at::nanmean(change_index(vinje_gallant(pre), vinje_gallant(x)).flatten(1), 1);

  const auto m_pre = pre.mean(1), m = x.mean(1);  // [N, I, C]
  const auto towards_clean = m_pre.slice(0, 0, m_pre.size(0) - 1) - m_pre.slice(0, 1);
  const auto by_training = m.slice(0, 1) - m_pre.slice(0, 1);
  const auto cosines = (towards_clean * by_training).sum(-1) / (length(towards_clean) * length(by_training));
  out["expansion.angle"] = cosines.clamp(-1, 1).acos().mean(-1) * (180 / std::numbers::pi);
  return out;
}

}  // namespace palimpsest

#include "sweeps/familiarity_metrics.h"

#include <cmath>

#include <ATen/ATen.h>

namespace palimpsest {
namespace {

// Means over trailing dimensions go through one flat last dimension: one order of summation, whatever leads.
at::Tensor mean_of_last(const at::Tensor& x, int dimensions) {
  return x.flatten(-dimensions, -1).contiguous().mean(-1);
}
at::Tensor sum_of_last(const at::Tensor& x, int dimensions) { return x.flatten(-dimensions, -1).contiguous().sum(-1); }

// [R, Q, L, N] -> [R, L, N, Q]
at::Tensor read_out_last(const at::Tensor& x) { return x.movedim(1, -1).contiguous(); }

at::Tensor unit_length(const at::Tensor& x) { return x / x.square().sum(-1, true).sqrt().clamp_min(1e-12); }

// a [..., A, C], b [..., B, C] -> [..., A, B]
at::Tensor cosines(const at::Tensor& a, const at::Tensor& b) {
  return at::matmul(unit_length(a), unit_length(b).transpose(-2, -1));
}

// Squared distances between the rows of a [..., A, C] and b [..., B, C]: [..., A, B].
at::Tensor squared_distances(const at::Tensor& a, const at::Tensor& b) {
  const auto square = a.square().sum(-1).unsqueeze(-1) + b.square().sum(-1).unsqueeze(-2);
  return (square - 2 * at::matmul(a, b.transpose(-2, -1))).clamp_min(0);
}

}  // namespace

at::Tensor by_level(const at::Tensor& v, std::int64_t levels, std::int64_t patterns) {
  const auto R = v.size(0), Q = v.size(1), L = v.size(2), I = v.size(4), C = v.size(5);
  const auto clean = v.slice(3, 0, 1).unsqueeze(4).expand({R, Q, L, 1, patterns, I, C});
  return at::cat({clean, v.slice(3, 1).reshape({R, Q, L, levels - 1, patterns, I, C})}, 3);
}

MetricValues alignment(const at::Tensor& x, const at::Tensor& centre) {
  const auto L = x.size(2), P = x.size(4), I = x.size(5);
  const auto top = x.select(2, L - 1).select(2, 0).select(2, 0);  // [R, Q, I, C]
  const auto beside = [&](const at::Tensor& t) {
    return t.unsqueeze(2).unsqueeze(2).unsqueeze(2);
  };                                            // over layers, levels and patterns
  const auto cosine = cosines(x, beside(top));  // [R, Q, L, N, P, I, I]
  const auto own = cosine.diagonal(0, -2, -1);
  const auto same = mean_of_last(own, 2);
  const auto other = (sum_of_last(cosine, 3) - sum_of_last(own, 2)) / static_cast<double>(P * I * (I - 1));

  const auto noisy_centre = centre.defined() ? centre.unsqueeze(3).unsqueeze(3).unsqueeze(3) : x.mean(5, true);
  const auto top_centre = centre.defined() ? centre.select(2, L - 1).unsqueeze(2) : top.mean(2, true);
  const auto centred = (unit_length(x - noisy_centre) * beside(unit_length(top - top_centre))).sum(-1);

  const auto sorted = [](const at::Tensor& t) {
    const auto descending = std::get<0>(t.sort(-1, true));
    return unit_length(descending - descending.mean(-1, true));
  };
  const auto pearson = (sorted(x) * beside(sorted(top))).sum(-1);
  return {{"alignment.cosine", read_out_last(same)},
          {"alignment.other", read_out_last(other)},
          {"alignment.specificity", read_out_last(same - other)},
          {"alignment.centred", read_out_last(mean_of_last(centred, 2))},
          {"alignment.pearson_sorted", read_out_last(mean_of_last(pearson, 2))}};
}

MetricValues manifold(const at::Tensor& x) {
  const auto R = x.size(0), Q = x.size(1), L = x.size(2), N = x.size(3), P = x.size(4), I = x.size(5), C = x.size(6);
  const auto all = squared_distances(x.reshape({R, Q, L, N, P * I, C}), x.reshape({R, Q, L, N, P * I, C}))
                       .view({R, Q, L, N, P, I, P, I});
  const auto same = all.diagonal(0, 5, 7).movedim(-1, 4).contiguous();  // [R, Q, L, N, I, P, P]
  const auto residual = same.mean(-1).sqrt();                           // [R, Q, L, N, I, P], q includes p itself
  const auto to_all = all.permute({0, 1, 2, 3, 5, 4, 6, 7}).flatten(-2, -1).contiguous().sum(-1);
  const auto signal = ((to_all - same.sum(-1)).clamp_min(0) / static_cast<double>((I - 1) * P)).sqrt();

  const auto by_image = x.transpose(4, 5);  // [R, Q, L, N, I, P, C]
  const auto step =
      squared_distances(by_image.slice(3, 1), by_image.slice(3, 0, N - 1)).mean(-1).sqrt();  // [R, Q, L, N - 1, I, P]
  const auto above = [](const at::Tensor& t) { return t.slice(3, 1); };
  return {{"manifold.level", read_out_last(mean_of_last(step / above(signal), 2))},
          {"manifold.residual", read_out_last(mean_of_last(above(residual) / above(signal), 2))},
          {"manifold.signal", read_out_last(mean_of_last(above(signal), 2))}};
}

MetricValues attention_scope(const at::Tensor& maps) {
  const auto w = maps / maps.sum(-1, true);
  const auto scope = (-(w * w.clamp_min(1e-12).log()).sum(-1)).exp();  // effective number of patches
  const auto area = (w >= 0.5 * w.amax(-1, true)).to(at::kDouble).mean(-1);
  return {{"attention.scope", read_out_last(mean_of_last(scope, 2))},
          {"attention.half_max_area", read_out_last(mean_of_last(area, 2))}};
}

MetricValues sparseness(const at::Tensor& x) {
  const auto t = x.select(3, 0).select(3, 0).abs();  // clean: [R, Q, L, I, C]
  const auto C = static_cast<double>(t.size(-1));
  const auto l1 = t.sum(-1), l2 = t.square().sum(-1).sqrt();
  const auto treves = (1 - (l1 / C).square() / (l2.square() / C)) / (1 - 1 / C);
  const auto hoyer = (std::sqrt(C) - l1 / l2) / (std::sqrt(C) - 1);
  const auto over_images = [](const at::Tensor& v) { return read_out_last(v.mean(-1)); };
  return {{"sparseness.treves_rolls", over_images(treves)},
          {"sparseness.hoyer", over_images(hoyer)},
          {"activity.mean", over_images(l1 / C)},
          {"activity.norm", over_images(l2)}};
}

}  // namespace palimpsest

// Does a layer say of a noisy image what the top layer says of the clean one? (familiarity.md 4.1)

#include "sweeps/familiarity_metric.h"
#include "sweeps/metric_algebra.h"

namespace palimpsest {
namespace {

MetricValues alignment(const Seen& seen) {
  const auto& x = seen.features;
  const auto L = x.size(2), P = x.size(4), I = x.size(5);
  const auto top = x.select(2, L - 1).select(2, 0).select(2, 0);  // [R, Q, I, C]
  const auto beside = [&](const at::Tensor& t) { return t.unsqueeze(2).unsqueeze(2).unsqueeze(2); };  // over layers, levels and patterns
  const auto cosine = cosines(x, beside(top));  // [R, Q, L, N, P, I, I]
  const auto own = cosine.diagonal(0, -2, -1);
  const auto same = mean_of_last(own, 2);
  const auto other = (sum_of_last(cosine, 3) - sum_of_last(own, 2)) / static_cast<double>(P * I * (I - 1));

  const auto& centre = seen.centre;
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

// Linear centred kernel alignment (Kornblith et al. 2019) of each layer with the top one, over the clean images of the set and the reference.
MetricValues cka(const Seen& seen) {
  const auto own = seen.features.select(3, 0).select(3, 0);   // [R, Q, L, I, C]
  const auto x = at::cat({own, seen.reference}, 3);
  const auto centred = x - x.transpose(3, 4).contiguous().mean(-1).unsqueeze(3);
  const auto gram = at::matmul(centred, centred.transpose(-2, -1)).flatten(-2, -1);   // [R, Q, L, n n]
  const auto top = gram.slice(2, gram.size(2) - 1);
  return {{"alignment.cka", read_out_last((unit_length(gram) * unit_length(top)).sum(-1))}};
}

}  // namespace

extern const FamiliarityMetric kAlignment, kCka;
const FamiliarityMetric kAlignment = {
    .values = {{"alignment.cosine", kByNoise, "", "cosine of a layer's noisy response with the clean top-layer response to the same image"},
               {"alignment.other", kByNoise, "", "the same with the clean top-layer responses to the other images"},
               {"alignment.specificity", kByNoise, "", "alignment.cosine - alignment.other"},
               {"alignment.centred", kByNoise, "", "cosine after taking the mean response to reference images off both sides"},
               {"alignment.pearson_sorted", kByNoise, "", "correlation of sorted responses: compares only the shape of the distributions; kept for comparison"}},
    .needs = {},
    .measure = alignment};
const FamiliarityMetric kCka = {
    .values = {{"alignment.cka", kByLayer, "", "linear centred kernel alignment of a layer with the top one, over clean and reference images"}},
    .needs = {.reference = true},
    .measure = cka};

}  // namespace palimpsest

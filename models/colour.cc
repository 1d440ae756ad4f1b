#include "models/colour.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>

namespace palimpsest {
namespace {

enum Draw : std::uint64_t { kJitter, kBrightness, kContrast, kSaturation, kHue, kGrey, kBlur, kBlurSd };

constexpr double kSmallestBlur = 0.1, kLargestBlur = 2.0;
constexpr double kBlurredShare = 0.05;  // of the side: how far the blur reaches on each side of a pixel

at::Tensor per_image(const at::Tensor& values) { return values.view({-1, 1, 1, 1}); }

at::Tensor grey_of(const at::Tensor& images) {  // [B, 1, S, S], by the luma of ITU-R BT.601
  const auto weights = at::tensor({0.299f, 0.587f, 0.114f}, images.options()).view({1, 3, 1, 1});
  return (images * weights).sum(1, /*keepdim=*/true);
}

at::Tensor numbers(const std::vector<RandomStream>& streams, const at::Tensor& like,
                   const std::function<double(const RandomStream&)>& draw) {
  std::vector<float> values;
  for (const RandomStream& stream : streams) values.push_back(static_cast<float>(draw(stream)));
  return at::tensor(values).to(like.options());
}

std::vector<std::int64_t> chosen(const std::vector<RandomStream>& streams, Draw draw, double share) {
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < std::ssize(streams); ++i)
    if (streams[static_cast<std::size_t>(i)].uniform(draw) < share) places.push_back(i);
  return places;
}

at::Tensor jitter(const at::Tensor& images, const std::vector<RandomStream>& streams, const ColourChange& change) {
  const auto within = [&](Draw draw, double range) {  // in [-range, range]; 0 for images that stay as they are
    return numbers(streams, images, [&](const RandomStream& s) {
      return s.uniform(kJitter) < change.jitter_share ? range * (2 * s.uniform(draw) - 1) : 0.0;
    });
  };
  auto out = brighten(images, 1 + within(kBrightness, change.brightness));
  out = change_contrast(out, 1 + within(kContrast, change.contrast));
  out = saturate(out, 1 + within(kSaturation, change.saturation));
  return turn_hue(out, within(kHue, change.hue));
}

}  // namespace

at::Tensor brighten(const at::Tensor& images, const at::Tensor& factors) {
  return (images * per_image(factors)).clamp(0, 1);
}

at::Tensor change_contrast(const at::Tensor& images, const at::Tensor& factors) {
  const auto mean = grey_of(images).mean({1, 2, 3}, /*keepdim=*/true);
  return (mean + (images - mean) * per_image(factors)).clamp(0, 1);
}

at::Tensor saturate(const at::Tensor& images, const at::Tensor& factors) {
  const auto grey = grey_of(images);
  return (grey + (images - grey) * per_image(factors)).clamp(0, 1);
}

// To hue, saturation and value and back; the colour circle has six corners.
at::Tensor turn_hue(const at::Tensor& images, const at::Tensor& turns) {
  const auto value = images.amax(1), range = value - images.amin(1);  // [B, S, S]
  const auto distance = [&](int channel) {
    return (value - images.select(1, channel)) / at::where(range > 0, range, at::ones_like(range));
  };
  const auto red = distance(0), green = distance(1), blue = distance(2);  // from the largest channel, in ranges
  const auto corner = at::where(red == 0, blue - green, at::where(green == 0, 2 + red - blue, 4 + green - red));
  const auto turned = corner + 6 * turns.view({-1, 1, 1});
  const auto channel = [&](double offset) {  // how far this channel lies below the largest one, in ranges
    const auto place = (turned + offset).remainder(6);
    return value - range * at::minimum(place, 4 - place).clamp(0, 1);
  };
  return at::stack({channel(5), channel(3), channel(1)}, 1);
}

at::Tensor blur(const at::Tensor& images, const at::Tensor& sd) {
  const std::int64_t B = images.size(0), S = images.size(2);
  const auto reach =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(kBlurredShare * static_cast<double>(S) + 0.5), 1, S - 1);
  const auto offsets = at::arange(-reach, reach + 1, images.options()).view({1, -1});
  auto kernels = (-(offsets / sd.view({-1, 1})).square() / 2).exp();
  kernels = (kernels / kernels.sum(1, true))
                .repeat_interleave(3, 0);  // [3 B, 2 reach + 1], one for each channel of each image
  const auto planes = at::reflection_pad2d(images.reshape({1, 3 * B, S, images.size(3)}), {reach, reach, reach, reach});
  const std::int64_t none[] = {0, 0}, each[] = {1, 1};
  const auto along = [&](const at::Tensor& x, const at::Tensor& weights) {
    return at::conv2d(x, weights, {}, each, none, each, 3 * B);
  };
  return along(along(planes, kernels.view({3 * B, 1, 1, -1})), kernels.view({3 * B, 1, -1, 1})).view(images.sizes());
}

at::Tensor change_colours(const at::Tensor& images, const std::vector<RandomStream>& streams,
                          const ColourChange& change) {
  auto out = jitter(images, streams, change);
  if (const auto grey = chosen(streams, kGrey, change.grey_share); !grey.empty()) {
    const auto places = at::tensor(grey, at::kLong).to(images.device());
    out = out.index_copy(0, places, grey_of(out.index_select(0, places)).expand({-1, 3, -1, -1}));
  }
  if (const auto blurred = chosen(streams, kBlur, change.blur_share); !blurred.empty()) {
    const auto places = at::tensor(blurred, at::kLong).to(images.device());
    const auto sd = numbers(streams, images, [](const RandomStream& s) {
      return kSmallestBlur + (kLargestBlur - kSmallestBlur) * s.uniform(kBlurSd);
    });
    out = out.index_copy(0, places, blur(out.index_select(0, places), sd.index_select(0, places)));
  }
  return out;
}

}  // namespace palimpsest

#include "sweeps/image_noise.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "runtime/named.h"

namespace palimpsest {
namespace {

using Complex = std::complex<double>;

// SD = level x the whole range, each channel by itself.
std::vector<Pixels> gaussian(const Pixels& clean, const std::vector<double>& levels, const RandomStream& stream) {
  std::vector<Pixels> out(levels.size(), clean);
  for (std::size_t place = 0; place < clean.values.size(); ++place) {
    const double z = stream.normal(place);
    for (std::size_t i = 0; i < levels.size(); ++i) out[i].values[place] = clean.values[place] + clean.white * levels[i] * z;
  }
  return out;
}

// A grey square over `level` of the area, around one centre.
std::vector<Pixels> occlusion(const Pixels& clean, const std::vector<double>& levels, const RandomStream& stream) {
  std::vector<Pixels> out(levels.size(), clean);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const auto side = static_cast<int>(std::lround(std::sqrt(levels[i] * clean.width * clean.height)));
    const auto begin = [&](std::uint64_t draw, int length) {
      const int free = std::max(0, length - side);
      return static_cast<int>(std::lround(stream.uniform(draw) * free));
    };
    const int left = begin(0, clean.width), top = begin(1, clean.height);
    for (int y = top; y < std::min(top + side, clean.height); ++y)
      for (int x = left; x < std::min(left + side, clean.width); ++x)
        for (int c = 0; c < clean.channels; ++c) out[i].values[clean.place(x, y, c)] = clean.white * 128 / 255;
  }
  return out;
}

// Gaussian, SD = level x an eighth of the width; the border is repeated. There is nothing random in it.
std::vector<Pixels> blur(const Pixels& clean, const std::vector<double>& levels, const RandomStream&) {
  std::vector<Pixels> out;
  for (const double level : levels) {
    const double sd = std::max(1e-3, level * clean.width / 8);
    const int reach = static_cast<int>(std::ceil(3 * sd));
    std::vector<double> kernel(static_cast<std::size_t>(2 * reach + 1));
    double sum = 0;
    for (int k = -reach; k <= reach; ++k) sum += kernel[static_cast<std::size_t>(k + reach)] = std::exp(-0.5 * k * k / (sd * sd));
    std::vector<double> across(clean.values.size());
    Pixels blurred = clean;
    const auto pass = [&](auto read, auto write) {
      for (int y = 0; y < clean.height; ++y)
        for (int x = 0; x < clean.width; ++x)
          for (int c = 0; c < clean.channels; ++c) {
            double total = 0;
            for (int k = -reach; k <= reach; ++k) total += kernel[static_cast<std::size_t>(k + reach)] * read(x, y, c, k);
            write(clean.place(x, y, c), total / sum);
          }
    };
    pass([&](int x, int y, int c, int k) { return clean.values[clean.place(std::clamp(x + k, 0, clean.width - 1), y, c)]; },
         [&](std::size_t place, double value) { across[place] = value; });
    pass([&](int x, int y, int c, int k) { return across[clean.place(x, std::clamp(y + k, 0, clean.height - 1), c)]; },
         [&](std::size_t place, double value) { blurred.values[place] = value; });
    out.push_back(std::move(blurred));
  }
  return out;
}

// Discrete Fourier transform over both axes, one after the other; sign -1 forward, 1 back (not divided).
std::vector<Complex> transformed(std::vector<Complex> grid, int width, int height, int sign) {
  const auto waves = [&](int n) {
    std::vector<Complex> out(static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) out[static_cast<std::size_t>(i)] = std::polar(1.0, sign * 2 * std::numbers::pi * i / n);
    return out;
  };
  const auto along = [&](int count, int length, int step, int stride, const std::vector<Complex>& wave) {
    std::vector<Complex> line(static_cast<std::size_t>(length));
    for (int l = 0; l < count; ++l) {
      Complex* first = grid.data() + std::ptrdiff_t{l} * step;
      for (int k = 0; k < length; ++k) {
        Complex sum = 0;
        for (int i = 0; i < length; ++i) sum += first[std::ptrdiff_t{i} * stride] * wave[static_cast<std::size_t>(std::int64_t{i} * k % length)];
        line[static_cast<std::size_t>(k)] = sum;
      }
      for (int k = 0; k < length; ++k) first[std::ptrdiff_t{k} * stride] = line[static_cast<std::size_t>(k)];
    }
  };
  along(height, width, width, 1, waves(width));
  along(width, height, 1, width, waves(height));
  return grid;
}

// Each phase is turned by level x the phase of white noise, all channels alike: the amplitudes stay (before clipping).
std::vector<Pixels> phase_scramble(const Pixels& clean, const std::vector<double>& levels, const RandomStream& stream) {
  const auto n = static_cast<std::size_t>(clean.width) * static_cast<std::size_t>(clean.height);
  std::vector<Complex> noise(n);
  for (std::size_t i = 0; i < n; ++i) noise[i] = stream.normal(i);
  noise = transformed(std::move(noise), clean.width, clean.height, -1);
  std::vector<Pixels> out(levels.size(), clean);
  const auto channels = static_cast<std::size_t>(clean.channels);
  for (std::size_t c = 0; c < channels; ++c) {
    std::vector<Complex> channel(n);
    for (std::size_t i = 0; i < n; ++i) channel[i] = clean.values[channels * i + c];
    channel = transformed(std::move(channel), clean.width, clean.height, -1);
    for (std::size_t level = 0; level < levels.size(); ++level) {
      auto turned = channel;
      for (std::size_t i = 1; i < n; ++i) turned[i] *= std::polar(1.0, levels[level] * std::arg(noise[i]));   // the mean stays
      turned = transformed(std::move(turned), clean.width, clean.height, 1);
      for (std::size_t i = 0; i < n; ++i) out[level].values[channels * i + c] = turned[i].real() / static_cast<double>(n);
    }
  }
  return out;
}

constexpr NoiseKind kGaussian = {"gaussian", "added to each channel, SD `level` of the range", gaussian};
constexpr NoiseKind kOcclusion = {"occlusion", "a grey square over `level` of the area", occlusion};
constexpr NoiseKind kBlur = {"blur", "Gaussian, SD `level` x an eighth of the width", blur};
constexpr NoiseKind kPhaseScramble = {"phase-scramble", "phases of the Fourier transform turned by `level` x random ones", phase_scramble};

}  // namespace

extern const NoiseKind kSaltAndPepper, kUniform, kRotation, kCrop;

const std::vector<const NoiseKind*>& noise_kinds() {
  static const std::vector<const NoiseKind*> list = {&kSaltAndPepper, &kUniform,  &kGaussian, &kOcclusion,
                                                    &kBlur,          &kPhaseScramble, &kRotation, &kCrop};
  return list;
}

const NoiseKind& find_noise_kind(const std::string& name) { return find_named(noise_kinds(), name, "kind of noise"); }

std::string noises_meaning() { return meanings("what spoils images", noise_kinds()); }

std::vector<Image> NoiseKind::apply(const Image& clean, const std::vector<double>& levels, const RandomStream& stream) const {
  std::vector<Image> out;
  for (const auto& spoilt : spoil({.width = clean.width, .height = clean.height, .values = {clean.rgb.begin(), clean.rgb.end()}}, levels, stream)) {
    out.push_back({clean.width, clean.height, {}});
    for (const double value : spoilt.values) out.back().rgb.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0))));
  }
  return out;
}

}  // namespace palimpsest

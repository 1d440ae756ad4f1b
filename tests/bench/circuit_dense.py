"""The circuit as its equations stand: dense matrices in PyTorch, one run at a time. Prints the seconds of CPU of one run.

  circuit_dense.py IMAGES --side 26 --orientations 4 --frequencies 0.8 1.2 --count 4 --patterns 4 --epochs 3 --half-ms 150 --test-ms 500
"""

import argparse
import math
import time
from pathlib import Path

import numpy
import torch
from PIL import Image

LEVELS = [0.1, 0.3, 0.5]


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("images")
    for name, value in [("side", 26), ("orientations", 4), ("count", 4), ("patterns", 4), ("epochs", 3), ("half-ms", 150), ("test-ms", 500)]:
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--frequencies", type=float, nargs="+", default=[0.8, 1.2])
    return parser.parse_args()


def grey(file, side):
    image = Image.open(file).convert("RGB")
    edge = min(image.size)
    left, top = ((length - edge) // 2 for length in image.size)
    image = image.crop((left, top, left + edge, top + edge)).resize((side, side), Image.BICUBIC)
    values = numpy.asarray(image, float).mean(2) / 255
    return numpy.clip(values.mean() + (values - values.mean()) * max(1, 0.2 / values.std()), 0, 1)


def noisy(image, level, pattern):
    out = image.copy().ravel()
    order = numpy.random.default_rng(pattern).permutation(out.size)[: int(level * out.size)]
    out[order[: len(order) // 2]], out[order[len(order) // 2 :]] = 1, 0
    return out.reshape(image.shape)


def bank(orientations, frequencies):
    y, x = numpy.meshgrid(numpy.arange(9) - 4.0, numpy.arange(9) - 4.0, indexing="ij")
    filters = []
    for orientation in range(orientations):
        angle = math.pi * orientation / orientations
        along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        for omega in frequencies:
            for phase in (0, -math.pi / 2):
                g = numpy.exp(-(4 * along**2 + across**2) / 18) * numpy.cos(omega * along + phase)
                g -= g.mean()
                filters.append(g / numpy.linalg.norm(g))
    return torch.tensor(numpy.array(filters), dtype=torch.float32)


def drives(images, filters, patterns):
    shown = [v for image in images for v in [image] + [noisy(image, level, p) for level in LEVELS for p in range(patterns)]]
    pixels = torch.tensor(numpy.array(shown), dtype=torch.float32)[:, None]
    return torch.nn.functional.conv2d(pixels, filters[:, None], stride=3).abs().permute(0, 2, 3, 1).flatten(1)


class Circuit:
    def __init__(self, grid, features):
        self.n = grid * grid * features
        row, column, feature = (a.flatten() for a in torch.meshgrid(*(torch.arange(s) for s in (grid, grid, features)), indexing="ij"))
        away = torch.maximum((row[:, None] - row).abs(), (column[:, None] - column).abs())
        self.mask = (away <= 2).float()
        self.to_inhibition = ((away == 0) | ((away <= 2) & (feature[:, None] == feature))).float() * (30 / (8 + features))
        self.from_inhibition = torch.full((self.n, self.n), 1 / self.n)
        self.bound = 25 / (25 * features)
        self.weights = self.mask / self.mask.sum(1, keepdim=True) * 5
        self.theta = torch.full((self.n,), 1e-6)

    def step(self, u, v, drive):
        r, s = u.clamp(min=0) ** 2, v.clamp(min=0) ** 2
        u = (u + (-u + self.weights @ r - self.from_inhibition @ s + drive) / 20).clamp(min=0)
        v = (v + (-v + self.to_inhibition @ r) / 10).clamp(min=0)
        return u, v, r

    def learn(self, r, eta):
        post = r * (r - self.theta) / self.theta
        self.weights += eta / 2e9 * torch.outer(post, r) * self.mask
        self.weights.clamp_(0, self.bound)
        self.theta += (r**2 - self.theta) / 1e7

    def test(self, drive, steps):
        u, v = torch.zeros_like(drive.t()), torch.zeros_like(drive.t())
        samples = []
        for step in range(1, steps + 1):
            u, v, _ = self.step(u, v, drive.t())
            if step % 10 == 0:
                samples.append(u**2)
        return torch.stack(samples)

    def train(self, drive, pairs, steps):
        for number, (noise, clean) in enumerate(pairs):
            self.weights *= 5 / self.weights.sum(1, keepdim=True)
            eta = 0.1 ** (number / len(pairs))
            u, v = torch.zeros(self.n), torch.zeros(self.n)
            for stimulus in (noise, clean):
                for _ in range(steps):
                    u, v, r = self.step(u, v, 30 * drive[stimulus])
                    self.learn(r, eta)


def main():
    torch.set_num_threads(1)
    given = arguments()
    files = sorted(Path(given.images).iterdir())
    filters = bank(given.orientations, given.frequencies)
    start = time.process_time()
    sets = [[grey(f, given.side) for f in files[i * given.count : (i + 1) * given.count]] for i in range(3)]
    familiar, novel, reference = (drives(images, filters, given.patterns) for images in sets)
    variants = 1 + len(LEVELS) * given.patterns
    pairs = [(i, i // variants * variants) for i in range(len(familiar))]
    circuit = Circuit((given.side - 9) // 3 + 1, len(filters))
    circuit.theta = (circuit.test(reference, given.test_ms) ** 2).mean((0, 2)).clamp(min=1e-6)
    rates = []
    for epoch in range(given.epochs + 1):
        if epoch:
            circuit.train(familiar, pairs, given.half_ms)
        rates.append([circuit.test(drive, given.test_ms)[-2:].mean().item() for drive in (familiar, novel)])
    print("SECONDS_PER_RUN", time.process_time() - start, "rates", rates[0], rates[-1])


with torch.inference_mode():
    main()

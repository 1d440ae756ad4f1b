"""The circuit does what dense matrices in float64 do, written down from its equations."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy
from safetensors.numpy import load_file

RULES = ["bcm", "hebb", "oja", "anti-hebb", "linear"]


class Dense:
    """u_e += (-u_e + W r_e - mean r_i + I) / 20 and so on, every matrix written out; neurons [row, column, feature]."""

    def __init__(self, rows, columns, features, radius, inhibitory_radius, exponent):
        self.exponent, self.n = exponent, rows * columns * features
        row, column, feature = (a.ravel() for a in numpy.meshgrid(range(rows), range(columns), range(features), indexing="ij"))
        away = numpy.maximum(abs(row[:, None] - row), abs(column[:, None] - column))
        self.mask = away <= radius
        self.bound = 25 / ((2 * radius + 1) ** 2 * features)
        self.to_inhibition = ((away == 0) | ((away <= inhibitory_radius) & (feature[:, None] == feature))) * 30 / (9 + features - 1)
        self.weights = self.mask / self.mask.sum(1, keepdims=True) * 5.0
        self.theta = numpy.full(self.n, 0.02)

    def rate(self, u):
        return numpy.maximum(u, 0) ** self.exponent

    def begin(self):
        self.weights *= 5.0 / self.weights.sum(1, keepdims=True)
        self.u = self.v = numpy.zeros(self.n)

    def step(self, drive, rule=None, eta=1.0, tau_w=1e6, tau_theta=1e5):
        r, s = self.rate(self.u), self.rate(self.v)
        self.u, self.v = (
            numpy.maximum(0, self.u + (-self.u + self.weights @ r - s.mean() + drive) / 20),
            numpy.maximum(0, self.v + (-self.v + self.to_inhibition @ r) / 10),
        )
        if rule is None:
            return
        post = {"bcm": r * (r - self.theta) / self.theta, "hebb": r, "oja": r, "anti-hebb": -r}[rule]
        change = numpy.outer(post, r)
        if rule == "oja":
            change = change - (r**2)[:, None] * self.weights
        self.weights = numpy.clip(self.weights + self.mask * change * eta / tau_w, 0, self.bound)
        self.theta = self.theta + (r**2 - self.theta) / tau_theta

    def steady(self, drives, steps=100, sample=10):
        out = []
        for drive in drives:
            self.u = self.v = numpy.zeros(self.n)
            last = []
            for step in range(1, steps + 1):
                self.step(drive)
                if step % sample == 0:
                    last.append(self.rate(self.u))
            out.append((last[-1] + last[-2]) / 2)
        return numpy.array(out)


def far(ours, theirs):
    """The largest difference, over the largest value."""
    return abs(ours - theirs).max() / abs(theirs).max()


class CircuitBesideDenseMatrices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trace.safetensors"
            subprocess.run([os.environ["PALIMPSEST_CIRCUIT_TRACE"], file], check=True)
            cls.ours = load_file(file)

    def test_each_rule_takes_the_same_course(self):
        for name in RULES:
            with self.subTest(name):
                self.compare(name)

    def compare(self, name):
        linear = name == "linear"
        dense = Dense(5, 6, 5 if linear else 8, 1 if linear else 2, 1 if linear else 2, 1 if linear else 2)
        rule, tau_w = ("hebb" if linear else name), (1e6 if name == "bcm" else 1e5)
        ours = {key.removeprefix(name + "."): value for key, value in self.ours.items() if key.startswith(name + ".")}
        drives = ours["drives"].astype(float)
        self.assertLess(far(ours["weights.first"], dense.weights), 1e-6)
        self.assertLess(far(ours["steady.before"], dense.steady(drives)), 1e-5)
        dense.begin()
        for _ in range(6):
            dense.step(10 * drives[0], rule, 1.0, tau_w)
        self.assertLess(far(ours["rates.few"], dense.rate(dense.u)), 1e-5)
        self.assertLess(far(ours["weights.few"], dense.weights), 1e-5)
        moved = abs(dense.weights - ours["weights.first"]).max() / dense.weights.max()
        for stimulus, drive in enumerate(drives):
            dense.begin()
            for _ in range(200):
                dense.step(10 * drive, rule, 1 - 0.02 * stimulus, tau_w)
        changed = abs(dense.weights - ours["weights.first"]).max() / dense.weights.max()
        print(f"{name}: weights moved by {moved:.3g} and {changed:.3g}; apart by {far(ours['weights.course'], dense.weights):.2g},"
              f" theta by {far(ours['theta.course'], dense.theta):.2g}")
        self.assertGreater(changed, 0.01)
        self.assertLess(far(ours["weights.course"], dense.weights), 1e-3)
        self.assertLess(far(ours["theta.course"], dense.theta), 1e-3)
        self.assertLess(far(ours["steady.after"], dense.steady(drives)), 1e-3)


if __name__ == "__main__":
    unittest.main()

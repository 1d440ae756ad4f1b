"""Accuracies by k nearest neighbours and by linear probe are those that numpy and scipy find from the features that the program writes."""

import csv
import json
import math
import tempfile
import unittest
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file
from scipy.optimize import minimize
from scipy.special import logsumexp

import clip
from program import palimpsest

CLASSES = ["noise", "ramps", "spots"]
K, PENALTY = 5, 1e-2


def save_classes(folder, seed):
    """Three kinds of picture that overlap; {part: [labels]} in the order of the files' names."""
    random = np.random.default_rng(seed)
    labels = {}
    for part, count in [("test", 12), ("train", 30)]:
        labels[part] = []
        for label, name in enumerate(CLASSES):
            home = folder / part / name
            home.mkdir(parents=True)
            for number in range(count):
                base = random.normal(128, 60, (32, 32, 3))
                along = np.linspace(-40, 40, 32)
                if name == "ramps":
                    base += along[:, None, None]
                if name == "spots":
                    base += 50 * np.sin(along / 3)[None, :, None]
                Image.fromarray(np.clip(base, 0, 255).astype(np.uint8)).save(home / f"{number:03}.png")
                labels[part].append(label)
    return {part: np.array(of) for part, of in labels.items()}


def neighbours(train, labels, test):
    train, test = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (train, test))
    similarity = test @ train.T
    said = []
    for row in similarity:
        votes = np.zeros(len(CLASSES))
        for i in np.argsort(-row, kind="stable")[:K]:
            votes[labels[i]] += math.exp(row[i] / 0.07)
        said.append(votes.argmax())
    return np.array(said)


def probe(train, labels, test):
    mean, sd = train.mean(0), train.std(0)
    sd[sd < 1e-12] = 1
    x, asked = (train - mean) / sd, (test - mean) / sd
    n, width = x.shape
    hot = np.eye(len(CLASSES))[labels]

    def loss(flat):
        weight, bias = flat[:-len(CLASSES)].reshape(len(CLASSES), width), flat[-len(CLASSES):]
        logits = x @ weight.T + bias
        log_p = logits - logsumexp(logits, axis=1, keepdims=True)
        error = (np.exp(log_p) - hot) / n
        return -(log_p * hot).sum() / n + PENALTY / 2 * (weight**2).sum(), np.concatenate([(error.T @ x + PENALTY * weight).ravel(), error.sum(0)])

    found = minimize(loss, np.zeros(len(CLASSES) * (width + 1)), jac=True, method="L-BFGS-B", options={"maxiter": 20000, "maxfun": 40000, "gtol": 1e-9, "ftol": 1e-16})
    weight, bias = found.x[:-len(CLASSES)].reshape(len(CLASSES), width), found.x[-len(CLASSES):]
    return (asked @ weight.T + bias).argmax(1)


def wilson(p, n, z=1.959963984540054):
    middle, half = (p + z * z / (2 * n)) / (1 + z * z / n), z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return middle - half, middle + half


class Evaluate(unittest.TestCase):
    def test_equals_numpy_and_scipy_at_every_layer(self):
        with tempfile.TemporaryDirectory() as holder:
            folder = Path(holder)
            labels = save_classes(folder / "labelled", seed=1)
            clip.random_model(51, width=32, depth=2, heads=2, mlp=64, patch=8, side=32).save_pretrained(folder / "model")
            palimpsest("weights", "import", folder / "model", "--out", folder / "slow.safetensors")
            said = json.loads(palimpsest("evaluate", folder / "slow.safetensors", "--images", folder / "labelled", "--k", K, "--penalty", PENALTY, "--json", "--out",
                                         folder / "table.csv"))
            features = {}
            for part in labels:
                palimpsest("features", folder / "slow.safetensors", "--images", folder / "labelled" / part, "--out", folder / f"{part}.safetensors")
                features[part] = load_file(folder / f"{part}.safetensors")
            self.assertEqual((said["images"], said["held_out"], said["classes"]), (126, 36, 3))
            compared = 0
            for row in said["accuracies"]:
                if row["layer"] not in features["train"]:
                    continue
                read = (lambda x: x[:, 0]) if row["readout"] == "cls" else (lambda x: x[:, 1:].mean(1))
                train, test = (read(features[part][row["layer"]].astype(np.float64)) for part in ("train", "test"))
                if row["layer"] == "embedding" and row["readout"] == "cls":
                    continue  # the same for every image: nothing but rounding to read
                near = (neighbours(train, labels["train"], test) == labels["test"]).mean()
                linear = (probe(train, labels["train"], test) == labels["test"]).mean()
                with self.subTest(layer=row["layer"], readout=row["readout"]):
                    self.assertTrue(row["converged"])
                    self.assertAlmostEqual(row["neighbours"]["value"], near, places=9)
                    self.assertAlmostEqual(row["probe"]["value"], linear, places=9)
                    low, high = wilson(near, 36)
                    self.assertAlmostEqual(row["neighbours"]["low"], max(0, low), places=9)
                    self.assertAlmostEqual(row["neighbours"]["high"], min(1, high), places=9)
                compared += 1
            self.assertEqual(compared, 5)
            self.assertGreater(max(row["probe"]["value"] for row in said["accuracies"]), 0.6)  # there is something to be found
            with open(folder / "table.csv", newline="") as file:
                table = {(row["layer"], row["readout"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}
            for row in said["accuracies"]:
                self.assertAlmostEqual(table[row["layer"], row["readout"], "probe"], row["probe"]["value"], places=8)


if __name__ == "__main__":
    unittest.main()

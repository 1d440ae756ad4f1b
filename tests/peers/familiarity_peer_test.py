"""The familiarity study gives the rows of a script with transformers, peft and torch that starts from the same bits."""

import csv
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import clip
from program import palimpsest, skip

EPOCHS = 10
STEPS = 100  # of the loss curve
DEFINITION = """
study = "familiarity"
name = "peer"
[start]
file = "start.safetensors"
[slow]
heads = 4
[training]
epochs = {epochs}
[decoder]
dropout = 0.0
[fast]
qkv = "{qkv}"
[alignment]
centre = "set"
[manifold]
unbiased = false
[sweep]
image_sets = 1
seeds = 1
"""
ONLY_THEIRS = {"probe.accuracy", "probe.confidence"}  # probes begin with other random numbers

JUMPS = "attention.half_max_area"  # counts patches above a threshold: compared before training alone


def peer_script():
    folder = os.environ.get("PALIMPSEST_PEERS")
    script = Path(folder or "") / "familiarity_hf.py"
    if not folder or not script.exists():
        skip("PALIMPSEST_PEERS names no folder with familiarity_hf.py")
    return script


def rows_of(table):
    with open(table, newline="") as file:
        return list(csv.DictReader(file))


def their_rows(folder, qkv, epochs=EPOCHS):
    """{(metric, set, noise or None, epoch, layer): value}; writes start.safetensors."""
    subprocess.run(
        [sys.executable, PEER, "--size", "micro", "--runs", "1", "--epochs", str(epochs), "--qkv", qkv, "--dropout", "0", "--images",
         folder / "photographs", "--dump", folder / "start.safetensors", "--out", folder / "theirs.csv"], check=True, capture_output=True)
    rows = {}
    for row in rows_of(folder / "theirs.csv"):
        metric, noise = row["metric"], None
        if metric.startswith("manifold."):
            kind, noise = metric.split(".", 2)[1:]  # "manifold.level.0.1"
            metric = f"manifold.{kind}"
        elif metric.startswith(("alignment.", "attention.")):
            noise = "0.3"
        rows[metric, row["set"], noise, int(row["epoch"]), int(row["layer"])] = float(row["value"])
    return rows


def our_rows(folder, qkv, epochs=EPOCHS, more=""):
    """The same keys, of the class token; the loss has layer -1 there."""
    (folder / "peer.toml").write_text(DEFINITION.format(epochs=epochs, qkv=qkv) + more)
    palimpsest("sweep", folder / "peer.toml", "--out", folder / "results")
    palimpsest("export", folder / "results", "--out", folder / "tables")
    rows = {}
    for table in (folder / "tables").glob("*.csv"):
        for row in rows_of(table):
            if row.get("metric") == "loss":
                rows["loss", "familiar", None, int(row["step"]), -1] = float(row["value"])
            elif row.get("readout") == "cls":
                rows[row["metric"], row.get("images", "familiar"), row.get("noise"), int(row["epoch"]), int(row["layer"])] = float(row["value"])
    return rows


class Familiarity(unittest.TestCase):
    def check(self, qkv):
        with tempfile.TemporaryDirectory() as holder:
            folder = Path(holder)
            (folder / "photographs").mkdir()
            clip.save_photographs(folder / "photographs", seed=9)
            theirs, ours = their_rows(folder, qkv), our_rows(folder, qkv)
        compared = {key: value for key, value in theirs.items() if key[0] not in ONLY_THEIRS and (key[0] != JUMPS or key[3] == 0)}
        self.assertEqual(sum(key[0] == "loss" for key in compared), EPOCHS)
        self.assertEqual({key[0] for key in compared} - {key[0] for key in ours}, set())
        wrong = [f"{key}: {ours[key]}, theirs {value}" for key, value in compared.items() if not abs(ours[key] - value) <= 1e-4]
        self.assertEqual(wrong, [])

    def test_with_adapters_gives_the_rows_of_the_script(self):
        self.check("adapter")

    def test_loss_is_that_of_the_script_over_a_hundred_steps(self):
        with tempfile.TemporaryDirectory() as holder:
            folder = Path(holder)
            (folder / "photographs").mkdir()
            clip.save_photographs(folder / "photographs", seed=11)
            theirs = their_rows(folder, "adapter", STEPS)
            ours = our_rows(folder, "adapter", STEPS, '[evaluation]\nmetrics = ["loss"]\n')
        losses = {key: value for key, value in theirs.items() if key[0] == "loss"}
        self.assertEqual(len(losses), STEPS)
        worst = max(abs(ours[key] - value) for key, value in losses.items())
        print(f"largest difference of the loss over {STEPS} steps: {worst:.1e}")
        self.assertLessEqual(worst, 1e-3)

    def test_with_full_updates_gives_the_rows_of_the_script(self):
        self.check("full")

    def test_with_frozen_queries_keys_and_values_gives_the_rows_of_the_script(self):
        self.check("frozen")


if __name__ == "__main__":
    PEER = peer_script()
    unittest.main()

"""The Python reader gives what `export` gives, from the ledger alone."""

import csv
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
from program import palimpsest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "sweeps" / "python"))
from palimpsest_results import Results  # noqa: E402

DEFINITION = """
study = "planted"
name = "read me"
[planted]
effect = 0.5
[sweep]
image_sets = 3
seeds = 2
[sweep.grid]
"planted.condition" = ["a", "b"]
"""


class Reader(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.holder.name)
        (cls.folder / "sweep.toml").write_text(DEFINITION)
        palimpsest("sweep", cls.folder / "sweep.toml", "--out", cls.folder / "results")
        palimpsest("export", cls.folder / "results", "--out", cls.folder / "tables")
        cls.results = Results(cls.folder / "results")

    @classmethod
    def tearDownClass(cls):
        cls.holder.cleanup()

    def test_gives_every_number_of_the_export(self):
        for metric in self.results.metrics:
            array = self.results.array(metric)
            with open(self.folder / "tables" / f"{metric}.csv", newline="") as file:
                exported = [float(row["value"]) for row in csv.DictReader(file)]
            np.testing.assert_allclose(array.values.ravel(), exported, rtol=1e-6)
            self.assertEqual(array.values.shape, (12, *(len(labels) for labels in array.axes.values())))

    def test_tells_runs_with_what_was_swept(self):
        runs = self.results.runs()
        self.assertEqual(len(runs), 12)
        self.assertEqual({(run["planted.condition"], run["image_set"], run["seed"]) for run in runs},
                         {(c, g, s) for c in "ab" for g in range(3) for s in range(2)})
        self.assertEqual({run["state"] for run in runs}, {"done"})

    def test_counts_runs_that_were_never_handed_out(self):
        self.assertEqual(self.results.never_handed_out, 0)
        with tempfile.TemporaryDirectory() as holder:
            slices = [Path(holder) / part for part in ("first", "second")]
            for number, folder in enumerate(slices, 1):
                palimpsest("sweep", self.folder / "sweep.toml", "--slice", f"{number}/5", "--out", folder)
                with sqlite3.connect(folder / "ledger.sqlite") as ledger:
                    ledger.executescript("DELETE FROM measurements; DELETE FROM attempts; DELETE FROM runs WHERE row > 1")
            self.assertEqual([Results(folder).never_handed_out for folder in slices], [0, 0], "they are in flight for the first time")
            self.assertEqual(Results(*slices).never_handed_out, 0)
            for folder in slices:
                with sqlite3.connect(folder / "ledger.sqlite") as ledger:
                    ledger.executescript("DELETE FROM packs")
            self.assertEqual([Results(folder).never_handed_out for folder in slices], [2, 2])
            self.assertEqual(Results(*slices).never_handed_out, 4)
            self.assertEqual(len(Results(*slices).runs()), 2)

    def test_reads_slices_that_overlap_as_one(self):
        twice = Results(self.folder / "results", self.folder / "results")
        self.assertEqual(len(twice.runs()), 12)

    def test_gives_a_tidy_frame(self):
        frame = self.results.frame("planted.score")
        self.assertLess({"id", "seed", "image_set", "planted.condition", "epoch", "value"}, set(frame.columns))
        with open(self.folder / "tables" / "planted.score.csv", newline="") as file:
            exported = list(csv.DictReader(file))
        self.assertEqual(list(frame["id"]), [row["run"] for row in exported])
        for axis in ("epoch", "value"):
            np.testing.assert_allclose(frame[axis], [float(row[axis]) for row in exported], rtol=1e-6)
        self.assertEqual(list(frame["images"]), [row["images"] for row in exported])

    def test_gives_a_frame_of_runs_that_measured_on_different_axes(self):
        longer = self.folder / "longer"
        (self.folder / "longer.toml").write_text(DEFINITION + '"planted.steps" = [10, 20]\n')
        palimpsest("sweep", self.folder / "longer.toml", "--out", longer)
        results = Results(longer)
        with self.assertRaisesRegex(ValueError, "different axes; use frame"):
            results.array("loss")
        frame = results.frame("loss")
        self.assertEqual(frame.groupby("planted.steps")["value"].count().to_dict(), {10: 120, 20: 240})
        self.assertTrue(frame["id"].is_monotonic_increasing)

    def test_writes_the_frame_as_parquet(self):
        import pandas

        self.results.to_parquet("planted.score", self.folder / "score.parquet")
        pandas.testing.assert_frame_equal(pandas.read_parquet(self.folder / "score.parquet"), self.results.frame("planted.score"))

    def test_is_installed_by_pip(self):
        with tempfile.TemporaryDirectory() as holder:
            copy = Path(holder) / "python"
            shutil.copytree(Path(__file__).resolve().parents[2] / "sweeps" / "python", copy)
            subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", f"{holder}/venv"], check=True)
            subprocess.run([f"{holder}/venv/bin/pip", "install", "-q", "--no-deps", str(copy)], check=True)
            said = subprocess.run([f"{holder}/venv/bin/python", "-c", "import palimpsest_results; print(palimpsest_results.__file__)"],
                                  check=True, capture_output=True, text=True, env={"PYTHONPATH": ":".join(p for p in sys.path if p.endswith("site-packages"))})
            self.assertIn(f"{holder}/venv", said.stdout)

    def test_says_what_is_not_there(self):
        with self.assertRaisesRegex(FileNotFoundError, "no sweep's results"):
            Results(self.folder)
        with self.assertRaisesRegex(KeyError, "planted.score"):
            self.results.array("nothing")

    def test_says_what_cannot_be_read_or_not_together(self):
        other = self.folder / "other"
        palimpsest("sweep", self.folder / "sweep.toml", "--out", other, "--set", "name=other")
        with self.assertRaisesRegex(ValueError, "not slices of one sweep: they differ in their name"):
            Results(self.folder / "results", other)
        with self.assertRaisesRegex(ValueError, "sweep.toml: is no ledger"):
            Results(self.folder / "sweep.toml")


if __name__ == "__main__":
    unittest.main(verbosity=2)

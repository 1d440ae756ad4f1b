"""The Python reader gives what `export` gives, from the ledger alone."""

import csv
import sqlite3
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
        try:
            import pandas  # noqa: F401
        except ImportError:
            self.skipTest("there is no pandas")
        frame = self.results.frame("planted.score")
        self.assertEqual(len(frame), self.results.array("planted.score").values.size)
        self.assertLess({"id", "seed", "image_set", "planted.condition", "epoch", "value"}, set(frame.columns))

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

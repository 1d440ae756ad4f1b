"""A test with a folder of its own, gone with it, and photographs in it."""

import tempfile
import unittest
from pathlib import Path

import clip


class PhotographsCase(unittest.TestCase):
    SEED = 0  # of the photographs

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.photographs = self.folder / "photographs"
        self.photographs.mkdir()
        clip.save_photographs(self.photographs, seed=self.SEED)

"""The event files of pretraining are what the tensorboard package reads: curves, pictures, each step once."""

import csv
import tempfile
import unittest
from io import BytesIO
from pathlib import Path

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from program import palimpsest

DEFINITION = """
model = { width = 16, depth = 1, heads = 2, side = 32, decoder_width = 16, decoder_depth = 1, decoder_heads = 2 }
images = { source = "dead-leaves", total = 24, side = 40 }
validation = { count = 4, every = 10 }
training = { steps = 40, batch = 4, events_every = 5, checkpoint_minutes = 0, checkpoint_steps = 10, keep_checkpoints = 9 }
"""

CURVES = ["gradient norm", "learning rate", "loss/training", "loss/validation", "speed/images per second", "speed/share of the floor",
          "speed/share of time waiting for images"]


def steps(events, tag):
    return [event.step for event in events.Scalars(tag)]


class Events(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        (self.folder / "run.toml").write_text(DEFINITION)

    def train(self):
        palimpsest("pretrain", self.folder / "run.toml", "--out", self.folder / "run")
        events = EventAccumulator(str(self.folder / "run" / "events"), size_guidance={"scalars": 0, "images": 0})
        return events.Reload()

    def losses(self):
        with open(self.folder / "run" / "losses.csv") as file:
            return list(csv.DictReader(file))

    def test_curves_are_those_of_the_loss_file(self):
        events = self.train()
        self.assertEqual(sorted(events.Tags()["scalars"]), CURVES)
        rows = self.losses()
        for event in events.Scalars("loss/training"):
            self.assertAlmostEqual(event.value, float(rows[event.step - 1]["loss"]), places=5)
        for event in events.Scalars("loss/validation"):
            self.assertAlmostEqual(event.value, float(rows[event.step - 1]["validation"]), places=5)
        self.assertEqual(steps(events, "loss/training"), list(range(5, 41, 5)))
        self.assertEqual(steps(events, "loss/validation"), [10, 20, 30, 40])
        for event in events.Scalars("speed/share of the floor") + events.Scalars("speed/share of time waiting for images"):
            self.assertTrue(0 <= event.value <= 1.5, event)

    def test_pictures_are_the_png_files(self):
        events = self.train()
        for event in events.Images("pictures"):
            written = Image.open(self.folder / "run" / "pictures" / f"step-{event.step}.png")
            seen = Image.open(BytesIO(event.encoded_image_string))
            self.assertEqual(seen.size, (event.width, event.height))
            self.assertEqual(seen.tobytes(), written.tobytes())
        self.assertEqual([event.step for event in events.Images("pictures")], [10, 20, 30, 40])

    def test_a_resumed_run_has_each_step_once(self):
        self.train()
        for newer in (self.folder / "run" / "checkpoints").iterdir():
            if "40" in newer.name or "30" in newer.name:
                for file in newer.rglob("*"):
                    file.unlink()
                newer.rmdir()
        (self.folder / "run" / "weights.safetensors").unlink()
        self.train()
        seen = []
        for file in sorted((self.folder / "run" / "events").iterdir()):
            for event in EventFileLoader(str(file)).Load():
                seen += [(event.step, value.tag) for value in event.summary.value]
        self.assertEqual(len(seen), len(set(seen)), "a point is there twice")
        self.assertEqual(sorted(step for step, tag in seen if tag == "loss/training"), list(range(5, 41, 5)))


if __name__ == "__main__":
    unittest.main()

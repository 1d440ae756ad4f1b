"""The network of a run of a sweep, kept or trained again: transformers and peft load it, and it computes what it does here."""

import tempfile
import unittest
from pathlib import Path

from peft import PeftModel
from safetensors.torch import load_file
from transformers import CLIPVisionModel

import clip
from photographs_case import PhotographsCase
from program import palimpsest

SIZE = dict(width=64, depth=2, heads=4, mlp=128, patch=8, side=32)
DEFINITION = """
study = "familiarity"
name = "kept"
keep = "{keep}"
slow.weights = "slow.safetensors"
images = {{ source = "folder", path = "photographs", count = 2 }}
alignment.centre = "set"
alignment.reference = 0
training.epochs = 5
training.learning_rate = 1e-2
noise = {{ side = 32, patterns = 1 }}
evaluation.metrics = ["alignment"]
sweep = {{ image_sets = 2, seeds = 1 }}
{keys}
"""


class KeptNetworks(PhotographsCase):
    SEED = 15

    def setUp(self):
        super().setUp()
        clip.random_model(16, **SIZE).save_pretrained(self.folder / "base")
        palimpsest("weights", "import", self.folder / "base", "--out", self.folder / "slow.safetensors")
        self.results = self.folder / "results"

    def sweep(self, keys="", keep="trained"):
        (self.folder / "sweep.toml").write_text(DEFINITION.format(keys=keys, keep=keep))
        palimpsest("sweep", self.folder / "sweep.toml", "--out", self.results)
        return sorted(file.stem for file in (self.results / keep).glob("*.safetensors"))

    def features(self, run):
        out = self.folder / "features.safetensors"
        palimpsest("features", self.results, "--run", run, "--images", self.photographs, "--out", out)
        return load_file(out)

    def export(self, run, file, *options):
        """The folder that the file lies in, alone."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        palimpsest("weights", "export", self.results, "--run", run, *options, "--out", folder / file)
        return folder

    def loaded(self, run):
        """The run's network as transformers and peft make it of two exported files."""
        model = self.export(run, "model.safetensors", "--family", "clip")
        adapters = self.export(run, "adapter_model.safetensors", "--family", "peft")
        return PeftModel.from_pretrained(CLIPVisionModel.from_pretrained(model), adapters).eval().get_base_model()

    def test_are_what_transformers_and_peft_load(self):
        runs = self.sweep()
        self.assertEqual(len(runs), 2)
        ours = self.features(runs[0])
        clip.assert_equal_layers(ours, clip.layers(self.loaded(runs[0]), self.photographs))
        before = clip.layers(CLIPVisionModel.from_pretrained(self.folder / "base"), self.photographs)
        self.assertGreater((ours["block.1"] - before["block.1"]).abs().max(), 0.1)  # five steps at such a rate tell
        merged = CLIPVisionModel.from_pretrained(self.export(runs[0], "model.safetensors", "--family", "clip", "--merge")).eval()
        clip.assert_equal_layers(ours, clip.layers(merged, self.photographs))

    def test_are_the_same_bytes_when_trained_again(self):
        runs = self.sweep()
        file = self.results / "trained" / f"{runs[1]}.safetensors"
        kept = file.read_bytes()
        file.unlink()
        self.features(runs[1][:8])
        self.assertEqual(file.read_bytes(), kept)

    def test_of_adapters_over_a_frozen_encoder_are_what_transformers_and_peft_load_without_training_again(self):
        run = self.sweep('training.rest = "decoder"', keep="adapters")[0]
        adapters = self.export(run, "adapter_model.safetensors", "--family", "peft")
        ours = self.features(run)
        model = PeftModel.from_pretrained(CLIPVisionModel.from_pretrained(self.folder / "base"), adapters).eval().get_base_model()
        clip.assert_equal_layers(ours, clip.layers(model, self.photographs))
        merged = CLIPVisionModel.from_pretrained(self.export(run, "model.safetensors", "--family", "clip", "--merge")).eval()
        clip.assert_equal_layers(ours, clip.layers(merged, self.photographs))
        self.assertFalse((self.results / "trained").exists())
        self.assertEqual(set(ours), set(self.features_of_trained(run)))
        for name, expected in self.features_of_trained(run).items():
            self.assertTrue(ours[name].equal(expected), name)

    def features_of_trained(self, run):
        """What the network gives that is trained again because nothing was kept."""
        if (self.results / "adapters").exists():
            (self.results / "adapters").rename(self.results / "put aside")
        return self.features(run)

    def test_of_adapters_whose_encoder_learned_beside_them_give_these_and_train_the_rest_again(self):
        run = self.sweep(keep="adapters")[0]
        adapters = self.export(run, "adapter_model.safetensors", "--family", "peft")
        self.assertFalse((self.results / "trained").exists())
        self.features(run)
        self.assertTrue((self.results / "trained" / f"{run}.safetensors").exists())
        again = self.export(run, "adapter_model.safetensors", "--family", "peft")
        for file in ("adapter_model.safetensors", "adapter_config.json"):
            self.assertEqual((adapters / file).read_bytes(), (again / file).read_bytes())

    def test_with_gains_are_whole_without_adapters(self):
        run = self.sweep('fast.qkv = "gain"')[0]
        model = CLIPVisionModel.from_pretrained(self.export(run, "model.safetensors", "--family", "clip")).eval()
        clip.assert_equal_layers(self.features(run), clip.layers(model, self.photographs))

    def test_are_refused_in_a_sentence_where_there_are_none(self):
        runs = self.sweep()
        for arguments, sentence in (
            (["--run", "zzz"], "no run here has the number or begins with"),
            ([], "is the results folder of a sweep. Say which run's network is meant: --run ID."),
        ):
            with self.assertRaisesRegex(AssertionError, f"ended with 2:\n.*{sentence}"):
                palimpsest("features", self.results, *arguments, "--images", self.photographs, "--out", self.folder / "out.safetensors")
        (self.results / "trained" / f"{runs[0]}.safetensors").unlink()
        clip.random_model(17, **SIZE).save_pretrained(self.folder / "base")
        palimpsest("weights", "import", self.folder / "base", "--out", self.folder / "slow.safetensors")
        with self.assertRaisesRegex(AssertionError, "ended with 2:\n.*have changed since"):
            self.features(runs[0])


if __name__ == "__main__":
    unittest.main()

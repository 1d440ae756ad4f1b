"""Our encoder is transformers' CLIPVisionModel: any weights, any sizes, equal at every layer."""

import json
import unittest

from safetensors import safe_open
from safetensors.torch import load_file, save_file

import clip
from photographs_case import PhotographsCase
from program import palimpsest

SIZES = {
    "micro": dict(width=64, depth=4, heads=4, mlp=256, patch=8, side=64),
    "deep and narrow": dict(width=48, depth=12, heads=3, mlp=192, patch=8, side=48),
    "one head, large patches": dict(width=32, depth=2, heads=1, mlp=80, patch=32, side=96),
    "wide, exact GELU, small epsilon": dict(width=192, depth=3, heads=8, mlp=500, patch=14, side=70, activation="gelu", epsilon=1e-6),
    "large epsilon": dict(width=40, depth=3, heads=5, mlp=160, patch=4, side=32, epsilon=1e-2),
}


def features(weights, photographs, out):
    palimpsest("features", weights, "--images", photographs, "--out", out, "--normalise", "clip")
    return load_file(out)


class Encoder(PhotographsCase):
    SEED = 7

    def test_equals_transformers_at_every_layer(self):
        for seed, (name, size) in enumerate(SIZES.items()):
            with self.subTest(name):
                model = clip.random_model(seed, **size)
                model.save_pretrained(self.folder / name)
                ours = features(self.folder / name / "model.safetensors", self.photographs, self.folder / "features.safetensors")
                clip.assert_equal_layers(ours, clip.layers(model, self.photographs))

    def test_reads_the_older_key_names(self):
        model = clip.random_model(11, **SIZES["micro"])
        model.save_pretrained(self.folder / "newer")
        older = self.folder / "older"
        older.mkdir()
        (older / "config.json").write_text((self.folder / "newer" / "config.json").read_text())
        weights = load_file(self.folder / "newer" / "model.safetensors")
        save_file({f"vision_model.{name.removeprefix('vision_model.')}": value for name, value in weights.items()}, older / "model.safetensors")
        ours = features(older / "model.safetensors", self.photographs, self.folder / "features.safetensors")
        clip.assert_equal_layers(ours, clip.layers(model, self.photographs))

    def test_names_the_images_in_their_order(self):
        model = clip.random_model(12, **SIZES["micro"])
        model.save_pretrained(self.folder / "model")
        out = self.folder / "features.safetensors"
        features(self.folder / "model" / "model.safetensors", self.photographs, out)
        with safe_open(out, "pt") as file:
            names = json.loads(file.metadata()["images"])
        self.assertEqual(names, [file.name for file in sorted(self.photographs.glob("*.png"))])


if __name__ == "__main__":
    unittest.main()

"""Adapters that peft saved go in and compute what peft computes; what comes out, peft loads, and it computes the same."""

import json
import tempfile
import unittest
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

import clip
from imported_weights import IMAGENET, heard, shaken
from photographs_case import PhotographsCase
from program import palimpsest

SIZE = dict(width=64, depth=3, heads=4, mlp=256, patch=8, side=64)


def with_fast_weights(model, seed, **options):
    model = get_peft_model(model, LoraConfig(lora_dropout=0.0, **options)).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return model


class Peft(PhotographsCase):
    SEED = 5

    def features(self, weights):
        palimpsest("features", weights, "--images", self.photographs, "--out", self.folder / "features.safetensors")
        return load_file(self.folder / "features.safetensors")

    def check(self, *, modules="clip", **options):
        clip.random_model(31, **SIZE).save_pretrained(self.folder / "base")
        palimpsest("weights", "import", self.folder / "base", "--out", self.folder / "slow.safetensors")
        model = with_fast_weights(clip.random_model(31, **SIZE), 32, **options)
        theirs = clip.layers(model.get_base_model(), self.photographs)
        model.save_pretrained(self.folder / "peft")
        said = json.loads(palimpsest("weights", "import", self.folder / "peft", "--base", self.folder / "slow.safetensors", "--out",
                                     self.folder / "adapted.safetensors", "--json"))
        saved = load_file(self.folder / "peft" / "adapter_model.safetensors")
        self.assertEqual(set(said["used"]), set(saved))
        clip.assert_equal_layers(self.features(self.folder / "adapted.safetensors"), theirs)
        palimpsest("weights", "import", self.folder / "peft", "--base", self.folder / "slow.safetensors", "--out", self.folder / "merged.safetensors", "--merge")
        clip.assert_equal_layers(self.features(self.folder / "merged.safetensors"), theirs)

        out = self.folder / "out" / "adapter_model.safetensors"
        out.parent.mkdir()
        palimpsest("weights", "export", self.folder / "adapted.safetensors", "--family", "peft", "--out", out, "--prefix", said["prefix"], "--modules", modules)
        back = load_file(out)
        self.assertEqual(set(back), set(saved))
        for name, value in saved.items():
            self.assertTrue(torch.equal(back[name], value), name)
        again = PeftModel.from_pretrained(clip.random_model(31, **SIZE), out.parent).eval()
        clip.assert_equal_layers(clip.layers(again.get_base_model(), self.photographs), theirs, 1e-6)

    def test_queries_keys_and_values(self):
        self.check(r=8, lora_alpha=32, target_modules=["q_proj", "k_proj", "v_proj"])

    def test_every_map_of_a_block(self):
        self.check(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj", "out_proj", "fc1", "fc2"])

    def test_ranks_and_alphas_that_differ(self):
        self.check(r=4, lora_alpha=8, target_modules=["q_proj", "fc2"], rank_pattern={"layers.1.self_attn.q_proj": 2}, alpha_pattern={"fc2": 3})

    def test_scaled_by_the_root_of_the_rank(self):
        self.check(r=9, lora_alpha=6, target_modules=["k_proj"], use_rslora=True)


class PeftOnTimm(unittest.TestCase):
    def test_one_map_of_queries_keys_and_values(self):
        try:
            import timm
        except ImportError:
            self.skipTest("timm is not in this environment; tests/peers/environment.sh makes it anew")

        def build():
            return shaken(timm.models.VisionTransformer(img_size=48, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=0), 41)

        with tempfile.TemporaryDirectory() as holder:
            folder = Path(holder)
            (folder / "photographs").mkdir()
            clip.save_photographs(folder / "photographs", seed=6)
            save_file(build().state_dict(), folder / "timm.safetensors")
            palimpsest("weights", "import", folder / "timm.safetensors", "--heads", 3, "--out", folder / "slow.safetensors")
            model = with_fast_weights(build(), 42, r=4, lora_alpha=12, target_modules=["qkv", "proj", "fc1"], exclude_modules=["patch_embed.proj"])
            images = torch.stack([clip.square(file, 48) for file in sorted((folder / "photographs").glob("*.png"))])
            pixels = (images - torch.tensor(IMAGENET[0]).view(3, 1, 1)) / torch.tensor(IMAGENET[1]).view(3, 1, 1)
            base = model.get_base_model()
            theirs = heard(base, base.blocks, lambda: base(pixels))
            model.save_pretrained(folder / "peft")
            palimpsest("weights", "import", folder / "peft", "--base", folder / "slow.safetensors", "--out", folder / "adapted.safetensors")
            palimpsest("features", folder / "adapted.safetensors", "--images", folder / "photographs", "--out", folder / "features.safetensors")
            clip.assert_equal_layers(load_file(folder / "features.safetensors"), theirs)
            (folder / "out").mkdir()
            palimpsest("weights", "export", folder / "adapted.safetensors", "--family", "peft", "--modules", "timm", "--out", folder / "out" / "adapter_model.safetensors")
            saved, back = load_file(folder / "peft" / "adapter_model.safetensors"), load_file(folder / "out" / "adapter_model.safetensors")
            self.assertEqual(set(saved), set(back))
            self.assertTrue(all(torch.equal(saved[name], back[name]) for name in saved))


if __name__ == "__main__":
    unittest.main()

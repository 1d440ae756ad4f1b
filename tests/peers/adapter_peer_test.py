"""Our adapters are peft's: y = W x + b + (alpha / r) B (A x), on any of query, key, value and output."""

import tempfile
import unittest
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file

import clip
from program import palimpsest

SIZE = dict(width=64, depth=4, heads=4, mlp=256, patch=8, side=64)


def with_adapters(model, *, rank, scale, targets, seed):
    """Fast weights with nothing zero: B too is drawn, so that the adapters change the output."""
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=scale * rank, lora_dropout=0.0, target_modules=targets), model)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return model


class Adapter(unittest.TestCase):
    def check(self, *, rank, scale, targets):
        with tempfile.TemporaryDirectory() as holder:
            folder = Path(holder)
            photographs = folder / "photographs"
            photographs.mkdir()
            clip.save_photographs(photographs, seed=8)
            model = clip.random_model(21, **SIZE)
            plain = clip.layers(model, photographs)
            model = with_adapters(model, rank=rank, scale=scale, targets=targets, seed=22)
            theirs = clip.layers(model, photographs)
            self.assertGreater((theirs["block.3"] - plain["block.3"]).abs().max().item(), 0.1)  # they do something
            save_file({f"encoder.{name}": value.contiguous() for name, value in model.state_dict().items()}, folder / "start.safetensors")
            palimpsest("features", folder / "start.safetensors", "--images", photographs, "--out", folder / "features.safetensors",
                       "--heads", SIZE["heads"], "--adapter-scale", scale)
            clip.assert_equal_layers(load_file(folder / "features.safetensors"), theirs)

    def test_equals_peft_on_query_key_value(self):
        self.check(rank=8, scale=4, targets=["q_proj", "k_proj", "v_proj"])

    def test_equals_peft_on_the_output_projection_at_another_rank_and_scale(self):
        self.check(rank=3, scale=2, targets=["v_proj", "out_proj"])


if __name__ == "__main__":
    unittest.main()

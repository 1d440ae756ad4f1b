"""Weights of Hugging Face go in, compute what the library computes at every layer, and come out again equal; what is refused, by name."""

import csv
import json
import math
import subprocess
import unittest
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

import clip
from imported_weights import CLIP, HALF, IMAGENET, WHY_NOT, ImportedWeightsCase, heard, refused, shaken, timm
from program import palimpsest

SMALL = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=100, image_size=48, patch_size=8)

# What a sweep needs to compute little; "side" is what the weights see.
SMALL_SWEEP = """
study = "familiarity"
name = "imported"
slow = {{ weights = "{weights}" }}
images = {{ source = "dead-leaves", total = 12, count = 2, side = {side} }}
alignment = {{ reference = 8 }}
noise = {{ levels = [0, 0.3], patterns = 2, side = 32 }}
training = {{ epochs = 2, learning_rate = 1e-4 }}
sweep = {{ image_sets = 1, seeds = 1 }}
"""


class HuggingFace(ImportedWeightsCase):
    def test_clip_in_both_spellings_and_within_clip_model(self):
        model = shaken(transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**SMALL, hidden_act="gelu", layer_norm_eps=1e-6)), 1)
        theirs = heard(model, self.clip_blocks(model), lambda: model(self.pixels(48, *CLIP)))
        plain = {name.removeprefix("vision_model."): value.contiguous() for name, value in model.state_dict().items()}
        for prefix in ["", "vision_model.", "clip.vision_model."]:
            with self.subTest(prefix=prefix):
                home = self.folder / f"home{prefix}"
                home.mkdir()
                (home / "config.json").write_text(json.dumps({"vision_config": model.config.to_dict()}))
                weights = {prefix + name: value for name, value in plain.items()}
                save_file(weights | {"text_model.final_layer_norm.weight": torch.ones(3), "logit_scale": torch.ones(())}, home / "model.safetensors")
                slow, said = self.bring_in(home / "model.safetensors")
                self.assertEqual((said["family"], said["prefix"], said["heads"], said["activation"]), ("clip", prefix, 4, "gelu"))
                self.assertEqual(set(said["used"]), set(weights))
                self.assertEqual((said["left"], said["kept"]), ([], ["logit_scale", "text_model.final_layer_norm.weight"]))
                self.assert_same_layers(slow, theirs)
                whole = load_file(home / "model.safetensors")
                _, keys = self.assert_comes_out_equal(slow, "clip", whole, "--prefix", prefix)
                self.assertEqual(keys, set(whole))

    def clip_blocks(self, model):
        return getattr(model, "vision_model", model).encoder.layers

    def test_clip_model_as_saved(self):
        vision = dict(**SMALL)
        text = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=99, bos_token_id=1, eos_token_id=2)
        model = shaken(transformers.CLIPModel(transformers.CLIPConfig(vision_config=vision, text_config=text)), 2)
        model.save_pretrained(self.folder / "whole")
        slow, said = self.bring_in(self.folder / "whole")
        theirs = heard(model, model.vision_model.encoder.layers, lambda: model.vision_model(self.pixels(48, *CLIP)))
        self.assert_same_layers(slow, theirs)
        self.assertIn("visual_projection.weight", said["kept"])
        weights = load_file(self.folder / "whole" / "model.safetensors")
        out, keys = self.assert_comes_out_equal(slow, "clip", weights)
        self.assertEqual(keys, set(weights))
        _, loading = transformers.CLIPModel.from_pretrained(out.parent, output_loading_info=True)
        self.assertEqual((set(loading["missing_keys"]), set(loading["unexpected_keys"])), (set(), set()))
        # What was written loads there without a word, and computes the same.
        again = transformers.CLIPVisionModel.from_pretrained(out.parent).eval()
        clip.assert_equal_layers(heard(again, self.clip_blocks(again), lambda: again(self.pixels(48, *CLIP))), theirs, 0)

    def test_vit_as_saved_and_as_in_memory(self):
        model = shaken(transformers.ViTModel(transformers.ViTConfig(**SMALL)), 3)
        blocks = model.layers if hasattr(model, "layers") else model.encoder.layer
        theirs = heard(model, blocks, lambda: model(self.pixels(48, *HALF)))
        model.save_pretrained(self.folder / "saved")
        slow, said = self.bring_in(self.folder / "saved")
        self.assertEqual((said["family"], said["norm_epsilon"]), ("vit", 1e-12))
        self.assert_same_layers(slow, theirs)
        out, _ = self.assert_comes_out_equal(slow, "vit", load_file(self.folder / "saved" / "model.safetensors"))
        again, loading = transformers.ViTModel.from_pretrained(out.parent, output_loading_info=True)  # the pooling layer went along
        self.assertEqual((set(loading["missing_keys"]), set(loading["unexpected_keys"])), (set(), set()))
        for name, value in again.state_dict().items():
            self.assertTrue(torch.equal(value, model.state_dict()[name]), name)
        memory = self.folder / "memory"
        memory.mkdir()
        (memory / "config.json").write_text((self.folder / "saved" / "config.json").read_text())
        save_file({f"vit.{name}": value.contiguous() for name, value in model.state_dict().items()}, memory / "model.safetensors")
        slow, said = self.bring_in(memory)
        self.assertEqual(said["prefix"], "vit.")
        self.assert_same_layers(slow, theirs)

    def test_vit_without_biases_of_queries_keys_and_values(self):
        model = shaken(transformers.ViTModel(transformers.ViTConfig(**SMALL, qkv_bias=False)), 4)
        blocks = model.layers if hasattr(model, "layers") else model.encoder.layer
        theirs = heard(model, blocks, lambda: model(self.pixels(48, *HALF)))
        model.save_pretrained(self.folder / "saved")
        slow, said = self.bring_in(self.folder / "saved")
        self.assertEqual(len(said["missed"]), 3)
        self.assert_same_layers(slow, theirs)

    def test_vit_mae(self):
        config = transformers.ViTMAEConfig(**SMALL, mask_ratio=0.0, decoder_hidden_size=16, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
                                           decoder_intermediate_size=32)
        model = shaken(transformers.ViTMAEForPreTraining(config), 5)
        blocks = model.vit.layers if hasattr(model.vit, "layers") else model.vit.encoder.layer
        pixels = self.pixels(48, *IMAGENET)
        in_order = torch.arange(36.0).expand(len(pixels), -1)  # the mask's noise: with nothing masked it orders the patches
        theirs = heard(model, blocks, lambda: model.vit(pixels, noise=in_order))
        model.save_pretrained(self.folder / "saved")
        slow, said = self.bring_in(self.folder / "saved")
        self.assertEqual((said["family"], said["prefix"]), ("vit-mae", "vit."))
        weights = load_file(self.folder / "saved" / "model.safetensors")
        self.assertEqual((set(said["kept"]), said["left"]), ({key for key in weights if key.startswith("decoder.")}, []))
        self.assert_same_layers(slow, theirs)
        out, keys = self.assert_comes_out_equal(slow, "vit-mae", weights)
        self.assertEqual(keys, set(weights))
        # With the decoder that went along, the library's whole model gives what it gave before.
        again = transformers.ViTMAEForPreTraining.from_pretrained(out.parent).eval()
        with torch.no_grad():
            self.assertTrue(torch.equal(again(pixels, noise=in_order).logits, model(pixels, noise=in_order).logits))
        # Other families have no place for it, nor has another resolution.
        palimpsest("weights", "export", slow, "--family", "vit", "--out", self.folder / "vit.safetensors")
        self.assertFalse(any("decoder" in key for key in load_file(self.folder / "vit.safetensors")))
        _, said = self.bring_in(self.folder / "saved", "--resolution", 24)
        self.assertEqual((said["kept"], len(said["left"])), ([], len([key for key in weights if key.startswith("decoder.")])))

    def test_positions_at_another_resolution(self):
        clip_model = shaken(transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**SMALL)), 6)
        vit = shaken(transformers.ViTModel(transformers.ViTConfig(**SMALL)), 7)
        for model, blocks, norm in [(clip_model, self.clip_blocks(clip_model), CLIP), (vit, vit.layers if hasattr(vit, "layers") else vit.encoder.layer, HALF)]:
            for side in [80, 24]:
                with self.subTest(model=type(model).__name__, side=side):
                    model.save_pretrained(self.folder / "saved")
                    slow, _ = self.bring_in(self.folder / "saved", "--resolution", side)
                    theirs = heard(model, blocks, lambda: model(self.pixels(side, *norm), interpolate_pos_encoding=True))
                    self.assert_same_layers(slow, theirs)

    def test_half_precision_files(self):
        for dtype in [torch.float16, torch.bfloat16]:
            with self.subTest(dtype=dtype):
                model = shaken(transformers.ViTModel(transformers.ViTConfig(**SMALL)), 8).to(dtype)
                model.save_pretrained(self.folder / "half")
                slow, _ = self.bring_in(self.folder / "half")
                weights = load_file(self.folder / "half" / "model.safetensors")
                self.assert_comes_out_equal(slow, "vit", weights, "--dtype", str(dtype).removeprefix("torch."))
                model = model.float()
                blocks = model.layers if hasattr(model, "layers") else model.encoder.layer
                self.assert_same_layers(slow, heard(model, blocks, lambda: model(self.pixels(48, *HALF))))


class SlowWeightsOfASweep(ImportedWeightsCase):
    """Randomly initialised weights go in, are the slow weights of a sweep, and come out again equal."""

    def assert_serves_and_comes_out_equal(self, source, family, weights, side):
        slow, said = self.bring_in(source)
        (self.folder / "sweep.toml").write_text(SMALL_SWEEP.format(weights=slow, side=side))
        self.assertIn("1 done, 0 failed", palimpsest("sweep", self.folder / "sweep.toml", "--out", self.folder / "results"))
        palimpsest("export", self.folder / "results", "--out", self.folder / "tables")
        rows = [row for table in (self.folder / "tables").glob("*.csv") for row in csv.DictReader(open(table, newline=""))]
        losses = [float(row["value"]) for row in rows if row.get("metric") == "loss"]
        self.assertTrue(losses and all(math.isfinite(loss) for loss in losses))
        _, back = self.assert_comes_out_equal(slow, family, weights, "--prefix", said["prefix"])
        self.assertEqual(back, set(weights))

    @unittest.skipIf(timm is None, WHY_NOT)
    def test_timm_vit_small_patch16_224(self):
        model = timm.create_model("vit_small_patch16_224", pretrained=False)
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        save_file(weights, self.folder / "timm.safetensors")
        self.assert_serves_and_comes_out_equal(self.folder / "timm.safetensors", "timm", weights, 224)

    def test_clip_of_hugging_face_with_its_text_encoder(self):
        text = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=99, bos_token_id=1, eos_token_id=2)
        transformers.CLIPModel(transformers.CLIPConfig(vision_config=SMALL, text_config=text)).save_pretrained(self.folder / "saved")
        weights = load_file(self.folder / "saved" / "model.safetensors")
        self.assert_serves_and_comes_out_equal(self.folder / "saved", "clip", weights, 48)

    def test_vit_mae_of_hugging_face_with_its_decoder(self):
        decoder = dict(decoder_hidden_size=16, decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=32)
        model = transformers.ViTMAEForPreTraining(transformers.ViTMAEConfig(**SMALL, **decoder))
        model.save_pretrained(self.folder / "saved")
        weights = load_file(self.folder / "saved" / "model.safetensors")
        self.assert_serves_and_comes_out_equal(self.folder / "saved", "vit-mae", weights, 48)


class Refusals(ImportedWeightsCase):
    def saved(self, change=lambda weights: weights):
        model = transformers.ViTModel(transformers.ViTConfig(**SMALL))
        model.save_pretrained(self.folder / "saved")
        file = self.folder / "saved" / "model.safetensors"
        save_file(change(load_file(file)), file)
        return file

    def refusal(self, file, *options):
        out = self.folder / "slow.safetensors"
        said = refused("weights", "import", file, "--out", out, *options)
        self.assertFalse(out.exists())
        return said

    def test_pytorch_files_with_the_command_that_converts_them(self):
        for name in ["model.pt", "pytorch_model.bin"]:
            weights = {"blocks.0.norm1.weight": torch.ones(3)}
            torch.save({"state_dict": weights}, self.folder / name)
            said = self.refusal(self.folder / name)
            command = said[said.index("python -c"):].strip()
            subprocess.run(["bash", "-c", f"PATH={Path(torch.__file__).parents[4]}/bin:$PATH; {command}"], check=True, cwd=self.folder)
            self.assertEqual(set(load_file((self.folder / name).with_suffix(".safetensors"))), set(weights))

    def test_missing_keys_are_all_named(self):
        def without(weights):
            return {k: v for k, v in weights.items() if "layer.1.output" not in k and k != "embeddings.position_embeddings"}
        said = self.refusal(self.saved(without))
        for key in ["embeddings.position_embeddings", "encoder.layer.1.output.dense.weight", "encoder.layer.1.output.dense.bias"]:
            self.assertIn(key, said)

    def test_heads_that_do_not_divide_the_width(self):
        self.assertIn("7 heads", self.refusal(self.saved(), "--heads", 7))

    def test_a_wrong_family_is_told_the_right_one(self):
        self.assertIn("those of vit", self.refusal(self.saved(), "--family", "timm"))

    def test_a_resolution_that_patches_do_not_tile(self):
        self.assertIn("multiple of 8", self.refusal(self.saved(), "--resolution", 50))

    def test_a_truncated_file(self):
        file = self.saved()
        file.write_bytes(file.read_bytes()[:-100])
        self.assertIn(str(file), self.refusal(file))


if __name__ == "__main__":
    unittest.main()

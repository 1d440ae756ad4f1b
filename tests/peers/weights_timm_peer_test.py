"""Weights of timm and open_clip go in, compute what the library computes at every layer, and come out again equal."""

import csv
import functools
import json
import math
import unittest

import torch
from safetensors.torch import save_file

from imported_weights import CLIP, IMAGENET, WHY_NOT, ImportedWeightsCase, heard, open_clip, refused, shaken, timm
from program import palimpsest

SWEEP = """
study = "familiarity"
name = "imported"
slow = {{ weights = "{weights}" }}
images = {{ source = "dead-leaves", total = 20, count = 2, side = 48 }}
alignment = {{ reference = 8 }}
noise = {{ levels = [0, 0.3], patterns = 2, side = 32 }}
training = {{ epochs = 2, learning_rate = 1e-3 }}
sweep = {{ image_sets = 1, seeds = 1 }}
"""


@unittest.skipIf(timm is None, WHY_NOT)
class Timm(ImportedWeightsCase):
    def test_vit_small_patch16_224(self):
        model = timm.create_model("vit_small_patch16_224", pretrained=False, num_classes=10)
        model = shaken(model, 11)
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        save_file(weights, self.folder / "timm.safetensors")
        slow, said = self.bring_in(self.folder / "timm.safetensors")
        self.assertEqual((said["family"], said["heads"], said["activation"], said["norm_epsilon"]), ("timm", 6, "gelu", 1e-6))
        self.assertEqual((said["left"], said["kept"]), ([], ["head.bias", "head.weight"]))
        self.assert_same_layers(slow, heard(model, model.blocks, lambda: model(self.pixels(224, *IMAGENET))))
        _, keys = self.assert_comes_out_equal(slow, "timm", weights)
        self.assertEqual(keys, set(weights))

    def test_other_shapes(self):
        base = dict(img_size=48, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=0)
        norm = functools.partial(torch.nn.LayerNorm, eps=1e-5)
        for name, options, flags in [
            ("without a class token", dict(class_token=False, global_pool="avg"), []),
            ("positions of patches alone", dict(no_embed_class=True), []),
            ("of CLIP", dict(pre_norm=True, norm_layer=norm, act_layer="quick_gelu"), ["--activation", "quick_gelu"]),
            ("without qkv bias", dict(qkv_bias=False), []),
        ]:
            with self.subTest(name):
                model = shaken(timm.models.VisionTransformer(**base, **options), 12)
                save_file({key: value.contiguous() for key, value in model.state_dict().items()}, self.folder / "timm.safetensors")
                slow, _ = self.bring_in(self.folder / "timm.safetensors", "--heads", 3, *flags)
                self.assert_same_layers(slow, heard(model, model.blocks, lambda: model(self.pixels(48, *IMAGENET))))

    def test_positions_at_another_resolution(self):
        build = functools.partial(timm.models.VisionTransformer, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=0)
        model = shaken(build(img_size=48), 13)
        save_file(model.state_dict(), self.folder / "timm.safetensors")
        for side in [80, 24]:
            with self.subTest(side=side):
                slow, _ = self.bring_in(self.folder / "timm.safetensors", "--heads", 3, "--resolution", side)
                other = build(img_size=side).eval()
                other.load_state_dict(timm.models.vision_transformer.checkpoint_filter_fn(model.state_dict(), other))
                self.assert_same_layers(slow, heard(other, other.blocks, lambda: other(self.pixels(side, *IMAGENET))))

    def test_what_export_says_loads_it(self):
        import safetensors.torch
        names = dict(timm=timm, torch=torch, functools=functools, safetensors=safetensors)
        for options in [dict(num_classes=0), dict(num_classes=7), dict(num_classes=7, global_pool="avg")]:
            with self.subTest(**options):
                model = shaken(timm.models.VisionTransformer(img_size=48, patch_size=8, embed_dim=48, depth=2, num_heads=3, **options), 14)
                save_file(model.state_dict(), self.folder / "timm.safetensors")
                slow, _ = self.bring_in(self.folder / "timm.safetensors", "--heads", 3)
                said = json.loads(palimpsest("weights", "export", slow, "--family", "timm", "--out", self.folder / "out.safetensors", "--json"))
                self.assertEqual(str(eval(said["load"], names)), "<All keys matched successfully>")

    def test_a_sweep_runs_on_them_at_another_resolution(self):
        model = shaken(timm.models.VisionTransformer(img_size=48, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=0), 15)
        save_file(model.state_dict(), self.folder / "timm.safetensors")
        at_start = {}
        for activation in ["gelu", "relu"]:
            slow, said = self.bring_in(self.folder / "timm.safetensors", "--heads", 3, "--resolution", 32, "--activation", activation)
            self.assertEqual((said["side"], said["activation"]), (32, activation))
            (self.folder / "sweep.toml").write_text(SWEEP.format(weights=slow))
            said = palimpsest("sweep", self.folder / "sweep.toml", "--out", self.folder / activation)
            self.assertIn("1 done, 0 failed", said)
            palimpsest("export", self.folder / activation, "--out", self.folder / f"tables-{activation}")
            rows = [row for table in (self.folder / f"tables-{activation}").glob("*.csv") for row in csv.DictReader(open(table, newline=""))]
            at_start[activation] = [row["value"] for row in rows if row.get("metric", "").startswith("alignment") and row.get("epoch") == "0"]
            self.assertTrue(at_start[activation])
            self.assertTrue(all(math.isfinite(float(row["value"])) for row in rows if row.get("metric") == "loss"))
        self.assertNotEqual(at_start["gelu"], at_start["relu"])  # the activation that the file tells is the one that is used

    def test_layer_scale_is_refused_by_name(self):
        model = timm.models.VisionTransformer(img_size=48, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=0, init_values=1e-5)
        save_file(model.state_dict(), self.folder / "timm.safetensors")
        self.assertIn("blocks.{0-1}.ls1.gamma", refused("weights", "import", self.folder / "timm.safetensors", "--heads", 3, "--out", self.folder / "out"))


@unittest.skipIf(open_clip is None, WHY_NOT)
class OpenClip(ImportedWeightsCase):
    def model(self, quick_gelu):
        vision = dict(image_size=48, layers=2, width=64, head_width=16, patch_size=8)
        text = dict(context_length=8, vocab_size=50, width=32, heads=2, layers=1)
        return shaken(open_clip.model.CLIP(32, vision, text, quick_gelu=quick_gelu), 21)

    def save(self, model):
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        save_file(weights, self.folder / "open_clip.safetensors")
        return self.folder / "open_clip.safetensors", weights

    def test_open_clip_and_openai_names(self):
        for quick in [False, True]:
            with self.subTest(quick_gelu=quick):
                model = self.model(quick)
                file, weights = self.save(model)
                slow, said = self.bring_in(file, "--heads", 4, "--activation", "quick_gelu" if quick else "gelu")
                self.assertEqual((said["family"], said["prefix"]), ("openai-clip", "visual."))
                visual = model.visual
                self.assert_same_layers(slow, heard(visual, visual.transformer.resblocks, lambda: visual(self.pixels(48, *CLIP))))
                _, keys = self.assert_comes_out_equal(slow, "openai-clip", weights)
                self.assertEqual(keys, set(weights))
                said = json.loads(palimpsest("weights", "export", slow, "--family", "openai-clip", "--out", self.folder / "again.safetensors", "--json"))
                import safetensors.torch
                names = dict(open_clip=open_clip, torch=torch, safetensors=safetensors)
                self.assertEqual(str(eval(said["load"], names)), "<All keys matched successfully>")

    def test_open_clip_config_beside_tells_heads_and_activation(self):
        file, _ = self.save(self.model(False))
        config = {"model_cfg": {"embed_dim": 32, "vision_cfg": {"image_size": 48, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8}}}
        (self.folder / "open_clip_config.json").write_text(json.dumps(config))
        _, said = self.bring_in(file)
        self.assertEqual((said["heads"], said["activation"]), (4, "gelu"))

    def test_positions_at_another_resolution(self):
        model = self.model(True)
        file, weights = self.save(model)
        slow, _ = self.bring_in(file, "--heads", 4, "--resolution", 80)
        vision = dict(image_size=80, layers=2, width=64, head_width=16, patch_size=8)
        other = open_clip.model.CLIP(32, vision, dict(context_length=8, vocab_size=50, width=32, heads=2, layers=1), quick_gelu=True).eval()
        open_clip.model.resize_pos_embed(weights, other)
        other.load_state_dict(weights)
        self.assert_same_layers(slow, heard(other.visual, other.visual.transformer.resblocks, lambda: other.visual(self.pixels(80, *CLIP))))


if __name__ == "__main__":
    unittest.main()

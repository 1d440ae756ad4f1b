"""Weights of other libraries on their way in and out, and what those libraries make of photographs at every layer."""

import functools
import json
import subprocess

import torch
from safetensors.torch import load_file

import clip
from photographs_case import PhotographsCase
from program import PROGRAM, palimpsest

try:
    import open_clip
    import timm
except ImportError:
    open_clip = timm = None
WHY_NOT = "timm and open_clip are not in this environment; tests/peers/environment.sh makes it anew"

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5] * 3, [0.5] * 3)
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


def shaken(model, seed):
    """Every weight drawn anew, so that none is zero or one and each one matters."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        draw = torch.randn(weight.shape, generator=generator)
        if weight.dim() == 1:
            weight.data.copy_(0.2 * draw + (1.0 if "norm" in name or "ln_" in name else 0.0) * name.endswith("weight"))
        elif weight.dim() == 2 or weight.dim() == 4:
            weight.data.copy_(draw / weight[0].numel() ** 0.5)
        else:
            weight.data.copy_(0.5 * draw)
    return model.eval()


def heard(model, blocks, run):
    """What goes into the first of `blocks` and comes out of each, while `run` runs."""
    layers = {}

    def first(module, arguments, named):
        layers["embedding"] = (arguments or tuple(named.values()))[0]

    def after(name, module, arguments, output):
        layers[name] = output[0] if isinstance(output, tuple) else output

    hooks = [blocks[0].register_forward_pre_hook(first, with_kwargs=True)]
    hooks += [block.register_forward_hook(functools.partial(after, f"block.{i}")) for i, block in enumerate(blocks)]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return layers


def refused(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 2, f"{arguments} ended with {done.returncode}, not 2:\n{done.stdout}{done.stderr}"
    return done.stderr


class ImportedWeightsCase(PhotographsCase):
    SEED = 3

    def setUp(self):
        super().setUp()
        for file in sorted(self.photographs.glob("*.png"))[3:]:
            file.unlink()

    def bring_in(self, source, *options):
        said = json.loads(palimpsest("weights", "import", source, "--out", self.folder / "slow.safetensors", "--json", *options))
        return self.folder / "slow.safetensors", said

    def pixels(self, side, mean, sd):
        images = torch.stack([clip.square(file, side) for file in sorted(self.photographs.glob("*.png"))])
        return (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(sd).view(3, 1, 1)

    def assert_same_layers(self, slow, theirs):
        out = self.folder / "features.safetensors"
        palimpsest("features", slow, "--images", self.photographs, "--out", out)
        clip.assert_equal_layers(load_file(out), theirs)

    def assert_comes_out_equal(self, slow, family, weights, *options):
        """Every key that comes out has the bits that went in."""
        out = self.folder / "out" / "model.safetensors"
        out.parent.mkdir(exist_ok=True)
        palimpsest("weights", "export", slow, "--family", family, "--out", out, *options)
        back = load_file(out)
        for name, value in back.items():
            self.assertTrue(torch.equal(value, weights[name]), name)
        return out, set(back)

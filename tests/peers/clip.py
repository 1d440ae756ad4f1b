"""Random CLIPVisionModels and photographs, and what transformers makes of them."""

import numpy as np
import torch
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.utils import logging

logging.disable_progress_bar()


def random_model(seed, *, width, depth, heads, mlp, patch, side, activation="quick_gelu", epsilon=1e-5):
    """A model whose every weight matters: no zero bias, no unit norm, products that neither vanish nor explode."""
    config = CLIPVisionConfig(
        hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads, intermediate_size=mlp, patch_size=patch,
        image_size=side, hidden_act=activation, layer_norm_eps=epsilon)
    model = CLIPVisionModel(config).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        draw = torch.randn(weight.shape, generator=generator)
        if "norm" in name or "layrnorm" in name:
            draw = 0.2 * draw + (1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias"):
            draw = 0.2 * draw
        elif weight.dim() > 1 and "position" not in name:
            draw = draw / weight[0].numel() ** 0.5
        weight.data.copy_(draw)
    return model


def save_photographs(folder, seed):
    """PNG files of many shapes, colour and grey, smooth parts and noise; their names sort as they were made."""
    random = np.random.default_rng(seed)
    for number, (width, height) in enumerate([(64, 64), (101, 80), (97, 131), (33, 41), (640, 361), (224, 224), (1000, 83), (72, 90), (120, 64), (300, 200)]):
        coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
        noise = random.normal(0, 20, (height, width, 3))
        pixels = np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)
        image = Image.fromarray(pixels)
        (image.convert("L") if number == 3 else image).save(folder / f"photograph-{number}.png")


def processed(file, side, **options):
    """What CLIP's own image processor makes of a file; [3, side, side]."""
    size = {"shortest_edge": side}
    processor = CLIPImageProcessorPil(size=size, crop_size={"height": side, "width": side}, **options)
    return processor(Image.open(file), return_tensors="pt")["pixel_values"][0]


def square(file, side):
    """The same before the normalisation: in 0..1."""
    return processed(file, side, do_normalize=False)


def layers(model, folder):
    """{"embedding": input of block 0, "block.0": output of block 0, ...}, each [images, 1 + patches, width]."""
    side = model.config.image_size
    pixels = torch.stack([processed(file, side) for file in sorted(folder.glob("*.png"))])
    with torch.no_grad():
        states = model(pixels, output_hidden_states=True).hidden_states
    assert len(states) == model.config.num_hidden_layers + 1
    return {"embedding" if i == 0 else f"block.{i - 1}": state for i, state in enumerate(states)}


def assert_equal_layers(ours, theirs, tolerance=1e-5):
    """Every layer equal to `tolerance` of its own scale, the largest magnitude in it."""
    assert set(ours) == set(theirs), f"we give {sorted(ours)}, transformers {sorted(theirs)}"
    for name, expected in theirs.items():
        assert ours[name].shape == expected.shape, f"{name}: {tuple(ours[name].shape)}, not {tuple(expected.shape)}"
        error = ((ours[name] - expected).abs().max() / expected.abs().max()).item()
        assert error <= tolerance, f"{name} differs by {error:.2e} of its scale"

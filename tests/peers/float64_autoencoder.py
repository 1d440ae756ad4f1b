"""CLIP's vision tower with adapters, and the study's decoder, in numpy and float64: forward only, one sum written after the other."""

import math

import numpy

MEAN = numpy.array([0.48145466, 0.4578275, 0.40821073])[:, None, None]
SD = numpy.array([0.26862954, 0.26130258, 0.27577711])[:, None, None]

erf = numpy.vectorize(math.erf)


def softmax(x):
    e = numpy.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def quick_gelu(x):
    return x / (1 + numpy.exp(-1.702 * x))


def gelu(x):
    return x * (1 + erf(x / numpy.sqrt(2))) / 2


def layer_norm(x, weights, name):
    off = x - x.mean(-1, keepdims=True)
    return off / numpy.sqrt((off**2).mean(-1, keepdims=True) + 1e-5) * weights[name + ".weight"] + weights[name + ".bias"]


def linear(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def attend(q, k, v, heads):
    """q, k, v [B, T, C] -> mixed values [B, T, C] and weights [B, heads, T, T]."""
    split = lambda x: x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)
    q, k, v = split(q), split(k), split(v)
    weights = softmax(q @ k.transpose(0, 1, 3, 2) / numpy.sqrt(q.shape[-1]))
    return (weights @ v).transpose(0, 2, 1, 3).reshape(v.shape[0], v.shape[2], -1), weights


def patches(images, patch):
    """[B, 3, S, S] -> [B, grid, grid, 3, patch, patch]."""
    grid = images.shape[-1] // patch
    return images.reshape(len(images), 3, grid, patch, grid, patch).transpose(0, 2, 4, 1, 3, 5)


class Encoder:
    """y = W x + b + scale B (A x) where the weights hold NAME.lora_A and NAME.lora_B.

    Knock-outs: `twice` multiplies queries, keys and values by their W once more, the blocks in `off` have scale 0, `silent` heads
    (block, head) give nothing.
    """

    def __init__(self, weights, heads, scale=0.0, activation=quick_gelu, twice=False, off=(), silent=()):
        self.weights, self.heads, self.scale = {name: value.astype(float) for name, value in weights.items()}, heads, scale
        self.activation, self.twice, self.off, self.silent = activation, twice, off, silent

    def map(self, x, block, name):
        w, name = self.weights, f"encoder.layers.{block}.{name}"
        out = linear(x, w, name)
        if name + ".lora_A" in w and block not in self.off:
            out = out + self.scale * (x @ w[name + ".lora_A"].T) @ w[name + ".lora_B"].T
        return out

    def projected(self, x, block, letter):
        once = self.map(x, block, f"self_attn.{letter}_proj")
        return once @ self.weights[f"encoder.layers.{block}.self_attn.{letter}_proj.weight"].T if self.twice else once

    def heard(self, mixed, block):
        by_head = mixed.reshape(*mixed.shape[:2], self.heads, -1).copy()
        by_head[:, :, [head for at, head in self.silent if at == block]] = 0
        return by_head.reshape(mixed.shape)

    def embedded(self, images):
        """[B, 3, S, S] in 0..1 -> the input of the first block, [B, T, C]; a class token is the first of T."""
        w = self.weights
        kernel = w["embeddings.patch_embedding.weight"]
        cut = patches((images - MEAN) / SD, kernel.shape[-1])
        tokens = cut.reshape(len(images), cut.shape[1] ** 2, -1) @ kernel.reshape(len(kernel), -1).T
        if "embeddings.class_embedding" in w:
            token = numpy.broadcast_to(w["embeddings.class_embedding"], (len(images), 1, len(kernel)))
            tokens = numpy.concatenate([token, tokens], 1)
        return layer_norm(tokens + w["embeddings.position_embedding.weight"], w, "pre_layrnorm")

    def __call__(self, x):
        """The input of the first block -> outputs of the blocks [L, B, T, C], attention weights [L, B, heads, T, T]."""
        w = self.weights
        states, attention = [], []
        while f"encoder.layers.{len(states)}.layer_norm1.weight" in w:
            block = len(states)
            n = layer_norm(x, w, f"encoder.layers.{block}.layer_norm1")
            mixed, weights = attend(*(self.projected(n, block, letter) for letter in "qkv"), self.heads)
            x = x + self.map(self.heard(mixed, block), block, "self_attn.out_proj")
            hidden = self.map(layer_norm(x, w, f"encoder.layers.{block}.layer_norm2"), block, "mlp.fc1")
            x = x + self.map(self.activation(hidden), block, "mlp.fc2")
            states.append(x)
            attention.append(weights)
        return numpy.stack(states), numpy.stack(attention)


class Decoder:
    def __init__(self, weights, heads, patch):
        self.weights, self.heads, self.patch = {name: value.astype(float) for name, value in weights.items()}, heads, patch

    def seen(self, tokens):
        """Tokens of the patches that the encoder saw -> what they are here; the others have `mask_token`."""
        return linear(tokens, self.weights, "embed")

    def __call__(self, tokens):
        """Patch tokens [B, K, C] -> the output by patch [B, K, 3 p p], before a sigmoid."""
        if "embed.weight" not in self.weights:  # a linear decoder
            return linear(tokens, self.weights, "pixels")
        return self.of_all(self.seen(tokens))

    def of_all(self, x):
        w = self.weights
        x, layer = x + w["position"], 0
        while f"blocks.{layer}.norm1.weight" in w:
            block = f"blocks.{layer}."
            qkv = x @ w[block + "self_attn.in_proj_weight"].T + w[block + "self_attn.in_proj_bias"]
            mixed, _ = attend(*numpy.split(qkv, 3, -1), self.heads)
            x = layer_norm(x + linear(mixed, w, block + "self_attn.out_proj"), w, block + "norm1")
            hidden = linear(x, w, block + "linear1")
            x = layer_norm(x + linear(gelu(hidden), w, block + "linear2"), w, block + "norm2")
            layer += 1
        return linear(layer_norm(x, w, "norm"), w, "pixels")


def by_patch(images, patch):
    """[B, 3, S, S] -> [B, K, 3 p p], inside a patch row, column, channel."""
    return patches(images, patch).transpose(0, 1, 2, 4, 5, 3).reshape(len(images), -1, 3 * patch * patch)


def pictures(by_patch, patch):
    """The inverse."""
    grid = round(numpy.sqrt(by_patch.shape[1]))
    pixels = by_patch.reshape(len(by_patch), grid, grid, patch, patch, 3).transpose(0, 5, 1, 3, 2, 4)
    return pixels.reshape(len(by_patch), 3, grid * patch, -1)


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


def patch_scale(by_patch):
    """Mean and standard deviation of each patch, as ViTMAE normalises its target."""
    return by_patch.mean(-1, keepdims=True), numpy.sqrt(by_patch.var(-1, ddof=1, keepdims=True) + 1e-6)


def first_decoder(stream, inputs, width, depth, patch, count):
    """What an untrained decoder holds: each tensor drawn from the stream of its name."""
    uniform = lambda name, bound, *shape: numpy.float32((2 * stream.child(name).uniform(*shape) - 1) * bound)
    out = {"position": stream.child("position").normal(1, count, width) * 0.02}

    def norm(name):
        out[name + ".weight"], out[name + ".bias"] = numpy.ones(width), numpy.zeros(width)

    def line(name, outputs, inputs):
        for part, shape in ((".weight", (outputs, inputs)), (".bias", (outputs,))):
            out[name + part] = uniform(name + part, inputs**-0.5, *shape)

    line("embed", width, inputs)
    for layer in range(depth):
        block = f"blocks.{layer}."
        out[block + "self_attn.in_proj_weight"] = uniform(block + "self_attn.in_proj_weight", (6 / (4 * width)) ** 0.5, 3 * width, width)
        out[block + "self_attn.out_proj.weight"] = uniform(block + "self_attn.out_proj.weight", width**-0.5, width, width)
        out[block + "self_attn.in_proj_bias"], out[block + "self_attn.out_proj.bias"] = numpy.zeros(3 * width), numpy.zeros(width)
        line(block + "linear1", 4 * width, width)
        line(block + "linear2", width, 4 * width)
        norm(block + "norm1")
        norm(block + "norm2")
    norm("norm")
    line("pixels", 3 * patch * patch, width)
    out["mask_token"] = stream.child("mask_token").normal(width) * 0.02
    return out


def first_linear_decoder(stream, inputs, patch):
    draw = lambda name, *shape: numpy.float32((2 * stream.child(name).uniform(*shape) - 1) * inputs**-0.5)
    return {name: draw(name, *shape) for name, shape in (("pixels.weight", (3 * patch * patch, inputs)), ("pixels.bias", (3 * patch * patch,)))}

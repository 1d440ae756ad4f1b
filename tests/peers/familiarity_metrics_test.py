"""Every measurement of the study familiarity, at its first epoch, is that of its definition computed in numpy and float64."""

import csv
import tempfile
import unittest
from pathlib import Path

import numpy
from PIL import Image
from safetensors.numpy import save_file

import familiarity_measurements as measured
from float64_autoencoder import Decoder, Encoder, first_decoder
from philox import Stream, philox, purpose
from program import palimpsest

WIDTH, DEPTH, HEADS, PATCH, SIDE = 32, 3, 2, 8, 32
PATCHES = (SIDE // PATCH) ** 2
DECODER = dict(width=24, depth=2, heads=3)
COUNT, REFERENCE, TOTAL = 3, 8, 15  # images of a set, of the reference, in the folder
AXES = ("image_set", "images", "layer", "noise", "readout", "rank", "step")
TOLERANCE = 1e-5  # of the larger of 1 and the value
DEFINITION = f"""
study = "familiarity"
name = "reference"
slow.heads = {HEADS}
images.count = {COUNT}
training.epochs = 1
training.learning_rate = 0.0
decoder.width = {DECODER["width"]}
decoder.depth = {DECODER["depth"]}
decoder.heads = {DECODER["heads"]}
decoder.dropout = 0.0
"""
OF_A_FOLDER = DEFINITION + """
slow.weights = "slow.safetensors"
images.source = "folder"
images.path = "images"
images.masks = "masks"
images.seed = 5
alignment.reference = 8
noise.side = 32
noise.levels = [0, 0.1, 0.3]
noise.patterns = 2
sweep.image_sets = 2
sweep.seeds = 1
"""
OF_A_START_FILE = DEFINITION + """
start.file = "start.safetensors"
fast.rank = 3
fast.alpha = 6
noise.levels = [0, 0.2, 0.5]
noise.patterns = 3
alignment.centre = "set"
manifold.unbiased = true
sparseness.leave_out = 5
sweep.image_sets = 1
sweep.seeds = 1
"""


def random_encoder(random):
    """Names as in CLIPVisionModel; every weight matters."""
    draw = lambda *shape, by=1.0: (by * random.standard_normal(shape)).astype(numpy.float32)
    out = {
        "embeddings.class_embedding": draw(WIDTH),
        "embeddings.patch_embedding.weight": draw(WIDTH, 3, PATCH, PATCH, by=(3 * PATCH**2) ** -0.5),
        "embeddings.position_embedding.weight": draw(1 + PATCHES, WIDTH),
    }

    def norm(name):
        out[name + ".weight"], out[name + ".bias"] = 1 + draw(WIDTH, by=0.2), draw(WIDTH, by=0.2)

    norm("pre_layrnorm")
    norm("post_layernorm")
    for layer in range(DEPTH):
        block = f"encoder.layers.{layer}."
        norm(block + "layer_norm1")
        norm(block + "layer_norm2")
        shapes = {f"self_attn.{m}_proj": (WIDTH, WIDTH) for m in ("q", "k", "v", "out")} | {"mlp.fc1": (2 * WIDTH, WIDTH), "mlp.fc2": (WIDTH, 2 * WIDTH)}
        for name, (outputs, inputs) in shapes.items():
            out[block + name + ".weight"], out[block + name + ".bias"] = draw(outputs, inputs, by=inputs**-0.5), draw(outputs, by=0.2)
    return out


def random_pictures(random, folder):
    """Images [n, 3, S, S] in 0..1 and masks [n, S, S], as they lie in folder/images and folder/masks: of the model's side, never resized."""
    for name in ("images", "masks"):
        (folder / name).mkdir()
    images, masks = [], []
    for number in range(TOTAL):
        coarse = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=numpy.uint8)).resize((SIDE, SIDE), Image.BICUBIC)
        pixels = numpy.clip(numpy.asarray(coarse) + random.normal(0, 15, (SIDE, SIDE, 3)), 0, 255).astype(numpy.uint8)
        row, column = numpy.ogrid[:SIDE, :SIDE]
        mask = (row - random.uniform(8, 24)) ** 2 + (column - random.uniform(8, 24)) ** 2 < random.uniform(5, 11) ** 2
        Image.fromarray(pixels).save(folder / "images" / f"{number:02}.png")
        Image.fromarray(numpy.uint8(255) * mask).save(folder / "masks" / f"{number:02}.png")
        images.append(pixels.transpose(2, 0, 1) / 255)
        masks.append(mask)
    return numpy.array(images), numpy.array(masks)


def salt_and_pepper(image, level, order):
    """The first half of the n = level S^2 drawn pixels white, the others black."""
    n = int(level * SIDE**2)
    out = image.copy().reshape(3, -1)
    out[:, order[: n // 2]], out[:, order[n // 2 : n]] = 1, 0
    return out.reshape(image.shape)


def rows_of(metric, values, **where):
    """values [layer, ...] under the keys of tables; `where` gives an axis its labels, in order, or one label."""
    labels = {axis: [str(l) for l in label] if isinstance(label, (list, range)) else [str(label)] for axis, label in where.items()}
    for place in numpy.ndindex(*(len(l) for l in labels.values())):
        at = dict(zip(labels, (l[k] for l, k in zip(labels.values(), place))))
        inner = tuple(k for l, k in zip(labels.values(), place) if len(l) > 1)
        yield (metric, *(at.get(axis) for axis in AXES)), float(values[inner])


class Networks:
    """What the reference makes of images."""

    def __init__(self, encoder, decoder):
        self.encoder, self.decoder = encoder, decoder

    def look(self, images):
        """[..., 3, S, S] -> {read-out: (responses [L, ..., C], maps [L, ..., K])}, reconstructions."""
        lead = images.shape[:-3]
        states, attention = self.encoder(images.reshape(-1, 3, SIDE, SIDE))
        over_heads = attention.mean(2)[..., 1:]  # [L, B, 1 + K, K]
        shaped = lambda t: t.reshape(DEPTH, *lead, t.shape[-1])
        seen = {"cls": (shaped(states[:, :, 0]), shaped(over_heads[:, :, 0])),
                "mean": (shaped(states[:, :, 1:].mean(2)), shaped(over_heads[:, :, 1:].mean(2)))}
        return seen, self.decoder(states[-1][:, 1:]).reshape(images.shape)

    def loss(self, clean):
        _, rebuilt = self.look(clean)
        return ((rebuilt - clean) ** 2).mean() + 0.1 * abs(rebuilt - clean).mean()


def common_rows(networks, noisy, levels, where, *, reference, unbiased, leave_out, probe):
    """Of noisy images [N, P, I, 3, S, S], all that needs no masks; `reference` by read-out."""
    layers = range(DEPTH)
    seen, rebuilt = networks.look(noisy)
    for metric, values in measured.reconstruction(rebuilt, noisy[0, 0]).items():
        yield from rows_of(metric, values, noise=levels, **where)
    for readout, (x, a) in seen.items():
        at = dict(where, readout=readout)
        for metric, values in (measured.alignment(x, reference and reference[readout]) | measured.attention(a, SIDE)).items():
            yield from rows_of(metric, values, layer=layers, noise=levels, **at)
        for metric, values in measured.manifold(x, unbiased).items():
            yield from rows_of(metric, values, layer=layers, noise=levels[1:], **at)
        for metric, values in measured.sparseness(x, leave_out).items():
            ranks = {"rank": [f"{k / 16:g}" for k in range(17)]} if metric == "tuning.curve" else {}
            yield from rows_of(metric, values, layer=layers, **ranks, **at)
        if where["images"] == "familiar":
            at.pop("images")
            for metric, values in measured.probes(x, *probe).items():
                yield from rows_of(metric, values, layer=layers, noise=levels, **at)


def first_probe(seed):
    stream = Stream(seed).child("probes")
    return tuple((2 * stream.child(k).uniform(*shape) - 1) * WIDTH**-0.5 for k, shape in enumerate(((COUNT, WIDTH), (COUNT,))))


class OfAFolder:
    """What a run with seed 0 on an image set of the folder sees and measures."""

    LEVELS, PATTERNS, SETS = [0, 0.1, 0.3], 2, 2

    def __init__(self, encoder, images, masks):
        self.images, self.masks = images, masks
        decoder = first_decoder(Stream(0).child("decoder"), WIDTH, DECODER["width"], DECODER["depth"], PATCH, PATCHES)
        self.networks = Networks(Encoder(encoder, HEADS), Decoder(decoder, DECODER["heads"], PATCH))
        self.order = Stream(5).child("image sets").permutation(TOTAL)

    def of_set(self, number):
        return self.order[number % self.SETS * COUNT :][:COUNT]

    def reference_of(self, number):
        """The first images from behind the set and its successor on, once round, that are in neither."""
        round_trip = [self.order[(number * COUNT + k) % TOTAL] for k in range(2 * COUNT, TOTAL + 2 * COUNT)]
        own = self.of_set(number) + self.of_set(number + 1)
        return [k for k in round_trip if k not in own][:REFERENCE]

    def noisy(self, chosen):
        def of(index, pattern):
            order = Stream(0).child("noise").child(index).child(pattern).permutation(SIDE**2)
            return [salt_and_pepper(self.images[index], level, order) for level in self.LEVELS]

        return numpy.array([[of(index, pattern) for index in chosen] for pattern in range(self.PATTERNS)]).transpose(2, 0, 1, 3, 4, 5)

    def shifts(self, index):
        """200 of (down, right)."""
        draws = Stream(purpose("figure shifts")).child(index).below(400, SIDE)
        return [(draws[2 * k + 1], draws[2 * k]) for k in range(200)]

    def rows(self):
        return {key: value for number in range(self.SETS) for key, value in self.rows_of_set(number)}

    def rows_of_set(self, number):
        around, _ = self.networks.look(self.images[self.reference_of(number)])
        reference = {readout: x for readout, (x, _) in around.items()}
        yield from rows_of("loss", numpy.array(self.networks.loss(self.images[self.of_set(number)])), image_set=number, step=1)
        for name, chosen in (("familiar", self.of_set(number)), ("novel", self.of_set(number + 1))):
            where, noisy = dict(image_set=number, images=name), self.noisy(chosen)
            yield from common_rows(self.networks, noisy, self.LEVELS, where, reference=reference, unbiased=False, leave_out=0, probe=first_probe(0))
            seen, _ = self.networks.look(noisy)
            for readout, (x, a) in seen.items():
                for metric, values in measured.kernel_alignment(x, reference[readout]).items():
                    yield from rows_of(metric, values, layer=range(DEPTH), readout=readout, **where)
                for metric, values in measured.figure(a, self.masks[chosen], [self.shifts(k) for k in chosen]).items():
                    yield from rows_of(metric, values, layer=range(DEPTH), noise=self.LEVELS, readout=readout, **where)


class OfAStartFile:
    """What a run that starts from given tensors measures: adapters that change the encoder, another decoder, noise of any kind."""

    LEVELS, PATTERNS, SCALE = [0, 0.2, 0.5], 3, 2

    def __init__(self, random):
        adapters = {f"encoder.layers.{layer}.self_attn.{m}_proj.lora_{letter}": (0.3 * random.standard_normal(shape)).astype(numpy.float32)
                    for layer in range(DEPTH) for m in "qkv" for letter, shape in (("A", (3, WIDTH)), ("B", (WIDTH, 3)))}
        self.encoder = random_encoder(random) | adapters
        decoder = first_decoder(Stream(7), WIDTH, DECODER["width"], DECODER["depth"], PATCH, PATCHES)
        self.decoder = {name: (value + 0.1 * random.standard_normal(value.shape)).astype(numpy.float32) for name, value in decoder.items()}
        self.noisy = {name: self.gaussian(random, random.uniform(0, 1, (COUNT, 3, SIDE, SIDE))) for name in ("familiar", "novel")}

    def gaussian(self, random, images):
        noisy = [[images + level * random.standard_normal(images.shape) for _ in range(self.PATTERNS)] for level in self.LEVELS]
        return numpy.clip(noisy, 0, 1).astype(numpy.float32)

    def tensors(self):
        """By the names of peft and of the start file."""
        encoder = {f"encoder.{name}.default.weight" if "lora_" in name else f"encoder.{name}": value for name, value in self.encoder.items()}
        return encoder | {f"decoder.{name}": value for name, value in self.decoder.items()} | {f"noisy.{name}": value for name, value in self.noisy.items()}

    def rows(self):
        networks = Networks(Encoder(self.encoder, HEADS, self.SCALE), Decoder(self.decoder, DECODER["heads"], PATCH))
        out = dict(rows_of("loss", numpy.array(networks.loss(self.noisy["familiar"][0, 0].astype(float))), image_set=0, step=1))
        for name, noisy in self.noisy.items():
            out |= common_rows(networks, noisy.astype(float), self.LEVELS, dict(image_set=0, images=name), reference=None, unbiased=True,
                               leave_out=5, probe=first_probe(0))
        return out


def swept(folder, definition):
    """{epoch: {key: value}} of all tables; the loss has no epoch, it is with epoch 0."""
    (folder / "sweep.toml").write_text(definition)
    palimpsest("sweep", folder / "sweep.toml", "--out", folder / "results")
    palimpsest("export", folder / "results", "--out", folder / "tables")
    out = {"0": {}, "1": {}}
    for table in (folder / "tables").glob("*.csv"):
        with open(table, newline="") as file:
            for row in csv.DictReader(file):
                if "metric" in row:
                    out[row.get("epoch") or "0"][(row["metric"], *(row.get(axis) for axis in AXES))] = float(row["value"])
    return out


class Philox(unittest.TestCase):
    def test_gives_the_known_answers(self):
        """kat_vectors of Random123: philox4x32-10 at zero, and at the digits of pi."""
        words = lambda *values: [numpy.array([v], dtype=numpy.uint64) for v in values]
        self.assertEqual(philox(words(0, 0, 0, 0), (0, 0)).ravel().tolist(), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8])
        self.assertEqual(philox(words(0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)).ravel().tolist(),
                         [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1])


class Measurements(unittest.TestCase):
    def check(self, ours, theirs):
        self.assertEqual(set(ours["0"]), set(theirs))
        worst = {}
        for key, value in theirs.items():
            error = abs(ours["0"][key] - value) / max(1, abs(value))
            worst[key[0]] = max(worst.get(key[0], (0,)), (error, key, ours["0"][key], value))
        print(*(f"{metric}: {error:.1e}" for metric, (error, *_) in sorted(worst.items())), sep="\n")
        self.assertEqual([f"{key}: {here}, but {there} by its definition" for error, key, here, there in worst.values() if not error <= TOLERANCE], [])
        self.assertEqual(ours["1"], {key: value for key, value in ours["0"].items() if key[0] != "loss"})  # with rate 0 nothing moved

    def test_of_a_folder_of_images_are_those_of_the_reference(self):
        random = numpy.random.default_rng(1)
        with tempfile.TemporaryDirectory() as holder:
            folder = Path(holder)
            encoder, (images, masks) = random_encoder(random), random_pictures(random, folder)
            save_file(encoder, folder / "slow.safetensors")
            ours = swept(folder, OF_A_FOLDER)
        self.check(ours, OfAFolder(encoder, images, masks).rows())

    def test_of_a_start_file_are_those_of_the_reference(self):
        start = OfAStartFile(numpy.random.default_rng(2))
        with tempfile.TemporaryDirectory() as holder:
            save_file(start.tensors(), Path(holder) / "start.safetensors")
            ours = swept(Path(holder), OF_A_START_FILE)
        self.check(ours, start.rows())


if __name__ == "__main__":
    unittest.main()

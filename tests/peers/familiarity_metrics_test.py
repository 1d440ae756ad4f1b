"""Every measurement of the study familiarity, at its first epoch, is that of its definition computed in numpy and float64."""

import csv
import tempfile
import unittest
from pathlib import Path

import numpy
from PIL import Image
from safetensors.numpy import save_file

from familiarity_reference import AXES, COUNT, DECODER, LOSS, DEPTH, HEADS, PATCH, PATCHES, REFERENCE, SIDE, TOTAL, WIDTH, OfAFolder, OfAStartFile
from float64_autoencoder import gelu
from philox import philox
from program import palimpsest

TOLERANCE = 1e-5  # of the larger of 1 and the value
DEFINITION = f"""
study = "familiarity"
name = "reference"
sweep.seeds = 1
slow.heads = {HEADS}
images.count = {COUNT}
training.epochs = 1
training.learning_rate = 0.0
decoder.width = {DECODER["width"]}
decoder.depth = {DECODER["depth"]}
decoder.heads = {DECODER["heads"]}
decoder.dropout = 0.0
"""
FOLDER = DEFINITION + f"""
slow.weights = "slow.safetensors"
images.source = "folder"
images.path = "images"
images.masks = "masks"
images.seed = {OfAFolder.SEED}
alignment.reference = {REFERENCE}
attention.heads = true
noise.side = {SIDE}
noise.levels = {OfAFolder.LEVELS}
noise.patterns = {OfAFolder.PATTERNS}
sweep.image_sets = {OfAFolder.SETS}
"""
START_FILE = DEFINITION + f"""
start.file = "start.safetensors"
fast.rank = {OfAStartFile.ADAPTER_RANK}
fast.alpha = {2 * OfAStartFile.ADAPTER_RANK}
noise.levels = {OfAStartFile.LEVELS}
noise.patterns = {OfAStartFile.PATTERNS}
sweep.image_sets = 1
"""
OTHER_CHOICES = """
alignment.centre = "set"
manifold.unbiased = false
sparseness.leave_out = 5
"""
ALL_READ_OUTS = """
evaluation.readouts = ["cls", "mean", "figure", "ground", "mean_input", "figure_input", "ground_input"]
slow.readout = "figure"
loss.masked = 0.5
loss.features = 2.0
"""
OTHER_LOSS = """
training.l1 = 0.3
loss.pixels = 0.25
loss.normalise_target = true
loss.masked = 1.5
loss.mask = 0.4
loss.features = 0.75
loss.feature_layers = "0,2"
"""
LINEAR = """
decoder.kind = "linear"
loss.features = 1.0
loss.feature_layers = "early"
"""
KNOCK_OUTS = """
attention.double_projection = true
model.activation = "gelu"
test.gain = 0.5
test.layers_off = "1"
test.heads_off = "0.1, 2.0"
"""


def random_encoder(random, class_token=True):
    """Names as in CLIPVisionModel; every weight matters."""
    draw = lambda *shape, by=1.0: (by * random.standard_normal(shape)).astype(numpy.float32)
    out = {
        "embeddings.patch_embedding.weight": draw(WIDTH, 3, PATCH, PATCH, by=(3 * PATCH**2) ** -0.5),
        "embeddings.position_embedding.weight": draw(PATCHES + class_token, WIDTH),
    }
    if class_token:
        out["embeddings.class_embedding"] = draw(WIDTH)

    def norm(name):
        out[name + ".weight"], out[name + ".bias"] = 1 + draw(WIDTH, by=0.2), draw(WIDTH, by=0.2)

    norm("pre_layrnorm")
    norm("post_layernorm")
    maps = {f"self_attn.{letter}_proj": (WIDTH, WIDTH) for letter in ("q", "k", "v", "out")} | {"mlp.fc1": (64, WIDTH), "mlp.fc2": (WIDTH, 64)}
    for block in [f"encoder.layers.{layer}." for layer in range(DEPTH)]:
        norm(block + "layer_norm1")
        norm(block + "layer_norm2")
        for name, (outputs, inputs) in maps.items():
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
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def check(self, ours, theirs):
        self.assertEqual(set(ours["0"]), set(theirs))
        worst = {}
        for key, value in theirs.items():
            error = abs(ours["0"][key] - value) / max(1, abs(value))
            worst[key[0]] = max(worst.get(key[0], (-1,)), (error, f"{key}: {ours['0'][key]}, but {value} by its definition"))
        print(*(f"{metric}: {error:.1e}" for metric, (error, _) in sorted(worst.items())), sep="\n")
        self.assertEqual([text for error, text in worst.values() if not error <= TOLERANCE], [])
        self.assertEqual(ours["1"], {key: value for key, value in ours["0"].items() if key[0] != "loss"})  # at rate 0 nothing moves

    def start_file(self, seed, **encoder):
        random = numpy.random.default_rng(seed)
        start = OfAStartFile(random, random_encoder(random, **encoder))
        save_file(start.tensors(), self.folder / "start.safetensors")
        return start

    def test_of_a_folder_of_images_are_those_of_the_reference(self):
        random = numpy.random.default_rng(1)
        encoder, (images, masks) = random_encoder(random), random_pictures(random, self.folder)
        save_file(encoder, self.folder / "slow.safetensors")
        self.check(swept(self.folder, FOLDER), OfAFolder(encoder, images, masks).rows())

    def of_a_folder(self, seed, keys, **built):
        random = numpy.random.default_rng(seed)
        encoder, (images, masks) = random_encoder(random), random_pictures(random, self.folder)
        save_file(encoder, self.folder / "slow.safetensors")
        definition = FOLDER
        if built.get("linear"):
            definition = "".join(line for line in FOLDER.splitlines(True) if not line.startswith("decoder.") or "dropout" in line)
        self.check(swept(self.folder, definition + keys), OfAFolder(encoder, images, masks, **built).rows())

    # But the class token's input: that of block 0 is the same for all images, and what compares them is no number.
    def test_by_every_read_out_and_of_a_loss_of_three_terms_are_those_of_the_reference(self):
        self.of_a_folder(12, ALL_READ_OUTS, loss=LOSS | dict(masked=0.5, features=2.0),
                         readouts=("cls", "mean", "figure", "ground", "mean_input", "figure_input", "ground_input"))

    def test_of_normalised_patches_are_those_of_the_reference(self):
        self.of_a_folder(6, OTHER_LOSS, loss=dict(pixels=0.25, masked=1.5, features=0.75, l1=0.3, mask=0.4, normalised=True, layers=(0, 2)))

    def test_with_a_linear_decoder_are_those_of_the_reference(self):
        self.of_a_folder(7, LINEAR, linear=True, loss=LOSS | dict(features=1.0, layers=(0,)))

    def test_without_a_class_token_biased_and_centred_on_the_set_are_those_of_the_reference(self):
        start, network = self.start_file(2, class_token=False), dict(scale=2)
        self.check(swept(self.folder, START_FILE + OTHER_CHOICES), start.rows(network, network, centre="set", unbiased=False, leave_out=5))

    def test_with_knock_outs_are_those_of_the_reference(self):
        start, trained = self.start_file(3), dict(scale=2, activation=gelu, twice=True)
        self.check(swept(self.folder, START_FILE + KNOCK_OUTS), start.rows(trained, trained | dict(scale=1, off=[1], silent=[(0, 1), (2, 0)])))

    def test_centred_on_a_reference_that_the_start_file_lacks_are_refused(self):
        tensors = self.start_file(4).tensors()
        del tensors["reference"]
        save_file(tensors, self.folder / "start.safetensors")
        with self.assertRaisesRegex(AssertionError, r"ended with 2:\n.*start.safetensors: has no tensor reference.*alignment\.centre = \"set\""):
            swept(self.folder, START_FILE)

    def test_of_what_the_encoder_lacks_are_refused_by_plan(self):
        self.start_file(5)
        (self.folder / "sweep.toml").write_text(START_FILE)
        for keys, said in (("test.heads_off=9.9", "there is no head 9 of block 9; .*start.safetensors has blocks 0 to"),
                           ("fast.rank=500", "fast.rank = 500 is above the width"), ("fast.layers=7", "there is no block 7")):
            with self.assertRaisesRegex(AssertionError, rf"ended with 2:\n.*{said}"):
                palimpsest("plan", self.folder / "sweep.toml", "--set", keys)


if __name__ == "__main__":
    unittest.main()

"""The tables of a familiarity run before training, as the reference computes them: {(metric, *the places of AXES): value}."""

import numpy

import familiarity_measurements as measured
from float64_autoencoder import Decoder, Encoder, first_decoder
from philox import Stream, purpose

WIDTH, DEPTH, HEADS, PATCH, SIDE = 32, 3, 2, 8, 32
PATCHES = (SIDE // PATCH) ** 2
DECODER = dict(width=24, depth=2, heads=3)
COUNT, REFERENCE, TOTAL = 3, 8, 15  # images of a set, of the reference, of a folder
AXES = ("image_set", "images", "layer", "head", "noise", "readout", "rank", "step")


def rows_of(metric, values, **where):
    """values [layer, ...] under their keys; `where` gives an axis its labels, or one label. Values lead with the layers."""
    labels = {axis: [str(l) for l in where[axis]] if isinstance(where[axis], (list, range)) else [str(where[axis])] for axis in AXES if axis in where}
    for place in numpy.ndindex(*(len(l) for l in labels.values())):
        at = {axis: l[k] for (axis, l), k in zip(labels.items(), place)}
        inner = tuple(k for l, k in zip(labels.values(), place) if len(l) > 1)
        yield (metric, *(at.get(axis) for axis in AXES)), float(values[inner])


def first_decoder_of(stream):
    return first_decoder(stream, WIDTH, DECODER["width"], DECODER["depth"], PATCH, PATCHES)


def first_probe(seed):
    """Weights and biases that every layer's probe begins with."""
    stream = Stream(seed).child("probes")
    return [(2 * stream.child(part).uniform(*shape) - 1) * WIDTH**-0.5 for part, shape in enumerate(((COUNT, WIDTH), (COUNT,)))]


class Autoencoder:
    def __init__(self, encoder, decoder, reference):
        """reference [n, 3, S, S]: the other images that alignment is measured with."""
        self.encoder, self.decoder = encoder, Decoder(decoder, DECODER["heads"], PATCH)
        self.reference = {readout: x for readout, (x, *_) in self.look(reference)[0].items()}

    def look(self, images):
        """[..., 3, S, S] -> {read-out: (responses [L, ..., C], maps [L, ..., K], maps of each head [L, H, ..., K])}, reconstructions."""
        lead = images.shape[:-3]
        states, attention = self.encoder(images.reshape(-1, 3, SIDE, SIDE))
        first = states.shape[2] - PATCHES  # of the patches: a class token goes before them
        by_head = attention.swapaxes(1, 2)[..., first:]  # [L, H, B, T, K]
        over_heads = by_head.mean(1)
        shaped = lambda x, a, heads: (x.reshape(DEPTH, *lead, -1), a.reshape(DEPTH, *lead, -1), heads.reshape(DEPTH, HEADS, *lead, PATCHES))
        seen = {"mean": shaped(states[:, :, first:].mean(2), over_heads[:, :, first:].mean(2), by_head[..., first:, :].mean(-2))}
        if first:
            seen["cls"] = shaped(states[:, :, 0], over_heads[:, :, 0], by_head[..., 0, :])
        return seen, self.decoder(states[-1][:, first:]).reshape(images.shape)

    def loss_rows(self, clean, image_set):
        off = self.look(clean)[1] - clean
        return rows_of("loss", numpy.array((off**2).mean() + 0.1 * abs(off).mean()), image_set=image_set, step=1)

    def rows(self, noisy, levels, where, centre="reference", unbiased=False, leave_out=0, heads=False):
        """Of noisy images [N, P, I, 3, S, S], all that needs no masks."""
        seen, rebuilt = self.look(noisy)
        for metric, values in measured.reconstruction(rebuilt, noisy[0, 0]).items():
            yield from rows_of(metric, values, noise=levels, **where)
        for readout, (x, a, of_heads) in seen.items():
            at = dict(where, layer=range(DEPTH), readout=readout)
            others = self.reference[readout]
            for metric, values in (measured.alignment(x, others if centre == "reference" else None) | measured.attention(a, SIDE)).items():
                yield from rows_of(metric, values, noise=levels, **at)
            if heads:
                for metric, values in measured.head_attention(of_heads).items():
                    yield from rows_of(metric, values, head=range(HEADS), noise=levels, **at)
            for metric, values in measured.kernel_alignment(x, others).items():
                yield from rows_of(metric, values, **at)
            for metric, values in measured.manifold(x, unbiased).items():
                yield from rows_of(metric, values, noise=levels[1:], **at)
            for metric, values in measured.sparseness(x, leave_out).items():
                ranks = {"rank": [f"{k / 16:g}" for k in range(17)]} if metric == "tuning.curve" else {}
                yield from rows_of(metric, values, **ranks, **at)
            if at.pop("images") == "familiar":
                for metric, values in measured.probes(x, *first_probe(0)).items():
                    yield from rows_of(metric, values, noise=levels, **at)

    def figure_rows(self, noisy, levels, where, masks, shifts):
        for readout, (_, a, of_heads) in self.look(noisy)[0].items():
            at = dict(where, layer=range(DEPTH), noise=levels, readout=readout)
            for metric, values in measured.figure(a, masks, shifts).items():
                yield from rows_of(metric, values, **at)
            yield from rows_of("attention.head_figure_auc", measured.head_figure_auc(of_heads, masks), head=range(HEADS), **at)


def salt_and_pepper(image, level, order):
    """The first half of the n = level S^2 drawn pixels white, the others black."""
    n = int(level * SIDE**2)
    out = image.copy().reshape(3, -1)
    out[:, order[: n // 2]] = 1
    out[:, order[n // 2 : n]] = 0
    return out.reshape(image.shape)


class OfAFolder:
    """Runs with seed 0 on both image sets of a folder: images [n, 3, S, S] in 0..1, masks [n, S, S], in the order of their names."""

    LEVELS, PATTERNS, SETS, SEED = [0, 0.1, 0.3], 2, 2, 5

    def __init__(self, encoder, images, masks):
        self.encoder, self.images, self.masks = Encoder(encoder, HEADS), images, masks
        self.order = Stream(self.SEED).child("image sets").permutation(TOTAL)

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

    def rows_of_set(self, number):
        network = Autoencoder(self.encoder, first_decoder_of(Stream(0).child("decoder")), self.images[self.reference_of(number)])
        yield from network.loss_rows(self.images[self.of_set(number)], number)
        for name, chosen in (("familiar", self.of_set(number)), ("novel", self.of_set(number + 1))):
            where, noisy = dict(image_set=number, images=name), self.noisy(chosen)
            yield from network.rows(noisy, self.LEVELS, where, heads=True)
            yield from network.figure_rows(noisy, self.LEVELS, where, self.masks[chosen], [self.shifts(k) for k in chosen])

    def rows(self):
        return {key: value for number in range(self.SETS) for key, value in self.rows_of_set(number)}


class OfAStartFile:
    """A run that starts from given tensors: adapters that change the encoder, any decoder, noise and reference."""

    LEVELS, PATTERNS, ADAPTER_RANK = [0, 0.2, 0.5], 4, 3

    def __init__(self, random, encoder):
        normal = lambda *shape, by: (by * random.standard_normal(shape)).astype(numpy.float32)
        self.encoder = dict(encoder)
        for name in [f"encoder.layers.{layer}.self_attn.{letter}_proj" for layer in range(DEPTH) for letter in "qkv"]:
            self.encoder[name + ".lora_A"] = normal(self.ADAPTER_RANK, WIDTH, by=0.3)
            self.encoder[name + ".lora_B"] = normal(WIDTH, self.ADAPTER_RANK, by=0.3)
        self.decoder = {name: numpy.float32(value + normal(*value.shape, by=0.1)) for name, value in first_decoder_of(Stream(7)).items()}
        self.noisy = {name: self.under_noise(random, random.uniform(0, 1, (COUNT, 3, SIDE, SIDE))) for name in ("familiar", "novel")}
        self.reference = random.uniform(0, 1, (REFERENCE, 3, SIDE, SIDE)).astype(numpy.float32)

    def under_noise(self, random, images):
        noisy = [[images + level * random.standard_normal(images.shape) for _ in range(self.PATTERNS)] for level in self.LEVELS]
        return numpy.clip(noisy, 0, 1).astype(numpy.float32)

    def tensors(self):
        """By the names of peft and of start files."""
        encoder = {f"encoder.{name}.default.weight" if "lora_" in name else f"encoder.{name}": value for name, value in self.encoder.items()}
        decoder = {f"decoder.{name}": value for name, value in self.decoder.items()}
        return encoder | decoder | {f"noisy.{name}": value for name, value in self.noisy.items()} | {"reference": self.reference}

    def network(self, **built):
        return Autoencoder(Encoder(self.encoder, HEADS, **built), self.decoder, self.reference.astype(float))

    def rows(self, trained, tested, **options):
        """How the encoder is built when it learns, and when it is measured."""
        out = dict(self.network(**trained).loss_rows(self.noisy["familiar"][0, 0].astype(float), 0))
        network = self.network(**tested)
        for name, noisy in self.noisy.items():
            out |= network.rows(noisy.astype(float), self.LEVELS, dict(image_set=0, images=name), **options)
        return out

"""The tables of a familiarity run before training, as the reference computes them: {(metric, *the places of AXES): value}."""

import numpy

import familiarity_measurements as measured
from float64_autoencoder import MEAN, SD, Decoder, Encoder, by_patch, first_decoder, first_linear_decoder, patch_scale, pictures, sigmoid
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


LOSS = dict(pixels=1.0, masked=0.0, features=0.0, l1=0.1, mask=0.75, normalised=False, layers=range(DEPTH))


def figure_shares(mask):
    """[S, S] -> [K], the share of each patch that lies on the figure."""
    grid = SIDE // PATCH
    return mask.reshape(grid, PATCH, grid, PATCH).mean((1, 3)).ravel()


class Autoencoder:
    def __init__(self, encoder, decoder, reference, readouts=("cls", "mean"), figures=None, loss=LOSS):
        """reference [n, 3, S, S]: the other images that alignment is measured with; figures [n, K] of these, where read-outs are by the figure."""
        self.encoder, self.decoder = encoder, Decoder(decoder, DECODER["heads"], PATCH)
        self.readouts, self.loss = readouts, loss
        self.reference = {readout: x for readout, (x, *_) in self.look(reference, figures)[0].items()}

    def weights(self, tokens, lead, first, figures):
        """[..., T] that add up to 1: what each token counts in a read-out."""
        if tokens == "cls":
            return numpy.broadcast_to(numpy.eye(PATCHES + first)[0], (*lead, PATCHES + first))
        share = {"mean": numpy.ones(PATCHES), "figure": figures, "ground": None if figures is None else 1 - figures}[tokens]
        share = numpy.broadcast_to(share / share.sum(-1, keepdims=True), (*lead, PATCHES))
        return numpy.concatenate([numpy.zeros((*lead, first)), share], -1)

    def look(self, images, figures=None):
        """[..., I, 3, S, S] -> {read-out: (responses [L, ..., C], maps [L, ..., K], maps of each head [L, H, ..., K])}, reconstructions."""
        lead = images.shape[:-3]
        received = self.encoder.embedded(images.reshape(-1, 3, SIDE, SIDE))
        states, attention = self.encoder(received)
        before = numpy.concatenate([received[None], states[:-1]])
        first = states.shape[2] - PATCHES  # of the patches: a class token goes before them
        by_head = attention.swapaxes(1, 2)[..., first:]  # [L, H, B, T, K]
        seen = {}
        for readout in self.readouts:
            tokens, _, is_input = readout.partition("_")
            if tokens == "cls" and not first:
                continue
            w = self.weights(tokens, lead, first, figures).reshape(-1, PATCHES + first)
            heads = numpy.einsum("lhbtk,bt->lhbk", by_head, w)
            x = numpy.einsum("lbtc,bt->lbc", before if is_input else states, w)
            seen[readout] = x.reshape(DEPTH, *lead, -1), heads.mean(1).reshape(DEPTH, *lead, -1), heads.reshape(DEPTH, HEADS, *lead, PATCHES)
        clean = images[(0,) * (images.ndim - 4)]
        clean = numpy.broadcast_to(clean, images.shape).reshape(-1, 3, SIDE, SIDE)
        return seen, self.picture(self.decoder(states[-1][:, first:]), clean).reshape(images.shape)

    def picture(self, output, clean):
        if not self.loss["normalised"]:
            return pictures(sigmoid(output), PATCH)
        mean, deviation = patch_scale(by_patch(clean, PATCH))
        return pictures(output * deviation + mean, PATCH)

    def error(self, output, target):
        """Of patches [..., 3 p p]: the decoder's output, and the pixels it should give."""
        if self.loss["normalised"]:
            mean, deviation = patch_scale(target)
            off = output - (target - mean) / deviation
        else:
            off = sigmoid(output) - target
        return (off**2).mean() + self.loss["l1"] * abs(off).mean()

    def masked(self, images, seed, step):
        """What is made of the hidden patches of each image, beside these."""
        hidden = round(self.loss["mask"] * PATCHES)
        guessed, target = [], []
        for i, image in enumerate(images):
            order = Stream(seed).child("masks").child(step).child(i).permutation(PATCHES)
            kept = sorted(order[: PATCHES - hidden])
            x = self.encoder.embedded(image[None])
            first = x.shape[1] - PATCHES
            seen = self.encoder(x[:, [*range(first), *(first + k for k in kept)]])[0][-1][:, first:]
            tokens = numpy.tile(self.decoder.weights["mask_token"], (1, PATCHES, 1))
            tokens[:, kept] = self.decoder.seen(seen)
            rest = sorted(order[PATCHES - hidden :])
            guessed.append(self.decoder.of_all(tokens)[0, rest])
            target.append(by_patch(image[None], PATCH)[0, rest])
        return numpy.array(guessed), numpy.array(target)

    def loss_rows(self, clean, image_set, slow=None):
        """slow: the network whose responses the reconstruction should evoke."""
        x = self.encoder.embedded(clean)
        output = self.decoder(self.encoder(x)[0][-1][:, x.shape[1] - PATCHES :])
        total = self.loss["pixels"] * self.error(output, by_patch(clean, PATCH))
        if self.loss["masked"]:
            total += self.loss["masked"] * self.error(*self.masked(clean, 0, 1))
        if self.loss["features"]:
            wanted, given = slow(slow.embedded(clean))[0], slow(slow.embedded(self.picture(output, clean)))[0]
            total += self.loss["features"] * numpy.mean([((given[l] - wanted[l]) ** 2).mean() / (wanted[l] ** 2).mean() for l in self.loss["layers"]])
        return rows_of("loss", numpy.array(total), image_set=image_set, step=1)

    def rows(self, noisy, levels, where, centre="reference", unbiased=True, leave_out=0, heads=False, figures=None):
        """Of noisy images [N, P, I, 3, S, S], all that needs no masks; figures [I, K] where read-outs are by them."""
        seen, rebuilt = self.look(noisy, figures)
        for metric, values in measured.reconstruction(rebuilt, noisy[0, 0], (noisy[0, 0] - MEAN) / SD).items():
            yield from rows_of(metric, values, noise=levels, **where)
        for readout, (x, a, of_heads) in seen.items():
            at = dict(where, layer=range(DEPTH), readout=readout)
            others = self.reference[readout]
            for metric, values in (measured.alignment(x, others if centre == "reference" else None) | measured.attention(a, SIDE)).items():
                yield from rows_of(metric, values, noise=levels, **at)
            if heads:
                for metric, values in measured.head_attention(of_heads, SIDE).items():
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

    def figure_rows(self, noisy, levels, where, masks, shifts, figures=None):
        for readout, (_, a, of_heads) in self.look(noisy, figures)[0].items():
            at = dict(where, layer=range(DEPTH), noise=levels, readout=readout)
            for metric, values in measured.figure(a, masks, shifts).items():
                yield from rows_of(metric, values, **at)
            for metric, values in measured.head_figure(of_heads, masks, shifts).items():
                yield from rows_of(metric, values, head=range(HEADS), **at)


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

    def __init__(self, encoder, images, masks, linear=False, **built):
        """built: read-outs and loss of the networks."""
        self.encoder, self.images, self.masks = Encoder(encoder, HEADS), images, masks
        self.linear, self.built = linear, built
        self.figures = numpy.array([figure_shares(mask) for mask in masks])
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
        stream, others = Stream(0).child("decoder"), self.reference_of(number)
        decoder = first_linear_decoder(stream, WIDTH, PATCH) if self.linear else first_decoder_of(stream)
        network = Autoencoder(self.encoder, decoder, self.images[others], figures=self.figures[others], **self.built)
        yield from network.loss_rows(self.images[self.of_set(number)], number, self.encoder)
        for name, chosen in (("familiar", self.of_set(number)), ("novel", self.of_set(number + 1))):
            where, noisy, figures = dict(image_set=number, images=name), self.noisy(chosen), self.figures[chosen]
            yield from network.rows(noisy, self.LEVELS, where, heads=True, figures=figures)
            yield from network.figure_rows(noisy, self.LEVELS, where, self.masks[chosen], [self.shifts(k) for k in chosen], figures)

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

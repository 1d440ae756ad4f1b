"""The measurements of the study familiarity as their definitions read, in numpy and float64. One read-out of one set of images at one epoch:

    x  responses [L layers, N noise levels, P patterns, I images, C units]; level 0 is the clean images P times
    a  attention to the patches [L, N, P, I, K], mean over heads

Each function returns {name: values}, over layers and what its name is measured by (levels, ranks). A count of what exceeds a threshold jumps
where a value lies on it: such values must be `clear` of it, so that rounding cannot decide.
"""

import itertools

import numpy

TUNING_RANKS = 17


class Unclear(Exception):
    """Rounding would decide: draw other weights or images."""


def clear(differences, margin):
    nearest = numpy.abs(differences).min()
    if nearest < margin:
        raise Unclear(f"a value lies only {nearest:.1e} from its threshold, less than {margin:.0e}")
    return differences


def mean_over(items):
    return numpy.mean(list(items), 0)


def unit(v):
    return v / numpy.linalg.norm(v)


def cosine(v, w):
    return v @ w / (numpy.linalg.norm(v) * numpy.linalg.norm(w))


def pearson(v, w):
    return cosine(v - v.mean(), w - w.mean())


def by_layer_and_level(x, measure, first_level=0):
    return numpy.array([[measure(l, n) for n in range(first_level, x.shape[1])] for l in range(x.shape[0])])


def alignment(x, reference):
    """reference [L, n, C]: responses to other images, whose mean is the centre; None: each side's mean over the set's own images."""
    L, N, P, I, _ = x.shape
    top = x[-1, 0, 0]
    samples = list(itertools.product(range(P), range(I)))

    def centred(l, n, p, i):
        here = x[l, n, p].mean(0) if reference is None else reference[l].mean(0)
        there = top.mean(0) if reference is None else reference[-1].mean(0)
        return cosine(x[l, n, p, i] - here, top[i] - there)

    own = by_layer_and_level(x, lambda l, n: mean_over(cosine(x[l, n, p, i], top[i]) for p, i in samples))
    other = by_layer_and_level(x, lambda l, n: mean_over(cosine(x[l, n, p, i], top[j]) for p, i in samples for j in range(I) if j != i))
    return {
        "alignment.cosine": own,
        "alignment.other": other,
        "alignment.specificity": own - other,
        "alignment.centred": by_layer_and_level(x, lambda l, n: mean_over(centred(l, n, p, i) for p, i in samples)),
        "alignment.pearson_sorted": by_layer_and_level(
            x, lambda l, n: mean_over(pearson(numpy.sort(x[l, n, p, i])[::-1], numpy.sort(top[i])[::-1]) for p, i in samples)),
    }


def kernel_alignment(x, reference):
    """Linear CKA with the top layer by Kornblith et al. 2019, eq. 3: ||Y^T X||^2 / (||X^T X|| ||Y^T Y||), columns centred."""
    together = numpy.concatenate([x[:, 0, 0], reference], 1)
    together = together - together.mean(1, keepdims=True)
    top = together[-1]
    return {"alignment.cka": numpy.array(
        [numpy.linalg.norm(top.T @ y) ** 2 / (numpy.linalg.norm(y.T @ y) * numpy.linalg.norm(top.T @ top)) for y in together])}


def adamw_map(inputs, weight, bias, steps=100, rate=1e-4, decay=0.01):
    """A linear map trained to name its inputs, image i being class i: cross-entropy, all inputs in each step."""
    first, second = [0, 0], [0, 0]
    for t in range(1, steps + 1):
        scores = inputs @ weight.T + bias
        slope = (numpy.exp(scores) / numpy.exp(scores).sum(1, keepdims=True) - numpy.eye(len(inputs))) / len(inputs)
        for k, (value, gradient) in enumerate(((weight, slope.T @ inputs), (bias, slope.sum(0)))):
            first[k] = 0.9 * first[k] + 0.1 * gradient
            second[k] = 0.999 * second[k] + 0.001 * gradient**2
            step = first[k] / (1 - 0.9**t) / (numpy.sqrt(second[k] / (1 - 0.999**t)) + 1e-8)
            value *= 1 - rate * decay
            value -= rate * step
    return weight, bias


def probes(x, weight, bias):
    """weight [I, C], bias [I]: the first values of every probe."""
    I, C = x.shape[3:]
    trained = [adamw_map(x[l, 0, 0], weight.copy(), bias.copy()) for l in range(len(x))]
    units = x / numpy.linalg.norm(x, axis=-1, keepdims=True)
    solved = [numpy.linalg.solve(u[0, 0].T @ u[0, 0] + 1e-3 * numpy.eye(C), u[0, 0].T) for u in units]  # [C, I], in the primal form

    def right(scores):
        """Which of [P, I] images get their own class."""
        ordered = numpy.sort(scores, -1)
        clear(ordered[..., -1] - ordered[..., -2], 1e-6)
        return scores.argmax(-1) == numpy.arange(I)

    def probability(l, n):
        e = numpy.exp(x[l, n] @ trained[l][0].T + trained[l][1])
        return (e / e.sum(-1, keepdims=True)).diagonal(axis1=1, axis2=2)

    return {
        "probe.accuracy": by_layer_and_level(x, lambda l, n: right(x[l, n] @ trained[l][0].T + trained[l][1]).mean()),
        "probe.confidence": by_layer_and_level(x, lambda l, n: probability(l, n).mean()),
        "probe.converged_accuracy": by_layer_and_level(x, lambda l, n: right(units[l, n] @ solved[l]).mean()),
    }


def distance(vectors, v):
    """Root mean square distance of vectors to one."""
    return numpy.sqrt(numpy.mean([((w - v) ** 2).sum() for w in vectors]))


def manifold(x, unbiased):
    L, N, P, I, _ = x.shape
    samples = list(itertools.product(range(I), range(P)))

    def residual(l, n, i, p):
        return distance([x[l, n, q, i] for q in range(P) if not (unbiased and q == p)], x[l, n, p, i])

    def level(l, n, i, p):
        return distance(x[l, n - 1, :, i], x[l, n, p, i])

    def signal(l, n, i, p):
        return distance([x[l, n, q, j] for j in range(I) if j != i for q in range(P)], x[l, n, p, i])

    def scatter(vectors):
        """Square root of the trace of the covariance."""
        return numpy.sqrt(numpy.trace(numpy.cov(vectors, rowvar=False, ddof=1 if unbiased else 0)))

    def relative(far):
        return by_layer_and_level(x, lambda l, n: mean_over(far(l, n, i, p) / signal(l, n, i, p) for i, p in samples), 1)

    def relative_centroid(far):
        return by_layer_and_level(x, lambda l, n: mean_over(far(l, n, i) / scatter(x[l, n].mean(0)) for i in range(I)), 1)

    return {
        "manifold.level": relative(level),
        "manifold.residual": relative(residual),
        "manifold.to_clean": relative(lambda l, n, i, p: distance([x[l, 0, 0, i]], x[l, n, p, i])),
        "manifold.signal": by_layer_and_level(x, lambda l, n: mean_over(signal(l, n, i, p) for i, p in samples), 1),
        "manifold.centroid_level": relative_centroid(lambda l, n, i: numpy.linalg.norm(x[l, n, :, i].mean(0) - x[l, 0, :, i].mean(0))),
        "manifold.centroid_residual": relative_centroid(lambda l, n, i: scatter(x[l, n, :, i])),
    }


def half_max(values, margin=1e-5):
    """Which of them are at least half the largest."""
    return clear(values / values.max() - 0.5, margin) > 0


def sparseness(x, leave_out):
    """Of |responses| to the clean images, without the `leave_out` units that vary most over them."""
    rows = {}
    for clean in x[:, 0, 0]:
        order = numpy.argsort(-clean.var(0))
        clear(numpy.diff(clean.var(0)[order]), 1e-6)
        t = numpy.abs(numpy.delete(clean, order[:leave_out], 1))
        C = t.shape[1]
        curve = numpy.sort(t, 1)[:, ::-1].mean(0)
        indices = {
            "sparseness.treves_rolls": [(1 - v.mean() ** 2 / (v**2).mean()) / (1 - 1 / C) for v in t],
            "sparseness.hoyer": [(C**0.5 - v.sum() / numpy.linalg.norm(v)) / (C**0.5 - 1) for v in t],
            "sparseness.kurtosis": [((v - v.mean()) ** 4).mean() / v.var() ** 2 - 3 for v in t],
            "sparseness.half_max_count": [half_max(v).sum() for v in t],
            "activity.mean": [v.mean() for v in t],
            "activity.norm": [numpy.linalg.norm(v) for v in t],
        }
        for name, of_images in indices.items():
            rows.setdefault(name, []).append(numpy.mean(of_images))
        ranks = [round(k * (C - 1) / (TUNING_RANKS - 1)) for k in range(TUNING_RANKS)]
        rows.setdefault("tuning.curve", []).append(curve[ranks] / curve[0])
    return {name: numpy.array(values) for name, values in rows.items()}


def keys_cubic(distance):
    d = abs(distance)
    return (1.25 * d - 2.25) * d * d + 1 if d < 1 else ((-0.75 * d + 3.75) * d - 6) * d + 3 if d < 2 else 0.0


def enlarging(grid, side):
    """The matrix [side, grid] of OpenCV's INTER_CUBIC in one dimension: half-pixel centres, the border repeated."""
    out = numpy.zeros((side, grid))
    for pixel in range(side):
        place = (pixel + 0.5) * grid / side - 0.5
        for tap in range(int(numpy.floor(place)) - 1, int(numpy.floor(place)) + 3):
            out[pixel, min(max(tap, 0), grid - 1)] += keys_cubic(place - tap)
    return out


def pictures(a, side):
    """The maps of each layer and level, min-max normalised over their companions and enlarged: [L, N, P, I, side, side]."""
    low, high = (f(a, axis=(2, 3, 4), keepdims=True) for f in (numpy.min, numpy.max))
    grid = round(a.shape[-1] ** 0.5)
    spread = enlarging(grid, side)
    return spread @ ((a - low) / (high - low + 1e-8)).reshape(*a.shape[:-1], grid, grid) @ spread.T


def attention(a, side):
    L, N, P, I, K = a.shape
    samples = list(itertools.product(range(P), range(I)))
    w = a / a.sum(-1, keepdims=True)
    shown = pictures(a, side)
    over = lambda measure: by_layer_and_level(a, lambda l, n: mean_over(measure(l, n, p, i) for p, i in samples))
    return {
        "attention.scope": over(lambda l, n, p, i: numpy.exp(-(w[l, n, p, i] * numpy.log(w[l, n, p, i])).sum())),
        "attention.half_max_area": over(lambda l, n, p, i: half_max(w[l, n, p, i]).mean()),
        "attention.coherence": over(lambda l, n, p, i: numpy.mean([pearson(a[l, n, p, i], a[m, n, p, i]) for m in range(L) if m != l])),
        "attention.map_cosine": over(lambda l, n, p, i: cosine(shown[l, n, p, i].ravel(), shown[l, 0, 0, i].ravel())),
        "attention.map_pearson": over(lambda l, n, p, i: pearson(a[l, n, p, i], a[l, 0, 0, i])),
    }


def head_attention(a, side):
    """a [L, H, N, P, I, K] -> [L, H, N] each."""
    L, H = a.shape[:2]
    shown = numpy.array([[pictures(a[l, h][None], side)[0] for h in range(H)] for l in range(L)])
    layers = a.mean(1)
    of_map = {
        "attention.head_scope": lambda m, clean: numpy.exp(-(m / m.sum() * numpy.log(m / m.sum())).sum()),
        "attention.head_half_max_area": lambda m, clean: half_max(m, 2e-6).mean(),
        "attention.head_map_pearson": pearson,
    }
    return {name: by_head(a, lambda maps, l, h, p, i, measure=measure: measure(maps[p, i], a[l, h, 0, 0, i])) for name, measure in of_map.items()} | {
        "attention.head_map_cosine": numpy.array([[[mean_over(cosine(shown[l, h, n, p, i].ravel(), shown[l, h, 0, 0, i].ravel())
            for p in range(a.shape[3]) for i in range(a.shape[4])) for n in range(a.shape[2])] for h in range(H)] for l in range(L)]),
        "attention.head_coherence": numpy.array([[[mean_over(pearson(a[l, h, n, p, i], layers[m, n, p, i])
            for p in range(a.shape[3]) for i in range(a.shape[4]) for m in range(L) if m != l) for n in range(a.shape[2])] for h in range(H)] for l in range(L)]),
    }


def head_figure(a, masks, shifts):
    of_heads = [figure(a[:, h], masks, shifts, 1e-7) for h in range(a.shape[1])]
    return {f"attention.head_figure_{what}": numpy.stack([one[f"attention.figure_{what}"] for one in of_heads], 1) for what in ("iou", "iou_chance", "auc")}


def by_head(a, measure):
    L, H, N, P, I, _ = a.shape
    return numpy.array([[[mean_over(measure(a[l, h, n], l, h, p, i) for p in range(P) for i in range(I)) for n in range(N)] for h in range(H)] for l in range(L)])


def overlap(masks, bright):
    """Of each of masks [..., S, S]: the better of figure and ground."""
    count = lambda pixels: pixels.sum((-2, -1))
    figure, ground = (count(m & bright) / numpy.maximum(1, count(m | bright)) for m in (masks, ~masks))
    return numpy.maximum(figure, ground)


def area_under_curve(mask, a):
    """How often a figure pixel's patch has a larger weight than a ground pixel's."""
    grid, side = round(len(a) ** 0.5), len(mask)
    clear(numpy.diff(numpy.sort(a)) / a.max(), 1e-7)
    of_pixels = a.reshape(grid, grid).repeat(side // grid, 0).repeat(side // grid, 1)
    figure, ground = of_pixels[mask][:, None], of_pixels[~mask]
    return ((figure > ground) + 0.5 * (figure == ground)).mean()


def figure(a, masks, shifts, margin=1e-6):
    """masks [I, S, S] of bool; shifts [I][(down, right)]: circular shifts whose mean overlap is the chance level."""
    side = masks.shape[-1]
    shifted = [numpy.array([numpy.roll(mask, by, (0, 1)) for by in of_image]) for mask, of_image in zip(masks, shifts)]
    bright = clear(pictures(a, side) - 0.5, margin) > 0
    samples = list(itertools.product(range(a.shape[2]), range(a.shape[3])))
    over = lambda measure: by_layer_and_level(a, lambda l, n: mean_over(measure(l, n, p, i) for p, i in samples))
    iou = over(lambda l, n, p, i: overlap(masks[i], bright[l, n, p, i]))
    chance = over(lambda l, n, p, i: overlap(shifted[i], bright[l, n, p, i]).mean())
    return {
        "attention.figure_iou": iou,
        "attention.figure_iou_chance": chance,
        "attention.figure_iou_excess": iou - chance,
        "attention.figure_auc": over(lambda l, n, p, i: area_under_curve(masks[i], a[l, n, p, i])),
        "attention.figure_auc_distance": over(lambda l, n, p, i: abs(area_under_curve(masks[i], a[l, n, p, i]) - 0.5)),
    }


def reconstruction(rebuilt, clean, normalised):
    """rebuilt [N, P, I, 3, S, S], clean [I, 3, S, S] in 0..1, and as the encoder normalises it; by level."""
    each = (1, 2, 3, 4, 5)
    off, published = rebuilt - clean, rebuilt - normalised
    return {"reconstruction.mse": (off**2).mean(each), "reconstruction.l1": abs(off).mean(each),
            "reconstruction.mse_published": (published**2).mean(each), "reconstruction.l1_published": abs(published).mean(each)}

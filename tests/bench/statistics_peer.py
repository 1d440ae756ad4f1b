"""Bootstrap intervals of many cells beside scipy.stats.bootstrap (vectorised), on one core, in seconds of CPU; called by statistics.sh.

SciPy's time for the median and the correlation is measured on a part of the cells and multiplied: on all of them it is the best part of an hour.
"""

import argparse
import json
import subprocess
import time

import numpy
import scipy.stats as st

N, RESAMPLES, CONFIDENCE = 100, 9999, 0.95


def correlation(x, y, axis):
    """As lean as it gets in NumPy; st.pearsonr in its place takes six times as long."""
    x = x - x.mean(axis=axis, keepdims=True)
    y = y - y.mean(axis=axis, keepdims=True)
    return (x * y).sum(axis=axis) / numpy.sqrt((x * x).sum(axis=axis) * (y * y).sum(axis=axis))


def scipys(cells, statistic, seed):
    begin = time.process_time()
    found = st.bootstrap(cells, statistic, axis=-1, n_resamples=RESAMPLES, batch=100, confidence_level=CONFIDENCE, method="BCa",
                         vectorized=True, paired=len(cells) > 1, rng=seed).confidence_interval
    return time.process_time() - begin, numpy.stack([found.low, found.high], -1)


def ours(program, of, cells):
    request = {"do": "bootstrap", "of": of, "method": "bca", "confidence": CONFIDENCE, "n": N, "resamples": RESAMPLES, "values": list(cells[0].ravel())}
    if len(cells) > 1:
        request["other"] = list(cells[1].ravel())
    done = subprocess.run([program], input=json.dumps([request] * 3), capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    return min(a["cpu_seconds"] for a in answers), numpy.array(answers[0]["intervals"])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--cells", type=int, default=1000)
    options = arguments.parse_args()
    rng = numpy.random.default_rng(0)
    x = rng.gamma(2.0, size=(options.cells, N))
    y = 0.5 * x + rng.normal(size=x.shape)
    for of, statistic, cells, part in (("mean", numpy.mean, (x,), 1), ("correlation", correlation, (x, y), 50), ("median", numpy.median, (x,), 50)):
        some = tuple(c[:: part] for c in cells)
        seconds, theirs = scipys(some, statistic, 1)
        _, again = scipys(tuple(c[:20] for c in some), statistic, 2)
        own_seconds, own = ours(options.program, of, cells)
        width = numpy.diff(theirs, axis=-1)
        apart, noise = numpy.abs(own[::part] - theirs) / width, numpy.abs(again - theirs[:20]) / width[:20]
        print(f"{of}: SciPy {seconds * part:.1f} s{' (x %d)' % part if part > 1 else ''}, ours {own_seconds:.3f} s, ratio {seconds * part / own_seconds:.0f}; "
              f"ends apart by {apart.mean():.4f} of the width on average ({apart.max():.3f} at most), SciPy's own for two seeds by {noise.mean():.4f} ({noise.max():.3f})")


main()

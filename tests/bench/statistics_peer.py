"""Bootstrap intervals of many means beside scipy.stats.bootstrap (vectorised, in batches of several sizes), on one core, in seconds of CPU; called by
statistics.sh. The two take turns, ours first and last."""

import argparse
import json
import statistics
import subprocess
import time

import numpy
import scipy.stats as st

N, RESAMPLES, CONFIDENCE = 100, 9999, 0.95


def scipys(cells, seed, batch):
    begin = time.process_time()
    found = st.bootstrap((cells,), numpy.mean, axis=-1, n_resamples=RESAMPLES, batch=batch, confidence_level=CONFIDENCE, method="BCa",
                         vectorized=True, rng=seed).confidence_interval
    return time.process_time() - begin, numpy.stack([found.low, found.high], -1)


def ours(program, cells):
    request = {"do": "bootstrap", "confidence": CONFIDENCE, "n": N, "resamples": RESAMPLES, "values": list(cells.ravel())}
    done = subprocess.run([program], input=json.dumps([request] * 5), capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    return [a["cpu_seconds"] for a in answers], numpy.array(answers[0]["intervals"])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--cells", type=int, default=1000)
    options = arguments.parse_args()
    rng = numpy.random.default_rng(0)
    x = rng.gamma(2.0, size=(options.cells, N))
    before, own = ours(options.program, x)
    seconds = {}
    for batch in (10, 20, 100):
        seconds[batch], theirs = scipys(x, 1, batch)
    after, _ = ours(options.program, x)
    own_seconds = statistics.median(before + after)
    for batch, taken in seconds.items():
        print(f"SciPy in batches of {batch}: {taken:.2f} s, ours {own_seconds:.4f} s, ratio {taken / own_seconds:.0f}")
    _, again = scipys(x[:20], 2, 100)
    width = numpy.diff(theirs, axis=-1)
    apart, noise = numpy.abs(own - theirs) / width, numpy.abs(again - theirs[:20]) / width[:20]
    print(f"ends apart by {apart.mean():.4f} of the width on average ({apart.max():.3f} at most), SciPy's own for two seeds by {noise.mean():.4f} ({noise.max():.3f})")


main()

"""Every statistic equals SciPy's on random samples: to rounding where it is exact, within its Monte-Carlo error where it draws."""

import json
import os
import subprocess
import unittest

import numpy
import scipy.stats as st
from scipy.stats._resampling import BootstrapResult


def ask(*requests):
    done = subprocess.run([os.environ["PALIMPSEST_STATISTICS"]], input=json.dumps(requests), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def samples(rng, n):
    """Cells that are normal, skewed, heavy-tailed, shifted."""
    return numpy.stack([rng.normal(size=n), rng.exponential(size=n) - 1, rng.standard_t(3, size=n), rng.lognormal(size=n) + 0.3])


def scipys(cells, statistic, distribution, confidence, method):
    """SciPy's interval from a distribution of resampled statistics that is given, and its own jackknife."""
    given = BootstrapResult(confidence_interval=None, bootstrap_distribution=distribution, standard_error=None)
    found = st.bootstrap(cells, statistic, axis=-1, n_resamples=0, bootstrap_result=given, confidence_level=confidence, method=method,
                         vectorized=True, paired=len(cells) > 1)
    return numpy.stack([found.confidence_interval.low, found.confidence_interval.high], -1)


class Statistics(unittest.TestCase):
    def setUp(self):
        self.rng = numpy.random.default_rng(20260101)

    def test_one_sample_statistics_equal_scipys(self):
        for n in (3, 8, 13, 16):
            x, bound = self.rng.normal(0.3, 1, n), 0.4
            (got,) = ask({"do": "one sample", "values": list(x), "confidence": 0.95, "bound": bound})
            k = n - 1
            expected = st.t.interval(0.95, k, x.mean(), st.sem(x))
            numpy.testing.assert_allclose(got["t"], expected, rtol=1e-11)
            flips = st.permutation_test((x,), numpy.mean, permutation_type="samples", n_resamples=numpy.inf).pvalue
            self.assertAlmostEqual(got["sign_flip"], flips, places=12)
            correction = numpy.exp(st._continuous_distns.sc.gammaln(k / 2) - st._continuous_distns.sc.gammaln((k - 1) / 2)) / numpy.sqrt(k / 2)
            self.assertAlmostEqual(got["g"], x.mean() / x.std(ddof=1) * correction, places=11)
            tost = max(st.ttest_1samp(x, -bound, alternative="greater").pvalue, st.ttest_1samp(x, bound, alternative="less").pvalue)
            self.assertAlmostEqual(got["equivalence"], tost, places=12)

    def test_sampled_sign_flips_lie_within_their_error_of_scipys(self):
        x = self.rng.normal(0.35, 1, 40)
        (got,) = ask({"do": "one sample", "values": list(x), "confidence": 0.95, "bound": 0.4})
        p = st.permutation_test((x,), numpy.mean, permutation_type="samples", n_resamples=200_000, batch=1000, rng=1).pvalue
        self.assertAlmostEqual(got["sign_flip"], p, delta=4 * numpy.sqrt(p * (1 - p) * (1 / 10_000 + 1 / 200_000)))

    def test_adjusted_p_values_equal_scipys(self):
        p = self.rng.uniform(size=30) ** 3
        (got,) = ask({"do": "adjusted", "values": list(p)})
        numpy.testing.assert_allclose(got["benjamini_hochberg"], st.false_discovery_control(p), rtol=1e-13)
        order = numpy.argsort(p)
        holm = numpy.empty(30)
        holm[order] = numpy.minimum(1, numpy.maximum.accumulate((30 - numpy.arange(30)) * p[order]))
        numpy.testing.assert_allclose(got["holm"], holm, rtol=1e-13)

    def test_bootstrap_intervals_of_means_equal_scipys_for_the_same_resamples(self):
        for n in (20, 57):
            x = samples(self.rng, n)
            (counts,) = ask({"do": "drawn", "n": n, "resamples": 999, "seed": 5})
            counts = numpy.array(counts)
            self.assertTrue((counts.sum(1) == n).all())
            for confidence in (0.5, 0.95, 0.999):
                (got,) = ask({"do": "bootstrap", "confidence": confidence, "n": n, "resamples": 999, "seed": 5, "values": list(x.ravel())})
                numpy.testing.assert_allclose(got["intervals"], scipys((x,), numpy.mean, x @ counts.T / n, confidence, "BCa"), rtol=1e-9)

    def test_crossed_random_effects_equal_the_analysis_of_variance(self):
        for a, b in ((8, 3), (20, 5)):
            x = self.rng.normal(size=(a, 1)) + 2 * self.rng.normal(size=(1, b)) + self.rng.normal(size=(a, b))
            (got,) = ask({"do": "crossed", "values": list(x.ravel()), "levels": [a, b], "confidence": 0.95})
            rows, columns = x.mean(1), x.mean(0)
            ms_a, ms_b = b * rows.var(ddof=1), a * columns.var(ddof=1)
            ms_ab = ((x - rows[:, None] - columns + x.mean()) ** 2).sum() / ((a - 1) * (b - 1))
            variance = ms_a + ms_b - ms_ab
            df = variance**2 / (ms_a**2 / (a - 1) + ms_b**2 / (b - 1) + ms_ab**2 / ((a - 1) * (b - 1)))
            error = numpy.sqrt(variance / (a * b))
            numpy.testing.assert_allclose(got["interval"], st.t.interval(0.95, df, x.mean(), error), rtol=1e-10)
            self.assertAlmostEqual(got["p"], 2 * st.t.sf(abs(x.mean()) / error, df), places=10)

    def test_over_one_factor_the_crossed_interval_is_scipys_t_interval(self):
        x = self.rng.normal(size=12)
        (got,) = ask({"do": "crossed", "values": list(x), "levels": [12], "confidence": 0.95})
        numpy.testing.assert_allclose(got["interval"], st.t.interval(0.95, 11, x.mean(), st.sem(x)), rtol=1e-11)

    def test_trends_equal_scipys(self):
        for units, doses in ((6, 4), (13, 3), (9, 6), (5, 10)):
            x = self.rng.normal(size=(units, doses)) + 0.2 * numpy.arange(doses)
            (got,) = ask({"do": "trend", "values": list(x.ravel()), "doses": doses})
            page = st.page_trend_test(x, method="exact" if doses <= 8 else "asymptotic")
            self.assertEqual(got["statistic"], page.statistic)
            self.assertAlmostEqual(got["p"], page.pvalue, places=11)


if __name__ == "__main__":
    unittest.main()

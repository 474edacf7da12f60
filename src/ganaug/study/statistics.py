# SPDX-License-Identifier: Apache-2.0
"""Intervals and tests for the difference between two arms over the repeats of a study.

One question decides which function is right: what is drawn anew in every repeat?

* A given test fold stays; only training subset and seed are new. The repeats are independent given the fold,
  so `paired_t` is exact but for rounding. Its interval says nothing about other test images:
  `cluster_bootstrap` does.
* No test fold is given and every repeat splits the same rows again (`resplit_plan`). Repeats share test
  images, so their differences are dependent and the plain t is too narrow. `crossed_t` adds the part that
  test images share over repeats. Without differences of the single images only `corrected_resampled_t` is
  left.

Every t interval supposes roughly normal differences. Measured limits: an arm that collapses in some repeats is
covered in 86 to 93 % instead of 95 %, arms that differ on hardly any image in 97 to 99 %.

All differences are arm minus baseline on the scale of the score (0.01 = one point).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray
from scipy.special import stdtr, stdtrit

ROUNDING = 1e-9  # scores are at most 1 in size: a smaller spread is floating-point rounding, not a spread


@dataclass(frozen=True)
class Estimate:
    """A mean difference and what is known about it, on the scale of the score.

    `low` and `high` bound the interval, `p` is two-sided against zero, `df` are the degrees of freedom of the
    t distribution, `error` is the standard error, `shared` is the part of its square that more repeats would
    not remove. One repeat gives an infinite error and p = 1.
    """

    effect: float
    low: float
    high: float
    p: float
    df: float
    error: float
    shared: float = 0.0


def paired_t(differences: Float[ndarray, " r"], *, level: float = 0.95, step: float = 0.0) -> Estimate:
    """Two-sided paired t over independent repeats: the regime with a fixed test fold.

    `step` is the least change of the score (`resolution`). The standard error is never taken below
    step / R (one test unit answered differently in one repeat), because on a small discrete fold equal
    differences in a few repeats are no proof of a spread of zero. Without `step`, R equal differences have
    p = 2^(1 - R), the exact sign test. Raises ValueError for no or non-finite differences.
    """
    d = _checked(differences)
    return _estimate(d, _variance_over_repeats(d, step), len(d) - 1.0, level)


def corrected_resampled_t(
    differences: Float[ndarray, " r"], test_share_ratio: float, *, level: float = 0.95
) -> Estimate:
    """The corrected resampled t: variance (1/R + n_test / n_train) s^2 instead of s^2 / R.

    `test_share_ratio` is n_test / n_train. Nadeau and Bengio, Inference for the generalization error, Machine
    Learning 52 (2003), section 4. The ratio stands for a correlation between repeats that it assumes rather
    than estimates: in `claims/calibration.py` its 95 % interval covers 98 to 100 %, so a study uses it only
    where differences of single test units are missing.
    """
    d = _checked(differences)
    shared = test_share_ratio * _variance_over_repeats(d, 0.0) * len(d)
    return _estimate(d, _variance_over_repeats(d, 0.0) + shared, len(d) - 1.0, level, shared)


def crossed_t(
    differences: Float[ndarray, " r"],
    unit_differences: Float[ndarray, "r u"],
    groups: Shaped[ndarray, " u"] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """The t for repeated splits of the same rows: repeats and test units are crossed sources of variance.

    `unit_differences` holds each test unit's own difference in each repeat, NaN where the unit was not
    tested; `groups` names units that belong together (patient, tile), each unit on its own by default. The
    variance is

        s^2 / R  +  sum over groups of the products of that group's contributions to different repeats,

    that is, two-way clustering by repeat and by group (Cameron, Gelbach and Miller, Robust inference with
    multiway clustering, JBES 29 (2011)) with an unbiased s^2. Where arms differ by chance alone, the second
    term is about zero and this is the paired t; where the same images are always right in one arm and wrong
    in the other, it is the sampling variance of these images, which no number of repeats removes. A negative
    second term counts as zero.

    One source stays uncounted: that all repeats share their luck in the training rows. One data set cannot
    tell it from the effect (Bengio and Grandvalet, No unbiased estimator of the variance of K-fold
    cross-validation, JMLR 5 (2004)). The R - 1 degrees of freedom, fewer than the second term has, lean the
    other way; `claims/calibration.py` measures the coverage that results.
    """
    d = _checked(differences)
    units, limit = _shared_by_units(np.asarray(unit_differences, float), groups)
    variance = _variance_over_repeats(d, resolution(unit_differences)) + units
    return _estimate(d, variance, len(d) - 1.0, level, min(limit, variance))


def resolution(unit_differences: Float[ndarray, "r u"]) -> float:
    """The least change of a mean score: the smallest difference seen in one unit over the units of a repeat.

    1 / units for accuracy (and where no unit differs at all), much less for scores like average precision, which
    are not discrete. NaN marks units that were not tested.
    """
    x = np.abs(np.asarray(unit_differences, float))
    smallest = np.min(x, where=x > ROUNDING, initial=1.0)
    return float(smallest / max(np.mean(np.sum(~np.isnan(x), axis=1)), 1.0))


def cluster_bootstrap(
    unit_differences: Float[ndarray, "r u"],
    groups: Shaped[ndarray, " u"],
    seed: int,
    n: int = 2000,
    *,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of the mean difference over redrawn test groups; the models stay as they are.

    It stands beside the paired t and answers the other question: would other test images of this kind say the
    same? It does not decide. NaN marks untested units. With one group nothing is known: the whole line.
    """
    x = np.asarray(unit_differences, float)
    codes, count = _codes(groups, x.shape[1])
    if count < 2:
        return -inf, inf
    totals = np.bincount(codes, np.nansum(x, axis=0), count)
    tested = np.bincount(codes, np.sum(~np.isnan(x), axis=0), count)
    rng, share = np.random.default_rng(seed), np.full(count, 1.0 / count)
    draws = (rng.multinomial(count, share) for _ in range(n))  # one by one: all at once are gigabytes
    sums, sizes = np.array([(draw @ totals, draw @ tested) for draw in draws]).T
    means = sums / np.maximum(sizes, 1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def equivalence(estimate: Estimate, margin: float) -> float:
    """p of the two one-sided tests that the difference lies outside +-margin (Schuirmann 1987).

    Below alpha exactly when the 1 - 2 alpha interval lies inside +-margin. Works on an estimate of either
    regime. With no spread at all (error 0) it is a rule, not a probability: 0 for at least 3 equal
    differences inside the margin, else 1.
    """
    if estimate.error == 0:
        return 0.0 if abs(estimate.effect) < margin and estimate.df >= 2 else 1.0
    if not np.isfinite(estimate.error):
        return 1.0
    return float(stdtr(estimate.df, -(margin - abs(estimate.effect)) / estimate.error))


def holm(p_values: Float[ndarray, " m"]) -> Float[ndarray, " m"]:
    """Step-down adjusted p values, in the given order: they bound the chance of any wrong rejection (Holm 1979)."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def repeats_needed(
    effect: float,
    sd: float,
    margin: float,
    *,
    shared: float = 0.0,
    comparisons: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
    most: int = 1000,
) -> int | None:
    """How many repeats would decide if the observed effect and spread were the true ones; None above `most`.

    A decision is significance at alpha / comparisons (Bonferroni, no easier than Holm) or equivalence within
    +-margin at alpha, whichever comes first with the wanted power (t approximation). `sd` is the spread over
    repeats, `shared` the variance that repeats do not remove (see `Estimate`): with it the answer may be None
    however many repeats are paid for, and only more test images help.
    """

    def decides(repeats: int) -> bool:
        df, error = repeats - 1.0, max(sqrt(sd**2 / repeats + shared), ROUNDING)
        strict, usual = stdtrit(df, 1 - alpha / (2 * comparisons)), stdtrit(df, 1 - alpha)
        found = stdtr(df, abs(effect) / error - strict)
        inside = [stdtr(df, (margin + side * effect) / error - usual) for side in (-1, 1)]
        return bool(max(found, sum(inside) - 1) >= power)

    if not decides(most):
        return None
    low, high = 1, most  # decides is monotone in the number of repeats
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def _checked(differences: Float[ndarray, " r"]) -> Float[ndarray, " r"]:
    d = np.asarray(differences, float)
    if d.ndim != 1 or len(d) == 0 or not np.all(np.isfinite(d)):
        raise ValueError(f"differences: expected a row of finite numbers, one a repeat, found {d!r}")
    return d


def _variance_over_repeats(d: Float[ndarray, " r"], step: float) -> float:
    """Variance of the mean of independent repeats, with the resolution of the score as its floor."""
    if len(d) < 2:
        return inf
    variance = float(np.var(d, ddof=1)) / len(d)
    return max(variance if np.ptp(d) > ROUNDING else 0.0, (step / len(d)) ** 2)


def _estimate(d: Float[ndarray, " r"], variance: float, df: float, level: float, shared: float = 0.0) -> Estimate:
    effect = float(np.mean(d))
    effect = effect if abs(effect) > ROUNDING else 0.0
    if len(d) < 2:
        return Estimate(effect, -inf, inf, 1.0, 0.0, inf)
    error = sqrt(variance)
    if error == 0:
        return Estimate(effect, effect, effect, 2.0 ** (1 - len(d)) if effect else 1.0, df, 0.0)
    half = float(stdtrit(df, (1 + level) / 2)) * error
    p = 2 * float(stdtr(df, -abs(effect) / error))
    return Estimate(effect, effect - half, effect + half, p, df, error, shared)


def _codes(groups: Shaped[ndarray, " u"] | None, units: int) -> tuple[Int[ndarray, " u"], int]:
    if groups is None:
        return np.arange(units), units
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    return codes.reshape(-1), len(names)


def _shared_by_units(x: Float[ndarray, "r u"], groups: Shaped[ndarray, " u"] | None) -> tuple[float, float]:
    """Variance of the mean that units share over these repeats, and over endless repeats."""
    tested = ~np.isnan(x)
    codes, _ = _codes(groups, x.shape[1])
    codes, count = _codes(codes[tested.any(0)], 0)
    x, tested = x[:, tested.any(0)], tested[:, tested.any(0)]
    weight = tested / (np.maximum(tested.sum(1, keepdims=True), 1) * len(x))
    centred = np.where(tested, x - np.sum(weight * np.nan_to_num(x)), 0.0)
    parts = np.stack([np.bincount(codes, row, count) for row in weight * centred])
    weights = np.stack([np.bincount(codes, row, count) for row in weight])
    units = (parts.sum(0) ** 2).sum() - (parts**2).sum()
    overlap = (weights.sum(0) ** 2).sum() - (weights**2).sum()
    units = max(float(units), 0.0) * count / max(count - 1, 1)
    # Pairs of different repeats carry `overlap` of the weight now and all of it when repeats are endless.
    limit = units * float((weights.sum(0) ** 2).sum() / overlap) if overlap > 0 else 0.0
    return units, limit

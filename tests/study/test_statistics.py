# SPDX-License-Identifier: Apache-2.0
"""Intervals and tests against closed forms, other libraries and hand-worked cases."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats

from ganaug.data.errors import InputError
from ganaug.study.resplit import resplit_plan
from ganaug.study.statistics import (
    Estimate,
    cluster_bootstrap,
    corrected_resampled_t,
    crossed_t,
    equivalence,
    holm,
    paired_t,
    repeats_needed,
    resolution,
)

D = np.array([0.02, 0.05, -0.01, 0.03, 0.04])


def test_paired_t_is_the_t_test_of_scipy():
    found, known = paired_t(D), stats.ttest_1samp(D, 0.0)
    interval = known.confidence_interval(0.95)
    assert (found.effect, found.p, found.df) == pytest.approx((D.mean(), known.pvalue, 4))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert paired_t(D, level=0.9).high < found.high


def test_corrected_resampled_t_by_hand():
    # R = 5, n_test / n_train = 3 / 7: variance (1/5 + 3/7) s^2
    found = corrected_resampled_t(D, 3 / 7)
    error = sqrt((0.2 + 3 / 7) * D.var(ddof=1))
    assert found.error == pytest.approx(error)
    assert found.p == pytest.approx(2 * stats.t.sf(D.mean() / error, 4))
    assert found.shared == pytest.approx(3 / 7 * D.var(ddof=1))
    assert corrected_resampled_t(D, 0.0).p == pytest.approx(paired_t(D).p)


def test_one_repeat_has_the_whole_line_as_interval():
    for found in (
        paired_t(D[:1]),
        corrected_resampled_t(D[:1], 0.4),
        crossed_t(D[:1], np.array([[0.0, 1.0, np.nan]])),
    ):
        assert (found.low, found.high, found.p) == (-inf, inf, 1.0)
        assert equivalence(found, 0.5) == 1.0


@pytest.mark.parametrize("bad", [[], [0.1, np.nan], [[0.1], [0.2]]])
def test_differences_that_are_no_row_of_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="differences"):
        paired_t(np.array(bad))


def test_equal_differences_have_the_p_of_the_sign_test_not_zero():
    # 0.9 - 0.8, 0.8 - 0.7, ...: equal but for rounding, which must not pass for a tiny spread
    found = paired_t(np.array([0.9 - 0.8, 0.8 - 0.7, 0.4 - 0.3, 0.7 - 0.6]))
    assert found.error == 0 and found.p == 2**-3
    nothing = paired_t(np.array([0.3 - 0.1 - 0.2, 0.0, 0.0]))
    assert (nothing.effect, nothing.p) == (0.0, 1.0)
    assert equivalence(nothing, 0.01) == 0.0
    assert equivalence(paired_t(np.zeros(2)), 0.01) == 1.0


def test_resolution_replaces_a_spread_of_zero():
    # One unit of 20 right in all five repeats: error (1/20) / 5, so t = 5 on 4 degrees of freedom.
    found = paired_t(np.full(5, 0.05), step=0.05)
    assert found.p == pytest.approx(2 * stats.t.sf(5, 4))
    # Five equal scores on 20 images prove no equivalence within one point; on 2000 images they do.
    assert equivalence(paired_t(np.zeros(5), step=1 / 20), 0.01) > 0.05
    assert equivalence(paired_t(np.zeros(5), step=1 / 2000), 0.01) < 0.001
    assert paired_t(D, step=0.01) == paired_t(D)  # a floor, not an addition


def test_resolution_is_one_unit_of_the_tested_ones():
    accuracy = np.array([[1.0, 0.0, np.nan, -1.0], [0.0, np.nan, 0.0, 1.0]])
    assert resolution(accuracy) == pytest.approx(1 / 3)
    assert resolution(np.zeros((2, 10))) == pytest.approx(0.1)
    assert resolution(np.array([[0.004, -0.5]])) == pytest.approx(0.002)  # average precision: hardly discrete


def two_folds() -> np.ndarray:
    """Four units in two folds, two rounds of the same folds: every unit tested twice."""
    x = np.full((4, 4), np.nan)
    x[0, :2], x[1, 2:], x[2, :2], x[3, 2:] = (1, 0), (0, 0), (1, 0), (0, 1)
    return x


def test_crossed_t_by_hand():
    # mean 3/8; contributions x - 3/8 over 2 units x 4 repeats; products over different repeats of a unit:
    # 2 (5/8)^2 + 2 (3/8)^2 + 2 (3/8)^2 - 2 (3/8) (5/8) = 0.875 in units of 1/64, times 4/3 for four groups
    x = two_folds()
    d = np.nanmean(x, 1)
    found = crossed_t(d, x)
    units = 0.875 / 64 * 4 / 3
    assert found.effect == pytest.approx(3 / 8)
    assert found.error**2 == pytest.approx(d.var(ddof=1) / 4 + units)


def test_crossed_t_is_the_paired_t_when_nothing_is_shared():
    # One round of disjoint folds: no unit is tested twice.
    x = np.full((3, 6), np.nan)
    for r in range(3):
        x[r, 2 * r : 2 * r + 2] = (r, 0.5)
    d = np.nanmean(x, 1)
    found, known = crossed_t(d, x), paired_t(d)
    assert (found.error, found.p, found.shared) == pytest.approx((known.error, known.p, 0))


def test_crossed_t_counts_what_units_share_and_ignores_fresh_noise():
    rng = np.random.default_rng(0)
    tested = np.array([rng.permutation(300) < 100 for _ in range(30)])
    lasting = rng.standard_normal(300)
    fresh = rng.standard_normal((30, 300))
    same = np.where(tested, lasting, np.nan)
    noise = np.where(tested, fresh, np.nan)
    a, b = (crossed_t(np.nanmean(x, 1), x) for x in (same, noise))
    assert a.error**2 == pytest.approx(lasting.var() / 300 + lasting.var() / 3000, rel=0.25)  # not s^2 / R
    assert a.shared == pytest.approx(lasting.var() / 300, rel=0.25)
    assert b.error**2 == pytest.approx(1 / 3000, rel=0.6)
    assert b.shared < 0.5 * a.shared


def test_crossed_t_takes_groups_as_units():
    # Twins: each unit twice with the same differences. As independent units they would look like more evidence.
    rng = np.random.default_rng(1)
    single = np.where(rng.random((9, 40)) < 0.4, rng.standard_normal(40), np.nan)
    twins = np.repeat(single, 2, 1)
    d = np.nanmean(single, 1)
    grouped = crossed_t(d, twins, np.repeat(np.arange(40), 2))
    assert grouped.error == pytest.approx(crossed_t(d, single).error)
    assert crossed_t(d, twins).error < 0.9 * grouped.error


def test_bootstrap_redraws_groups():
    rng = np.random.default_rng(2)
    one = rng.standard_normal(200)
    low, high = cluster_bootstrap(np.tile(one, (3, 1)), np.arange(200), seed=0)
    assert (high - low) / 2 == pytest.approx(1.96 * one.std() / sqrt(200), rel=0.1)
    assert low < one.mean() < high
    wide = cluster_bootstrap(np.tile(np.repeat(one[:50], 4), (3, 1)), np.repeat(np.arange(50), 4), seed=0)
    assert wide[1] - wide[0] > 1.6 * (high - low)
    assert cluster_bootstrap(np.ones((2, 3)), np.zeros(3), seed=0) == (-inf, inf)


def test_bootstrap_repeats_with_its_seed_and_weighs_untested_units():
    x = np.array([[1.0, np.nan, 0.0], [1.0, 0.0, np.nan]])
    assert cluster_bootstrap(x, np.arange(3), seed=3) == cluster_bootstrap(x, np.arange(3), seed=3)
    everywhere = cluster_bootstrap(np.where(np.isnan(x), np.nan, 0.3), np.arange(3), seed=3)
    assert everywhere == pytest.approx((0.3, 0.3))


def test_equivalence_agrees_with_the_90_percent_interval():
    rng = np.random.default_rng(3)
    shown = []
    for _ in range(200):
        d = rng.normal(rng.uniform(-0.01, 0.01), 0.006, 6)
        inner = paired_t(d, level=0.9)
        shown.append(equivalence(inner, 0.01) < 0.05)
        assert shown[-1] == (inner.low > -0.01 and inner.high < 0.01)
    assert any(shown) and not all(shown)


def test_holm_by_hand_and_in_the_given_order():
    # sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, then never below its predecessor
    assert holm(np.array([0.04, 0.01, 0.03, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm(np.array([0.9, 0.8])).max() == 1.0
    assert len(holm(np.array([]))) == 0


def test_repeats_needed_is_the_textbook_sample_size():
    # Paired t, effect of half a standard deviation, 80 % power at 5 %: 34 pairs (Cohen 1988).
    assert repeats_needed(0.5, 1.0, margin=1e-6) == 34
    assert repeats_needed(0.5, 1.0, margin=1e-6, comparisons=5) > 40
    assert repeats_needed(-0.5, 1.0, margin=1e-6) == 34


def test_repeats_needed_may_end_in_equivalence_or_never():
    exact = 2 + int((stats.norm.ppf(0.95) + stats.norm.ppf(0.9)) ** 2 * 4)  # no effect, sd twice the margin
    assert abs(repeats_needed(0.0, 0.02, margin=0.01) - exact) <= 2
    assert repeats_needed(0.01, 0.02, margin=0.01) == repeats_needed(0.01, 0.02, margin=0.001)
    assert repeats_needed(0.0, 1.0, margin=0.01) is None
    assert repeats_needed(0.5, 1.0, margin=1e-6, most=33) is None
    # a shared error of 0.3 leaves an effect of 0.5 undecided however many repeats there are
    assert repeats_needed(0.5, 1.0, margin=1e-6, shared=0.3**2, most=10**6) is None
    assert repeats_needed(0.0, 0.0, margin=0.01) == 2


def test_estimates_are_values():
    with pytest.raises(AttributeError):
        Estimate(0, 0, 0, 1, 1, 0).effect = 1  # type: ignore[misc]


def test_plan_tests_every_row_once_a_round_and_keeps_class_shares():
    labels = np.repeat([0, 1, 2], [30, 60, 90])
    plan = resplit_plan(labels, None, repeats=6, test_share=0.3, seed=0)
    for start in (0, 3):
        assert sorted(np.concatenate([test for _, test in plan[start : start + 3]])) == list(range(180))
    for train, test in plan:
        assert len(np.intersect1d(train, test)) == 0 and len(train) + len(test) == 180
        assert np.bincount(labels[test]).tolist() == [10, 20, 30]
    assert not np.array_equal(plan[0][1], plan[3][1])


def test_plan_of_fewer_repeats_is_the_start_of_more():
    labels = np.arange(40) % 2
    few, many = (resplit_plan(labels, None, r, 0.25, seed=5) for r in (3, 9))
    assert len(few) == 3 and len(many) == 9
    assert all(np.array_equal(a, b) for x, y in zip(few, many, strict=False) for a, b in zip(x, y, strict=True))
    other = resplit_plan(labels, None, 3, 0.25, seed=6)
    assert not np.array_equal(few[0][1], other[0][1])


def test_plan_never_splits_a_group():
    groups = np.repeat([f"patient {i}" for i in range(20)], 5)
    labels = np.repeat(np.arange(20) % 2, 5)
    for train, test in resplit_plan(labels, groups, 5, 0.2, seed=0):
        assert not set(groups[train]) & set(groups[test])
        assert len(test) == 20 and labels[test].sum() == 10


@pytest.mark.parametrize(
    ("share", "groups", "said"),
    [
        (0.0, None, "test_share: expected a number above 0"),
        (0.7, None, "test_share: expected a number above 0"),
        (0.2, np.zeros(12), "a new split for each repeat needs at least 5 independent groups of rows"),
        (0.05, None, "a new split for each repeat needs at least 20 independent groups of rows"),
    ],
)
def test_plan_refuses_shares_that_cannot_be_had(share, groups, said):
    with pytest.raises(InputError, match=said):
        resplit_plan(np.zeros(12, int), groups, 2, share, seed=0)


def test_plan_refuses_classes_smaller_than_the_number_of_folds():
    with pytest.raises(InputError, match="3 images of a class, found 12 and at most 2"):
        resplit_plan(np.arange(12) // 2, None, 2, 0.3, seed=0)

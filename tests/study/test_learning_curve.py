# SPDX-License-Identifier: Apache-2.0
"""Learning curves and equivalent real images: numbers by hand, coverage by simulation, nested subsets, studies."""

from __future__ import annotations

import json
from functools import partial
from itertools import pairwise
from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestCentroid

from ganaug.data.embedded import digits
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study import generate, saturate
from ganaug.study.folds import few_in_total, fold
from ganaug.study.learning_curve import (
    at,
    by_repeats,
    by_repeats_and_units,
    inverse,
    learning_curve,
    number,
    worth_of,
)
from ganaug.study.resplit import resplit_plan
from ganaug.study.small_benchmark import SIZES as SURVEY
from ganaug.study.small_benchmark import SmallBenchmark
from ganaug.study.study import Study
from ganaug.tasks.classification import Classifier

SIZES = [5, 10, 20, 50]
MEANS = [0.70, 0.78, 0.84, 0.88]
BASE = "rules"


def cell(arm, shots, repeat, score, generated=0, status="ok", **more):
    return {
        "arm": arm,
        "shots": shots,
        "repeat": repeat,
        "score": score,
        "generated": generated,
        "status": status,
    } | more


def curve(means=MEANS, spread=(-0.01, 0.0, 0.01), sizes=SIZES):
    """Cells of a baseline whose repeats differ by a constant that all its sizes share."""
    return [cell(BASE, n, r, mean + d) for n, mean in zip(sizes, means, strict=True) for r, d in enumerate(spread)]


def gan(score, shots=10, spread=(-0.01, 0.0, 0.01), noise=(0.0, 0.0, 0.0)):
    return [cell("gan", shots, r, score + d + e, 500) for r, (d, e) in enumerate(zip(spread, noise, strict=True))]


def worth(cells, shots=10, sizes=SIZES):
    return worth_of("gan", BASE, shots, sizes, by_repeats(cells))


# --- numbers by hand ----------------------------------------------------------------------------------------------


def test_equivalent_is_read_off_straight_lines_over_the_logarithm():
    found = worth([*curve(), *gan(0.81)])  # half of the way from 10 to 20
    assert found["equivalent"] == pytest.approx(10 * 2**0.5)
    assert found["leaves"] == "" and found["score"] == pytest.approx(0.81)
    third = worth([*curve(), *gan(0.70 + 0.08 / 3)])
    assert third["equivalent"] == pytest.approx(5 * 2 ** (1 / 3))
    assert worth([*curve(), *gan(0.84)])["equivalent"] == pytest.approx(20)


def test_interval_without_noise_beside_the_pairing_is_a_point_and_with_noise_is_that_of_the_t():
    # The baseline's steps are exact, so at n the difference is known up to the arm's own noise: t = 4.303, R = 3.
    assert worth([*curve(), *gan(0.81)])["low"] == pytest.approx(10 * 2**0.5, rel=1e-3)
    found = worth([*curve(), *gan(0.81, noise=(-0.002, 0.0, 0.002))])
    half = 4.302653 * 0.002 / 3**0.5
    low, high = (exp(np.interp(0.81 + side * half, [0.78, 0.84], [log(10), log(20)])) for side in (-1, 1))
    assert (found["low"], found["high"]) == pytest.approx((low, high), rel=2e-3)


def test_an_arm_that_equals_its_baseline_is_worth_nothing_whatever_the_curve():
    for means in (MEANS, [0.80, 0.78, 0.84, 0.83], [0.8, 0.8, 0.8, 0.8], MEANS[::-1]):
        for i, n in enumerate(SIZES):
            found = worth([*curve(means), *gan(means[i], n)], n)
            assert found["equivalent"] == pytest.approx(n)


def test_a_falling_baseline_is_pooled_and_the_paired_difference_counts():
    # 0.80 and 0.78 become 0.79 at both sizes; the arm is 0.01 above its own cell.
    found = worth([*curve([0.80, 0.78, 0.84, 0.88]), *gan(0.79)])
    assert found["score"] == pytest.approx(0.80)
    assert found["equivalent"] == pytest.approx(exp(np.interp(0.80, [0.79, 0.84], [log(10), log(20)])))


def test_what_leaves_the_curve_is_told_and_not_extrapolated():
    above = worth([*curve(), *gan(0.95, 20)], 20)
    assert (above["leaves"], above["equivalent"], above["low"], above["high"]) == ("above", None, 50, None)
    below = worth([*curve(), *gan(0.60)])
    assert (below["leaves"], below["equivalent"], below["low"], below["high"]) == ("below", None, None, 5)
    wide = worth([*curve(), *gan(0.81, noise=(-0.2, 0.0, 0.2))])
    assert wide["leaves"] == "" and wide["low"] is None and wide["high"] is None
    upwards = worth([*curve(), *gan(0.86, noise=(-0.02, 0.0, 0.02))])
    assert upwards["low"] is not None and upwards["high"] is None


def test_one_repeat_has_no_interval():
    found = worth([*curve(spread=(0.0,)), *gan(0.81, spread=(0.0,), noise=(0.0,))])
    assert found["equivalent"] == pytest.approx(10 * 2**0.5)
    assert found["low"] is None and found["high"] is None


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.floats(0.0, 0.1), min_size=3, max_size=3), n=st.floats(5, 50))
def test_inverse_inverts_the_interpolated_curve(steps, n):
    means = np.cumsum([0.5, *steps])
    there = sum(
        weight * dict(zip(SIZES, means, strict=True))[size] for (_, size), weight in at("a", n, SIZES, 1.0).items()
    )
    assert there == pytest.approx(np.interp(log(n), np.log(SIZES), means))
    back = inverse(SIZES, means, there, n)
    reached = np.interp(log(back), np.log(SIZES), means)
    assert reached == pytest.approx(there, abs=1e-8)
    if min(steps) > 1e-3:
        assert back == pytest.approx(n, rel=1e-4)


def test_inverse_stays_near_where_the_curve_is_flat():
    flat = [0.7, 0.8, 0.8, 0.9]
    assert [inverse(SIZES, flat, 0.8, near) for near in (5, 15, 50)] == [10, 15, 20]
    assert inverse(SIZES, flat, 0.6, 10) == 0 and inverse(SIZES, flat, 0.95, 10) == inf


# --- coverage -----------------------------------------------------------------------------------------------------


def drawn(seed, true, repeats=5, shots=10):
    """A study whose arm is worth `true` real images: luck of a repeat that all share, and luck of each cell."""
    rng, expected = np.random.default_rng(seed), partial(np.interp, xp=np.log(SIZES), fp=MEANS)
    cells = []
    for r in range(repeats):
        luck = rng.normal(0, 0.03)
        cells += [cell(BASE, n, r, expected(log(n)) + luck + rng.normal(0, 0.015)) for n in SIZES]
        cells.append(cell("gan", shots, r, expected(log(true)) + luck + rng.normal(0, 0.015), 500))
    return cells


def percentile(cells, rng, shots=10, n=60):
    """The control: percentiles of equivalents over redrawn repeats."""
    by_repeat = [[c for c in cells if c["repeat"] == r] for r in range(5)]
    found = []
    for _ in range(n):
        again = [{**c, "repeat": r} for r, k in enumerate(rng.integers(5, size=5)) for c in by_repeat[k]]
        scores = {(c["arm"], c["shots"]): [] for c in again}
        for c in again:
            scores[c["arm"], c["shots"]].append(c["score"])
        means = np.maximum.accumulate([np.mean(scores[BASE, size]) for size in SIZES])
        gain = np.mean(scores["gan", shots]) - np.mean(scores[BASE, shots])
        found.append(inverse(SIZES, means, means[SIZES.index(shots)] + gain, shots))
    return np.quantile(found, [0.025, 0.975])


def test_intervals_cover_the_truth_and_percentiles_of_five_repeats_do_not():
    hits, control = [], []
    for seed in range(100):
        for true in (10, 16):
            cells = drawn([seed, true], true)
            found = worth(cells)
            hits.append((found["low"] or 0) <= true <= (found["high"] or inf))
            if seed < 30:
                low, high = percentile(cells, np.random.default_rng(seed))
                control.append(low <= true <= high)
    assert 0.92 <= np.mean(hits) <= 0.985
    assert np.mean(control) < 0.9


def test_pairing_is_used():
    # the same cells with the arm's repeats in another order: luck that all share is then taken for a difference
    widths = []
    for seed in range(20):
        cells = drawn(seed, 14)
        moved = [{**c, "repeat": (c["repeat"] + 1) % 5} if c["arm"] == "gan" else c for c in cells]
        widths.append([(w["high"] or 100) - (w["low"] or 1) for w in (worth(cells), worth(moved))])
    kept, broken = np.mean(widths, axis=0)
    assert kept < 0.7 * broken


def test_test_images_that_repeats_share_widen_the_interval_of_re_splits():
    rng = np.random.default_rng(3)
    rows, repeats = 120, 6
    tests = [test for _, test in resplit_plan(np.arange(rows) % 3, None, repeats, 0.3, 0)]
    hard = rng.random(rows)  # the same images are always hard
    cells = []
    for arm, n, mean in [*((BASE, n, mean) for n, mean in zip(SIZES, MEANS, strict=True)), ("gan", 10, 0.81)]:
        for r, own in enumerate(tests):
            units = (hard[own] < mean).astype(float)
            cells.append(cell(arm, n, r, units.mean(), 500, units=units.tolist()))
    plain, crossed = (
        worth_of("gan", BASE, 10, SIZES, contrast)
        for contrast in (by_repeats(cells), by_repeats_and_units(cells, tests))
    )
    assert plain["equivalent"] == pytest.approx(crossed["equivalent"])
    width = [(w["high"] or 100) / (w["low"] or 1) for w in (plain, crossed)]
    assert width[0] < width[1]
    together = worth_of("gan", BASE, 10, SIZES, by_repeats_and_units(cells, tests, np.arange(rows) // 4))
    assert together["equivalent"] == pytest.approx(crossed["equivalent"])


# --- the part of results.json, and its words ----------------------------------------------------------------------


def part(cells, **how):
    return learning_curve(cells, [("gan", BASE)], by_repeats(cells), **{"of": "class", "parts": 10, **how})


def everywhere(scores, noise=(-0.002, 0.0, 0.002)):
    return [c for n, score in zip(SIZES, scores, strict=True) for c in gan(score, n, noise=noise)]


def test_the_part_holds_curves_steps_and_what_every_arm_is_worth():
    found = part([*curve(), *everywhere([0.75, 0.80, 0.80, 0.95])])
    assert [c["arm"] for c in found["curves"]] == [BASE, "gan"]
    assert found["curves"][0]["mean"] == pytest.approx(MEANS) and found["curves"][0]["rising"] == pytest.approx(MEANS)
    assert "rising" not in found["curves"][1]
    assert [(s["from"], s["to"]) for s in found["steps"]] == list(pairwise(SIZES))
    assert [s["effect"] for s in found["steps"]] == pytest.approx(np.diff(MEANS))
    assert all(s["low"] > 0 for s in found["steps"]), "real images help: the study can tell"
    assert [w["shots"] for w in found["worth"]] == SIZES
    assert {w["generated"] for w in found["worth"]} == {50}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_one_size_is_no_curve_and_an_arm_that_never_ran_is_worth_nothing_known():
    cells = [c for c in [*curve(), *everywhere(MEANS)] if c["shots"] == 10]
    assert part(cells) == {}
    assert part([{**c, "shots": None} for c in cells] + cells) == {}
    failed = [{**c, "status": "failed"} if c["arm"] == "gan" and c["shots"] == 5 else c for c in everywhere(MEANS)]
    assert [w["shots"] for w in part([*curve(), *failed])["worth"]] == SIZES[1:]


def test_sentences():
    found = part([*curve(), *everywhere([0.74, 0.81, 0.80, 0.95])])
    five, ten, twenty, fifty = (w["sentence"] for w in found["worth"])
    assert found["sentence"] == five
    assert five.startswith(
        "With 5 real images a class, 50 generated ones a class were worth 2.1 more real ones (gan against"
    )
    assert ten.startswith(
        "With 10 real images a class, 50 generated ones a class were worth 4.1 more real ones (gan against"
    )
    assert "95 % interval 3.4 to 5" in ten
    assert "did as much harm as losing 7.4 would" in twenty and "interval \N{MINUS SIGN}" in twenty
    assert "were worth at least 0 more real ones, as far as the curve goes" in fifty and "interval at least 0" in fifty
    worse = part([*curve(), *everywhere([0.6, 0.6, 0.6, 0.6])], of="", parts=1)["worth"][0]["sentence"]
    assert worse.startswith(
        "With 5 real images, 500 generated ones did worse than 5 real ones do, the smallest size (gan"
    )
    assert "interval at most 0, from below the smallest size on" in worse


def test_a_flat_baseline_is_said_to_tell_little():
    noise = np.random.default_rng(0).normal(0, 0.02, (4, 3))
    flat = [{**c, "score": 0.8 + noise[SIZES.index(c["shots"]), c["repeat"]]} for c in curve()]
    assert "flat there" in part([*flat, *everywhere([0.8, 0.8, 0.8, 0.8])])["worth"][0]["sentence"]
    assert "flat there" not in part([*curve(), *everywhere(MEANS)])["worth"][0]["sentence"]


def test_numbers_are_as_exact_as_they_deserve():
    assert [number(x) for x in (12.4, 9.96, 3.04, 0.0, -0.04, -2.26)] == [
        "12",
        "10",
        "3",
        "0",
        "0",
        "\N{MINUS SIGN}2.3",
    ]


# --- nested subsets -----------------------------------------------------------------------------------------------


def uneven():
    label = np.repeat([0, 1, 2], [60, 30, 6])
    images = np.random.default_rng(0).integers(0, 255, (96, 8, 8, 1), np.uint8)
    return ImageSet.of(images, label, ["a", "b", "c"])


@pytest.mark.parametrize("unit", ["class", "total"])
@pytest.mark.parametrize("data", [uneven(), digits()], ids=["split anew", "fixed test fold"])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), repeat=st.integers(0, 5))
def test_subsets_of_a_repeat_are_nested(data, unit, seed, repeat):
    sizes = (1, 2, 4) if unit == "class" else (10, 11, 25, 60)
    folds = [fold(data, n, repeat, repeats=6, seed=seed, unit=unit) for n in sizes]
    for small, large in pairwise(folds):
        assert set(small.train) < set(large.train)
        assert np.array_equal(small.test, large.test) and small.seed == large.seed
        assert not np.isin(large.train, large.test).any()
    assert [len(f.train) for f in folds] == [n * (len(data.classes) if unit == "class" else 1) for n in sizes]


def test_subsets_stay_nested_where_a_class_is_cut():
    small, large = (fold(digits(), n, 0, repeats=1, seed=0, cut={"8": 7}).train for n in (3, 7))
    assert np.isin(small, large).all() and len(large) == 70


def test_in_total_every_class_comes_once_and_then_in_proportion():
    view = uneven()
    for seed in range(5):
        assert view.select(few_in_total(view, 3, seed)).counts() == {"a": 1, "b": 1, "c": 1}
        half = view.select(few_in_total(view, 48, seed)).counts()
        assert abs(half["a"] - 30) <= 1 and abs(half["b"] - 15) <= 1 and abs(half["c"] - 3) <= 1
        assert len(few_in_total(view, 96, seed)) == 96
    assert not np.array_equal(few_in_total(view, 20, 0), few_in_total(view, 20, 1))


@pytest.mark.parametrize("wanted", [0, 2, 97])
def test_in_total_fewer_than_classes_or_more_than_images_are_refused(wanted):
    with pytest.raises(InputError, match=f"shots must be 3 to 96 images altogether, .* found {wanted}"):
        few_in_total(uneven(), wanted, 0)


# --- whole studies ------------------------------------------------------------------------------------------------


def quick(kind, **how):
    learner = Classifier(backbone=NearestCentroid(), batch_size=64)
    return kind(task=learner, arms=["smote"], steps=10, leave_out=["placebo", "duplicate", "rules"], **how)


@pytest.fixture(scope="module")
def hasty():
    """Short looks at the baseline and at the images, which are not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saturate, "TRIALS", 1)
        patch.setattr(saturate, "STRENGTHS", {"weak": {"strength": 0.5}})
        patch.setattr(generate, "look_at", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def results(hasty, tmp_path_factory):
    study = quick(Study, shots=[5, 20, 80], repeats=5)
    return study.run(digits(), tmp_path_factory.mktemp("curve") / "out").results


def test_a_study_of_several_sizes_has_curves_that_rise_within_their_intervals(results):
    found = results["learning_curve"]
    steps = [s for s in found["steps"] if s["arm"] == "none"]
    assert [(s["from"], s["to"]) for s in steps] == [(5, 20), (20, 80)]
    assert all(s["high"] > 0 for s in steps), "no step falls for sure"
    assert steps[0]["low"] > 0, "real images help where there are few: the study has power"
    by_place = {(w["arm"], w["shots"]): w for w in found["worth"]}
    assert set(by_place) == {("smote", n) for n in (5, 20, 80)}
    assert by_place["smote", 5]["generated"] == 50 and found["of"] == "class"
    assert found["sentence"] == by_place["smote", 5]["sentence"]


def test_the_part_is_a_pure_function_of_the_cells_in_the_file(results):
    cells = json.loads(json.dumps(results["cells"]))
    again = learning_curve(cells, [("smote", "none")], by_repeats(cells), of="class", parts=10)
    assert again == results["learning_curve"]


def test_images_altogether(hasty, tmp_path):
    study = quick(SmallBenchmark, shots=[20, 60], repeats=2, unit="total")
    assert len(study.fold(digits(), 60, 0).train) == 60
    found = study.run(uneven(), tmp_path / "out").results
    assert found["manifest"]["shots_of"] == "" and found["learning_curve"]["of"] == ""
    assert found["learning_curve"]["worth"][0]["sentence"].startswith("With 20 real images, ")
    assert quick(SmallBenchmark).sizes == list(SURVEY)
    own, other = (quick(SmallBenchmark, unit=unit).repeats_matter(digits()) for unit in ("class", "total"))
    assert own == quick(Study).repeats_matter(digits()) != other


def test_settings_that_mean_nothing():
    with pytest.raises(InputError, match="unit must be 'class' or 'total', found 'image'"):
        quick(SmallBenchmark, unit="image").plan(digits())
    with pytest.raises(InputError, match="can't be combined with labels_from"):
        quick(SmallBenchmark, unit="total", labels_from="source").plan(digits())

# SPDX-License-Identifier: Apache-2.0
"""Overlap scores against plain loops, a case worked by hand, and what each image adds to the mean IoU."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaug.metrics.overlap import confusion, contributions, mean_iou, overlap


def drawn(seed: int, n: int = 5, classes: int = 4, present: tuple[int, ...] = (0, 1, 2, 3), right: float = 0.5):
    """True and predicted masks uint8 [n, 6, 7]; a tenth of the truth is unknown."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(present, (n, 6, 7)).astype(np.uint8)
    found = np.where(rng.random(truth.shape) < right, truth, rng.choice(present, truth.shape)).astype(np.uint8)
    return np.where(rng.random(truth.shape) < 0.1, 255, truth).astype(np.uint8), found


def by_loops(truth: np.ndarray, found: np.ndarray, classes: int) -> dict[str, object]:
    """Every score from its definition, a pixel at a time."""
    pixels = [(int(t), int(p)) for t, p in zip(truth.ravel(), found.ravel(), strict=True) if t != 255]
    iou, dice, recall, weighted = [], [], [], 0.0
    for c in range(classes):
        hit = sum(t == c and p == c for t, p in pixels)
        missed = sum(t == c and p != c for t, p in pixels)
        wrong = sum(t != c and p == c for t, p in pixels)
        iou.append(hit / (hit + missed + wrong) if hit + missed + wrong else math.nan)
        dice.append(2 * hit / (2 * hit + missed + wrong) if hit + missed + wrong else math.nan)
        recall.append(hit / (hit + missed) if hit + missed else math.nan)
        weighted += (hit + missed) / len(pixels) * (iou[-1] if hit + missed else 0.0)
    accuracy = sum(t == p for t, p in pixels) / len(pixels)
    return {"iou": iou, "dice": dice, "recall": recall, "accuracy": accuracy, "weighted": weighted}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True), st.floats(0, 1))
def test_every_score_is_what_its_definition_says(seed, present, right):
    truth, found = drawn(seed, present=tuple(present), right=right)
    scored, plain = overlap(confusion(truth, found, 4).sum(0)), by_loops(truth, found, 4)
    np.testing.assert_allclose(scored.iou, plain["iou"], rtol=1e-12)
    np.testing.assert_allclose(scored.dice, plain["dice"], rtol=1e-12)
    np.testing.assert_allclose(scored.recall, plain["recall"], rtol=1e-12)
    assert scored.pixel_accuracy == pytest.approx(plain["accuracy"], rel=1e-12)
    assert scored.frequency_weighted_iou == pytest.approx(plain["weighted"], rel=1e-12)
    assert scored.mean_iou == pytest.approx(np.nanmean(plain["iou"]), rel=1e-12)
    assert scored.mean_dice == pytest.approx(np.nanmean(plain["dice"]), rel=1e-12)
    assert scored.class_accuracy == pytest.approx(np.nanmean(plain["recall"]), rel=1e-12)
    absent = [k for k in range(4) if math.isnan(plain["iou"][k])]
    assert scored.absent("abcd") == ["abcd"[k] for k in absent] and set(range(4)) - set(present) <= set(absent)


def test_a_case_by_hand():
    """Ten pixels: 4 of class 0 (3 found), 4 of class 1 (2 found, 2 taken for 0), 1 of class 2 missed, 1 unknown."""
    truth = np.array([[[0, 0, 0, 0, 1], [1, 1, 1, 2, 255]]], np.uint8)
    found = np.array([[[0, 0, 0, 1, 1], [1, 0, 0, 1, 2]]], np.uint8)
    table = confusion(truth, found, 4)
    assert table.tolist() == [[[3, 1, 0, 0], [2, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]]
    scored = overlap(table.sum(0))
    np.testing.assert_allclose(scored.iou, [3 / 6, 2 / 6, 0, math.nan])
    np.testing.assert_allclose(scored.dice, [6 / 9, 4 / 8, 0, math.nan])
    np.testing.assert_allclose(scored.recall, [3 / 4, 2 / 4, 0, math.nan])
    assert scored.mean_iou == pytest.approx(5 / 18) and scored.class_accuracy == pytest.approx(5 / 12)
    assert scored.pixel_accuracy == pytest.approx(5 / 9)
    assert scored.frequency_weighted_iou == pytest.approx((4 * 3 / 6 + 4 * 2 / 6) / 9)
    assert scored.absent(["a", "b", "c", "d"]) == ["d"]


def test_a_class_that_is_only_predicted_counts_as_missed_and_not_as_absent():
    truth, found = np.zeros((1, 2, 2), np.uint8), np.array([[[0, 0], [0, 1]]], np.uint8)
    scored = overlap(confusion(truth, found, 3).sum(0))
    np.testing.assert_allclose(scored.iou, [0.75, 0, math.nan])
    assert scored.absent("xyz") == ["z"] and scored.class_accuracy == 0.75, "no recall without truth"


def test_one_table_of_all_images_is_no_mean_over_images():
    """A class in one image of two: a mean over images would count the other one's absence, or not, by convention."""
    truth = np.zeros((2, 2, 2), np.uint8)
    truth[0, 0] = 1
    found = truth.copy()
    found[0, 0, 0] = 0
    each = [overlap(table).mean_iou for table in confusion(truth, found, 2)]
    whole = mean_iou(confusion(truth, found, 2).reshape(2, -1))
    assert whole == pytest.approx((6 / 7 + 1 / 2) / 2) and whole != pytest.approx(np.mean(each))


@pytest.mark.parametrize("value", [4, 200])
def test_values_that_no_class_has_are_refused(value):
    truth, found = drawn(0)
    bad = truth.copy()
    bad[2, 3, 3] = value
    with pytest.raises(ValueError, match=r"0\.\.3"):
        confusion(bad, found, 4)
    known = np.where(truth == 255, 0, truth)
    with pytest.raises(ValueError, match=r"0\.\.3"):
        confusion(known, bad, 4)


def test_predictions_for_unknown_pixels_do_not_matter():
    truth, found = drawn(1)
    other = np.where(truth == 255, 255, found)
    assert np.array_equal(confusion(truth, found, 4), confusion(truth, other, 4))
    assert not confusion(np.full_like(truth, 255), found, 4).any()


# --- what each image adds -----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 9), st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True))
def test_contributions_average_to_the_mean_iou(seed, n, present):
    tables = confusion(*drawn(seed, n, present=tuple(present)), 4)
    assert contributions(tables).mean() == pytest.approx(mean_iou(tables.reshape(n, -1)), abs=1e-12)


def test_contributions_are_close_to_leaving_images_out():
    """Pseudo-values of the jackknife, n m - (n - 1) m(without the image); the difference falls with 1 / n."""
    worst = []
    for n in (20, 160):
        truth, found = drawn(3, n, right=0.6)
        for row in range(0, n, 3):
            found[row] = truth[row].clip(0, 3)  # images differ in how well they are segmented
        units = confusion(truth, found, 4).reshape(n, -1)
        left_out = np.array([mean_iou(np.delete(units, row, 0)) for row in range(n)])
        pseudo = n * mean_iou(units) - (n - 1) * left_out
        made = contributions(units.reshape(n, 4, 4))
        assert np.corrcoef(made, pseudo)[0, 1] > 0.999
        worst.append(np.abs(made - pseudo).max())
    assert worst[0] < 0.05 and worst[1] < worst[0] / 4


def test_contributions_spread_as_the_mean_iou_of_resampled_images_does():
    truth, found = drawn(4, 60, right=0.6)
    for row in range(0, 60, 4):
        found[row] = truth[row].clip(0, 3)
    units = confusion(truth, found, 4).reshape(60, -1)
    rng = np.random.default_rng(0)
    resampled = [mean_iou(units[rng.integers(0, 60, 60)]) for _ in range(2000)]
    assert contributions(units.reshape(60, 4, 4)).std() / 60**0.5 == pytest.approx(np.std(resampled), rel=0.1)


def test_an_image_without_known_pixels_adds_the_mean():
    truth, found = drawn(5)
    truth[2] = 255
    tables = confusion(truth, found, 4)
    assert contributions(tables)[2] == pytest.approx(mean_iou(tables.reshape(5, -1)), abs=1e-15)

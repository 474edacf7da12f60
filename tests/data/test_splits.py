# SPDX-License-Identifier: Apache-2.0
"""Few-shot subsets are nested; a holdout never splits a group."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.splits import few_shot, holdout_rows


def labelled(labels: list[int], **columns: object) -> ImageSet:
    classes = [f"c{k}" for k in range(max(labels) + 1)]
    return ImageSet.of(np.zeros((len(labels), 2, 2), np.uint8), labels, classes, **columns)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 2), min_size=9, max_size=60), st.integers(0, 5))
def test_few_shot_subsets_are_nested_and_exact(labels, seed):
    data = labelled([0, 1, 2, *labels])
    least = int(np.bincount(data.label).min())
    subsets = [few_shot(data, n, seed) for n in range(1, least + 1)]
    for n, rows in enumerate(subsets, 1):
        assert np.bincount(data.label[rows], minlength=3).tolist() == [n, n, n]
        assert (np.diff(rows) > 0).all()
    assert all(set(small) <= set(large) for small, large in pairwise(subsets))


def test_another_seed_draws_other_rows():
    data = labelled([0, 1] * 40)
    assert not np.array_equal(few_shot(data, 5, 0), few_shot(data, 5, 1))


def test_an_imbalance_names_its_classes():
    data = labelled([0] * 10 + [1] * 10 + [2] * 10)
    rows = few_shot(data, {"c1": 2}, 0)
    assert np.bincount(data.label[rows]).tolist() == [10, 2, 10]
    assert set(few_shot(data, {"c1": 1}, 0)) < set(rows)


@pytest.mark.parametrize(
    ("shots", "words"), [(0, "at least 1"), (-2, "at least 1"), (4, "'c1' has 3"), ({"owl": 1}, "'owl'")]
)
def test_impossible_shots(shots, words):
    with pytest.raises(InputError, match=words):
        few_shot(labelled([0] * 5 + [1] * 3), shots, 0)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=12, max_size=60),
    st.sampled_from([0.2, 0.25, 0.5]),
    st.integers(0, 3),
)
def test_a_holdout_never_splits_a_group(rows, share, seed):
    group, label = (np.array(column) for column in zip(*rows, strict=True))
    assume(len(np.unique(group)) >= round(1 / share))
    data = labelled([int(k) for k in label], group=group)
    held = holdout_rows(data, share, seed)
    rest = np.setdiff1d(np.arange(len(data)), held)
    assert not set(group[held]) & set(group[rest])
    assert np.array_equal(held, holdout_rows(data, share, seed))


def test_without_groups_a_holdout_is_stratified():
    data = labelled([0] * 80 + [1] * 20)
    assert np.bincount(data.label[holdout_rows(data, 0.25, 0)]).tolist() == [20, 5]


def test_too_few_groups():
    with pytest.raises(InputError, match=r"at least 2 groups.*there is 1"):
        holdout_rows(labelled([0, 1, 0, 1], group=np.zeros(4, int)), 0.5, 0)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_fewer_groups_than_parts_are_held_out_one_at_a_time(n):
    data = labelled([0, 1] * 2 * n, group=np.arange(4 * n) // 4)
    held = holdout_rows(data, 0.2, 0)
    assert len(held) == 4 and len(np.unique(data.group[held])) == 1


def test_groups_of_classes_with_few_images_each():
    """Stratified by labels there would be no split at all: no class has an image for each of 5 folds."""
    data = labelled([k for k in range(6) for _ in range(2)], group=np.arange(12) // 2)
    held = holdout_rows(data, 0.2, 0)
    assert 1 <= len(np.unique(data.group[held])) <= 2
    assert not set(data.group[held]) & set(np.delete(data.group, held))

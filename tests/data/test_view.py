# SPDX-License-Identifier: Apache-2.0
"""A training view shows training rows and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from ganaug.data.errors import FoldError
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView


@pytest.fixture
def view() -> TrainView:
    """Rows 2, 3, 4, 5, 6 and 7 of ten."""
    images = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    data = ImageSet.of(images, np.arange(10) % 2, index=np.arange(100, 110), group=np.arange(10) // 2)
    return TrainView.of(data, np.arange(2, 8))


def test_only_training_rows_are_reachable(view):
    assert len(view) == 6 and view.image[np.arange(6)][:, 0, 0, 0].tolist() == [2, 3, 4, 5, 6, 7]
    assert view.batch([0, 5]).index.tolist() == [102, 107]


@pytest.mark.parametrize("rows", [[6], [-1], [0, 9], np.array([100])])
def test_foreign_rows_raise(view, rows):
    with pytest.raises(FoldError, match="6 training rows"):
        view.batch(rows)
    with pytest.raises(FoldError):
        view.select(rows)


def test_lasting_ids(view):
    assert view.rows_of([107, 102]).tolist() == [5, 0]
    for foreign in ([101], [108], [102, 999]):
        with pytest.raises(FoldError, match="not in the training fold"):
            view.rows_of(foreign)


def test_inner_holdout_is_a_view_of_training_rows(view):
    held, rest = view.holdout(0.5, 0)
    assert isinstance(held, TrainView) and isinstance(rest, TrainView)
    assert sorted([*held.index, *rest.index]) == list(range(102, 108))
    assert not set(held.group) & set(rest.group)


def test_hidden_columns():
    data = ImageSet.of(np.zeros((3, 2, 2), np.uint8), [0, 1, 0])
    hidden = TrainView.of(data, hide=["label"])
    assert hidden.label is None and hidden.batch([0]).label is None and data.label is not None


def test_test_rows_of_further_sets_are_left_out():
    images = np.zeros((6, 2, 2), np.uint8)
    other = ImageSet.of(images, fold=np.array([0, 0, 1, 2, 2, -1], np.int8))
    view = TrainView.of(ImageSet.of(images).but(others={"b": other, "c": ImageSet.of(images)}))
    assert view.others["b"].index.tolist() == [0, 1, 2, 5] and len(view.others["c"]) == 6

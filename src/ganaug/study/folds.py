# SPDX-License-Identifier: Apache-2.0
"""Which rows train and which test, for every training size and repeat of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ganaug.core.seeding import derive
from ganaug.data.image_set import ImageSet
from ganaug.data.splits import few_shot
from ganaug.data.view import TrainView
from ganaug.study.resplit import resplit_plan
from ganaug.study.verdict import Regime

TEST_SHARE = 0.3


@dataclass(frozen=True)
class Fold:
    """Rows of one repeat: `train` for the arm, `pool` the rest of the training fold, `test` for the scores only.

    `offered` are the rows of the pool that systems may use without their labels: none unless the study says so.
    """

    train: np.ndarray
    pool: np.ndarray
    test: np.ndarray
    seed: int
    offered: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def regime_of(data: ImageSet) -> Regime:
    """A test fold that the source states is kept; otherwise each repeat splits anew."""
    return "fixed test fold" if len(data.in_fold("test")) else "re-split"


def fold(
    data: ImageSet, shots: int | None, repeat: int, *, repeats: int, seed: int, cut: Mapping[str, int] | None = None
) -> Fold:
    """The rows of one repeat, a pure function of its arguments.

    Subsets are nested over `shots`. `cut` reduces the named classes to a number of images, another draw a repeat.
    Rows of unknown label never train or test a learner. Raises InputError when there are more shots than images.
    """
    own = derive(seed, "repeat", repeat) % 2**31
    known = what_is_learnt(data) >= 0
    if regime_of(data) == "fixed test fold":
        train_all, test = data.in_fold("train", "val"), data.in_fold("test")
        test = test if data.label is None else test[known[test]]  # junk of a gallery is part of its protocol
    else:
        rows = np.flatnonzero(known)
        plan = resplit_plan(*strata(data, rows), repeat + 1, TEST_SHARE, derive(seed, "split") % 2**31)
        train_all, test = rows[plan[repeat][0]], rows[plan[repeat][1]]
    train_all = train_all[known[train_all]]
    view = with_labels(data.select(train_all))
    chosen = np.arange(len(view))
    if cut:
        chosen = few_shot(view, cut, own)
    if shots is not None:
        chosen = chosen[few_shot(view.select(chosen), shots, own)]
    return Fold(train_all[chosen], np.setdiff1d(train_all, train_all[chosen]), test, own)


def what_is_learnt(data: ImageSet) -> np.ndarray:
    """Class or, in a set without classes, identity of every row; -1 where unknown."""
    column = data.identity if data.label is None else data.label
    assert column is not None
    return column


def strata(data: ImageSet, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """What a new split keeps in proportion, and what it keeps together: whole identities in a set of identities."""
    if data.label is None:
        assert data.identity is not None
        return np.zeros(len(rows), int), data.identity[rows]
    return data.label[rows], data.group[rows] if data.group is not None else None


def with_labels(data: ImageSet) -> ImageSet:
    """A training fold of identities as one of classes: each identity that occurs is a class."""
    if data.label is not None:
        return data
    assert data.identity is not None
    found, label = np.unique(data.identity, return_inverse=True)
    return data.but(label=label.astype(np.int64), classes=tuple(f"id {i}" for i in found))


def training_view(data: ImageSet, rows: np.ndarray, offered: np.ndarray | None = None) -> TrainView:
    """The only data a system sees in a repeat: the training rows, with a pool of unlabelled ones beside them.

    The pool is what the user gave, else the rows of unknown label outside the test fold and the `offered` ones.
    """
    view = TrainView.of(with_labels(data.select(rows).but(fold=None)))
    unknown = np.setdiff1d(np.flatnonzero(what_is_learnt(data) < 0), data.in_fold("test"))
    unknown = unknown if offered is None else np.union1d(unknown, offered)
    if len(unknown) and "unlabelled" not in view.others:
        pool = data.select(unknown).but(fold=None, label=None, identity=None, others={})
        return view.but(others={**view.others, "unlabelled": pool})  # type: ignore[return-value]
    return view

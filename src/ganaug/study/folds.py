# SPDX-License-Identifier: Apache-2.0
"""Which rows train and which test, for every training size and repeat of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ganaug.core.seeding import derive
from ganaug.data.batch import UNKNOWN
from ganaug.data.errors import InputError
from ganaug.data.image_set import FOLDS, ImageSet
from ganaug.data.splits import few_groups, few_shot
from ganaug.data.view import TrainView
from ganaug.study.resplit import resplit_plan
from ganaug.study.verdict import Regime

TEST_SHARE = 0.3
ONE_CLASS = ("image",)  # of sets in which masks are learnt
TARGET = "b"  # the name of the second domain
ANNOTATIONS = (
    *("label", "soft_label", "mask", "instances", "boxes", "keypoints", "depth", "attributes", "identity", "camera"),
    *("query", "fold", "parents"),
)


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
    data: ImageSet,
    shots: int | None,
    repeat: int,
    *,
    repeats: int,
    seed: int,
    cut: Mapping[str, int] | None = None,
    unit: str = "class",
) -> Fold:
    """The rows of one repeat, a pure function of its arguments.

    Subsets are nested over `shots`: images a class or, where masks are learnt or `unit` is "total", images altogether.
    `cut` reduces the named classes to a number of images, another draw a repeat. Rows of unknown label never train or
    test a learner. Raises InputError when there are more shots than images.
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
        chosen = chosen[few(view.select(chosen), shots, own, learns_masks(data), unit)]
    return Fold(train_all[chosen], np.setdiff1d(train_all, train_all[chosen]), test, own)


def few(view: ImageSet, shots: int, seed: int, masks: bool, unit: str = "class") -> np.ndarray:
    """Rows of `shots` images a class or, where masks are learnt, of `shots` images altogether with all their tiles."""
    if masks:
        return few_groups(view, shots, seed)
    return few_in_total(view, shots, seed) if unit == "total" else few_shot(view, shots, seed)


def few_in_total(view: ImageSet, wanted: int, seed: int) -> np.ndarray:
    """Rows [n] of `wanted` images altogether, in ascending order; nested.

    One image of every class comes first, then all classes grow in proportion to their sizes. Raises InputError for
    fewer images than classes and for more than there are.
    """
    assert view.label is not None
    present, place = np.unique(view.label), np.zeros(len(view))
    if not len(present) <= wanted <= len(view):
        raise InputError(
            f"shots must be {len(present)} to {len(view)} images altogether, one a class at least, found {wanted}."
        )
    for k in present:
        rows = np.flatnonzero(view.label == k)
        order = np.random.default_rng([seed, int(k)]).permutation(len(rows))
        place[rows[order]] = np.arange(len(rows)) / len(rows)
    ties = np.random.default_rng([seed, len(view.classes)]).permutation(len(view))
    return np.sort(np.lexsort((ties, place))[:wanted])


def adapting_fold(data: ImageSet, shots: int | None, repeat: int, *, repeats: int, seed: int) -> Fold:
    """The rows of one repeat where only the first domain's labels may be used.

    `train` is the source (domain 0), `offered` the target's training images (domain 1, without labels), `test` the
    target's test fold, or where it states none, a part of it that changes with the repeat.
    """
    own = derive(seed, "repeat", repeat) % 2**31
    known, target = what_is_learnt(data) >= 0, data.domain == 1
    source = np.flatnonzero(~target & known)
    if shots is not None:
        source = source[few(with_labels(data.select(source)), shots, own, learns_masks(data))]
    if regime_of(data) == "fixed test fold":
        offered, test = np.flatnonzero(target & (data.fold != FOLDS.index("test"))), data.in_fold("test")
        return Fold(source, source[:0], test[known[test]], own, offered)
    rows = np.flatnonzero(target & known)
    plan = resplit_plan(*strata(data, rows), repeat + 1, TEST_SHARE, derive(seed, "split") % 2**31)
    test = rows[plan[repeat][1]]
    offered = np.flatnonzero(target & ~np.isin(data.groups, data.groups[test]))
    return Fold(source, source[:0], test, own, offered)


def learns_masks(data: ImageSet) -> bool:
    """Whether a set that a task has prepared is one of masks: no classes, no identities."""
    return data.label is None and data.identity is None and data.mask is not None


def what_is_learnt(data: ImageSet) -> np.ndarray:
    """Class or, in a set without classes, identity of every row; -1 where unknown. Rows of a set of masks have 0."""
    if learns_masks(data):
        assert data.mask is not None
        return np.where((data.mask != UNKNOWN).any((1, 2)), 0, -1)
    column = data.identity if data.label is None else data.label
    assert column is not None
    return column


def strata(data: ImageSet, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """What a new split keeps in proportion, and what it keeps together: whole identities in a set of identities."""
    label = np.zeros(len(data), int) if data.label is None else data.label
    together = data.group if learns_masks(data) or data.label is not None else data.identity
    return label[rows], None if together is None else together[rows]


def with_labels(data: ImageSet) -> ImageSet:
    """A training fold as one of classes: each identity that occurs is one; images with masks are all of one."""
    if data.label is not None:
        return data
    if learns_masks(data):
        return data.but(label=np.zeros(len(data), np.int64), classes=ONE_CLASS)
    assert data.identity is not None
    found, label = np.unique(data.identity, return_inverse=True)
    return data.but(label=label.astype(np.int64), classes=tuple(f"id {i}" for i in found))


def training_view(data: ImageSet, rows: np.ndarray, offered: np.ndarray | None = None) -> TrainView:
    """The only data a system sees in a repeat: the training rows, with a pool of unlabelled ones beside them.

    The pool is what the user gave, else the rows of unknown label outside the test fold and the `offered` ones; no
    annotation of its rows is in it. In a set of two domains it is the second one, `others["b"]`.
    """
    view = TrainView.of(with_labels(data.select(rows).but(fold=None)))
    spare = what_is_learnt(data) < 0 if data.domain is None else np.zeros(len(data), bool)  # of two: what is offered
    unknown = np.setdiff1d(np.flatnonzero(spare), data.in_fold("test"))
    if regime_of(data) == "re-split":  # whose labelled rows are elsewhere, may be a group that tests
        elsewhere = np.setdiff1d(data.groups[~spare], data.groups[rows])
        unknown = unknown[~np.isin(data.groups[unknown], elsewhere)]
    unknown = unknown if offered is None else np.union1d(unknown, offered)
    name = "unlabelled" if data.domain is None else TARGET
    if len(unknown) and name not in view.others:
        pool = data.select(unknown).but(**dict.fromkeys(ANNOTATIONS), others={})
        return view.but(others={**view.others, name: pool})  # type: ignore[return-value]
    return view

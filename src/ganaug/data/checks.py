# SPDX-License-Identifier: Apache-2.0
"""What must be true of a set before something learns classes from it."""

from __future__ import annotations

import numpy as np

from ganaug.data.batch import UNKNOWN
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.readers.identity_names import refuse_shared

TASKS = {"identities": "reid", "masks": "segmentation"}


def require_classes(data: ImageSet, least: int = 2, least_rows: int = 2) -> None:
    """InputError unless there are `least` classes, each with `least_rows` images that can be trained on.

    Rows that the source puts into val or test do not count.
    """
    where = data.name or "the set"
    if data.label is None:
        others = {"masks": data.mask, "identities": data.identity}
        learns = [f"--task {task} learns its {what}" for what, task in TASKS.items() if others[what] is not None]
        how = learns[0] if learns else "put the images into a folder a class"
        raise InputError(f"{where} has no labels, and classes are needed: {how}.")
    if len(data.classes) < least:
        named = f" ('{data.classes[0]}')" if data.classes else ""
        raise InputError(f"{where} has {len(data.classes)} class{named}, at least {least} are needed: add classes.")
    train = np.ones(len(data), bool) if data.fold is None else data.fold == 0
    counts = np.bincount(data.label[train & (data.label >= 0)], minlength=len(data.classes))
    few = [(name, int(n)) for name, n in zip(data.classes, counts, strict=True) if n < least_rows]
    if few:
        name, n = few[0]
        raise InputError(
            f"class '{name}' of {where} has {n} training image{'s' * (n != 1)}, at least {least_rows} are needed: "
            "add images or leave the class out."
        )


def with_identities(data: ImageSet, least: int = 2) -> ImageSet:
    """The set with identities instead of classes: where it has none, each class is one.

    Raises InputError unless `least` identities can be trained on, each with two images, where an identity has both
    training and test images, and where no query could have a match.
    """
    where = data.name or "the set"
    if data.identity is None and data.label is None:
        raise InputError(f"{where} has neither identities nor classes: put the images into a folder an identity.")
    identity = data.label if data.identity is None else data.identity
    assert identity is not None
    fold = np.zeros(len(data), np.int8) if data.fold is None else data.fold
    refuse_shared(identity, fold, fold == 2 if data.query is None else data.query, where)
    train = fold != 2
    ids, counts = np.unique(identity[train & (identity >= 0)], return_counts=True)
    if len(ids) < least or (counts >= 2).sum() < least:
        raise InputError(
            f"{where} has {(counts >= 2).sum()} identities with two training images, at least {least} are needed."
        )
    tested = (fold == 2 if (fold == 2).any() else train) & (identity >= 0)
    if data.camera is not None and not seen_twice(identity[tested], data.camera[tested]):
        raise InputError(
            f"no identity of {where} that is to be tested was seen by two cameras, and a query is matched with images "
            "of other cameras only: give images of two cameras, or no cameras at all."
        )
    return data.but(identity=identity, label=None, classes=())


def with_masks(data: ImageSet, least: int = 2) -> ImageSet:
    """The set with its masks as what is learnt, classes and identities left out.

    Raises InputError unless it has masks of two classes or more, and `least` training images whose mask is known.
    """
    where = data.name or "the set"
    if data.mask is None:
        raise InputError(f"{where} has no masks: put images/ and masks/ with equal names into one folder.")
    names = data.mask_classes or tuple(map(str, range(int(data.mask[data.mask != UNKNOWN].max(initial=0)) + 1)))
    if len(names) < 2:
        raise InputError(f"the masks of {where} hold one class, at least 2 are needed: mark what is to be found.")
    nameless = data.mask[(data.mask != UNKNOWN) & (data.mask >= len(names))]
    if len(nameless):
        raise InputError(f"the masks of {where} hold {nameless[0]}, and there are {len(names)} mask classes: name all.")
    train = np.ones(len(data), bool) if data.fold is None else data.fold != 2
    known = int((data.mask[train] != UNKNOWN).any((1, 2)).sum())
    if known < least:
        raise InputError(f"{where} has {known} training images with a known mask, at least {least} are needed.")
    return data.but(label=None, classes=(), identity=None, mask_classes=names)


def seen_twice(identity: np.ndarray, camera: np.ndarray) -> bool:
    """Whether any identity [N] has images of two cameras [N]."""
    places = np.unique(np.stack([identity, camera], 1), axis=0)
    return len(places) > len(np.unique(places[:, 0]))

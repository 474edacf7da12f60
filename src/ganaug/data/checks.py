# SPDX-License-Identifier: Apache-2.0
"""What must be true of a set before something learns classes from it."""

from __future__ import annotations

import numpy as np

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet


def require_classes(data: ImageSet, least: int = 2, least_rows: int = 2) -> None:
    """InputError unless there are `least` classes, each with `least_rows` images that can be trained on.

    Rows that the source puts into val or test do not count.
    """
    where = data.name or "the set"
    if data.label is None:
        raise InputError(f"{where} has no labels, and classes are needed: put the images into a folder a class.")
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

    Raises InputError unless `least` identities can be trained on, each with two images, and where an identity has both
    training and test images.
    """
    where = data.name or "the set"
    if data.identity is None and data.label is None:
        raise InputError(f"{where} has neither identities nor classes: put the images into a folder an identity.")
    identity = data.label if data.identity is None else data.identity
    assert identity is not None
    train = np.ones(len(data), bool) if data.fold is None else data.fold != 2
    shared = np.intersect1d(identity[train & (identity > 0)], identity[~train])
    if len(shared):
        raise InputError(
            f"identity {named(data, shared[0])} of {where} has training and test images: re-identification is tested "
            "on identities that training never saw, so split by identity, or leave the test fold out."
        )
    ids, counts = np.unique(identity[train & (identity >= 0)], return_counts=True)
    if len(ids) < least or (counts >= 2).sum() < least:
        raise InputError(
            f"{where} has {(counts >= 2).sum()} identities with two training images, at least {least} are needed."
        )
    return data.but(identity=identity, label=None, classes=())


def named(data: ImageSet, identity: int) -> str:
    """An identity by its class name where it has one."""
    return f"'{data.classes[identity]}'" if data.identity is None else str(identity)

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

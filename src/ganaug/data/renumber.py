# SPDX-License-Identifier: Apache-2.0
"""Class numbers of one set as those of another: a name means the same class, whatever its number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganaug.data.batch import UNKNOWN
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet

SHOWN = 8  # names in a sentence


def with_classes(data: ImageSet, classes: Sequence[str], what: str) -> ImageSet:
    """The set with labels numbered as in `classes`, -1 as it is; InputError where it holds another class."""
    assert data.label is not None
    unknown = [name for name, n in data.counts().items() if n and name not in classes]
    if unknown:
        raise InputError(f"{what} has class '{unknown[0]}'; its classes must be named as the data's: {few(classes)}.")
    return data.but(label=numbers(data.classes, classes, -1)[data.label], classes=tuple(classes))


def with_mask_classes(data: ImageSet, classes: Sequence[str], what: str) -> ImageSet:
    """The same for the masks of a set, 255 as it is; InputError for names of other classes."""
    assert data.mask is not None
    unknown = [name for name in data.mask_classes if name not in classes]
    if unknown:
        named = few(data.mask_classes)
        raise InputError(f"{what} has the mask classes {named}; masks of the classes {few(classes)} are needed.")
    table = np.full(UNKNOWN + 1, UNKNOWN, np.uint8)
    table[: len(data.mask_classes)] = numbers(data.mask_classes, classes, UNKNOWN)[:-1]
    return data.but(mask=table[data.mask], mask_classes=tuple(classes))


def unnamed(classes: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether classes are called by their numbers alone, and so can only mean these numbers of `wanted`."""
    return len(classes) <= len(wanted) and list(classes) == list(map(str, range(len(classes))))


def numbers(names: Sequence[str], wanted: Sequence[str], unknown: int) -> np.ndarray:
    """The number in `wanted` of each name, int64, and behind them that of what is unknown."""
    return np.array([*(wanted.index(name) if name in wanted else unknown for name in names), unknown])


def few(names: Sequence[str]) -> str:
    """The first names of a list."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")

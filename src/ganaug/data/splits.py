# SPDX-License-Identifier: Apache-2.0
"""Which rows go where: group-aware stratified splits, nested few-shot subsets, imbalances."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ganaug.data.errors import InputError

if TYPE_CHECKING:
    from ganaug.data.image_set import ImageSet


def holdout_rows(data: ImageSet, share: float, seed: int) -> np.ndarray:
    """Rows [n] to hold out, about `share` of the set, stratified by label, whole groups only.

    Raises InputError when there are fewer than two groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels = np.zeros(len(data), int) if data.label is None else data.label
    folds = max(2, min(round(1 / share), n := len(np.unique(data.groups))))
    if n < folds:
        kind = "groups (patients, scenes, identities)" if data.group is not None else "images"
        raise InputError(
            f"holding out a part takes at least {folds} {kind}, and there is {n}: "
            "add some, or put test images into a folder test/ beside train/."
        )
    grouped = data.group is not None
    splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class smaller than the number of folds is told to the user elsewhere
        if np.bincount(labels - labels.min()).max() < folds:
            labels = np.zeros(len(data), int)
        _, held = next(iter(splitter.split(np.zeros(len(data)), labels, data.groups if grouped else None)))
    return held


def few_groups(data: ImageSet, wanted: int, seed: int) -> np.ndarray:
    """Rows [n] of `wanted` groups (images that tiles were cut from, scenes, patients), in ascending order; nested.

    Raises InputError for numbers below 1 and for more groups than there are.
    """
    groups = np.unique(data.groups)
    if not 1 <= wanted <= len(groups):
        raise InputError(f"shots must be 1 to {len(groups)}, the number of training images, found {wanted}.")
    chosen = np.random.default_rng([seed, 0]).permutation(groups)[:wanted]
    return np.flatnonzero(np.isin(data.groups, chosen))


def few_shot(data: ImageSet, shots: int | Mapping[str, int], seed: int) -> np.ndarray:
    """Rows [n] with `shots` labelled images a class (or a number for each named class), in ascending order.

    Subsets are nested: with one seed, the rows for 5 shots are among the rows for 10. Classes that a mapping does
    not name keep all their rows. Raises InputError for negative numbers and for more shots than a class has.
    """
    if data.label is None:
        raise InputError("few-shot subsets need labels, and this set has none.")
    wanted = dict.fromkeys(data.classes, shots) if isinstance(shots, int) else dict(shots)
    unknown = [name for name in wanted if name not in data.classes]
    if unknown:
        raise InputError(f"there is no class '{unknown[0]}': the classes are {', '.join(data.classes)}.")
    chosen = []
    for k, name in enumerate(data.classes):
        rows = np.flatnonzero(data.label == k)
        n = wanted.get(name, len(rows))
        if n < 1:
            raise InputError(f"shots must be at least 1, found {n} for class '{name}'.")
        if n > len(rows):
            raise InputError(f"class '{name}' has {len(rows)} training images, but {n} shots were asked for.")
        order = np.random.default_rng([seed, k]).permutation(len(rows))
        chosen.append(rows[order[:n]])
    return np.sort(np.concatenate(chosen))

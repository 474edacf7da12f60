# SPDX-License-Identifier: Apache-2.0
"""How well predicted masks overlap true ones: everything from one confusion table over the whole test set.

A class that occurs neither in the truth nor in the prediction is left out of every mean and named; counted as 0, as
released code often does, it would lower the mean for no fault of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ganaug.data.batch import UNKNOWN


def confusion(truth: Int[ndarray, "n h w"], found: Int[ndarray, "n h w"], classes: int) -> Int[ndarray, "n k k"]:
    """Pixels of each image by true class (rows) and predicted class (columns); true 255 is not counted.

    Raises ValueError for other values outside 0..classes - 1.
    """
    tables = [confused(true, guess, classes) for true, guess in zip(truth, found, strict=True)]
    return np.array(tables, np.int64).reshape(len(truth), classes, classes)


def confused(truth: Int[ndarray, "h w"], found: Int[ndarray, "h w"], classes: int) -> Int[ndarray, " k*k"]:
    """The table of one image, row after row."""
    known = truth != UNKNOWN
    true, guess = truth[known].astype(np.int64), found[known].astype(np.int64)
    if true.size and not 0 <= min(true.min(), guess.min()) <= max(true.max(), guess.max()) < classes:
        raise ValueError(f"masks must hold 0..{classes - 1} and {UNKNOWN}")
    return np.bincount(true * classes + guess, minlength=classes**2)


@dataclass(frozen=True)
class Overlap:
    """Scores of one confusion table; those of a class are NaN where it occurs in neither mask."""

    iou: Float[ndarray, " k"]
    dice: Float[ndarray, " k"]  # 2 TP / (2 TP + FP + FN), over all pixels at once
    recall: Float[ndarray, " k"]  # NaN where the class is not in the truth
    pixel_accuracy: float
    frequency_weighted_iou: float

    @property
    def mean_iou(self) -> float:
        return mean(self.iou)

    @property
    def mean_dice(self) -> float:
        return mean(self.dice)

    @property
    def class_accuracy(self) -> float:
        return mean(self.recall)

    def absent(self, names: Sequence[str]) -> list[str]:
        """Names of the classes that occur in neither mask."""
        return [name for name, value in zip(names, self.iou, strict=True) if np.isnan(value)]


def overlap(table: Int[ndarray, "k k"]) -> Overlap:
    """The scores of a confusion table (rows true, columns predicted)."""
    hit, true, guess = np.diagonal(table).astype(float), table.sum(1).astype(float), table.sum(0).astype(float)
    union = true + guess - hit
    with np.errstate(invalid="ignore", divide="ignore"):
        iou, dice, recall = hit / union, 2 * hit / (true + guess), hit / true
        accuracy, share = hit.sum() / true.sum(), true / true.sum()
    return Overlap(iou, dice, recall, float(accuracy), float(np.nansum(share * iou)))


def mean(values: Float[ndarray, " k"]) -> float:
    """The mean of the values that are known; NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def mean_iou(units: Int[ndarray, "n kk"]) -> float:
    """Mean IoU over the confusion tables of some images, each flattened to a row."""
    k = round(units.shape[1] ** 0.5)
    return overlap(units.sum(0).reshape(k, k)).mean_iou


def contributions(tables: Int[ndarray, "n k k"]) -> Float[ndarray, " n"]:
    """What each image adds to the mean IoU of all: values whose mean is the mean IoU.

    The mean IoU is no mean over images, so these are its linearisation around the whole table (the infinitesimal
    jackknife, Efron 1982): IoU does not change when all counts are scaled, so the gradient's product with the whole
    table is 0 and the mean comes out exactly.
    """
    n, k = len(tables), tables.shape[1]
    table = tables.sum(0).astype(float)
    hit = np.diagonal(table)
    union = table.sum(1) + table.sum(0) - hit
    there = union > 0
    safe = np.where(there, union, 1.0)
    slope = np.where(there, -hit / safe**2, 0.0)  # of one more pixel that only truth or only prediction gives the class
    gradient = slope[:, None] + slope[None, :]
    gradient[np.diag_indices(k)] = np.where(there, (union - hit) / safe**2, 0.0)
    whole = mean_iou(table.reshape(1, -1))
    return whole + n * (tables * gradient).sum((1, 2)) / max(int(there.sum()), 1)

# SPDX-License-Identifier: Apache-2.0
"""What the claims of class-conditional generators share: digits, a judge that knows them all, measures, a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
import torch
from sklearn.svm import SVC

from ganaug.data.embedded import digits
from ganaug.data.image_set import ImageSet
from ganaug.data.splits import few_shot
from ganaug.data.view import TrainView

SEEDS = (0, 1, 2)


def everything() -> TrainView:
    """The whole training fold of the digits."""
    data = digits()
    return TrainView.of(data, data.in_fold("train"))


def subset(n: int | dict[str, int], seed: int) -> TrainView:
    """n images a class of it, or as many as a mapping from class names says."""
    view = everything()
    return view.select(few_shot(view, n, seed))


def flat(data: ImageSet) -> np.ndarray:
    return data.images().flatten(1).numpy()


@cache
def judge() -> SVC:
    """A classifier of the whole training fold; 96 % right on the test fold."""
    view = everything()
    return SVC(C=10).fit(flat(view), view.label)


def agreement(made: ImageSet) -> np.ndarray:
    """For each class, the share of its images that the judge puts there."""
    right = judge().predict(flat(made)) == made.label
    return np.array([right[made.label == k].mean() for k in np.unique(made.label)])


def diversity(made: ImageSet) -> np.ndarray:
    """For each class, the mean distance of two of its images as a share of that of real ones."""
    real = everything()
    return np.array([scatter(made, k) / scatter(real, k) for k in np.unique(made.label)])


def scatter(data: ImageSet, k: int) -> float:
    return float(torch.pdist(data.images(data.label == k).flatten(1)).mean())


def usefulness(made: ImageSet) -> float:
    """Accuracy on the real test fold of a classifier that has seen generated images only."""
    data = digits()
    test = data.select(data.in_fold("test"))
    return float(SVC(C=10).fit(flat(made), made.label).score(flat(test), test.label))


def print_table(rows: Iterable[Mapping[str, object]]) -> None:
    """Markdown, numbers with three digits; a line appears as soon as its row is there."""
    for i, row in enumerate(rows):
        if i == 0:
            print("| " + " | ".join(row) + " |\n|" + "---|" * len(row))
        cells = (f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values())
        print("| " + " | ".join(cells) + " |", flush=True)

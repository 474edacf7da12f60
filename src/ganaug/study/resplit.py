# SPDX-License-Identifier: Apache-2.0
"""The splits of a study without a given test fold: repeated stratified K-fold cross-validation.

Every round cuts the rows into K = round(1 / test_share) folds, each the test fold of one repeat. So all rows
are tested equally often, which random splits do not achieve, and test folds of one round are disjoint, so
that `crossed_t` can tell what images share over repeats from what repeats do on their own.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from jaxtyping import Int, Shaped
from numpy import ndarray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ganaug.data.errors import InputError


def resplit_plan(
    labels: Int[ndarray, " n"],
    groups: Shaped[ndarray, " n"] | None,
    repeats: int,
    test_share: float,
    seed: int,
) -> list[tuple[Int[ndarray, " train"], Int[ndarray, " test"]]]:
    """Sorted training and test rows of each repeat, stratified by label, groups never split.

    The plan of fewer repeats is the start of the plan of more, so finished cells of a study stay valid when
    repeats are added. The test share obtained is 1 / K (0.3 becomes a third). Raises InputError for a share
    outside (0, 0.5], and where groups of rows, or images of the most frequent class, are fewer than folds.
    """
    folds = _folds(test_share)
    labels = np.asarray(labels)
    independent = len(np.unique(groups)) if groups is not None else len(labels)
    most = int(np.unique(labels, return_counts=True)[1].max(initial=0))
    if min(independent, most) < folds:
        raise InputError(
            f"a new split for each repeat needs at least {folds} independent groups of rows and "
            f"{folds} images of a class, found {independent} and at most {most}; give more data, or state a test fold."
        )
    plan: list[tuple[ndarray, ndarray]] = []
    while len(plan) < repeats:
        plan += _round(labels, groups if independent < len(labels) else None, folds, (seed, len(plan)))
    return plan[:repeats]


def _folds(test_share: float) -> int:
    if not 0 < test_share <= 0.5:
        raise InputError(f"test_share: expected a number above 0 and at most 0.5, found {test_share}; 0.3 is usual")
    return max(2, round(1 / test_share))


def _round(labels: ndarray, groups: ndarray | None, folds: int, seed: tuple[int, int]) -> list:
    numbers = None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64).tobytes()
    return _splits(labels.astype(np.int64).tobytes(), numbers, folds, seed)


@lru_cache(maxsize=32)  # a study asks for the rows of a repeat again and again
def _splits(labels: bytes, groups: bytes | None, folds: int, seed: tuple[int, int]) -> list:
    """The folds of one round, for labels and groups as the bytes of their numbers."""
    strata = np.frombuffer(labels, np.int64)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    splitter = kind(n_splits=folds, shuffle=True, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class with fewer images than folds is in some test folds only
        whole = None if groups is None else np.frombuffer(groups, np.int64)
        return list(splitter.split(np.zeros(len(strata)), strata, whole))

# SPDX-License-Identifier: Apache-2.0
"""Which training rows a step sees: pure functions of (seed, t), so that no data cursor is ever stored.

Rows are on the CPU, where the images are, whatever the default device is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from ganaug.data.batch import Batch
from ganaug.data.image_set import ImageSet


def shuffled(data: ImageSet, n: int, seed: int, t: int) -> Int[Tensor, " n"]:
    """Rows t*n..(t+1)*n of an endless row of epochs, each epoch a permutation of its own."""
    size = len(data)
    spots = np.arange(t * n, (t + 1) * n)
    return torch.from_numpy(np.array([epoch(size, seed, s // size)[s % size] for s in spots.tolist()], dtype=np.int64))


@lru_cache(maxsize=4)
def epoch(size: int, seed: int, number: int) -> np.ndarray:
    """The order of one epoch, kept because every step asks for it: of 60,000 rows it takes a millisecond."""
    return np.random.default_rng([seed, 1, number]).permutation(size)


def class_balanced(data: ImageSet, n: int, seed: int, t: int) -> Int[Tensor, " n"]:
    """A class uniformly, then one of its rows uniformly; unknown labels are never drawn."""
    rng = np.random.default_rng([seed, 2, t])
    assert data.label is not None
    present = np.unique(data.label[data.label >= 0])
    own = {k: np.flatnonzero(data.label == k) for k in present}
    rows = [rng.choice(own[k]) for k in rng.choice(present, n)]
    return torch.from_numpy(np.array(rows, dtype=np.int64))


def pk(data: ImageSet, n: int, seed: int, t: int, *, k: int = 4) -> Int[Tensor, " n"]:
    """n // k identities with k rows each (with replacement where an identity has fewer)."""
    rng = np.random.default_rng([seed, 3, t])
    assert data.identity is not None
    known = np.unique(data.identity[data.identity >= 0])
    chosen = rng.choice(known, max(n // k, 1), replace=len(known) < n // k)
    parts = [np.flatnonzero(data.identity == i) for i in chosen]
    return torch.from_numpy(np.concatenate([rng.choice(p, k, replace=len(p) < k) for p in parts]))


def single(data: ImageSet, n: int, seed: int, t: int) -> Int[Tensor, " n"]:
    """The first row, n times: for systems that learn from one image."""
    return torch.zeros(n, dtype=torch.int64, device="cpu")


def beside_pool(data: ImageSet, rows: Int[Tensor, " n"]) -> Batch:
    """The rows, with as many unlabelled ones as `pair["unlabelled"]` where there is a pool of them.

    Which ones follows from the randomness of the step, which core seeds.
    """
    batch, pool = data.batch(rows), data.others.get("unlabelled")
    if pool is None:
        return batch
    more = torch.randint(len(pool), (len(rows),), device="cpu")
    return batch.but(pair={"unlabelled": pool.batch(more)})

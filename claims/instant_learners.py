# SPDX-License-Identifier: Apache-2.0
"""A world in which a study takes milliseconds: Gaussian class clusters and learners with closed forms.

Rows can come in groups (patients) that share class and offset. All arrays carry a leading axis of studies S; a cell
is one arm in one repeat, R of them in a study; P features, K classes, N rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from numpy.random import Generator

from ganaug.study.resplit import resplit_plan
from ganaug.study.verdict import Regime

TEST_SHARE = 0.3


@dataclass(frozen=True)
class Setting:
    """A population and a way to study it. `rows` to train from (and to test on, when re-split)."""

    name: str
    regime: Regime
    classes: int
    features: int
    separation: float
    rows: int
    shots: int | None  # training images a class; None: all training rows
    test: int = 0
    group: int = 1
    studies_per_fold: int = 1

    @property
    def centres(self) -> ndarray:
        c = np.random.default_rng(0).standard_normal((self.classes, self.features))
        c[:, self.features // 2 :] = 0
        return (self.separation * c / np.linalg.norm(c, axis=1, keepdims=True)).astype(np.float32)

    def draw(self, rng: Generator, studies: int, rows: int) -> tuple[ndarray, ndarray]:
        """x [S, N, P] and y [N]; the rows of a group follow each other and share class and offset."""
        y = np.repeat(np.arange(-(-rows // self.group)) % self.classes, self.group)[:rows]
        offset = rng.standard_normal((studies, -(-rows // self.group), self.features), np.float32)
        x = rng.standard_normal((studies, rows, self.features), np.float32) + self.centres[y]
        return x + (np.repeat(offset, self.group, 1)[:, :rows] if self.group > 1 else 0), y


@dataclass(frozen=True)
class Data:
    """Training rows x [S, N, P] with weights w [S, R, N] (0: unused), their classes y, and rows to classify."""

    x: ndarray
    y: ndarray
    w: ndarray
    test: ndarray
    centres: ndarray
    group: int

    def sums(self, w: ndarray) -> tuple[ndarray, ndarray]:
        """Class sums [S, R, K, P] and counts [S, R, K, 1] under row weights."""
        a = w[:, :, None] * (self.y == np.arange(len(self.centres))[:, None])
        s, r, k, n = a.shape
        return (a.reshape(s, r * k, n) @ self.x).reshape(s, r, k, -1), a.sum(-1, keepdims=True)

    def nearest(self, means: ndarray, features: ndarray | None = None) -> ndarray:
        """Class of the nearest mean [S, R, N_test], by the kept features [S, R, P] only."""
        kept = means if features is None else means * features[:, :, None]
        s, r, k, p = means.shape
        scores = (self.test @ kept.reshape(s, r * k, p).transpose(0, 2, 1)).reshape(s, -1, r, k)
        return np.argmax(scores - 0.5 * (kept * means).sum(-1)[:, None], -1).transpose(0, 2, 1)


def plain(d: Data, rng: Generator) -> ndarray:
    s, n = d.sums(d.w)
    return d.nearest(s / n)


def noisy(d: Data, rng: Generator) -> ndarray:
    s, n = d.sums(d.w * rng.poisson(1.0, d.w.shape).astype(np.float32))
    kept = rng.random((*d.w.shape[:2], d.x.shape[2])) < 0.9
    return d.nearest(s / np.maximum(n, 0.5), kept.astype(np.float32))


def informative(d: Data, rng: Generator) -> ndarray:
    s, n = d.sums(d.w)
    kept = np.zeros((*d.w.shape[:2], d.x.shape[2]), np.float32)
    kept[..., : d.x.shape[2] // 2] = 1
    return d.nearest(s / n, kept)


def ridge(d: Data, rng: Generator) -> ndarray:
    x, test = (np.concatenate([a, np.ones_like(a[..., :1])], -1) for a in (d.x, d.test))
    xw = (x[:, None] * d.w[..., None]).swapaxes(2, 3)
    gram = xw @ x[:, None] + np.eye(x.shape[2], dtype=np.float32)
    targets = (d.y[:, None] == np.arange(len(d.centres))).astype(np.float32)
    return np.argmax(test[:, None] @ np.linalg.solve(gram, xw @ targets), -1)


def generator(images: float, permuted: bool = False) -> Learner:
    """Nearest mean with so many images a class from the true clusters, right or permuted labels."""

    def learn(d: Data, rng: Generator) -> ndarray:
        (s, n), k = d.sums(d.w), len(d.centres)
        spread = np.sqrt(images * (2.0 if d.group > 1 else 1.0)).astype(np.float32)
        new = spread * rng.standard_normal(s.shape, np.float32)
        counts = rng.multinomial(round(images), np.full(k, 1 / k), s.shape[:3]) if permuted else np.eye(k) * images
        return d.nearest((s + new + counts.astype(np.float32) @ d.centres) / (n + images))

    return learn


Learner = Callable[[Data, Generator], ndarray]  # predicted classes [S, R, N_test]
Arms = dict[str, Learner]  # the first is the baseline


def subset(rng: Generator, train: ndarray, y: ndarray, shots: int | None) -> ndarray:
    """Weights 0/1 of `shots` random training rows a class, from a mask [S, R, N]."""
    if shots is None:
        return train.astype(np.float32)
    keys, out = np.where(train, rng.random(train.shape, np.float32), 2), np.zeros(train.shape, np.float32)
    for k in np.unique(y):
        limit = np.sort(keys[..., y == k], -1)[..., shots - 1, None]
        out[..., y == k] = keys[..., y == k] <= limit
    return out


def resplit_cells(s: Setting, rng: Generator, studies: int, repeats: int, arms: Arms) -> dict[str, ndarray]:
    """Correct or not, [S, R, N] of each arm, NaN where not tested; fresh data and fresh splits in each study."""
    x, y = s.draw(rng, studies, s.rows)
    groups = np.arange(s.rows) // s.group
    tested = np.zeros((studies, repeats, s.rows), bool)
    for i, seed in enumerate(rng.integers(2**31, size=studies)):
        for r, (_, test) in enumerate(resplit_plan(y, groups, repeats, TEST_SHARE, int(seed))):
            tested[i, r, test] = True
    d = Data(x, y, subset(rng, ~tested, y, s.shots), x, s.centres, s.group)
    return {name: np.where(tested, learn(d, rng) == y, np.float32(np.nan)) for name, learn in arms.items()}


def fixed_cells(
    s: Setting, draw: Generator, rng: Generator, folds: int, repeats: int, arms: Arms
) -> dict[str, ndarray]:
    """The same for `folds` pairs of training and test fold that come from `draw`; subsets and seeds from `rng`."""
    (x, y), (test, truth) = s.draw(draw, folds, s.rows), s.draw(draw, folds, s.test)
    w = subset(rng, np.ones((folds, repeats, s.rows), bool), y, s.shots)
    d = Data(x, y, w, test, s.centres, s.group)
    return {name: (learn(d, rng) == truth).astype(np.float32) for name, learn in arms.items()}

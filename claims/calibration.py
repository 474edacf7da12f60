# SPDX-License-Identifier: Apache-2.0
"""Are the verdicts of a study right as often as they say? Thousands of studies with instant learners.

A population of Gaussian class clusters, optionally in groups (patients) that share an offset; nearest-mean learners,
so that a study takes milliseconds; the split plan and the verdict code of the library itself.

* Studies without effect: four arms and the baseline are the same noisy learner (bagging and random feature dropping)
  with different seeds, so the truth is zero by construction. Any "helps" or "harms" is wrong.
* Studies with effect: a perfect generator that adds 1, 2 and 5 points, the same generator with permuted labels
  (placebo), ridge regression instead of nearest mean, nearest mean on the informative features only. Their true
  effects come from separate, much larger runs: over fresh populations in the re-split regime, on the same folds in
  the fixed regime, where the truth is conditional on them.

    python claims/calibration.py --studies 1000 --out docs/evidence/calibration.md
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray
from numpy.random import Generator
from scipy.special import stdtrit

from ganaug.study.resplit import resplit_plan
from ganaug.study.verdict import Comparison, Regime, Verdict, verdicts

REPEATS, SHARE, MARGIN, CHUNK = (5, 10), 0.3, 0.01, 100
WANTED = (0.01, 0.02, 0.05)
GENERATED = (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)  # images a class, tried for the wanted effects
Arms = dict[str, Callable[["Data", Generator], ndarray]]


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


SETTINGS = (
    Setting("fixed, easy", "fixed test fold", 4, 12, 3.0, 400, 5, test=300, studies_per_fold=20),
    Setting("fixed, hard", "fixed test fold", 3, 16, 2.0, 300, 10, test=300, studies_per_fold=20),
    Setting("fixed, 60 test images", "fixed test fold", 3, 8, 2.0, 300, 10, test=60, studies_per_fold=20),
    Setting("re-split, easy, 5 a class", "re-split", 4, 12, 3.0, 200, 5),
    Setting("re-split, hard, 10 a class", "re-split", 3, 16, 2.0, 120, 10),
    Setting("re-split, all rows", "re-split", 4, 32, 2.5, 120, None),
    Setting("re-split, groups of 4", "re-split", 3, 16, 2.5, 180, None, group=4),
)


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


def generator(images: float, permuted: bool = False) -> Callable[[Data, Generator], ndarray]:
    """Nearest mean with so many images a class from the true clusters, right or permuted labels."""

    def learn(d: Data, rng: Generator) -> ndarray:
        (s, n), k = d.sums(d.w), len(d.centres)
        spread = np.sqrt(images * (2.0 if d.group > 1 else 1.0)).astype(np.float32)
        new = spread * rng.standard_normal(s.shape, np.float32)
        counts = rng.multinomial(round(images), np.full(k, 1 / k), s.shape[:3]) if permuted else np.eye(k) * images
        return d.nearest((s + new + counts.astype(np.float32) @ d.centres) / (n + images))

    return learn


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
        for r, (_, test) in enumerate(resplit_plan(y, groups, repeats, SHARE, int(seed))):
            tested[i, r, test] = True
    d = Data(x, y, subset(rng, ~tested, y, s.shots), x, s.centres, s.group)
    return {name: np.where(tested, learn(d, rng) == y, np.float32(np.nan)) for name, learn in arms.items()}


def fixed_cells(s: Setting, rng: Generator, folds: int, repeats: int, arms: Arms, seed: int) -> dict[str, ndarray]:
    """The same for `folds` pairs of training and test fold, drawn from `seed`, and repeats drawn from `rng`."""
    draw = np.random.default_rng(seed)
    (x, y), (test, truth) = s.draw(draw, folds, s.rows), s.draw(draw, folds, s.test)
    w = subset(rng, np.ones((folds, repeats, s.rows), bool), y, s.shots)
    d = Data(x, y, w, test, s.centres, s.group)
    return {name: (learn(d, rng) == truth).astype(np.float32) for name, learn in arms.items()}


def studies_of(s: Setting, seed: int, studies: int, arms: Arms, truth_repeats: int) -> tuple[dict, dict]:
    """Cells [studies, R, U] of each arm and true effects [studies] of each arm against the first."""
    rng, cells, truths = np.random.default_rng(seed), [], []
    base, most = next(iter(arms)), max(REPEATS)
    for start in range(0, studies, CHUNK):
        count = min(CHUNK, studies - start)
        if s.regime == "re-split":
            cells.append(resplit_cells(s, rng, count, most, arms))
            continue
        folds, each = -(-count // s.studies_per_fold), s.studies_per_fold
        made = fixed_cells(s, rng, folds, each * most, arms, seed + start)
        cells.append({a: c.reshape(folds * each, most, -1)[:count] for a, c in made.items()})
        for _ in range(1 if truth_repeats else 0):
            long = [fixed_cells(s, rng, folds, 500, arms, seed + start) for _ in range(truth_repeats // 500)]
            mean = {a: np.mean([c[a].mean((1, 2)) for c in long], 0) for a in arms}
            truths.append({a: np.repeat(mean[a] - mean[base], each)[:count] for a in arms})
    joined = {a: np.concatenate([c[a] for c in cells]) for a in arms}
    if truths:
        return joined, {a: np.concatenate([t[a] for t in truths]) for a in arms}
    return joined, {a: np.full(studies, e) for a, e in population_effects(s, seed + 1, 40, arms).items()}


def population_effects(s: Setting, seed: int, chunks: int, arms: Arms) -> dict[str, float]:
    """True mean effect of each arm against the first over fresh populations and splits."""
    rng, sums = np.random.default_rng(seed), dict.fromkeys(arms, 0.0)
    for i in range(chunks):
        if s.regime == "re-split":
            cells = resplit_cells(s, rng, CHUNK, 3, arms)
        else:
            cells = fixed_cells(s, rng, CHUNK, 3, arms, seed + i)
        for a, c in cells.items():
            sums[a] += float(np.nanmean(c)) / chunks
    return {a: v - next(iter(sums.values())) for a, v in sums.items()}


def effect_arms(s: Setting, seed: int) -> Arms:
    """Baseline, generators of the wanted effects as far as this population allows them, and the other arms."""
    tried: Arms = {"none": plain} | {f"{g}": generator(g) for g in GENERATED}
    effects = list(population_effects(s, seed, 20, tried).values())[1:]
    arms: Arms = {"none": plain, "ridge": ridge, "informative": informative}
    for wanted in (w for w in WANTED if w < max(effects)):
        images = float(np.exp(np.interp(wanted, np.maximum.accumulate(effects), np.log(GENERATED))))
        arms[f"+{100 * wanted:g}"] = generator(images)
    return arms | {"placebo": generator(images, permuted=True)}


def judge(s: Setting, cells: dict[str, ndarray], repeats: int) -> list[list[Verdict]]:
    """The verdicts of every study from its first `repeats` repeats, each arm against the first."""
    (base, right), *others = ((a, c[:, :repeats]) for a, c in cells.items())
    groups = np.arange(right.shape[2]) // s.group
    studies = []
    for i in range(len(right)):
        units = {a: c[i] - right[i] for a, c in others}
        rows = [Comparison(a, base, s.shots, np.nanmean(u, 1), u, groups) for a, u in units.items()]
        studies.append(verdicts(rows, margin=MARGIN, regime=s.regime))
    return studies


def covered(studies: list[list[Verdict]], truths: dict[str, ndarray]) -> dict[str, float]:
    """Share of intervals that hold the truth, by arm."""
    hits: dict[str, list[bool]] = {}
    for i, study in enumerate(studies):
        for v in study:
            hits.setdefault(v.arm, []).append(v.low - 1e-9 <= truths[v.arm][i] <= v.high + 1e-9)
    return {a: float(np.mean(h)) for a, h in hits.items()}


def naive_coverage(cells: dict[str, ndarray], truths: dict[str, ndarray], repeats: int, ratio: float) -> list[float]:
    """Mean coverage of the corrected resampled t (ratio 0: of the plain t) on the same studies, for comparison."""
    (_, right), *others = ((a, np.nanmean(c[:, :repeats], 2)) for a, c in cells.items())
    hits = []
    for a, c in others:
        d = c - right
        half = stdtrit(repeats - 1, 0.975) * np.sqrt((1 / repeats + ratio) * d.var(1, ddof=1))
        hits.append(float(np.mean(np.abs(d.mean(1) - truths[a]) <= half + 1e-9)))
    return [min(hits), float(np.mean(hits)), max(hits)]


def rate(studies: list[list[Verdict]], arm: str, word: str) -> float:
    return float(np.mean([v.verdict == word for study in studies for v in study if v.arm == arm]))


def calibrate(s: Setting, studies: int, seed: int) -> list[dict]:
    """One row for each number of repeats."""
    null_arms: Arms = {"none": noisy} | {f"seed {i}": noisy for i in range(1, 5)}
    null, _ = studies_of(s, seed, studies, null_arms, 0)
    zero = {a: np.zeros(studies) for a in null}
    effect, truths = studies_of(s, seed + 1000, studies, effect_arms(s, seed + 2000), 4000)
    rows = []
    for repeats in REPEATS:
        none, some = judge(s, null, repeats), judge(s, effect, repeats)
        hits, covers = covered(none, zero), covered(some, truths)
        big = {a: t.mean() for a, t in truths.items() if abs(t.mean()) >= MARGIN}
        row = {
            "setting": s.name,
            "repeats": repeats,
            "studies": studies,
            "wrong verdicts": np.mean([any(v.verdict in ("helps", "harms") for v in study) for study in none]),
            "coverage, no effect": np.mean(list(hits.values())),
            "coverage, effect": np.mean(list(covers.values())),
            "coverage by arm": covers,
            "truth by arm": {a: float(t.mean()) for a, t in truths.items() if a != "none"},
            "power": {a: rate(some, a, "helps") for a in truths if a.startswith("+")},
            "placebo helps": rate(some, "placebo", "helps"),
            "placebo harms": rate(some, "placebo", "harms"),
            "wrong sign": max(rate(some, a, "harms" if t > 0 else "helps") for a, t in big.items()),
            "wrong equivalence": max(rate(some, a, "no material difference") for a in big),
        }
        if s.regime == "re-split":
            for name, ratio in (("plain t", 0.0), ("corrected resampled t", 0.5)):
                row[f"{name}, no effect"] = naive_coverage(null, zero, repeats, ratio)
                row[f"{name}, effect"] = naive_coverage(effect, truths, repeats, ratio)
        rows.append(row)
    return rows

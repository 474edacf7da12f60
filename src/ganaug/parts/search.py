# SPDX-License-Identifier: Apache-2.0
"""Search by the tree-structured Parzen estimator: which point to try next, given the rewards of those tried.

James Bergstra, Remi Bardenet, Yoshua Bengio, Balazs Kegl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011,
section 4. The best quarter of the points gives a density l(x), the rest g(x), coordinate by coordinate; candidates are
drawn from l, and the one with the largest l / g is tried. Nothing is kept between calls, so a search goes on after an
interruption to the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

Values = Float[np.ndarray, " n"]


class Choices:
    """One of `kinds` choices: each is as likely as it was often seen, counting once more than seen."""

    def __init__(self, values: Values, kinds: int):
        counts = 1 + np.bincount(values.astype(int), minlength=kinds)
        self.probability = counts / counts.sum()

    def density(self, x: Values) -> Values:
        return self.probability[x.astype(int)]

    def sample(self, n: int, rng: np.random.Generator) -> Values:
        return rng.choice(len(self.probability), n, p=self.probability).astype(float)


class Parzen:
    """Numbers in [0, 1]: a mixture of normals cut to that range, one at each value and a wide one at the middle.

    Each is as wide as the larger distance to its neighbours, at least 1 / min(100, n + 2) and at most 1.
    """

    def __init__(self, values: Values):
        centres = np.append(values, 0.5)
        order = np.argsort(centres, kind="stable")
        self.centres = centres[order]
        gaps = np.diff(self.centres)
        widths = np.maximum(np.append(0.0, gaps), np.append(gaps, 0.0))
        self.widths = np.clip(widths, 1 / min(100, len(centres) + 1), 1.0)
        self.widths[order == len(values)] = 1.0  # the wide one
        self.low, self.high = (ndtr((edge - self.centres) / self.widths) for edge in (0.0, 1.0))

    def density(self, x: Values) -> Values:
        z = (x[:, None] - self.centres) / self.widths
        normal = np.exp(-0.5 * z**2) / (self.widths * math.sqrt(2 * math.pi))
        return (normal / (self.high - self.low)).mean(1)

    def sample(self, n: int, rng: np.random.Generator) -> Values:
        i = rng.integers(len(self.centres), size=n)
        level = self.low[i] + rng.random(n) * (self.high - self.low)[i]
        return np.clip(self.centres[i] + self.widths[i] * ndtri(level), 0.0, 1.0)


def suggest(
    kinds: Sequence[int],
    points: Float[np.ndarray, "n d"],
    rewards: Values,
    rng: np.random.Generator,
    *,
    start: int = 20,
    candidates: int = 24,
    good: float = 0.25,
) -> Float[np.ndarray, " d"]:
    """The next point; larger rewards are better, and of equal ones the earlier counts as better.

    Coordinate j is a number in [0, 1] where kinds[j] is 0, else one of 0..kinds[j] - 1. The first `start` points are
    drawn uniformly; afterwards each coordinate has `candidates` draws from the density of the share `good` of points.
    """
    if len(points) < start:
        return np.array([rng.integers(kind) if kind else rng.random() for kind in kinds], float)
    order = np.argsort(-rewards, kind="stable")
    best, rest = np.split(points[order], [math.ceil(good * len(points))])
    return np.array([better(kind, best[:, j], rest[:, j], candidates, rng) for j, kind in enumerate(kinds)])


def better(kind: int, best: Values, rest: Values, candidates: int, rng: np.random.Generator) -> float:
    """Of some draws from the density of the best values, the one that is most in favour against the rest."""
    likely, common = (Choices(values, kind) if kind else Parzen(values) for values in (best, rest))
    drawn = likely.sample(candidates, rng)
    return float(drawn[np.argmax(likely.density(drawn) / common.density(drawn))])

# SPDX-License-Identifier: Apache-2.0
"""The Parzen estimator against densities put together from its definition, and the search against random points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chisquare, kstest, truncnorm

from ganaug.parts.search import Choices, Parzen, suggest


def mixture(values):
    """The mixture's parts as scipy's truncated normals, from the definition, one at a time."""
    points = sorted([*((v, False) for v in values), (0.5, True)])
    parts = []
    for i, (centre, wide) in enumerate(points):
        gaps = [abs(centre - points[j][0]) for j in (i - 1, i + 1) if 0 <= j < len(points)]
        width = 1.0 if wide else min(max(max(gaps), 1 / min(100, len(values) + 2)), 1.0)
        parts.append(truncnorm(-centre / width, (1 - centre) / width, centre, width))
    return parts


VALUES = np.array([0.81, 0.02, 0.78, 0.79, 0.35])


def test_the_density_is_the_mixture_of_cut_normals():
    x, found = np.linspace(0, 1, 41), Parzen(VALUES)
    wanted = np.mean([part.pdf(x) for part in mixture(VALUES)], 0)
    np.testing.assert_allclose(found.density(x), wanted, rtol=1e-9)
    assert abs(quad(lambda v: found.density(np.array([v]))[0], 0, 1, points=VALUES)[0] - 1) < 1e-6


def test_samples_follow_the_density():
    drawn = Parzen(VALUES).sample(4000, np.random.default_rng(0))
    assert drawn.min() >= 0 and drawn.max() <= 1
    assert kstest(drawn, lambda v: np.mean([part.cdf(v) for part in mixture(VALUES)], 0)).pvalue > 0.01


def test_choices_count_once_more_than_seen():
    found = Choices(np.array([2.0, 0.0, 2.0]), 4)
    np.testing.assert_allclose(found.density(np.arange(4.0)), np.array([2, 1, 3, 1]) / 7)
    drawn = found.sample(7000, np.random.default_rng(1))
    assert chisquare(np.bincount(drawn.astype(int)), [2000, 1000, 3000, 1000]).pvalue > 0.01


def test_the_first_points_are_uniform():
    points = np.stack([suggest([5, 0], np.zeros((19, 2)), np.zeros(19), np.random.default_rng(i)) for i in range(600)])
    assert chisquare(np.bincount(points[:, 0].astype(int), minlength=5)).pvalue > 0.01
    assert kstest(points[:, 1], "uniform").pvalue > 0.01


def test_the_point_is_where_the_good_quarter_stands_out_most():
    """With many candidates the suggestion is the best ratio there is, computed from the definition."""
    rng = np.random.default_rng(3)
    points = np.stack([rng.integers(4, size=30), rng.random(30)], 1)
    rewards = -np.abs(points[:, 1] - 0.3) - 0.2 * (points[:, 0] != 1)
    found = suggest([4, 0], points, rewards, np.random.default_rng(0), candidates=4000)
    best = np.argsort(-rewards)[:8]  # a quarter of 30, rounded up
    rest = np.setdiff1d(np.arange(30), best)
    x = np.linspace(0, 1, 2001)
    good, bad = (np.mean([part.pdf(x) for part in mixture(points[rows, 1])], 0) for rows in (best, rest))
    assert abs(found[1] - x[np.argmax(good / bad)]) < 0.01
    count = np.array([[np.sum(points[rows, 0] == k) + 1 for k in range(4)] for rows in (best, rest)])
    assert found[0] == np.argmax(count[0] / count[1])


def searched(seed, **how):
    """Rewards of 100 trials on a choice and two numbers, the best of which is 1."""
    rng, points, rewards = np.random.default_rng(seed), np.zeros((0, 3)), np.zeros(0)
    for _ in range(100):
        point = suggest([8, 0, 0], points, rewards, rng, **how)
        points = np.concatenate([points, point[None]])
        rewards = np.append(rewards, (point[0] == 3) - abs(point[1] - 0.2) - abs(point[2] - 0.7))
    return rewards


def test_the_search_finds_better_points_than_chance():
    guided = np.mean([searched(seed)[50:].mean() for seed in range(4)])
    chance = np.mean([searched(seed, start=200)[50:].mean() for seed in range(4)])
    assert guided > 0.6 > 0 > chance


@pytest.mark.parametrize("n", [5, 40])
def test_a_suggestion_depends_on_its_arguments_alone(n):
    rng = np.random.default_rng(n)
    points, rewards = np.stack([rng.integers(8, size=n), rng.random(n)], 1), rng.random(n)
    kept = points.copy(), rewards.copy()
    once, again = (suggest([8, 0], points, rewards, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(once, again)
    assert np.array_equal(points, kept[0]) and np.array_equal(rewards, kept[1])
    assert not np.array_equal(once, suggest([8, 0], points, rewards, np.random.default_rng(6)))

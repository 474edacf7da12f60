# SPDX-License-Identifier: Apache-2.0
"""Classes by lot; class Gaussians: moments against numpy, rank, one-image and absent classes, shrinkage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from ganaug.parts.priors import ClassGaussian, any_of, normal, root, uniform


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def latents(counts=(200, 5, 1), size=8):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    mixing = torch.randn(size, size)
    return torch.randn(len(labels), size) @ mixing + labels[:, None], labels


def test_ranges():
    u, n = uniform(20_000, 3), normal(20_000, 3)
    assert u.min() >= -1 and u.max() <= 1 and u.var().item() == pytest.approx(1 / 3, abs=0.01)
    assert n.mean().item() == pytest.approx(0, abs=0.02) and n.var().item() == pytest.approx(1, abs=0.03)


def test_classes_are_drawn_from_the_given_ones_equally_often():
    found = any_of([1, 4, 5], 9000)
    assert found.unique().tolist() == [1, 4, 5]
    assert chisquare(torch.bincount(found)[[1, 4, 5]]).pvalue > 0.01


def test_mean_and_covariance_are_numpys():
    z, y = latents()
    prior = ClassGaussian(3, 8)
    prior.fit(z, y)
    for k in (0, 1):
        own = z[y == k].numpy()
        factor = prior.factor[k].numpy()
        assert np.allclose(prior.mean[k], own.mean(0), atol=1e-5)
        assert np.allclose(factor @ factor.T, np.cov(own.T), atol=1e-3)


def test_draws_have_these_moments():
    z, y = latents((300, 300))
    prior = ClassGaussian(2, 8)
    prior.fit(z, y)
    made = prior(torch.ones(20_000, dtype=torch.int64))
    own = z[y == 1]
    assert torch.allclose(made.mean(0), own.mean(0), atol=0.15)
    assert torch.allclose(torch.cov(made.T), torch.cov(own.T), rtol=0.05, atol=0.4)


def test_few_images_give_a_small_rank_and_one_image_a_point():
    z, y = latents()
    prior = ClassGaussian(3, 8)
    prior.fit(z, y)
    assert torch.linalg.matrix_rank(prior.factor[1]) == 4
    made = prior(torch.full((50,), 1))
    off = (made - prior.mean[1]) @ torch.linalg.svd(z[y == 1] - z[y == 1].mean(0))[2][4:].T
    assert off.abs().max() < 1e-3  # every draw lies in the span of the five
    assert torch.allclose(prior(torch.full((9,), 2)), z[y == 2].expand(9, 8), atol=1e-5)


def test_shrinkage_mixes_in_the_pooled_covariance():
    z, y = latents()
    prior = ClassGaussian(3, 8, shrinkage=1.0)
    prior.fit(z, y)
    centred = torch.cat([z[y == k] - z[y == k].mean(0) for k in range(3)])
    pooled = centred.T @ centred / (206 - 3)
    assert torch.allclose(prior.factor[2] @ prior.factor[2].T, pooled, rtol=1e-3, atol=1e-3)
    half = ClassGaussian(3, 8, shrinkage=0.5)
    half.fit(z, y)
    assert torch.linalg.matrix_rank(half.factor[2]) == 8


def test_a_class_without_images_stays_standard_normal_and_unknown_labels_are_left_out():
    z, y = latents((10, 10))
    y[:5] = -1
    prior = ClassGaussian(3, 8)
    prior.fit(z, y)
    assert torch.equal(prior.factor[2], torch.eye(8)) and (prior.mean[2] == 0).all()
    assert torch.allclose(prior.mean[0], z[5:10].mean(0), atol=1e-5)


def test_a_root_of_a_singular_matrix():
    v = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64)
    f = root(v)
    assert torch.allclose(f @ f.T, v) and torch.linalg.matrix_rank(f) == 1
    assert torch.equal(root(torch.zeros(3, 3)), torch.zeros(3, 3))


def test_it_is_saved_and_loaded():
    z, y = latents()
    one, two = ClassGaussian(3, 8), ClassGaussian(3, 8)
    one.fit(z, y)
    two.load_state_dict(one.state_dict())
    assert torch.equal(one.factor, two.factor) and torch.equal(one.mean, two.mean)

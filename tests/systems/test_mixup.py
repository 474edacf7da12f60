# SPDX-License-Identifier: Apache-2.0
"""Mixup: images and labels share one weight, which follows the Beta distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError


@pytest.fixture(scope="module")
def fitted():
    return ganaug.make("mixup", preset="tiny").fit(digits())


def constants(n: int, shape=(1, 8, 8)) -> Batch:
    """n constant images of values 0, 1/n, ...; image i has label i and row id 100 + i."""
    image = (torch.arange(n) / n)[:, None, None, None].expand(n, *shape).clone()
    return Batch(image=image, label=torch.arange(n), index=100 + torch.arange(n))


def weight(made: Batch) -> torch.Tensor:
    """The weight of each image itself, from labels 0..n-1; 1 where an image was mixed with itself."""
    return made.soft_label[torch.arange(len(made)), torch.arange(len(made))]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 20), (13, 20, 12)])
def test_images_and_labels_are_the_same_mixture_of_the_parents(fitted, shape):
    batch = constants(10, shape)
    kept = batch.apply(torch.clone)
    made = fitted.augment(batch, seed=4)
    assert made.image.shape == batch.image.shape
    assert made.label is None and made.soft_label.shape == (10, 10)
    assert torch.allclose(made.soft_label.sum(1), torch.ones(10))
    assert torch.equal(made.parents[:, 0], batch.index)
    expected = made.soft_label @ batch.image.flatten(1)
    assert torch.allclose(made.image.flatten(1), expected, atol=1e-6)
    other = made.parents[:, 1] - 100
    own = weight(made)[other != torch.arange(10)]
    assert torch.allclose(own, own[:1].expand_as(own)) and 0 < own[0] < 1  # one weight a batch
    assert torch.equal(batch.image, kept.image) and torch.equal(batch.label, kept.label)
    assert torch.equal(made.image, fitted.augment(batch, seed=4).image)


def test_cross_entropy_is_the_mixture_of_the_parents_cross_entropies(fitted):
    batch = constants(10)
    made = fitted.augment(batch, seed=1)
    own, other = (made.parents - 100).unbind(1)
    share = weight(made)[own != other][0]
    logits = torch.linspace(-2, 2, 100).view(10, 10).sin()
    parts = share * F.cross_entropy(logits, own) + (1 - share) * F.cross_entropy(logits, other)
    assert abs(F.cross_entropy(logits, made.soft_label) - parts) < 1e-6


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_the_weight_follows_the_beta_distribution(alpha):
    system = ganaug.make("mixup", alpha=alpha).fit(digits())
    batch = constants(8, (1, 1, 1))
    with seeded(0, "weights"):
        made = [system.vary(batch) for _ in range(800)]
    drawn = np.array([float(weight(m).min()) for m in made])  # the least is of an image mixed with another
    assert abs(drawn.mean() - 0.5) < 0.05
    assert abs(drawn.var() / (1 / (4 * (2 * alpha + 1))) - 1) < 0.12


def test_soft_labels_of_any_width_are_mixed(fitted):
    soft = torch.softmax(torch.randn(4, 11), 1)
    made = fitted.augment(Batch(image=torch.zeros(4, 1, 8, 8), soft_label=soft))
    assert made.soft_label.shape == (4, 11)
    assert torch.allclose(made.soft_label.sum(1), torch.ones(4))
    assert torch.allclose(made.soft_label.mean(0), soft.mean(0), atol=1e-6)


@pytest.mark.parametrize("field", ["mask", "boxes", "keypoints"])
def test_positions_are_refused(fitted, field):
    with pytest.raises(InputError, match=field):
        fitted.augment(constants(4).but(**{field: torch.zeros(4, 8, 8)}))


def test_unknown_labels_are_refused(fitted):
    with pytest.raises(InputError, match="-1"):
        fitted.augment(constants(4).but(label=torch.tensor([0, 1, -1, 2])))


def test_a_weight_that_is_no_beta_parameter_is_refused():
    with pytest.raises(InputError, match="alpha"):
        ganaug.make("mixup", alpha=0.0).fit(digits())


def test_a_set_becomes_a_set_with_soft_labels(fitted):
    data = digits().select(np.arange(100))
    made = fitted.augment(data)
    assert len(made) == 100 and made.label is None
    assert np.allclose(made.soft_label.sum(1), 1) and made.parents.shape == (100, 2)

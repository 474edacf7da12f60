# SPDX-License-Identifier: Apache-2.0
"""GLICO: the sphere, arcs, parents, and what class and arc do."""

import numpy as np
import pytest
import torch
from judges import agreement, few_digits, judge, weights
from scipy.stats import chisquare
from torch.nn import functional as F

import ganaug
from ganaug.systems.low_data.glico import laplacian_l1, slerp


def fitted(steps, train=None, **params):
    return ganaug.make("glico", preset="tiny", **params).fit(train or few_digits(), budget=steps, seed=1)


def sphere(n, size=16, seed=0):
    return F.normalize(torch.randn(n, size, generator=torch.Generator().manual_seed(seed)))


def test_an_arc_starts_at_a_ends_at_b_and_moves_evenly():
    a, b = sphere(50), sphere(50, seed=1)
    angle = (a * b).sum(1).acos()
    for share in (0.0, 0.1, 0.4, 1.0):
        point = slerp(a, b, torch.full((50, 1), share))
        torch.testing.assert_close(point.norm(dim=1), torch.ones(50))
        torch.testing.assert_close((point * a).sum(1).clamp(-1, 1).acos(), share * angle, atol=2e-3, rtol=1e-3)


def test_an_arc_between_equal_points_is_that_point():
    a = sphere(20)
    for other in (a.clone(), F.normalize(a + 1e-7)):
        point = slerp(a, other, torch.full((20, 1), 0.3))
        assert torch.isfinite(point).all()
        torch.testing.assert_close(point, a, atol=1e-5, rtol=0)
    assert torch.isfinite(slerp(a, -a, torch.full((20, 1), 0.3))).all()


def test_reconstruction_loss_by_hand():
    x = torch.zeros(1, 1, 8, 8)
    torch.testing.assert_close(laplacian_l1(x + 1, x), torch.tensor(2.0))  # pixels, and the last level
    fine = torch.ones(8, 8)
    fine[::2] = -1
    torch.testing.assert_close(laplacian_l1(fine.expand(1, 1, 8, 8), x), torch.tensor(2.0))  # pixels, first level
    assert laplacian_l1(torch.ones(2, 3, 9, 14), torch.ones(2, 3, 9, 14)) == 0


def test_points_stay_on_the_sphere_and_every_part_learns():
    start, later = fitted(0), fitted(10)
    assert len(later.points.weight) == 100
    torch.testing.assert_close(later.points.weight.norm(dim=1), torch.ones(100), atol=1e-5, rtol=0)
    for name in ("points", "gen", "classifier"):
        assert not torch.equal(weights(getattr(start, name)), weights(getattr(later, name)))


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_the_class_term_is_all_that_the_classifier_learns_from_and_reaches_the_points(gamma):
    start, later = fitted(0, gamma=gamma), fitted(1, gamma=gamma)
    assert torch.equal(weights(start.classifier), weights(later.classifier)) == (gamma == 0.0)
    batch = few_digits().batch([3, 7])
    later.points.zero_grad()
    F.cross_entropy(later.classifier(later.gen(later.points(batch.row))), batch.label).backward()
    assert later.points.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [3, 7]


def test_rates_are_halved_twice():
    system = fitted(100)
    assert system.opt_gen.param_groups[0]["lr"] == pytest.approx(system.lr / 4)
    assert system.opt_points.param_groups[0]["lr"] == pytest.approx(system.lr_latent / 4)


def test_parents_are_training_images_of_the_asked_class():
    train = few_digits().select(np.arange(99, -1, -1))  # so that row and lasting id differ
    made = fitted(2, train).sample(per_class=30)
    label_of = dict(zip(train.index.tolist(), train.label.tolist(), strict=True))
    assert made.parents.shape == (300, 2)
    assert all({label_of[i] for i in pair} == {k} for pair, k in zip(made.parents.tolist(), made.label, strict=True))


def test_new_points_lie_one_to_four_tenths_along_the_arc_from_the_first_parent():
    train = few_digits()
    system, seen = fitted(2, train), []
    system.gen.register_forward_hook(lambda module, given, made: seen.append(given[0]))
    made = system.sample(per_class=system.chunk, seed=3)
    points, weight = torch.cat(seen), system.points.weight.detach()
    first, second = (weight[np.searchsorted(train.index, made.parents[:, side])] for side in (0, 1))
    whole, part = ((first * other).sum(1).clamp(-1, 1).acos() for other in (second, points))
    tenths = 10 * (part / whole)[whole > 0.1]
    assert (tenths - tenths.round()).abs().max() < 0.05
    counts = torch.bincount(tenths.round().int())
    assert len(counts) == 5 and counts[0] == 0
    assert chisquare(counts[1:]).pvalue > 0.01


@pytest.fixture(scope="module")
def trained():
    train = few_digits(n=10)
    params = {"width": 16, "latent": 32, "batch_size": 32, "lr": 4e-3, "lr_latent": 1e-2}
    return train, fitted(500, train, **params)


def test_it_paints_its_images_back(trained):
    train, system = trained
    with torch.no_grad():
        made = system.gen(system.points.weight)
    real = train.images()
    assert F.mse_loss(made, real) < 0.25 * real.var(0).mean()


def test_arcs_within_a_class_keep_it_and_arcs_between_classes_lose_it(trained):
    train, system = trained
    points, label = system.points.weight.detach(), torch.as_tensor(train.label)
    other = torch.roll(points, 10, 0)  # ten of a class, in order of rows: any shift that leaves no class unmixed
    mixed = label != torch.roll(label, 10, 0)
    with torch.no_grad():
        between = system.gen(slerp(points, other, torch.full((len(points), 1), 0.5))).flatten(1).numpy()
    asked = (judge().predict(between) == train.label)[mixed.numpy()].mean()
    within = agreement(system.sample(per_class=30))
    assert within > 0.8
    assert within > asked + 0.15

"""GLICO: points on the sphere, arcs between images of a class, and that the points paint their images."""

import math

import pytest
import torch
from judges import agreement, few_digits

import ganaug
from ganaug.core.seeding import seeded
from ganaug.systems.low_data.glico import laplacian_l1, slerp


def fitted(steps, train=None, **params):
    return ganaug.make("glico", preset="tiny", **params).fit(train or few_digits(), budget=steps, seed=1)


def test_points_stay_on_the_unit_sphere():
    length = fitted(5).points.weight.norm(dim=1)
    torch.testing.assert_close(length, torch.ones_like(length), rtol=0, atol=1e-5)


def test_slerp_of_equal_points_is_that_point_and_of_others_a_point_of_the_arc():
    a = torch.nn.functional.normalize(torch.randn(6, 9), dim=1)
    t = torch.full((6, 1), 0.3)
    torch.testing.assert_close(slerp(a, a, t), a)
    x, y = torch.eye(3)[:1], torch.eye(3)[1:2]
    expected = torch.tensor([[math.cos(0.3 * math.pi / 2), math.sin(0.3 * math.pi / 2), 0.0]])
    torch.testing.assert_close(slerp(x, y, torch.tensor([[0.3]])), expected)
    torch.testing.assert_close(slerp(a, a.flip(0), t).norm(dim=1), torch.ones(6))


def test_pyramid_loss_is_zero_for_equal_images_and_counts_every_level():
    x = torch.rand(2, 3, 16, 12)
    assert laplacian_l1(x, x) == 0
    shifted = laplacian_l1(x + 0.5, x)  # a constant has no detail: pixels and the coarsest level see it
    torch.testing.assert_close(shifted, torch.tensor(1.0), rtol=0, atol=1e-5)


def test_parents_are_of_the_class_asked_for_and_may_be_one_image():
    train = few_digits(n=3)
    system = fitted(1, train)
    with seeded(0, "draw"):
        rows = system.parents(torch.arange(10).repeat(20))
    assert (torch.as_tensor(train.label)[rows] == torch.arange(10).repeat(20)[:, None]).all()
    assert (rows[:, 0] == rows[:, 1]).any()
    assert torch.isfinite(system.sample(per_class=40).images()).all()


def test_a_step_moves_only_the_points_of_its_rows():
    train = few_digits()
    system = fitted(1, train)
    before = system.points.weight.detach().clone()
    fresh = ganaug.make("glico", preset="tiny").fit(train, budget=0, seed=1)
    rows = ((fresh.points.weight.detach() - before).abs() > 1e-5).any(1).nonzero().flatten()
    assert 0 < len(rows) <= 8


@pytest.fixture(scope="module")
def trained():
    return fitted(500, few_digits(10), latent=64, width=16, batch_size=32, lr_latent=1e-2, lr=2e-3)


def test_points_paint_their_own_images(trained):
    train = few_digits(10)
    with torch.no_grad():
        painted = trained.gen(trained.points.weight)
    real = train.images()
    assert (painted - real).square().mean() < 0.25 * real.var(0).mean()
    assert (painted - real.roll(1, 0)).square().mean() > (painted - real).square().mean()


def test_arcs_within_a_class_keep_it_and_arcs_between_classes_do_not(trained, monkeypatch):
    within = agreement(trained.sample(per_class=40, seed=2))
    real = type(trained).parents

    def across(self, labels):
        return torch.stack([real(self, labels)[:, 0], real(self, (labels + 1) % 10)[:, 0]], 1)

    monkeypatch.setattr(type(trained), "parents", across)
    between = agreement(trained.sample(per_class=40, seed=2))
    assert within >= 0.8
    assert within > between + 0.05

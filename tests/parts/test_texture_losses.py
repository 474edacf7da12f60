# SPDX-License-Identifier: Apache-2.0
"""Gram and sliced Wasserstein distances: by hand, blind to places, and what each sees that the other does not."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from ganaug.core.seeding import seeded
from ganaug.parts.textures.losses import gram, gram_matrix, resampled, sliced


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def apart(kind, wanted, found, seed=0):
    with seeded(seed, "directions"):
        return kind(wanted)(found)


def test_gram_matrix_is_the_mean_product_of_two_features():
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    assert gram_matrix(maps).tolist() == [[[2.5, 0.5], [0.5, 5.0]]]


def test_gram_distance_by_hand():
    """One feature, G' = 4, m' = 2 against G = 1, m = -1: (9/16 + 9/4) for the first map, and 0 for the second."""
    wanted = [torch.full((1, 1, 2, 2), 2.0), torch.ones(1, 1, 1, 1)]
    found = [torch.full((1, 1, 3, 1), -1.0), torch.ones(1, 1, 1, 1)]
    assert float(gram(wanted)(found)) == pytest.approx(math.log1p(9 / 16 + 9 / 4) / 2, rel=0.02)


def test_means_count_although_gram_matrices_do_not_see_their_sign():
    maps = noise(1, 3, 8, 8) + 1
    assert torch.allclose(gram_matrix(maps), gram_matrix(-maps))
    assert float(gram([maps])([-maps])) > 1


@pytest.mark.parametrize("kind", [gram, sliced])
def test_places_sizes_and_scales_do_not_matter(kind):
    wanted, found = noise(2, 5, 8, 8), noise(2, 5, 8, 8, seed=1) + 0.5
    shuffled = wanted.flatten(2)[..., torch.randperm(64, generator=torch.Generator().manual_seed(2))].view_as(wanted)
    assert float(apart(kind, [wanted], [shuffled]).max()) < 1e-9
    torch.testing.assert_close(apart(kind, [wanted], [found]), apart(kind, [7 * wanted], [7 * found]))
    torch.testing.assert_close(
        apart(kind, [wanted], [found]), apart(kind, [wanted.repeat(1, 1, 2, 3)], [found.repeat(1, 1, 3, 2)]), rtol=0.05,
        atol=0,
    )  # fmt: skip


def test_permuted_positions_are_at_sliced_distance_zero_exactly():
    """Of one-dimensional features; sums of more are rounded in another order."""
    maps = noise(1, 1, 16, 16)
    assert float(apart(sliced, [maps], [maps.flip(2, 3)])) == 0


@pytest.mark.parametrize("channels", [1, 2, 16, 64])
def test_sliced_sees_distributions_where_gram_sees_second_moments(channels):
    """x = u s with s = +-1 against s ~ N(0, 1), |u|^2 = C, 4,096 positions: 2 - 2 sqrt(2 / pi) = 0.404 is expected."""
    with seeded(3, "clouds"):
        u = F.normalize(torch.randn(channels), dim=0) * channels**0.5
        signs, normal = torch.ones(4096), torch.randn(4096)
        signs[:2048] = -1
        normal = (normal - normal.mean()) / normal.std(correction=0)
    two, bell = ((u[:, None] * s)[None, :, :, None] for s in (signs, normal))
    assert float(gram([bell])([two])) < 0.01
    with seeded(4, "directions"):
        seen = float(torch.cat([sliced([bell])([two]).expm1() for _ in range(20)]).mean())
    assert seen > 0.3


@pytest.mark.parametrize("kind", [gram, sliced])
def test_a_map_that_is_nearly_empty_does_not_rule_the_others(kind):
    """A feature of a hundredth where none is wanted, beside a map that is all wrong."""
    strong, weak = noise(1, 4, 8, 8), 1e-6 * noise(1, 4, 8, 8)
    wrong = float(apart(kind, [strong, weak], [strong + 1, weak]))
    assert float(apart(kind, [strong, weak], [strong, 0.01 * noise(1, 4, 8, 8, seed=1)])) < wrong / 10


@pytest.mark.parametrize("kind", [gram, sliced])
def test_each_image_has_its_own_distance_and_gradient(kind):
    wanted, found = noise(3, 4, 6, 6), noise(3, 4, 6, 6, seed=1).requires_grad_()
    whole = apart(kind, [wanted], [found])
    assert whole.shape == (3,)
    torch.testing.assert_close(whole[1:2], apart(kind, [wanted[1:2]], [found[1:2]]))
    (slope,) = torch.autograd.grad(whole[1], found)
    assert slope[1].abs().max() > 0 and not slope[[0, 2]].any()


def test_sliced_has_new_directions_in_each_call():
    wanted, found = noise(1, 4, 6, 6), noise(1, 4, 6, 6, seed=1)
    with seeded(0, "directions"):
        distance = sliced([wanted])
        assert float(distance([found])) != float(distance([found]))


def test_flat_features_give_finite_distances():
    flat = [torch.zeros(1, 3, 4, 4)]
    for kind in (gram, sliced):
        assert float(apart(kind, flat, flat)) == 0
        assert torch.isfinite(apart(kind, flat, [noise(1, 3, 4, 4)])).all()


def test_resampled_values_are_of_the_same_distribution():
    ordered = torch.linspace(0, 1, 100)[None, None]
    assert resampled(ordered, 100) is ordered
    for count in (37, 50, 400):
        found = resampled(ordered, count)[0, 0]
        assert len(found) == count and (found.diff() >= 0).all()
        assert float((found - (torch.arange(count) + 0.5) / count).abs().max()) < 0.01

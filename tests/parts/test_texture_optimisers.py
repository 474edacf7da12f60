# SPDX-License-Identifier: Apache-2.0
"""Images as what is optimised: minima that are known, bounds, and images that do not depend on each other."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.optim import LBFGS

from ganaug.parts.textures.optimisers import adam, histogram_matched, lbfgs

LOW, HIGH = torch.tensor(-1.0), torch.tensor(1.0)
WIDE = (torch.tensor(-10.0), torch.tensor(10.0))


def rosenbrock(images):
    """The curved valley of each image's pixels, minimum 0 where all are 1."""
    x = images.flatten(1)
    return (100 * (x[:, 1:] - x[:, :-1].square()).square() + (1 - x[:, :-1]).square()).sum(1)


def starts(n=3, size=(1, 2, 4), seed=0):
    return torch.rand(n, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def bowl(aim, stiffness):
    """A quadratic whose axes differ by `stiffness`."""
    return lambda images: (stiffness * (images - aim).square()).flatten(1).sum(1)


def test_it_finds_the_end_of_a_curved_valley_as_well_as_torch_s_own():
    with torch.no_grad():  # as when a system makes images
        found = lbfgs(rosenbrock, starts(), *WIDE, 150)
    ours = rosenbrock(found)
    calls, x = 0, starts().clone().requires_grad_()

    def closure():
        nonlocal calls
        calls += 1
        peer.zero_grad()
        loss = rosenbrock(x).sum()
        loss.backward()
        return loss

    peer = LBFGS([x], max_iter=150, max_eval=150, history_size=20, line_search_fn="strong_wolfe", tolerance_change=0)
    peer.step(closure)
    assert calls >= 50
    assert float(ours.max()) < 1e-4
    assert float(ours.sum()) < max(float(rosenbrock(x.detach()).sum()), 1e-4)
    assert float(rosenbrock(adam(rosenbrock, starts(), *WIDE, 150)).min()) > 0.01  # without curvature


def test_an_ill_conditioned_bowl_in_a_box_has_its_minimum_at_the_nearest_corner_and_inside():
    aim = torch.tensor([2.0, -3.0, 0.25, -0.5, 0.75, 1.5, 0.0, -0.9]).view(1, 1, 2, 4)
    stiffness = torch.logspace(0, 3, 8).view(1, 1, 2, 4)
    found = lbfgs(bowl(aim, stiffness), starts(), LOW, HIGH, 60)
    torch.testing.assert_close(found, aim.clamp(-1, 1).expand_as(found), atol=1e-3, rtol=0)


@pytest.mark.parametrize("minimise", [lbfgs, adam])
def test_bounds_of_each_image_and_channel_hold_from_the_start(minimise):
    low = torch.tensor([-0.5, 0.0]).view(1, 2, 1, 1).expand(3, -1, 1, 1)
    high = low + torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1, 1)
    seen = []

    def loss(images):
        seen.append(images.detach().clone())
        return (images - 9 * torch.sign(images)).square().flatten(1).sum(1)

    seen.append(minimise(loss, starts(size=(2, 3, 3)), low, high, 8))
    assert all(((images >= low) & (images <= high)).all() for images in seen)
    assert len(seen) == 9  # eight evaluations and the result


def test_images_do_not_depend_on_each_other():
    """Alone or beside a much harder one; torch's L-BFGS on the stack shares its steps."""
    together = lbfgs(rosenbrock, starts(), *WIDE, 30)
    for i, image in enumerate(starts().split(1)):
        torch.testing.assert_close(lbfgs(rosenbrock, image, *WIDE, 30), together[i : i + 1], atol=1e-4, rtol=1e-3)


def test_losses_never_rise_and_steps_that_do_not_bring_enough_are_shortened():
    def steep(images):
        return images.flatten(1).square().sum(1).sqrt().sqrt() + rosenbrock(images)

    values = [steep(lbfgs(steep, starts(), *WIDE, n)) for n in range(1, 25)]
    assert all((b <= a + 1e-6).all() for a, b in pairwise(values))
    assert (values[-1] < values[0] / 10).all()


def test_what_is_not_finite_is_not_taken():
    def walled(images):
        x = images.flatten(1)
        return torch.where((x < 0.02).any(1), torch.nan, (x - 0.01).square().sum(1))

    found = lbfgs(walled, torch.full((2, 1, 2, 2), 0.9), *WIDE, 20)
    assert torch.isfinite(found).all() and ((found >= 0.02) & (found < 0.9)).all()


def test_a_minimum_stays_and_nothing_but_the_images_gets_a_gradient():
    weight = torch.ones(1, requires_grad=True)
    start = torch.ones(2, 1, 2, 4)
    assert torch.equal(lbfgs(lambda x: weight * rosenbrock(x), start, *WIDE, 5), start)
    made = adam(lambda x: weight * rosenbrock(x), starts(), *WIDE, 3)
    assert weight.grad is None and not made.requires_grad
    assert torch.equal(starts(), starts()), "the start is not written to"


def test_histograms_are_matched_exactly_in_the_order_of_the_image():
    image, wanted = starts(2, (3, 6, 5)), starts(2, (3, 5, 6), seed=1).pow(3)
    made = histogram_matched(image, wanted)
    assert torch.equal(made.flatten(2).sort(2).values, wanted.flatten(2).sort(2).values)
    assert torch.equal(made.flatten(2).argsort(2), image.flatten(2).argsort(2))
    large = histogram_matched(starts(2, (3, 20, 30)), wanted)
    torch.testing.assert_close(large.mean((2, 3)), wanted.mean((2, 3)), atol=0.01, rtol=0)

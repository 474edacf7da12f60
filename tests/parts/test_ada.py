# SPDX-License-Identifier: Apache-2.0
"""The adaptive pipe: identity at 0, fractions, geometry and colour by hand, gradients; and its controller."""

from __future__ import annotations

import math

import pytest
import torch

from ganaug.parts.ops import ada
from ganaug.parts.ops.ada import ADA, augment_with


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def identity(n: int = 1) -> torch.Tensor:
    return torch.eye(3).repeat(n, 1, 1)


@pytest.mark.parametrize("shape", [(32, 1, 16, 16), (32, 3, 12, 20), (32, 13, 8, 8)])
def test_p_0_keeps_every_bit_and_p_1_changes_nearly_all(shape):
    x = torch.rand(shape) * 2 - 1
    assert torch.equal(augment_with(x, 0.0), x)
    changed = (augment_with(x, 1.0) != x).flatten(1).any(1).float().mean()
    assert changed > 0.95


def test_the_fraction_of_moved_images_follows_p():
    _, fired = ada.geometry(torch.zeros(4000, 1, 8, 8), 0.2)
    # six operations fire with p and two with 1 - sqrt(1 - p): none fires with (1 - p)^7
    assert fired.float().mean().item() == pytest.approx(1 - 0.8**7, abs=0.02)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (lambda: ada.scaling(torch.tensor([-1.0]), torch.tensor([1.0])), lambda x: x.flip(3)),
        (lambda: ada.rotation(torch.tensor([math.pi / 2])), lambda x: torch.rot90(x, -1, (2, 3))),
        (lambda: ada.rotation(torch.tensor([math.pi])), lambda x: x.flip(2, 3)),
        (lambda: identity(), lambda x: x),
    ],
    ids=["flip", "quarter", "half", "identity"],
)
def test_geometry_by_hand(matrix, expected):
    x = torch.rand(1, 2, 8, 8)
    assert torch.allclose(ada.warp(x, matrix()), expected(x), atol=1e-5)


def test_shift_is_in_pixels_and_reflects_at_the_border():
    x = torch.arange(6.0).view(1, 1, 1, 6).expand(1, 1, 4, 6)
    moved = ada.warp(x, ada.shift(torch.tensor([2.0]), torch.tensor([0.0])))
    assert torch.allclose(moved[0, 0, 1], torch.tensor([1.0, 0, 0, 1, 2, 3]), atol=1e-5)


def test_scaling_makes_the_image_larger():
    x = torch.zeros(1, 1, 16, 16)
    x[..., 6:10, 6:10] = 1
    larger = ada.warp(x, ada.scaling(torch.tensor([2.0]), torch.tensor([1.0])))
    assert larger.sum() == pytest.approx(32, abs=1e-3)
    assert (larger[0, 0].sum(0) > 0).sum() in (8, 10)  # twice as wide, but for the blurred edge


def test_hue_keeps_the_grey_axis_and_turns_the_rest():
    axis = torch.ones(3) / math.sqrt(3)
    turn = ada.hue(torch.full((1, 1, 1), 2 * math.pi / 3), axis, torch.eye(4))[0, :3, :3]
    assert torch.allclose(turn @ torch.ones(3), torch.ones(3), atol=1e-6)
    assert torch.allclose(turn @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6)


def test_bands_change_by_themselves():
    x = torch.linspace(-1, 1, 16).view(1, 1, 4, 4).expand(64, 5, 4, 4)
    y = ada.recolour(x, 1.0)
    gain = (y[:, :, 3, 3] - y[:, :, 0, 0]) / 2
    assert (gain > 0).all()  # contrast never turns a band over
    assert gain.std(1).min() > 0 and y.mean((2, 3)).std(1).min() > 0


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_gradients_agree_with_finite_differences(channels):
    def augmented(x):
        torch.manual_seed(1)
        return augment_with(x, 0.7).double()

    x = (torch.rand(3, channels, 8, 8, dtype=torch.float64) * 2 - 1).requires_grad_(True)
    direction = torch.randn_like(x)
    (gradient,) = torch.autograd.grad(augmented(x).sum(), x)
    with torch.no_grad():
        more, less = (augmented(x + sign * 1e-4 * direction).sum().item() for sign in (1, -1))
    assert gradient.abs().sum() > 0
    assert (gradient * direction).sum().item() == pytest.approx((more - less) / 2e-4, rel=1e-2)


def logits_of(mean_sign: float, n: int = 40) -> torch.Tensor:
    positive = round(n * (1 + mean_sign) / 2)
    return torch.cat([torch.full((positive,), 2.0), torch.full((n - positive,), -0.5)])


def test_p_rises_by_images_seen_over_the_unit():
    pipe = ADA(images=1000)
    for _ in range(8):
        pipe.update(logits_of(0.9))
    assert pipe.p.item() == pytest.approx(8 * 40 / 1000)


def test_p_moves_only_every_fourth_call_and_by_the_mean_of_all_four():
    pipe = ADA(images=1000)
    for sign in (1.0, 1.0, 1.0):
        pipe.update(logits_of(sign))
    assert pipe.p.item() == 0
    pipe.update(logits_of(-1.0))  # mean 0.5 < 0.6, though three of four lie above
    assert pipe.p.item() == 0
    for _ in range(4):
        pipe.update(logits_of(0.7))
    assert pipe.p.item() == pytest.approx(0.16)


def test_p_falls_and_stays_between_0_and_p_max():
    pipe = ADA(images=200)
    for _ in range(40):
        pipe.update(logits_of(1.0))
    assert pipe.p.item() == pytest.approx(0.8)
    for _ in range(4):
        pipe.update(logits_of(0.3))
    assert pipe.p.item() == pytest.approx(0.0)
    for _ in range(4):
        pipe.update(logits_of(0.3))
    assert pipe.p.item() == 0.0


def test_the_controller_goes_on_from_its_state():
    whole, half, rest = ADA(images=1000), ADA(images=1000), ADA(images=1000)
    signs = [0.9, 0.2, 0.8, 0.9, 1.0, 0.9, 0.95]
    for sign in signs:
        whole.update(logits_of(sign))
    for sign in signs[:3]:
        half.update(logits_of(sign))
    rest.load_state_dict(half.state_dict())
    for sign in signs[3:]:
        rest.update(logits_of(sign))
    assert all(torch.equal(a, b) for a, b in zip(whole.buffers(), rest.buffers(), strict=True))


def test_the_pipe_uses_the_controllers_p():
    pipe, x = ADA(), torch.rand(16, 3, 8, 8)
    assert torch.equal(pipe(x), x)
    pipe.p.fill_(1.0)
    assert not torch.equal(pipe(x), x)

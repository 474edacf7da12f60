# SPDX-License-Identifier: Apache-2.0
"""LeCam: closed form, sign and gradient routing, anchors."""

from __future__ import annotations

import pytest
import torch

from ganaug.parts.losses.lecam import LeCam, lecam


def test_with_anchors_at_0_it_is_the_mean_square_of_one_sided_logits():
    real, fake = torch.tensor([2.0, -3.0]), torch.tensor([-4.0, 1.0])
    zero = torch.zeros(())
    assert lecam(real, fake, zero, zero).item() == pytest.approx((4 + 0) / 2 + (16 + 0) / 2)


def test_it_pulls_real_and_generated_logits_together():
    real, fake = torch.full((4,), 2.0, requires_grad=True), torch.full((4,), -2.0, requires_grad=True)
    lecam(real, fake, torch.tensor(1.5), torch.tensor(-1.5)).backward()
    assert (real.grad > 0).all() and (fake.grad < 0).all()  # descent lowers D(x) and raises D(G(z))


def test_anchors_cross_over():
    real, fake = torch.full((4,), 2.0, requires_grad=True), torch.full((4,), -2.0, requires_grad=True)
    lecam(real, fake, torch.tensor(2.0), torch.tensor(-2.0)).backward()
    assert real.grad.sum() == pytest.approx(8.0)  # 2 * (2 - -2); against its own anchor it would be 0


def test_anchors_are_constants():
    anchors = torch.ones(2, requires_grad=True)
    loss = lecam(torch.full((3,), 2.0, requires_grad=True), torch.zeros(3), anchors[0], anchors[1])
    loss.backward()
    assert anchors.grad is None


def test_anchors_of_constant_logits_are_those_from_the_first_step_on():
    penalty = LeCam(decay=0.9)
    for _ in range(3):
        loss = penalty(torch.full((5,), 3.0), torch.full((5,), -1.0))
        assert loss.item() == pytest.approx((3 + 1) ** 2 + (3 + 1) ** 2, rel=1e-5)


def test_anchors_move_with_the_decay():
    penalty = LeCam(decay=0.5)
    penalty(torch.full((2,), 4.0), torch.zeros(2))
    penalty(torch.full((2,), 1.0), torch.zeros(2))
    assert (penalty.real / penalty.weight).item() == pytest.approx((0.25 * 4 + 0.5 * 1) / 0.75)


def test_it_goes_on_from_its_state():
    first, second = LeCam(), LeCam()
    first(torch.ones(3), torch.zeros(3))
    second.load_state_dict(first.state_dict())
    more = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first(*more), second(*more))

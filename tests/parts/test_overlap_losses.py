# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy and soft Dice of maps: closed forms, unknown pixels, weights, gradients."""

from __future__ import annotations

import math

import pytest
import torch

from ganaug.parts.losses.overlap import pixel_cross_entropy, soft_dice

ONE = torch.ones(1)


def logits_of(*shares):
    """Logits [1, K, 1, W] whose softmax in each column is the given share of every class."""
    return torch.tensor(shares).log().T[None, :, None]


def drawn(seed=0, n=3, classes=4):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, classes, 5, 6, generator=generator)
    mask = torch.randint(classes, (n, 5, 6), generator=generator)
    return logits, mask.where(torch.rand(n, 5, 6, generator=generator) > 0.2, torch.tensor(255))


def test_cross_entropy_by_hand():
    logits = logits_of((0.5, 0.25, 0.25), (0.1, 0.8, 0.1))
    loss = pixel_cross_entropy(logits, torch.tensor([[[0, 2]]]), ONE)
    torch.testing.assert_close(loss, torch.tensor((math.log(2) + math.log(10)) / 2))


def test_dice_by_hand():
    """p t summed: class 0 0.5, class 1 0.8; p + t: 0.6 + 1 and 1.05 + 1; class 2 is in no mask."""
    logits = logits_of((0.5, 0.25, 0.25), (0.1, 0.8, 0.1))
    loss = soft_dice(logits, torch.tensor([[[0, 1]]]), ONE)
    torch.testing.assert_close(loss, torch.tensor(1 - (2 * 0.5 / 1.6 + 2 * 0.8 / 2.05) / 2))


def test_dice_of_hard_predictions_is_one_minus_the_overlap():
    _, truth = drawn(1)
    _, guess = drawn(2)
    truth, guess = truth.clamp(max=3), guess.clamp(max=3)
    logits = 60.0 * torch.nn.functional.one_hot(guess, 4).movedim(3, 1)
    dice = [2 * ((truth == k) & (guess == k)).sum() / ((truth == k).sum() + (guess == k).sum()) for k in range(4)]
    torch.testing.assert_close(soft_dice(logits, truth, torch.ones(3)), 1 - torch.stack(dice).mean())
    right = 60.0 * torch.nn.functional.one_hot(truth, 4).movedim(3, 1)
    assert soft_dice(right, truth, torch.ones(3)) < 1e-6
    assert pixel_cross_entropy(right, truth, torch.ones(3)) < 1e-6


def test_cross_entropy_is_torch_s_own_where_weights_are_equal():
    logits, mask = drawn()
    wanted = torch.nn.functional.cross_entropy(logits, mask, ignore_index=255)
    torch.testing.assert_close(pixel_cross_entropy(logits, mask, torch.ones(3)), wanted)
    torch.testing.assert_close(pixel_cross_entropy(logits, mask, torch.full((3,), 0.3)), wanted)


@pytest.mark.parametrize("loss", [pixel_cross_entropy, soft_dice])
def test_unknown_pixels_count_in_neither(loss):
    logits, mask = drawn()
    logits.requires_grad_()
    value = loss(logits, mask, torch.ones(3))
    value.backward()
    unknown = (mask == 255)[:, None].expand_as(logits)
    assert not logits.grad[unknown].any() and logits.grad[~unknown].any()
    other = torch.where(unknown, torch.full_like(logits, 7.0).roll(1, 1), logits.detach())
    torch.testing.assert_close(loss(other, mask, torch.ones(3)), value.detach())


@pytest.mark.parametrize("loss", [pixel_cross_entropy, soft_dice])
def test_weights_are_counts(loss):
    """Weight 2 is the image twice, weight 0 the image left out."""
    logits, mask = drawn()
    rows = [0, 0, 1]
    twice = loss(logits[rows], mask[rows], torch.ones(3))
    torch.testing.assert_close(loss(logits, mask, torch.tensor([2.0, 1.0, 0.0])), twice)
    assert (loss(logits, mask, torch.ones(3)) - twice).abs() > 1e-4


@pytest.mark.parametrize("loss", [pixel_cross_entropy, soft_dice])
def test_nothing_known_gives_zero_and_no_gradient(loss):
    logits, mask = drawn()
    logits.requires_grad_()
    for known, weight in ((torch.full_like(mask, 255), torch.ones(3)), (mask, torch.zeros(3))):
        value = loss(logits, known, weight)
        (gradient,) = torch.autograd.grad(value, logits)
        assert value == 0 and not gradient.any()


def test_a_class_that_no_mask_holds_does_not_count_in_dice():
    logits, mask = drawn()
    mask = mask.where(mask != 3, torch.tensor(2))
    probability = logits.softmax(1) * (mask != 255)[:, None]
    dice = []
    for k in range(3):
        inside = (mask == k).float()
        both, each = (probability[:, k] * inside).sum(), probability[:, k].sum() + inside.sum()
        dice.append(2 * both / each)
    torch.testing.assert_close(soft_dice(logits, mask, torch.ones(3)), 1 - torch.stack(dice).mean())


@pytest.mark.parametrize("loss", [pixel_cross_entropy, soft_dice])
def test_half_precision_logits_are_computed_in_single(loss):
    logits, mask = drawn()
    half = logits.bfloat16()
    found = loss(half, mask, torch.ones(3))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(half.float(), mask, torch.ones(3)))

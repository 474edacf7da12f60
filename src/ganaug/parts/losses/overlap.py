# SPDX-License-Identifier: Apache-2.0
"""Losses of a segmenter: cross-entropy a pixel and soft Dice; pixels of unknown class (255) count in neither."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ganaug.data.batch import UNKNOWN


def pixel_cross_entropy(
    logits: Float[Tensor, "b k h w"], mask: Int[Tensor, "b h w"], weight: Float[Tensor, " b"]
) -> Float[Tensor, ""]:
    """Mean over the known pixels of the batch, each image's pixels with its weight."""
    loss = F.cross_entropy(logits.float(), mask, ignore_index=UNKNOWN, reduction="none")
    each = (mask != UNKNOWN) * weight[:, None, None]
    return (loss * each).sum() / each.sum().clamp_min(1e-8)


def soft_dice(
    logits: Float[Tensor, "b k h w"], mask: Int[Tensor, "b h w"], weight: Float[Tensor, " b"]
) -> Float[Tensor, ""]:
    """1 - 2 sum(p t) / (sum p + sum t), over the whole batch, as a mean over the classes that the masks hold."""
    known = ((mask != UNKNOWN) * weight[:, None, None])[:, None]
    truth = F.one_hot(mask.where(mask != UNKNOWN, torch.zeros_like(mask)), logits.shape[1]).movedim(3, 1) * known
    found = logits.float().softmax(1)
    both, each = (found * truth).sum((0, 2, 3)), (found * known + truth).sum((0, 2, 3))
    there = truth.sum((0, 2, 3)) > 0
    return (1 - 2 * both / each.clamp_min(1e-8))[there].sum() / there.sum().clamp_min(1)

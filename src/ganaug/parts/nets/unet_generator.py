# SPDX-License-Identifier: Apache-2.0
"""The U-Net that makes images from maps, and label maps in the form in which networks are given them."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.parts.nets.patch import normal_weights

DROPPED = 3  # decoder blocks with dropout


def one_hot_mask(mask: Int[Tensor, "b h w"], classes: int) -> Float[Tensor, "b k h w"]:
    """A plane a class, 1 where the mask holds it and 0 elsewhere; unknown pixels (255) are 0 in all planes."""
    return (mask[:, None] == torch.arange(classes, device=mask.device)[:, None, None]).float()


def halvings(size: tuple[int, int]) -> int:
    """How often the shorter side can be halved down to 2 px, at least once and at most 8 times."""
    return min(max(min(size).bit_length() - 2, 1), 8)


class UNetGenerator(nn.Module):
    """Maps or images [B, inputs, H, W] -> images [B, outputs, H, W] in [-1, 1]; any size from 4 px.

    `downs` 4x4 convolutions of stride 2 with LeakyReLU 0.2, as many transposed ones with ReLU, the maps of equal size
    side by side at every level, tanh (Isola et al. 2017, arXiv 1611.07004, section 3.2 and appendix 6.1.1). Widths
    double from `width` up to 8 times it. Dropout 0.5 in the first three blocks on the way up, never in the last one,
    is all the noise there is, so it stays on in evaluation mode. No norm after the first convolution, where it would
    take from a map of one class which class it is, nor at the bottom. Else instance norm without running statistics:
    what the paper's batch norm does at its batch size of 1, but for gains, and with no other image in it at any size.
    Weights from N(0, 0.02). By default the bottom has 2 or 3 px on its shorter side; the paper's has 1 (256 px, 8).
    """

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], width: int = 64, downs: int | None = None):
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(downs or halvings(size))]
        beside = [2 * w for w in widths[-2::-1]]  # what comes from below, and the map of equal size
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise([inputs, *widths]))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1)
            for a, b in zip([widths[-1], *beside], [*widths[-2::-1], outputs], strict=True)
        )
        self.apply(normal_weights)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        *skips, y = self.encoded(x)
        for i, (up, skip) in enumerate(zip(self.ups, reversed(skips), strict=False)):
            y = F.instance_norm(up(F.relu(y), output_size=skip.shape[-2:]))
            y = F.dropout(y, 0.5, training=True) if i < DROPPED else y
            y = torch.cat([y, skip], 1)
        return torch.tanh(self.ups[-1](F.relu(y), output_size=x.shape[-2:]))

    def encoded(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """The maps on the way down, finest first, before their LeakyReLU."""
        maps = [self.downs[0](x)]
        for i, down in enumerate(self.downs[1:], 2):
            y = down(F.leaky_relu(maps[-1], 0.2))
            maps.append(F.instance_norm(y) if i < len(self.downs) else y)
        return maps

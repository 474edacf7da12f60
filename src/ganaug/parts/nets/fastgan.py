# SPDX-License-Identifier: Apache-2.0
"""FastGAN's layers (Liu et al. 2021, arXiv 2101.04775): gated up-sampling, excitation across sizes, decoders.

Convolutions have no bias. Batch norm always uses the batch's own statistics, at sampling too, as in DCGAN here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

DECODED = (2.0, 1.0, 1.0, 0.5)  # widths of a decoder's stages, times the critic's width


class SkipExcitation(nn.Module):
    """A low map [B, C, h, w] scales the channels of a high one: high * sigmoid(f(low)) (section 3.1).

    f: average pooling to 4x4, a 4x4 convolution to 1x1, LeakyReLU, a 1x1 convolution to the channels of the high map.
    So a gradient reaches the low map past all stages between, and no place of the high map is told from another.
    """

    def __init__(self, low: int, high: int):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(low, high, 4, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(high, high, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, low: Float[Tensor, "b c h w"], high: Float[Tensor, "b d hh ww"]) -> Float[Tensor, "b d hh ww"]:
        return high * self.gate(low)


class NoiseInjection(nn.Module):
    """x + weight * noise: one normal map an image for all channels, one learned weight that starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.weight * torch.randn_like(x[:, :1])


def gated(layer: nn.Module, width: int, *, noise: bool = False) -> list[nn.Module]:
    """A convolution to 2 * width channels, noise on request, batch norm, and a gated linear unit to `width`."""
    norm = nn.BatchNorm2d(2 * width, track_running_stats=False)
    return [layer, *([NoiseInjection()] if noise else []), norm, nn.GLU(dim=1)]


def up(a: int, b: int, size: tuple[int, int], *, noise: bool = False) -> nn.Sequential:
    """Maps [B, a, h, w] -> [B, b, *size]: nearest neighbour and a gated 3x3 convolution; a second one with noise."""
    layers = [nn.Upsample(size=size), *gated(nn.Conv2d(a, 2 * b, 3, padding=1, bias=False), b, noise=noise)]
    if noise:
        layers += gated(nn.Conv2d(b, 2 * b, 3, padding=1, bias=False), b, noise=True)
    return nn.Sequential(*layers)


class DownBlock(nn.Module):
    """Maps [B, a, h, w] -> [B, b, h // 2, w // 2]: the mean of two ways.

    A 4x4 convolution of stride 2 and a 3x3 one, or average pooling and a 1x1 one; batch norm and LeakyReLU after each.
    """

    def __init__(self, a: int, b: int):
        super().__init__()
        deep = [*judged(nn.Conv2d(a, b, 4, 2, 1, bias=False), b), *judged(nn.Conv2d(b, b, 3, 1, 1, bias=False), b)]
        self.deep = nn.Sequential(*deep)
        self.direct = nn.Sequential(nn.AvgPool2d(2), *judged(nn.Conv2d(a, b, 1, bias=False), b))

    def forward(self, x: Float[Tensor, "b a h w"]) -> Float[Tensor, "b b hh ww"]:
        return (self.deep(x) + self.direct(x)) / 2


def judged(layer: nn.Module, width: int) -> list[nn.Module]:
    """A convolution to `width` channels, batch norm, LeakyReLU 0.2."""
    return [layer, nn.BatchNorm2d(width, track_running_stats=False), nn.LeakyReLU(0.2)]


def decoder(features: int, channels: int, sizes: Sequence[tuple[int, int]], width: int) -> nn.Sequential:
    """Maps [B, features, h, w] -> images [B, channels, *sizes[-1]] in [-1, 1], up by up to four sizes, then tanh."""
    widths = [features, *(max(int(share * width), 4) for share in DECODED[: len(sizes)])]
    stages = [up(a, b, size) for (a, b), size in zip(pairwise(widths), sizes, strict=True)]
    return nn.Sequential(*stages, nn.Conv2d(widths[-1], channels, 3, padding=1, bias=False), nn.Tanh())

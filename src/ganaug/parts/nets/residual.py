# SPDX-License-Identifier: Apache-2.0
"""Convolutions with reflected borders, residual blocks, and a pyramid of patch critics, as translators use them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


def conv(a: int, b: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A convolution with reflected borders that keeps the size at stride 1."""
    pad = dilation * (kernel - 1) // 2
    return nn.Conv2d(a, b, kernel, stride, pad, dilation=dilation, padding_mode="reflect" if pad else "zeros")


def conv_norm(a: int, b: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution, instance norm, LeakyReLU 0.2."""
    return nn.Sequential(conv(a, b, kernel, stride, dilation), nn.InstanceNorm2d(b), nn.LeakyReLU(0.2))


class ResBlock(nn.Module):
    """x + two 3x3 convolutions, the first with LeakyReLU; instance norm after each unless `norm` is False."""

    def __init__(self, width: int, norm: bool = True):
        super().__init__()
        kind = nn.InstanceNorm2d if norm else lambda width: nn.Identity()
        self.body = nn.Sequential(
            conv(width, width, 3), kind(width), nn.LeakyReLU(0.2), conv(width, width, 3), kind(width)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.body(x)


class PatchPyramid(nn.Module):
    """Images -> a list of logit maps, one a scale: three critics of their own at size 1, 1/2 and 1/4.

    Each has five convolutions, two of them of stride 2, residual blocks and a 1x1 output; no norm, LeakyReLU 0.2,
    weights from N(0, 0.02) (DG-Net, arXiv 1904.07223).
    """

    def __init__(self, channels: int, width: int, blocks: int, scales: int = 3):
        super().__init__()
        self.scales = nn.ModuleList(patch_critic(channels, width, blocks) for _ in range(scales))
        self.shrink = nn.AvgPool2d(3, 2, 1, count_include_pad=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> list[Float[Tensor, "b 1 _ _"]]:
        maps = []
        for critic in self.scales:
            maps.append(critic(x))
            x = self.shrink(x)
        return maps


def patch_critic(channels: int, width: int, blocks: int) -> nn.Sequential:
    """One scale of a PatchPyramid."""
    layers: list[nn.Module] = []
    plan = ((channels, width, 1, 1), (width, width, 3, 1), (width, width, 3, 2), (width, width, 3, 1))
    for a, b, kernel, stride in (*plan, (width, 2 * width, 3, 2)):
        layers += [conv(a, b, kernel, stride), nn.LeakyReLU(0.2)]
    layers += [ResBlock(2 * width, norm=False) for _ in range(blocks)]
    net = nn.Sequential(*layers, conv(2 * width, 1, 1))
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return net


def least_squares_scales(maps: list[Tensor], target: float) -> Tensor:
    """Sum over scales of the mean of (D - target)^2 (LSGAN, Mao et al. 2017)."""
    return torch.stack([(m - target).square().mean() for m in maps]).sum()

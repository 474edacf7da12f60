# SPDX-License-Identifier: Apache-2.0
"""U-Net: a map for every pixel, from coarse and fine features together."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class UNet(nn.Module):
    """Images [B, C, H, W] -> logits [B, outputs, H, W]; `features` gives [B, width 2^depth] of the coarsest maps.

    Stages of two 3x3 convolutions with batch norm and ReLU, max-pooling down and bilinear resizing up, maps of equal
    size side by side (Ronneberger et al. 2015, arXiv 1505.04597). Any size from 2^depth px: odd maps are resized to
    the ones they join.
    """

    def __init__(self, channels: int, outputs: int, width: int = 16, depth: int = 3):
        super().__init__()
        widths = [width * 2**i for i in range(depth + 1)]
        self.down = nn.ModuleList(stage(a, b) for a, b in zip([channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(stage(a + b, a) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.last = nn.Conv2d(width, outputs, 1)

    def maps(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """The maps of every stage on the way down, finest first."""
        found = []
        for i, part in enumerate(self.down):
            x = part(F.max_pool2d(x, 2) if i else x)
            found.append(x)
        return found

    def features(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return self.maps(x)[-1].mean((2, 3))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        *finer, x = self.maps(x)
        for part, beside in zip(self.up, reversed(finer), strict=True):
            x = F.interpolate(x, size=beside.shape[-2:], mode="bilinear", align_corners=False)
            x = part(torch.cat([beside, x], 1))
        return self.last(x)


def stage(a: int, b: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for one, other in ((a, b), (b, b)):
        layers += [nn.Conv2d(one, other, 3, padding=1, bias=False), nn.BatchNorm2d(other), nn.ReLU()]
    return nn.Sequential(*layers)

# SPDX-License-Identifier: Apache-2.0
"""Rectangles put over images, one an image."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Rectangles = Int[Tensor, "b 4"]


def clipped_square(height: int, width: int, length: int, n: int) -> Rectangles:
    """n squares (x0, y0, x1, y1), half open, centred on a uniform pixel of the image and cut to it.

    At an even length the square runs from centre - length/2 to centre + length/2.
    """
    side = torch.tensor([width, height])
    start = (torch.rand(n, 2) * side).long() - length // 2
    low, high = start.clamp(min=0), torch.minimum(start + length, side)
    return torch.cat([low, high], 1)


def inside(rectangles: Rectangles, height: int, width: int) -> Bool[Tensor, "b h w"]:
    """Which pixels lie in each image's rectangle."""
    x0, y0, x1, y1 = rectangles[:, :, None].unbind(1)
    x, y = torch.arange(width), torch.arange(height)
    across, down = (x >= x0) & (x < x1), (y >= y0) & (y < y1)
    return down[:, :, None] & across[:, None, :]


def erase(
    image: Float[Tensor, "b c h w"], rectangles: Rectangles, fill: Float[Tensor, "*shape"]
) -> Float[Tensor, "b c h w"]:
    """The images with `fill` (a value, or pixels of the images' shape) in their rectangles."""
    return torch.where(inside(rectangles, *image.shape[-2:])[:, None], fill, image)

# SPDX-License-Identifier: Apache-2.0
"""Rectangles put over images, one an image."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Rectangles = Int[Tensor, "b 4"]
TRIES = 100


def clipped_square(height: int, width: int, length: int, n: int) -> Rectangles:
    """n squares (x0, y0, x1, y1), half open, centred on a uniform pixel of the image and cut to it.

    At an even length the square runs from centre - length/2 to centre + length/2.
    """
    side = torch.tensor([width, height])
    start = (torch.rand(n, 2) * side).long() - length // 2
    low, high = start.clamp(min=0), torch.minimum(start + length, side)
    return torch.cat([low, high], 1)


def fitting_rectangles(
    n: int, height: int, width: int, *, p: float, area: tuple[float, float], aspect: float
) -> Rectangles:
    """n rectangles (x0, y0, x1, y1), half open, wholly inside the image; empty with probability 1 - p.

    `area` is the smallest and largest share of the image, `aspect` the smallest height over width, the largest its
    inverse, uniform in the logarithm. What does not fit is drawn again, up to 100 times, then left out.
    """
    low, high = area
    wanted = (low + (high - low) * torch.rand(n, TRIES)) * height * width
    ratio = torch.exp((2 * torch.rand(n, TRIES) - 1) * math.log(aspect))
    tall, wide = (wanted * ratio).sqrt().round(), (wanted / ratio).sqrt().round()
    fits = (tall < height) & (wide < width)
    fits &= (tall * wide >= low * height * width) & (tall * wide <= high * height * width)
    first = fits.int().argmax(1, keepdim=True)
    chosen = fits.any(1) & (torch.rand(n) < p)
    tall, wide = (side.gather(1, first)[:, 0] * chosen for side in (tall, wide))
    x0, y0 = (torch.rand(n) * (width - wide + 1)).floor(), (torch.rand(n) * (height - tall + 1)).floor()
    return torch.stack([x0, y0, x0 + wide, y0 + tall], 1).long()


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

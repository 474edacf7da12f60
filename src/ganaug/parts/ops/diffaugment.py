# SPDX-License-Identifier: Apache-2.0
"""Differentiable augmentation of everything that a critic sees: colour, translation, cutout at fixed strength.

Zhao, Liu, Lin, Zhu, Han, "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020, arXiv
2006.10738. It must act on real and generated images alike, in the critic's step and in the generator's: on real
images only, the generator learns to make augmented images.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ganaug.data.errors import InputError

Images = Float[Tensor, "b c h w"]
SHIFT = 0.125  # of the side
HOLE = 0.5


def diffaugment(images: Images, policy: str = "color,translation,cutout", group: int = 1) -> Images:
    """Images in [-1, 1] after the operations of a comma-separated policy.

    Every image gets its own draw, or every `group` consecutive images one draw together (for critics that compare
    images). An empty policy is the identity. Results may leave [-1, 1]. Raises InputError for an unknown operation.
    """
    for name in filter(None, (part.strip() for part in policy.split(","))):
        if name not in OPERATIONS:
            raise InputError(f"augment names '{name}': expected some of {', '.join(OPERATIONS)}, by commas.")
        images = OPERATIONS[name](images, group)
    return images


def color(images: Images, group: int = 1) -> Images:
    """Brightness + U(-0.5, 0.5), then saturation times U(0, 2), then contrast times U(0.5, 1.5).

    Saturation scales the distance to the mean over channels (nothing happens to one channel), contrast the
    distance to the mean over the image.
    """
    images = images + uniform(images, group) - 0.5
    if images.shape[1] > 1:
        images = around(images, (1,), 2 * uniform(images, group))
    return around(images, (1, 2, 3), 0.5 + uniform(images, group))


def around(images: Images, axes: tuple[int, ...], factor: Float[Tensor, "b 1 1 1"]) -> Images:
    """Scale the distance to the mean over some axes."""
    mean = images.mean(axes, keepdim=True)
    return torch.lerp(mean, images, factor)


def translation(images: Images, group: int = 1) -> Images:
    """A shift by whole pixels, up to an eighth of each side, uniform; zeros (mid grey) come in."""
    b, c, h, w = images.shape
    dy, dx = (integer(images, group, -round(SHIFT * side), round(SHIFT * side)) for side in (h, w))
    rows = (torch.arange(h, device=images.device)[:, None] + dy + 1).clamp(0, h + 1)
    columns = (torch.arange(w, device=images.device) + dx + 1).clamp(0, w + 1)
    padded = F.pad(images, (1, 1, 1, 1))
    return padded.gather(2, rows.expand(b, c, h, w + 2)).gather(3, columns.expand(b, c, h, w))


def cutout(images: Images, group: int = 1) -> Images:
    """A rectangle of half the height and half the width, centred anywhere in the image, set to 0 (mid grey)."""
    holes = [inside(images, group, side) for side in images.shape[-2:]]
    kept = ~(holes[0][:, :, None] & holes[1][:, None, :])
    return images * kept[:, None].to(images.dtype)


def inside(images: Images, group: int, side: int) -> Tensor:
    """Where along one axis a hole lies: bool [b, side]; part of it may fall outside the image."""
    hole = round(HOLE * side)
    start = integer(images, group, 0, side - hole % 2).flatten(1) - hole // 2
    spots = torch.arange(side, device=images.device)
    return (spots >= start) & (spots < start + hole)


def uniform(images: Images, group: int) -> Float[Tensor, "b 1 1 1"]:
    """One number an image, uniform in [0, 1), equal within a group."""
    drawn = torch.rand(-(-len(images) // group), 1, 1, 1, dtype=images.dtype, device=images.device)
    return drawn.repeat_interleave(group, 0)[: len(images)]


def integer(images: Images, group: int, low: int, high: int) -> Int[Tensor, "b 1 1 1"]:
    """One integer an image, uniform in low..high, both included, equal within a group."""
    drawn = torch.randint(low, high + 1, (-(-len(images) // group), 1, 1, 1), device=images.device)
    return drawn.repeat_interleave(group, 0)[: len(images)]


OPERATIONS = {"color": color, "translation": translation, "cutout": cutout}

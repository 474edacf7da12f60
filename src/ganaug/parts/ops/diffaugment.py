# SPDX-License-Identifier: Apache-2.0
"""Differentiable augmentation of everything that a critic sees: colour, translation, cutout at fixed strength.

Zhao, Liu, Lin, Zhu, Han, "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020, arXiv
2006.10738. It must act on real and generated images alike, in the critic's step and in the generator's: on real
images only, the generator learns to make augmented images.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ganaug.data.errors import InputError

Images = Float[Tensor, "b c h w"]
SHIFT = 0.125  # of the side
HOLE = 0.5


def diffaugment(images: Images, policy: str = "color,translation,cutout") -> Images:
    """Images in [-1, 1] after the operations of a comma-separated policy; every image gets its own draw.

    An empty policy is the identity. Results may leave [-1, 1]. Raises InputError for an unknown operation.
    """
    for name in filter(None, (part.strip() for part in policy.split(","))):
        if name not in OPERATIONS:
            raise InputError(f"augment names '{name}': expected some of {', '.join(OPERATIONS)}, by commas.")
        images = OPERATIONS[name](images)
    return images


def color(images: Images) -> Images:
    """Brightness + U(-0.5, 0.5), then saturation times U(0, 2), then contrast times U(0.5, 1.5).

    Saturation scales the distance to the mean over channels (nothing happens to one channel), contrast the
    distance to the mean over the image.
    """
    images = images + per_image(images) - 0.5
    if images.shape[1] > 1:
        images = around(images, (1,), 2 * per_image(images))
    return around(images, (1, 2, 3), 0.5 + per_image(images))


def per_image(images: Images) -> Float[Tensor, "b 1 1 1"]:
    """One number an image, uniform in [0, 1)."""
    return torch.rand(len(images), 1, 1, 1, dtype=images.dtype, device=images.device)


def around(images: Images, axes: tuple[int, ...], factor: Float[Tensor, "b 1 1 1"]) -> Images:
    """Scale the distance to the mean over some axes."""
    mean = images.mean(axes, keepdim=True)
    return torch.lerp(mean, images, factor)


def translation(images: Images) -> Images:
    """A shift by whole pixels, up to an eighth of each side, uniform; zeros (mid grey) come in."""
    (b, c, h, w), device = images.shape, images.device
    dy, dx = (random_integer(b, -round(SHIFT * side), round(SHIFT * side), device) for side in (h, w))
    rows = (torch.arange(h, device=device)[:, None] + dy + 1).clamp(0, h + 1)
    columns = (torch.arange(w, device=device) + dx + 1).clamp(0, w + 1)
    padded = F.pad(images, (1, 1, 1, 1))
    return padded.gather(2, rows.expand(b, c, h, w + 2)).gather(3, columns.expand(b, c, h, w))


def cutout(images: Images) -> Images:
    """A rectangle of half the height and half the width, centred anywhere in the image, set to 0 (mid grey)."""
    (b, _, h, w), device = images.shape, images.device
    hole_rows, hole_columns = (inside(b, side, device) for side in (h, w))
    kept = ~(hole_rows[:, :, None] & hole_columns[:, None, :])
    return images * kept[:, None].to(images.dtype)


def inside(b: int, side: int, device: torch.device) -> Tensor:
    """Where along one axis a hole lies: bool [b, side]; part of it may fall outside the image."""
    hole = round(HOLE * side)
    start = random_integer(b, 0, side - hole % 2, device).view(b, 1) - hole // 2
    spots = torch.arange(side, device=device)
    return (spots >= start) & (spots < start + hole)


def random_integer(b: int, low: int, high: int, device: torch.device) -> Tensor:
    """Integers [b, 1, 1, 1], uniform in low..high, both included."""
    return torch.randint(low, high + 1, (b, 1, 1, 1), device=device)


OPERATIONS = {"color": color, "translation": translation, "cutout": cutout}

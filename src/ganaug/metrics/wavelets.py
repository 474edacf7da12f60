# SPDX-License-Identifier: Apache-2.0
"""WaveletStats: does a texture have the grain of another? A judge that needs no weights and no training.

Differences of neighbouring pixels in four directions, on four scales. Each has an energy (how strong) and a kurtosis
(how rare: edges and dots among flat ground have a high one, noise has 3). No system that makes textures uses any of it,
so none can learn to please it. Blind to places and to the mean colour; images may differ in size.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ganaug.data.errors import InputError

SCALES = 4
LEAST = 2**SCALES  # pixels of the shorter side: two are left on the coarsest scale
FLOOR = 1e-6  # energy of a difference of a thousandth of half the range: less counts as flat

Images = Float[Tensor, "n c h w"]


def wavelet_stats(images: Images) -> Float[Tensor, "n 32c"]:
    """Logarithms of energy and kurtosis of each channel, of 4 directions on each of 4 scales, float64.

    Images in [-1, 1]. Scale s is the mean of squares of 2^s pixels. Raises InputError for sides below 16 pixels.
    """
    if images.ndim != 4 or min(images.shape[-2:]) < LEAST:
        found = f"found {tuple(images.shape)}: enlarge the images"
        raise InputError(f"images: expected [N, C, H, W] with sides of {LEAST} pixels or more, {found}.")
    images = images.double()
    stats = []
    for _ in range(SCALES):
        for change in differences(images):
            energy = change.square().mean(2) + FLOOR
            fourth = change.pow(4).mean(2) + 3 * FLOOR**2  # so that flat ground counts as noise does
            stats += [energy.log(), (fourth / energy.square()).log()]
        images = F.avg_pool2d(images, 2)
    return torch.cat(stats, 1)


def differences(images: Images) -> list[Float[Tensor, "n c m"]]:
    """Of neighbours across, down and on both diagonals, each a flat list of all places."""
    pairs = (
        (images[..., :, 1:], images[..., :, :-1]),
        (images[..., 1:, :], images[..., :-1, :]),
        (images[..., 1:, 1:], images[..., :-1, :-1]),
        (images[..., 1:, :-1], images[..., :-1, 1:]),
    )
    return [(a - b).flatten(2) for a, b in pairs]


def wavelet_distance(one: Images, other: Float[Tensor, "n c h2 w2"]) -> Float[Tensor, " n"]:
    """Mean absolute difference of the statistics, image by image; 0 is equal, shuffled pixels are at about 0.6.

    Raises InputError for unequal numbers of images or channels.
    """
    if one.shape[:2] != other.shape[:2]:
        found = f"found {tuple(one.shape)} and {tuple(other.shape)}: give one partner an image"
        raise InputError(f"images: expected equal numbers of images and channels, {found}.")
    return (wavelet_stats(one) - wavelet_stats(other)).abs().mean(1)

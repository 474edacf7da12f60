# SPDX-License-Identifier: Apache-2.0
"""How far the feature maps of images are from the statistics of others': Gram matrices, and sliced Wasserstein.

Both are blind to places, so the two may differ in size, and relative to the size of the features, so no map needs a
weight. The logarithm keeps a map that is empty in the wanted images, where the relative distance of others is in the
thousands, from ruling the rest; small distances are as without it. `gram` and `sliced` take the maps [B, D, H, W] of
the wanted images and return a function of other maps, which gives one distance an image, [B].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ganaug.parts.textures.features import Maps

Distance = Callable[[Maps], Float[Tensor, " b"]]

LEAST = 0.01  # of the strongest map's mean square: weaker maps count less than the others
TINY = 1e-6  # below every feature of an image that is not flat


def gram_matrix(maps: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d d"]:
    """F F^T / M over the M places (Gatys et al. 2015, arXiv 1505.07376, equation 1, divided by M)."""
    flat = maps.flatten(2)
    return flat @ flat.mT / flat.shape[2]


def gram(wanted: Maps) -> Distance:
    """log(1 + |G - G'|^2 / |G'|^2 + |m - m'|^2 / tr G'), averaged over the maps; m is the mean of each feature.

    Gatys' E_l (equation 4), relative to the wanted matrix. Gram matrices alone let the mean drift.
    """
    known = [(gram_matrix(maps), maps.mean((2, 3))) for maps in wanted]
    floor = least(wanted)

    def distance(found: Maps) -> Float[Tensor, " b"]:
        parts = []
        for maps, (matrix, mean) in zip(found, known, strict=True):
            size = matrix.diagonal(dim1=1, dim2=2).sum(1) + floor * len(matrix[0])
            length = matrix.square().sum((1, 2)) + (floor * len(matrix[0])).square()
            apart = (gram_matrix(maps) - matrix).square().sum((1, 2)) / length
            parts.append(apart + (maps.mean((2, 3)) - mean).square().sum(1) / size)
        return torch.stack(parts).log1p().mean(0)

    return distance


def sliced(wanted: Maps) -> Distance:
    """Sliced Wasserstein distance (Heitz et al. 2021, arXiv 2006.07229), squared, averaged over the maps.

    log(1 + distance / mean square of the wanted features). Features are projected on as many random directions as they
    have dimensions, which are new in each call, and the sorted projections compared. It sees the whole distribution,
    where Gram matrices see second moments.
    """
    floor = least(wanted)
    known = [(maps.flatten(2), maps.square().mean((1, 2, 3)) + floor) for maps in wanted]

    def distance(found: Maps) -> Float[Tensor, " b"]:
        parts = []
        for maps, (aim, size) in zip(found, known, strict=True):
            ways = F.normalize(torch.randn(maps.shape[1], maps.shape[1], device=maps.device))
            mine, theirs = ((ways @ flat).sort(2).values for flat in (maps.flatten(2), aim))
            parts.append((mine - resampled(theirs, mine.shape[2])).square().mean((1, 2)) / size)
        return torch.stack(parts).log1p().mean(0)

    return distance


def least(wanted: Maps) -> Float[Tensor, " b"]:
    """The mean square of a feature below which a map hardly counts, for each image."""
    return LEAST * torch.stack([maps.square().mean((1, 2, 3)) for maps in wanted]).amax(0) + TINY


def resampled(ordered: Float[Tensor, "b d m"], count: int) -> Float[Tensor, "b d n"]:
    """Sorted values as `count` of the same distribution, linear between them; the same where there are as many."""
    if ordered.shape[2] == count:
        return ordered
    return F.interpolate(ordered, size=count, mode="linear")

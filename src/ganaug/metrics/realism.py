# SPDX-License-Identifier: Apache-2.0
"""How near do generated images lie to real ones in feature space, and how near do real ones lie to one another?

A Frechet distance of small sets is biased upwards, by more the fewer the images. So a distance is comparable only
with one of the same extractor and the same number of images: the floor is the distance of two halves of the real
images, and `frechet_matched` is the one of generated images at that size. Both are means over a few random
splits, because a single split of a set with distinct classes can be twice as far apart as another.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ganaug.data.errors import InputError
from ganaug.parts.distances import frechet_features, kernel_distance

SPLITS = 5


def realism(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], *, seed: int = 0) -> dict[str, float]:
    """Frechet and kernel distance of two feature sets, with the floor that real images set. Lower is better.

    frechet_distance: of all rows. frechet_matched, frechet_floor: `rows_floor` generated, or other real, images
    against as many real ones; generated images as good as real have equal values here. kernel_distance,
    kernel_floor: the unbiased kernel distance of all rows and of the real halves, each with its standard error;
    about 0 where the sets agree. Raises `InputError` on fewer than 8 real or 4 generated rows, unequal
    dimensions or numbers that are not finite.
    """
    if len(real) < 8 or len(fake) < 4:
        raise InputError(f"features: expected 8 real and 4 generated rows, found {len(real)} and {len(fake)}.")
    generator = torch.Generator().manual_seed(seed)
    size = min(len(real) // 2, len(fake))
    matched = floor = 0.0
    for _ in range(SPLITS):
        real, fake = _shuffled(real, generator), _shuffled(fake, generator)
        matched += frechet_features(real[:size], fake[:size]) / SPLITS
        floor += frechet_features(real[:size], real[-size:]) / SPLITS
    distance, error = kernel_distance(real, fake, seed=seed)
    kernel_floor, floor_error = kernel_distance(real[:size], real[-size:], seed=seed)
    return {
        "frechet_distance": frechet_features(real, fake),
        "frechet_matched": matched,
        "frechet_floor": floor,
        "kernel_distance": distance,
        "kernel_standard_error": error,
        "kernel_floor": kernel_floor,
        "kernel_floor_standard_error": floor_error,
        "rows_real": len(real),
        "rows_fake": len(fake),
        "rows_floor": size,
    }


def _shuffled(x: Tensor, generator: torch.Generator) -> Tensor:
    """Sets are often sorted by class, and a half must hold all of them."""
    return x[torch.randperm(len(x), generator=generator).to(x.device)]

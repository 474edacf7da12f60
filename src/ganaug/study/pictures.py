# SPDX-License-Identifier: Apache-2.0
"""Pictures that people judge generated images by: real ones, generated ones, and what each comes closest to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganaug.audit.copies import nearest
from ganaug.data.batch import Batch
from ganaug.data.picture import coloured, shown, tiled


def pictured(fake: Batch, real: Batch, mask_classes: Sequence[str] = ()) -> np.ndarray:
    """A row a class of four real images, four generated ones and the training image nearest to each of these.

    Images with masks come in pairs; without classes the images are dealt out to rows.
    """
    if fake.mask is not None:
        return with_masks(fake, real, len(mask_classes))
    if fake.label is None or real.label is None:
        fake, real = (batch.but(label=torch.arange(len(batch)) % 10) for batch in (fake, real))
    return side_by_side(fake, real)


def side_by_side(fake: Batch, real: Batch, classes: int = 10, each: int = 4) -> np.ndarray:
    """A row a class: real images, generated ones, and the training image nearest to each generated one."""
    assert fake.label is not None and fake.image is not None and real.image is not None
    shown = torch.unique(fake.label)[:classes]
    rows = []
    for k in shown:
        some = torch.nonzero(fake.label == k).flatten()[:each]
        own = torch.nonzero(real.label == k).flatten()[:each]
        closest = torch.as_tensor(np.asarray(nearest(fake.image[some], real.image)))
        rows += [padded(real.image[own], each), padded(fake.image[some], each), padded(real.image[closest], each)]
    return tiled(channels_last(torch.cat(rows)), 3 * each)


def with_masks(fake: Batch, real: Batch, classes: int, rows: int = 6) -> np.ndarray:
    """Each row: a real image (and its mask, where known), a generated image and its mask, the nearest real image."""
    assert fake.image is not None and real.image is not None and fake.mask is not None
    fake = fake.select(slice(0, rows))
    closest = torch.as_tensor(np.asarray(nearest(fake.image, real.image)))  # type: ignore[arg-type]
    parts = [rgb(real.image[: len(fake)]), rgb(fake.image), map_colours(fake.mask, classes), rgb(real.image[closest])]  # type: ignore[index,arg-type]
    if real.mask is not None:
        parts.insert(1, map_colours(real.mask[: len(fake)], classes))
    short = min(len(part) for part in parts)
    return tiled(channels_last(torch.stack([part[:short] for part in parts], 1).flatten(0, 1)), len(parts))


def map_colours(mask: Tensor, classes: int) -> Float[Tensor, "n 3 h w"]:
    """Masks in colours, as images."""
    return torch.from_numpy(coloured(mask.cpu().numpy(), classes)).permute(0, 3, 1, 2)


def rgb(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
    """Three channels to show: grey repeated, true colour of many bands."""
    return images[:, shown(images.shape[1])]


def channels_last(images: Tensor) -> np.ndarray:
    """[N, C, H, W] -> [N, H, W, C]."""
    return images.permute(0, 2, 3, 1).cpu().numpy()


def padded(images: Tensor, n: int) -> Tensor:
    """Exactly n images, white ones at the end."""
    missing = n - len(images)
    return images if missing <= 0 else torch.cat([images, images.new_ones(missing, *images.shape[1:])])

# SPDX-License-Identifier: Apache-2.0
"""Images as a picture for people: grids of any channel count as PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from ganaug.data.atomic import atomic_file
from ganaug.data.image_set import ImageSet

LEAST = 32  # pixels a tile, so that 8x8 images can be seen


def as_rgb(images: np.ndarray) -> np.ndarray:
    """Float [N, H, W, C] in [-1, 1] -> uint8 [N, H, W, 3]: grey is repeated, of many bands three are shown.

    Four bands show the first three; more show bands 4, 3, 2, which is true colour in the Sentinel-2 order.
    """
    return np.rint((np.clip(images[..., shown(images.shape[-1])], -1, 1) + 1) * 127.5).astype(np.uint8)


def shown(channels: int) -> list[int]:
    """The channels that people see as red, green and blue."""
    return [0, 0, 0] if channels < 3 else [3, 2, 1] if channels > 4 else [0, 1, 2]


def tiled(images: Float[np.ndarray, "n h w c"], columns: int) -> np.ndarray:
    """Images row by row in one picture, uint8 [H, W, 3], small ones enlarged by whole pixels, two pixels apart."""
    rgb = as_rgb(images)
    zoom = max(1, -(-LEAST // max(rgb.shape[1:3])))
    rgb = rgb.repeat(zoom, 1).repeat(zoom, 2)
    n, height, width, _ = rgb.shape
    rows = -(-n // columns)
    canvas = np.full((rows * (height + 2), columns * (width + 2), 3), 255, np.uint8)
    for i, image in enumerate(rgb):
        top, left = (i // columns) * (height + 2), (i % columns) * (width + 2)
        canvas[top : top + height, left : left + width] = image
    return canvas


def coloured(mask: np.ndarray, classes: int) -> Float[np.ndarray, "n h w 3"]:
    """Masks [N, H, W] as pictures in [-1, 1]: evenly spaced hues, the first class dark, unknown pixels white."""
    from matplotlib import colormaps

    table = np.ones((256, 3), np.float32)
    table[:classes] = colormaps["turbo"](np.linspace(0.05, 0.95, max(classes, 2)))[:classes, :3]
    table[0] = 0.1
    return 2 * table[mask.astype(np.uint8)] - 1


def save_picture(path: Path, picture: np.ndarray) -> None:
    """A uint8 picture [H, W, 3] as PNG, atomically; the folder is created."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part:
        Image.fromarray(picture).save(part, format="PNG", compress_level=3)


def save_grid(path: Path, images: ImageSet, columns: int = 8) -> None:
    """A set as a grid of pictures."""
    assert images.scaling is not None
    pixels = images.scaling.to_float(np.asarray(images.image[np.arange(len(images))]))
    save_picture(path, tiled(pixels, columns))

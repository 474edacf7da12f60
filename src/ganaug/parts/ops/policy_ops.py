# SPDX-License-Identifier: Apache-2.0
"""The 14 operations of RandAugment and TrivialAugment, one an image, and their magnitudes.

The convention is torchvision's: enhancers are signed (factor 1 +- magnitude, 1 changes nothing), unlike the original
TensorFlow code (factor 0.1 .. 1.9, so half the magnitude changes nothing); shears are about the image's corner;
translations are whole pixels. Magnitudes are read from a table with one column a bin. Images of any number of
channels: Color acts on 3 channels only, everything else band by band. What a geometric operation uncovers is mid
grey (mask 255).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganaug.data.batch import Batch
from ganaug.parts.ops import geometry, photometric

OPS = (
    *("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"),
    *("Brightness", "Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"),
)
GEOMETRIC = range(1, 6)
SIGNED = range(1, 10)
PIXELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Brightness": lambda image, m: photometric.brightness(image, 1 + m),
    "Color": lambda image, m: photometric.saturation(image, 1 + m),
    "Contrast": lambda image, m: photometric.contrast(image, 1 + m),
    "Sharpness": lambda image, m: photometric.sharpness(image, 1 + m),
    "Posterize": photometric.posterize,
    "Solarize": photometric.solarize,
    "AutoContrast": lambda image, m: photometric.autocontrast(image),
    "Equalize": lambda image, m: photometric.equalize(image),
}

Table = Float[Tensor, "14 bins"]


# --- magnitudes -------------------------------------------------------------------------------------------------


def standard_table(height: int, width: int, bins: int = 31) -> Table:
    """RandAugment's magnitudes: shear 0.3, translation 150/331 of the side, 30 degrees, enhancers 0.9, 8-4 bits."""
    share = 150 / 331
    return table(bins, shear=0.3, across=share * width, down=share * height, rotate=30, enhance=0.9, bits=4)


def wide_table(height: int, width: int, bins: int = 31) -> Table:
    """TrivialAugment's wide space: shear 0.99, 32 px (at most the side), 135 degrees, enhancers 0.99, 8-2 bits."""
    across, down = min(32, width), min(32, height)
    return table(bins, shear=0.99, across=across, down=down, rotate=135, enhance=0.99, bits=6)


def table(bins: int, *, shear: float, across: float, down: float, rotate: float, enhance: float, bits: int) -> Table:
    """Magnitudes that grow evenly from bin 0 to the given strongest ones, one row an operation in the order of OPS.

    Posterize loses up to `bits` of 8 bits; Solarize's threshold falls from 255 to 0.
    """
    strongest = torch.tensor([0, shear, shear, across, down, rotate, *[enhance] * 4])
    rising = strongest[:, None] * torch.linspace(0, 1, bins)
    kept = 8 - (torch.arange(bins) / ((bins - 1) / bits)).round()
    threshold = torch.linspace(255, 0, bins)
    return torch.cat([rising, kept[None], threshold[None], torch.zeros(2, bins)])


def magnitudes(values: Table, op: Int[Tensor, " b"], level: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    """The magnitude of each image's operation at its level; where the operation has a sign, it is drawn."""
    found = values[op, level]
    negative = (torch.rand(len(op)) < 0.5) & (op >= SIGNED.start) & (op < SIGNED.stop)
    return torch.where(negative, -found, found)


# --- operations -------------------------------------------------------------------------------------------------


def apply_op(batch: Batch, op: Int[Tensor, " b"], magnitude: Float[Tensor, " b"]) -> Batch:
    """Operation op[i] (a position in OPS) with magnitude[i] on image i; geometric ones move masks, boxes, views too."""
    rows = ((op >= GEOMETRIC.start) & (op < GEOMETRIC.stop)).nonzero()[:, 0]
    if len(rows):
        matrix = geometric_matrix(op[rows], magnitude[rows], *geometry.size(batch))
        moved = geometry.affine(geometry.part(batch, rows), matrix, padding="zeros")
        batch = geometry.put(batch, rows, moved)
    return batch.but(image=pixels_changed(batch.image, op, magnitude))


def pixels_changed(
    image: Float[Tensor, "b c h w"], op: Int[Tensor, " b"], magnitude: Float[Tensor, " b"]
) -> Float[Tensor, "b c h w"]:
    """The images after their photometric operations; the batch is grouped by operation."""
    for name, change in PIXELS.items():
        rows = (op == OPS.index(name)).nonzero()[:, 0]
        if len(rows):
            image = image.index_copy(0, rows, change(image[rows], magnitude[rows]))
    return image


def geometric_matrix(
    op: Int[Tensor, " b"], magnitude: Float[Tensor, " b"], height: int, width: int
) -> Float[Tensor, "b 2 3"]:
    """The move, in half sides, of ShearX, ShearY, TranslateX, TranslateY or Rotate."""

    def when(name: str) -> Tensor:
        return torch.where(op == OPS.index(name), magnitude, 0.0)

    shear_x, shear_y = when("ShearX"), when("ShearY")
    zero = torch.zeros_like(magnitude)
    sheared = torch.stack([torch.stack([zero, -shear_x], 1), torch.stack([-shear_y, zero], 1)], 1)
    linear = geometry.rotation(when("Rotate")) + sheared
    corner = torch.stack([-shear_x * height / 2, -shear_y * width / 2], 1)  # the corner stays where it is
    moved = torch.stack([when("TranslateX"), when("TranslateY")], 1).trunc()
    return geometry.half_sides(linear, corner + moved, height, width)

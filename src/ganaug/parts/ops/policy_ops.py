# SPDX-License-Identifier: Apache-2.0
"""The operations of automatic augmentation, one an image, their magnitudes, and policies made of them.

RandAugment and TrivialAugment use the first 14 (`OPS`), AutoAugment has Invert too, and a search may add flips.

The convention is torchvision's: enhancers are signed (factor 1 +- magnitude, 1 changes nothing), unlike the original
TensorFlow code (factor 0.1 .. 1.9, so half the magnitude changes nothing); shears are about the image's corner;
translations are whole pixels. Magnitudes are read from a table with one column a bin. Images of any number of
channels: Color acts on 3 channels only, Invert and Solarize on 1 and 3, everything else band by band. What a geometric
operation uncovers is mid grey (mask 255).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ganaug.data.batch import Batch
from ganaug.parts.ops import geometry, photometric

OPS = (
    *("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"),
    *("Brightness", "Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"),
)
POLICY_OPS = (*OPS, "Invert", "FlipX", "FlipY")
FLIPS = {"FlipX": "horizontal", "FlipY": "vertical"}
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
    "Invert": lambda image, m: -image,
}

Table = Float[Tensor, "ops bins"]
SubPolicy = Sequence[tuple[str, float, int]]  # operations in order: name, probability, bin of its magnitude


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


def policy_table(height: int, width: int, bins: int) -> Table:
    """RandAugment's magnitudes, which AutoAugment shares, for all of POLICY_OPS."""
    return F.pad(standard_table(height, width, bins), (0, 0, 0, len(POLICY_OPS) - len(OPS)))


def magnitudes(values: Table, op: Int[Tensor, " b"], level: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    """The magnitude of each image's operation at its level; where the operation has a sign, it is drawn."""
    found = values[op, level]
    negative = (torch.rand(len(op)) < 0.5) & (op >= SIGNED.start) & (op < SIGNED.stop)
    return torch.where(negative, -found, found)


# --- operations -------------------------------------------------------------------------------------------------


def apply_op(batch: Batch, op: Int[Tensor, " b"], magnitude: Float[Tensor, " b"]) -> Batch:
    """Operation op[i] (a position in POLICY_OPS) with magnitude[i] on image i; masks, boxes, views move along.

    Those without a meaning for the number of channels change nothing.
    """
    known = meaningful(batch.image.shape[1])
    op = torch.where(torch.tensor([name in known for name in POLICY_OPS], device=op.device)[op], op, 0)
    rows = ((op >= GEOMETRIC.start) & (op < GEOMETRIC.stop)).nonzero()[:, 0]
    if len(rows):
        matrix = geometric_matrix(op[rows], magnitude[rows], *geometry.size(batch))
        moved = geometry.affine(geometry.part(batch, rows), matrix, padding="zeros")
        batch = geometry.put(batch, rows, moved)
    for name, axis in FLIPS.items():
        batch = geometry.flip(batch, op == POLICY_OPS.index(name), axis)
    return batch.but(image=pixels_changed(batch.image, op, magnitude))


def pixels_changed(
    image: Float[Tensor, "b c h w"], op: Int[Tensor, " b"], magnitude: Float[Tensor, " b"]
) -> Float[Tensor, "b c h w"]:
    """The images after their photometric operations; the batch is grouped by operation."""
    for name, change in PIXELS.items():
        rows = (op == POLICY_OPS.index(name)).nonzero()[:, 0]
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


# --- policies ---------------------------------------------------------------------------------------------------


def meaningful(channels: int) -> tuple[str, ...]:
    """The operations that mean something: Color for 3 channels; Invert and Solarize for grey and RGB photographs.

    An inverted band of measured reflectance is no image that a sensor could have seen.
    """
    never = {1: ("Color",), 3: ()}.get(channels, ("Color", "Invert", "Solarize"))
    return tuple(name for name in POLICY_OPS if name not in never)


def apply_policy(batch: Batch, policy: Sequence[SubPolicy], bins: int) -> Batch:
    """One sub-policy an image, drawn uniformly; its operations in order, each with its own probability.

    Sub-policies have equally many operations.
    """
    op = torch.tensor([[POLICY_OPS.index(name) for name, _, _ in sub] for sub in policy])
    probability = torch.tensor([[p for _, p, _ in sub] for sub in policy])
    level = torch.tensor([[at for _, _, at in sub] for sub in policy])
    table = policy_table(*geometry.size(batch), bins)
    chosen = torch.randint(len(policy), (len(batch),))
    for j in range(op.shape[1]):
        fires = torch.rand(len(batch)) < probability[chosen, j]
        own = torch.where(fires, op[chosen, j], 0)
        batch = apply_op(batch, own, magnitudes(table, own, level[chosen, j]))
    return batch

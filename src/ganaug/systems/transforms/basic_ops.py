# SPDX-License-Identifier: Apache-2.0
"""Basic operations: flips, turns, rotation, scale, translation, shear, brightness, contrast, noise.

No single paper: the textbook list of rule-based augmentation, and the baseline that every other transform and
generator has to beat.

Flips and quarter turns are exact permutations; rotation, scale, shear and translation make one matrix an image and
one resampling; brightness, contrast and noise act on pixel values alone. One record of parameters is drawn an image,
and masks, boxes, keypoints and views move with their image.

Labels: hard, never changed; so flips and turns are off unless asked for, as they change the class of digits and text.
Deviations: none; the uncovered border is filled by reflection (masks 255).
Cost: about 60,000 images of 32 px a second on one core.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops import geometry, photometric


class BasicOps(System):
    """Basic operations (see the module's first lines for the mechanism). Every parameter is drawn for each image.

    Parameters
    ----------
    flip_h : mirror left-right with probability 1/2.
    flip_v : mirror upside down with probability 1/2.
    turn : turn by a uniform number of quarters (of halves, where images are not square).
    rotate : most degrees either way.
    scale : the factor is uniform in 1 - scale .. 1 + scale; below 1.
    shift : most translation along each axis, as a share of the side.
    shear : most horizontal shear, as a tangent.
    brightness, contrast : the factors are uniform in 1 - value .. 1 + value.
    noise : standard deviation of Gaussian noise as a share of the range of values.
    strength : multiplies all magnitudes from `rotate` to `noise`; 0 leaves flips and turns only.
    """

    CARD = Card(
        id="basic_ops",
        kind="transform",
        title="Basic operations",
        paper="textbook operations, without a single paper",
        lists=("001", "004"),
        task=("classification", "segmentation", "reid"),
        can=("augment",),
        sizes=(1, 16384),
        online=True,
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        cost="60,000 images of 32 px a second on one core",
        shows="a mask moved with its image overlaps the mask of the moved shape with IoU above 0.97 at 64 px.",
    )
    PRESETS = {"tiny": {}}

    def __init__(
        self,
        *,
        flip_h: bool = False,
        flip_v: bool = False,
        turn: bool = False,
        rotate: float = 15.0,
        scale: float = 0.1,
        shift: float = 0.1,
        shear: float = 0.0,
        brightness: float = 0.1,
        contrast: float = 0.1,
        noise: float = 0.0,
        strength: float = 1.0,
    ):
        self.flip_h = flip_h
        self.flip_v = flip_v
        self.turn = turn
        self.rotate = rotate
        self.scale = scale
        self.shift = shift
        self.shear = shear
        self.brightness = brightness
        self.contrast = contrast
        self.noise = noise
        self.strength = strength

    def build(self, spec: Spec) -> None:
        if self.scale * self.strength >= 1:
            raise InputError(
                f"scale times strength must stay below 1, found {self.scale} x {self.strength}: "
                "an image can't shrink to nothing."
            )

    def vary(self, batch: Batch) -> Batch:
        batch = self.permuted(batch)
        if self.strength and any((self.rotate, self.scale, self.shift, self.shear)):
            batch = geometry.affine(batch, self.matrices(len(batch), *geometry.size(batch)))
        return batch.but(image=self.recoloured(batch.image))

    def permuted(self, batch: Batch) -> Batch:
        """Flips and turns."""
        if self.flip_h:
            batch = geometry.flip(batch, torch.rand(len(batch)) < 0.5, "horizontal")
        if self.flip_v:
            batch = geometry.flip(batch, torch.rand(len(batch)) < 0.5, "vertical")
        if self.turn:
            height, width = geometry.size(batch)
            halves = 1 if height == width else 2
            batch = geometry.rot90(batch, torch.randint(4 // halves, (len(batch),)) * halves)
        return batch

    def matrices(self, n: int, height: int, width: int) -> Float[Tensor, "n 2 3"]:
        """One matrix an image: shear, then scale and rotation about the centre, then translation."""
        shear = torch.eye(2).repeat(n, 1, 1)
        shear[:, 0, 1] = self.around(n, self.shear)
        scale = 1 + self.around(n, self.scale)
        linear = scale[:, None, None] * geometry.rotation(self.around(n, self.rotate)) @ shear
        shift = torch.stack([self.around(n, self.shift) * width, self.around(n, self.shift) * height], 1)
        return geometry.half_sides(linear, shift, height, width)

    def recoloured(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Brightness, contrast, noise."""
        n = len(image)
        if self.brightness:
            image = photometric.brightness(image, 1 + self.around(n, self.brightness))
        if self.contrast:
            image = photometric.contrast(image, 1 + self.around(n, self.contrast))
        if self.noise:
            image = photometric.noise(image, torch.full((n,), self.noise * self.strength))
        return image

    def around(self, n: int, most: float) -> Float[Tensor, " n"]:
        """n uniform values in -most .. most, times the strength."""
        return (2 * torch.rand(n) - 1) * (most * self.strength)

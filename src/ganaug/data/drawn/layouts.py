# SPDX-License-Identifier: Apache-2.0
"""What lies where in drawn scenes: a map of materials and a map of objects, before any colour.

Coordinates are in shorter sides of the image with (0, 0) in its middle, x to the right and y down, so one scene is
drawn alike at every size. All numbers of a pixel come from exactly rounded operations on its own scene's numbers, so
they do not depend on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from ganaug.data.drawn.sightings import between


class Material(NamedTuple):
    """What a surface is made of: the class that it shows, its flat colour, its spectrum and its roughness."""

    name: str
    shown: str  # one of the classes of masks
    colour: tuple[float, float, float]  # red, green, blue 0..1 as rendered
    spectrum: str  # row of `spectra.SPECTRA`
    roughness: float  # deviation of its brightness in photographs, as a share


class Numbers:
    """Uniform numbers 0..1 of a batch of scenes, handed out in a fixed order."""

    def __init__(self, values: Float[ndarray, "b count"]):
        self.values, self.used = values.astype(np.float32), 0

    def grid(self, rows: int, columns: int) -> Float[ndarray, "b rows columns"]:
        """The next rows x columns numbers of every scene."""
        first, self.used = self.used, self.used + rows * columns
        return self.values[:, first : self.used].reshape(-1, rows, columns)

    def __call__(self, low: float = 0.0, high: float = 1.0) -> Float[ndarray, "b 1 1"]:
        """The next number of every scene, brought to low..high."""
        return between(low, high, self.grid(1, 1))


class Layout:
    """A batch under the brush: `material` uint8 [b, H, W], rows of a style's materials, and `instances` int32
    [b, H, W] of object ids, 0 where no object is."""

    material: UInt8[ndarray, "b H W"]
    instances: Int[ndarray, "b H W"]

    def __init__(self, count: int, size: tuple[int, int]):
        self.material = np.zeros((count, *size), np.uint8)
        self.instances = np.zeros((count, *size), np.int32)

    def lay(self, inside: Bool[ndarray, "b H W"], material: int, instance: Int[ndarray, "b H W"] | int = 0) -> None:
        """A material over what is there, as the object `instance`."""
        np.copyto(self.material, np.uint8(material), where=inside)
        np.copyto(self.instances, np.asarray(instance, np.int32), where=inside)


class Style(NamedTuple):
    """A kind of scene: how it is laid out from so many numbers a scene, of which materials, with how many objects."""

    draw: Callable[[Numbers, tuple[int, int]], Layout]
    numbers: int
    materials: tuple[Material, ...]
    most: int  # object ids run from 1 to this

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of masks, in the order in which the materials show them."""
        return tuple(dict.fromkeys(material.shown for material in self.materials))

    @property
    def class_of(self) -> UInt8[ndarray, " m"]:
        """The class of each material."""
        return np.array([self.classes.index(material.shown) for material in self.materials], np.uint8)


def frame(size: tuple[int, int]) -> tuple[Float[ndarray, " W"], Float[ndarray, "H 1"]]:
    """x and y of the pixel centres in shorter sides."""
    x, y = ((np.arange(side) - (side - 1) / 2) / min(size) for side in size[::-1])
    return x.astype(np.float32), y.astype(np.float32)[:, None]


def smooth(lattice: Float[ndarray, "b r c"], size: tuple[int, int]) -> Float[ndarray, "b H W"]:
    """Value noise: the lattice's values at the corners of equal cells that fill the image, with soft passages."""
    (top, down), (left, right) = (passages(n - 1, side) for n, side in zip(lattice.shape[1:], size, strict=True))
    steps = np.diff(lattice, axis=1)
    lines = lattice[:, top] + steps[:, top] * down[:, None]
    return lines[:, :, left] + np.diff(lines, axis=2)[:, :, left] * right


def passages(cells: int, side: int) -> tuple[Int[ndarray, " side"], Float[ndarray, " side"]]:
    """For each pixel of a line its cell and how far it has passed through it, 0..1, flat at both ends."""
    at = (np.arange(side) + 0.5) / side * cells
    share = at - np.floor(at)
    return np.floor(at).astype(int), (share * share * (3 - 2 * share)).astype(np.float32)


def tight_boxes(instances: Int[ndarray, "b H W"], most: int) -> Float[ndarray, "b most 4"]:
    """Box k of an image holds what is seen of object k + 1: x0, y0, x1, y1 in pixels with the image's edges at 0 and
    W or H; NaN where nothing is seen."""
    image, y, x = np.nonzero(instances)
    cell = image * most + instances[image, y, x] - 1
    low, high = np.full((2, 2, len(instances) * most), np.inf, np.float32)
    for axis, at in enumerate((x, y)):
        np.minimum.at(low[axis], cell, at.astype(np.float32))
        np.minimum.at(high[axis], cell, -1 - at.astype(np.float32))
    boxes = np.concatenate([low, -high]).T
    boxes[np.isinf(boxes[:, 0])] = np.nan
    return boxes.reshape(len(instances), most, 4)

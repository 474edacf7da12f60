# SPDX-License-Identifier: Apache-2.0
"""Anti-aliased shapes, one an image over a whole batch, and their composition into colours and a part mask.

Points are (x, y) in pixels with whole numbers at pixel centres. Every value of a pixel is computed by exactly rounded
operations from its own image's numbers, so it does not depend on what else is in the batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

TINY = np.float32(1e-6)


class Patch(NamedTuple):
    """Coverage of one shape an image: `values` in 0..1 in a window of rows and columns, zero outside the window."""

    values: Float[ndarray, "b h w"]
    rows: slice
    columns: slice

    def whole(self, size: tuple[int, int]) -> Float[ndarray, "b H W"]:
        """The coverage of all pixels of images of `size` (height, width)."""
        full = np.zeros((len(self.values), *size), np.float32)
        full[:, self.rows, self.columns] = self.values
        return full


class Window(NamedTuple):
    """The part of the images that some shape of the batch touches, with its pixel centres."""

    rows: slice
    columns: slice
    x: Float[ndarray, " w"]
    y: Float[ndarray, "h 1"]

    @classmethod
    def around(cls, low: Float[ndarray, "b 2"], high: Float[ndarray, "b 2"], size: tuple[int, int]) -> Window:
        """The smallest window that holds the boxes low..high of all images, with a margin for soft edges."""
        limits = size[1], size[0]
        first = np.clip(np.floor(low.min(0)).astype(int) - 1, 0, limits)
        last = np.clip(np.ceil(high.max(0)).astype(int) + 2, first, limits)
        x, y = (np.arange(a, b, dtype=np.float32) for a, b in zip(first, last, strict=True))
        return cls(slice(first[1], last[1]), slice(first[0], last[0]), x, y[:, None])

    def patch(self, values: Float[ndarray, "b h w"]) -> Patch:
        """Values of the window, cut to 0..1."""
        return Patch(np.clip(values, 0, 1, out=values), self.rows, self.columns)


def columns_of(*arrays: ndarray) -> list[Float[ndarray, "b 1 1"]]:
    """Numbers [b] as float32 [b, 1, 1], ready to meet pixels."""
    return [np.asarray(a, np.float32)[:, None, None] for a in arrays]


def capsule(
    start: Float[ndarray, "b 2"], end: Float[ndarray, "b 2"], radius: Float[ndarray, " b"], size: tuple[int, int]
) -> Patch:
    """A thick line with round ends from `start` to `end`; all in pixels."""
    reach = radius[:, None]
    window = Window.around(np.minimum(start, end) - reach, np.maximum(start, end) + reach, size)
    way = end - start
    x, y, dx, dy, r = columns_of(*start.T, *way.T, radius)
    x, y = window.x - x, window.y - y
    length2 = np.maximum(dx * dx + dy * dy, TINY)
    along = np.clip(x * (dx / length2) + y * (dy / length2), 0, 1)
    off_x, off_y = x - dx * along, y - dy * along
    return window.patch((r + np.float32(0.5)) - np.sqrt(off_x * off_x + off_y * off_y))


def ellipse(centre: Float[ndarray, "b 2"], radii: Float[ndarray, "b 2"], size: tuple[int, int]) -> Patch:
    """An ellipse with its axes along x and y; all in pixels.

    The distance to the rim is the first-order one, f (1 - f) / |grad f^2 / 2| with f = 1 on the rim; it underestimates
    beyond the tips of thin ellipses, where the box around them holds. What is thinner than a pixel covers it in
    proportion.
    """
    radii = np.maximum(radii, 0.05)
    thin = np.minimum(2 * radii.min(1), 1)
    window = Window.around(centre - radii, centre + radii, size)
    x, y, a, b, most = columns_of(*centre.T, *radii.T, thin)
    x, y = window.x - x, window.y - y
    x2, y2 = (x / a) ** 2, (y / b) ** 2
    f2 = x2 + y2
    slope2 = x2 / (a * a) + y2 / (b * b)
    nearness = (1 - np.sqrt(f2)) * np.sqrt((f2 + TINY) / (slope2 + TINY / (a * b)))
    nearness = np.minimum(nearness, np.minimum(a - np.abs(x), b - np.abs(y)))
    return window.patch(np.minimum(nearness + np.float32(0.5), most))


def box(centre: Float[ndarray, "b 2"], half: Float[ndarray, "b 2"], size: tuple[int, int]) -> Patch:
    """An upright rectangle of half sides `half`, with exact coverage; all in pixels."""
    window = Window.around(centre - half, centre + half, size)
    x, y, a, b = columns_of(*centre.T, *half.T)
    return window.patch(overlap(window.x, x, a) * overlap(window.y, y, b))


def overlap(pixel: ndarray, centre: ndarray, half: ndarray) -> ndarray:
    """Length of the interval centre +- half inside the unit interval around each pixel, 0..1."""
    edge = np.float32(0.5)
    return np.clip(np.minimum(pixel + edge, centre + half) - np.maximum(pixel - edge, centre - half), 0, 1)


def polygon(corners: Float[ndarray, "b k 2"], size: tuple[int, int]) -> Patch:
    """A convex polygon by its corners in order, clockwise or not; all in pixels.

    Coverage is 1 minus what each side cuts off the pixel: exact between parallel sides however close they are, so a
    surface seen edge-on vanishes.
    """
    window = Window.around(corners.min(1), corners.max(1), size)
    way = np.roll(corners, -1, axis=1) - corners
    turn = np.sign((corners[..., 0] * way[..., 1] - corners[..., 1] * way[..., 0]).sum(1, keepdims=True))
    inward = np.stack([-way[..., 1], way[..., 0]], -1) * turn[..., None]
    inward = inward / np.maximum(np.sqrt((inward**2).sum(-1, keepdims=True)), TINY)
    offset = 0.5 - (inward * corners).sum(-1)
    left = np.zeros((len(corners), *window.y.shape[:1], *window.x.shape), np.float32)
    for k in range(corners.shape[1]):
        x, y, c = columns_of(inward[:, k, 0], inward[:, k, 1], offset[:, k])
        left += np.clip((window.x * x + c) + window.y * y, 0, 1) - 1
    return window.patch(left + 1)


class Canvas:
    """A batch under the brush: `colour` float32 [b, 3, H, W] in 0..1 and `mask` uint8 [b, H, W] of part ids."""

    colour: Float[ndarray, "b 3 H W"]
    mask: UInt8[ndarray, "b H W"]

    def __init__(self, count: int, size: tuple[int, int]):
        self.colour = np.zeros((count, 3, *size), np.float32)
        self.mask = np.zeros((count, *size), np.uint8)
        self.size = size

    def paint(self, patch: Patch, colour: Float[ndarray, "b 3"], part: int) -> None:
        """Lays a shape over what is there; pixels that it covers by more than half become `part`."""
        below = self.colour[:, :, patch.rows, patch.columns]
        change = np.asarray(colour, np.float32)[:, :, None, None] - below
        change *= patch.values[:, None]
        below += change
        np.copyto(self.mask[:, patch.rows, patch.columns], np.uint8(part), where=patch.values > 0.5)

# SPDX-License-Identifier: Apache-2.0
"""Operations that look at the whole image or at a place in it: noise, holes, blur, sharpness, histograms.

They act on one image at a time and in place; nothing is moved or joined across them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import cv2
import numpy as np
from jaxtyping import Float32

from ganaug.parts.pipeline.bands import extremes, straight
from ganaug.parts.pipeline.operation import Drawn, Each, Uniforms, around

Hole = list[int]  # upper, lower, left and right edge
STARTS = 65536  # places in the bank of noise at which an image's noise may begin


# --- noise and holes --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Noise(Each):
    """Add Gaussian noise of standard deviation `std` (of the range of values), independent a pixel and band.

    It is read from a bank that is drawn once, at a place that is drawn for each image: fresh normal numbers would cost
    more than all other operations together.
    """

    std: float = 0.04
    name: ClassVar = "noise"
    LIMITS: ClassVar = {"std": (0, 1)}
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"start": np.floor(u[:, 0] * STARTS)}

    def change(self, image: np.ndarray, top: float, *, start: float) -> None:
        start = int(start)
        if image.dtype != np.uint8:
            noise = bank(room(image.size))[start : start + image.size].reshape(image.shape)
            add(image, self.std * top * noise, top)
            return
        up, down = grey_bank(self.std, room(image.size))  # two saturating passes over bytes beat one over 16 bits
        cv2.add(image, up[start : start + image.size].reshape(image.shape), image)
        cv2.subtract(image, down[start : start + image.size].reshape(image.shape), image)


def add(image: np.ndarray, amount: np.ndarray, top: float) -> None:
    """Add in place, within 0..top."""
    changed = np.clip(image + amount, 0, top)
    image[...] = np.rint(changed) if image.dtype == np.uint16 else changed


def room(size: int) -> int:
    """A bank's length for images of so many values: a power of two, so that images of mixed sizes share a bank."""
    return 1 << (size + STARTS - 1).bit_length()


@lru_cache(maxsize=4)
def bank(size: int) -> Float32[np.ndarray, " size"]:
    """Standard normal numbers; a longer bank begins with the shorter one."""
    return np.random.Generator(np.random.PCG64(0)).standard_normal(size, dtype=np.float32)


@lru_cache(maxsize=8)
def grey_bank(std: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The bank in whole grey levels: what is added, and what is taken away."""
    levels = np.rint(bank(size) * (std * 255))
    return np.clip(levels, 0, 255).astype(np.uint8), np.clip(-levels, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Cutout(Each):
    """Fill a square of `share` of the shorter side with `value`; its centre is anywhere, so the edge may cut it.

    DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", arXiv 1708.04552.
    """

    share: float = 0.25
    value: float = 0.5
    name: ClassVar = "cutout"
    LIMITS: ClassVar = {"share": (0, 1), "value": (0, 1)}
    uniforms: ClassVar = 2

    def drawn(self, u: Uniforms) -> Drawn:
        return {"across": u[:, 0], "down": u[:, 1]}

    def rows(self, drawn: Drawn, height: int, width: int) -> list[dict[str, Any]]:
        side = round(self.share * min(height, width))
        left = np.floor(drawn["across"] * width).astype(int) - side // 2
        upper = np.floor(drawn["down"] * height).astype(int) - side // 2
        return holes(upper, upper + side, left, left + side)

    def change(self, image: np.ndarray, top: float, *, hole: Hole) -> None:
        image[hole[0] : hole[1], hole[2] : hole[3]] = self.value * top


@dataclass(frozen=True)
class Erase(Each):
    """Fill a box of `least` .. `most` of the area and aspect ratio 0.3 .. 1/0.3, whole inside the image, with `value`.

    Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, arXiv 1708.04896; a box that would be longer than the
    image is cut to its side instead of drawn again.
    """

    least: float = 0.02
    most: float = 0.4
    value: float = 0.5
    p: float = 0.5
    name: ClassVar = "erase"
    LIMITS: ClassVar = {"least": (0, 1), "most": (0, 1), "value": (0, 1)}
    uniforms: ClassVar = 4

    def drawn(self, u: Uniforms) -> Drawn:
        area = self.least + (self.most - self.least) * u[:, 0]
        ratio = 0.3 + (1 / 0.3 - 0.3) * u[:, 1]
        high, wide = np.minimum(np.sqrt(area * ratio), 1), np.minimum(np.sqrt(area / ratio), 1)
        return {"high": high, "wide": wide, "across": u[:, 2], "down": u[:, 3]}

    def rows(self, drawn: Drawn, height: int, width: int) -> list[dict[str, Any]]:
        high, wide = np.rint(drawn["high"] * height).astype(int), np.rint(drawn["wide"] * width).astype(int)
        upper = np.floor(drawn["down"] * (height - high + 1)).astype(int)
        left = np.floor(drawn["across"] * (width - wide + 1)).astype(int)
        return holes(upper, upper + high, left, left + wide)

    def change(self, image: np.ndarray, top: float, *, hole: Hole) -> None:
        image[hole[0] : hole[1], hole[2] : hole[3]] = self.value * top


def holes(*edges: np.ndarray) -> list[dict[str, Any]]:
    """Upper, lower, left and right edges of a hole an image, as slices take them."""
    return [{"hole": hole} for hole in np.maximum(edges, 0).T.tolist()]


# --- sharpness --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blur(Each):
    """Gaussian blur with a standard deviation of up to `sigma` pixels."""

    sigma: float = 1.0
    p: float = 0.5
    name: ClassVar = "blur"
    LIMITS: ClassVar = {"sigma": (0.1, 50)}
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"sigma": self.sigma * np.maximum(u[:, 0], 0.1)}

    def change(self, image: np.ndarray, top: float, *, sigma: float) -> None:
        cv2.GaussianBlur(image, (0, 0), sigma, image, borderType=cv2.BORDER_REFLECT)


@dataclass(frozen=True)
class Sharpen(Each):
    """Multiply the distance from a 3x3 blur by a factor uniform in 1 - amount .. 1 + amount; the edge stays.

    The blur weighs a pixel 5 and its neighbours 1, of 13, as Pillow does.
    """

    amount: float = 0.5
    name: ClassVar = "sharpen"
    LIMITS: ClassVar = {"amount": (0, 1)}
    uniforms: ClassVar = 1
    KERNEL: ClassVar = np.array([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13

    def drawn(self, u: Uniforms) -> Drawn:
        return {"factor": 1 + around(u[:, 0], self.amount)}

    def change(self, image: np.ndarray, top: float, *, factor: float) -> None:
        inside = slice(1, -1), slice(1, -1)
        blurred = cv2.filter2D(image, -1, self.KERNEL)
        image[inside] = cv2.addWeighted(image, factor, blurred, 1 - factor, 0)[inside]
        if image.dtype == np.float32:
            np.clip(image, 0, top, out=image)


# --- histograms -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AutoContrast(Each):
    """Stretch each band to the whole range; a constant band stays as it is."""

    p: float = 0.5
    name: ClassVar = "autocontrast"

    def change(self, image: np.ndarray, top: float) -> None:
        low, high = extremes(image)
        gain = np.where(high > low, top / np.maximum(high - low, 1e-12), 1)
        straight(image, gain, np.where(high > low, -low * gain, 0), top)


@dataclass(frozen=True)
class Equalize(Each):
    """Flatten each band's histogram of 256 grey levels (of other than bytes: after rounding to them).

    A level becomes the share of pixels at or below it, its own lowest level left out of the count; Pillow's rule, of
    whole steps, differs where images are small.
    """

    p: float = 0.5
    name: ClassVar = "equalize"

    def change(self, image: np.ndarray, top: float) -> None:
        bands = image.reshape(*image.shape[:2], -1)
        for i in range(bands.shape[2]):
            levels = bands[:, :, i] if image.dtype == np.uint8 else np.rint(bands[:, :, i] * (255 / top))
            flat = cv2.equalizeHist(np.ascontiguousarray(levels, np.uint8))
            bands[:, :, i] = flat if image.dtype == np.uint8 else flat * (top / 255)

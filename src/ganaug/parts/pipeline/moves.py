# SPDX-License-Identifier: Apache-2.0
"""Operations that move pixels: flips, turns, rotation, scale, shift, shear, crops, and smooth displacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from ganaug.data.errors import InputError
from ganaug.parts.pipeline.operation import Drawn, Move, Uniforms, Warp, around

Matrices = Float[np.ndarray, "n 3 3"]
GENTLE = 0.32  # amount times cells of an elastic field up to which points have one place each


def matrices(
    n: int, a: object = 1, b: object = 0, c: object = 0, d: object = 1, x: object = 0, y: object = 0
) -> Matrices:
    """[[a, b, x], [c, d, y], [0, 0, 1]] for n images; an entry is a number or one number an image."""
    made = np.zeros((n, 3, 3))
    made[:, 0, 0], made[:, 0, 1], made[:, 0, 2] = a, b, x
    made[:, 1, 0], made[:, 1, 1], made[:, 1, 2] = c, d, y
    made[:, 2, 2] = 1
    return made


# --- permutations -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FlipH(Move):
    """Mirror left-right."""

    p: float = 0.5
    name: ClassVar = "flip_h"
    permutes: ClassVar = True

    def drawn(self, u: Uniforms) -> Drawn:
        return {"side": np.full(len(u), -1.0)}

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        return matrices(len(drawn["side"]), a=drawn["side"])


@dataclass(frozen=True)
class FlipV(Move):
    """Mirror upside down."""

    p: float = 0.5
    name: ClassVar = "flip_v"
    permutes: ClassVar = True

    def drawn(self, u: Uniforms) -> Drawn:
        return {"side": np.full(len(u), -1.0)}

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        return matrices(len(drawn["side"]), d=drawn["side"])


@dataclass(frozen=True)
class Turn(Move):
    """Turn counter-clockwise by 0 to 3 quarters; images that are not square only by halves."""

    name: ClassVar = "turn"
    permutes: ClassVar = True
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"quarters": np.floor(4 * u[:, 0])}

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        quarters = drawn["quarters"] if height == width else 2 * (drawn["quarters"] % 2)
        cos = (quarters == 0).astype(float) - (quarters == 2)  # exact, unlike np.cos
        sin = (quarters == 1).astype(float) - (quarters == 3)
        return matrices(len(quarters), cos, sin, -sin, cos)


# --- linear moves and shifts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rotate(Move):
    """Turn about the centre by up to `degrees` either way."""

    degrees: float = 15
    name: ClassVar = "rotate"
    LIMITS: ClassVar = {"degrees": (0, 180)}
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"degrees": around(u[:, 0], self.degrees)}

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        angle = np.deg2rad(drawn["degrees"])
        cos, sin = np.cos(angle), np.sin(angle)
        return matrices(len(angle), cos, sin, -sin, cos)


@dataclass(frozen=True)
class Scale(Move):
    """Enlarge about the centre by a factor uniform in 1 - amount .. 1 + amount."""

    amount: float = 0.1
    name: ClassVar = "scale"
    LIMITS: ClassVar = {"amount": (0, 0.9)}
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"factor": 1 + around(u[:, 0], self.amount)}

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        return matrices(len(drawn["factor"]), a=drawn["factor"], d=drawn["factor"])


@dataclass(frozen=True)
class Shift(Move):
    """Move along both axes by up to `share` of the side."""

    share: float = 0.1
    name: ClassVar = "shift"
    LIMITS: ClassVar = {"share": (0, 1)}
    uniforms: ClassVar = 2

    def drawn(self, u: Uniforms) -> Drawn:
        return {"across": around(u[:, 0], self.share), "down": around(u[:, 1], self.share)}

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        return matrices(len(drawn["across"]), x=drawn["across"] * width, y=drawn["down"] * height)


@dataclass(frozen=True)
class Slide(Move):
    """Move along both axes by up to `pixels`, at most by the side."""

    pixels: float = 4
    name: ClassVar = "slide"
    LIMITS: ClassVar = {"pixels": (0, 16384)}
    uniforms: ClassVar = 2

    def drawn(self, u: Uniforms) -> Drawn:
        return {"across": around(u[:, 0], self.pixels), "down": around(u[:, 1], self.pixels)}

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        across, down = np.clip(drawn["across"], -width, width), np.clip(drawn["down"], -height, height)
        return matrices(len(across), x=across, y=down)


@dataclass(frozen=True)
class Shear(Move):
    """Slant about the centre, each axis by a tangent of up to `amount`."""

    amount: float = 0.2
    name: ClassVar = "shear"
    LIMITS: ClassVar = {"amount": (0, 0.99)}
    uniforms: ClassVar = 2

    def drawn(self, u: Uniforms) -> Drawn:
        return {"across": around(u[:, 0], self.amount), "down": around(u[:, 1], self.amount)}

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        across, down = drawn["across"], drawn["down"]
        return matrices(len(across), a=1 + across * down, b=across, c=down)  # first down, then across: never flat


# --- crops ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crop(Move):
    """Cut out `height` x `width` pixels at a random whole-pixel place, after `pad` pixels of border on every side.

    The image's own size where none is given. Raises InputError when the padded image is smaller than the crop.
    """

    height: int | None = None
    width: int | None = None
    pad: int = 0
    name: ClassVar = "crop"
    LIMITS: ClassVar = {"height": (1, 16384), "width": (1, 16384), "pad": (0, 4096)}
    uniforms: ClassVar = 2

    def drawn(self, u: Uniforms) -> Drawn:
        return {"left": u[:, 0], "top": u[:, 1]}  # as shares of the room there is

    def size(self, height: int, width: int) -> tuple[int, int]:
        wanted = self.height or height, self.width or self.height or width
        if wanted[0] > height + 2 * self.pad or wanted[1] > width + 2 * self.pad:
            raise InputError(
                f"crop: the crop is {wanted[1]}x{wanted[0]} pixels and the image only {width}x{height}: "
                "make the crop smaller, or add pad=..., pixels of border on every side."
            )
        return wanted

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        new_height, new_width = self.size(height, width)
        left = np.floor(drawn["left"] * (width + 2 * self.pad - new_width + 1)) - self.pad
        top = np.floor(drawn["top"] * (height + 2 * self.pad - new_height + 1)) - self.pad
        return matrices(len(left), x=(width - new_width) / 2 - left, y=(height - new_height) / 2 - top)


@dataclass(frozen=True)
class ZoomCrop(Move):
    """Enlarge a random part to the whole image: `least` .. `most` of its area, aspect ratio 3/4 .. 4/3.

    The crop of Inception-style training (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015), drawn once: a
    part that would be longer than a side is cut to it.
    """

    least: float = 0.5
    most: float = 1.0
    name: ClassVar = "zoom_crop"
    LIMITS: ClassVar = {"least": (0.01, 1), "most": (0.01, 1)}
    uniforms: ClassVar = 4

    def drawn(self, u: Uniforms) -> Drawn:
        area = self.least + (self.most - self.least) * u[:, 0]
        ratio = (3 / 4) ** (1 - 2 * u[:, 1])
        wide, high = np.minimum(np.sqrt(area * ratio), 1), np.minimum(np.sqrt(area / ratio), 1)
        return {"wide": wide, "high": high, "left": u[:, 2] * (1 - wide), "top": u[:, 3] * (1 - high)}

    def matrix(self, drawn: Drawn, height: int, width: int) -> Matrices:
        wide, high = drawn["wide"], drawn["high"]
        across, down = (drawn["left"] + wide / 2 - 0.5) * width, (drawn["top"] + high / 2 - 0.5) * height
        return matrices(len(wide), a=1 / wide, d=1 / high, x=-across / wide, y=-down / high)


# --- smooth displacement ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Elastic(Warp):
    """Displace smoothly: random moves of up to `amount` of the shorter side at `cells` x `cells` places.

    `amount` times `cells` is at most 0.32: stronger fields fold over themselves, and no point has one place any more.
    The moves are spread over the image by cubic interpolation (after Simard, Steinkraus, Platt, "Best Practices for
    Convolutional Neural Networks", ICDAR 2003, with a coarse grid in place of a blur).
    """

    amount: float = 0.04
    cells: int = 4
    name: ClassVar = "elastic"
    LIMITS: ClassVar = {"amount": (0, 0.16), "cells": (2, 16)}

    def __post_init__(self) -> None:
        super().__post_init__()
        most = GENTLE / self.cells
        if self.amount > most:
            raise InputError(
                f"elastic: amount must be at most {most:g} with {self.cells} cells, found {self.amount}: else the "
                "image folds over itself."
            )

    @property
    def columns(self) -> int:
        return 2 * int(self.cells) ** 2

    def drawn(self, u: Uniforms) -> Drawn:
        cells = int(self.cells)
        return {"moves": around(u, self.amount).reshape(len(u), cells, cells, 2)}

    def field(self, drawn: Drawn, height: int, width: int) -> Float[np.ndarray, "n k k 2"]:
        return drawn["moves"] * min(height, width)

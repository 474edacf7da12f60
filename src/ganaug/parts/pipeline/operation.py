# SPDX-License-Identifier: Apache-2.0
"""What an operation of a pipeline is: its parameters, what it draws for each image, and how it is written.

An operation never touches an image that it is not drawn for. There are five kinds, and the kind decides how it is
fused: a `Move` becomes part of a matrix, a `Warp` a displacement field, a `Colour` part of a colour matrix, a `Curve`
part of a table of grey levels, and an `Each` acts on one image at a time, between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float

from ganaug.data.errors import InputError

Drawn = Mapping[str, np.ndarray]  # one row an image
Uniforms = Float[np.ndarray, "n k"]


@dataclass(frozen=True)
class Operation:
    """A named operation; `p` is the probability with which it acts on an image.

    `LIMITS` gives the least and the largest legal value of its parameters, `uniforms` how many random numbers an
    image needs. Raises InputError for a value that is no (whole) number or outside the limits.
    """

    name: ClassVar[str] = ""
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {}
    uniforms: ClassVar[int] = 0

    p: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        whole = {f.name for f in fields(self) if str(f.type).startswith("int")}
        optional = {f.name for f in fields(self) if f.default is None}
        for name, (low, high) in {"p": (0, 1), **self.LIMITS}.items():
            value, known = getattr(self, name), (int,) if name in whole else (int, float)
            if value is None and name in optional:
                continue
            if isinstance(value, bool) or not isinstance(value, known) or not low <= value <= high:
                kind = "a whole number" if name in whole else "a number"
                raise InputError(f"{self.name}: {name} must be {kind} from {low:g} to {high:g}, found {value!r}.")

    @property
    def columns(self) -> int:
        """Random numbers an image needs, besides the one that says whether the operation acts."""
        return self.uniforms

    def drawn(self, u: Uniforms) -> Drawn:
        """The parameters of n images from their random numbers, independent of the images' size."""
        return {}

    def acts(self, on: Bool[np.ndarray, " n"], drawn: Drawn, channels: int) -> list[Act]:
        """What happens to images of so many channels: usually the operation itself."""
        return [Act(self, on, drawn)]

    def __str__(self) -> str:
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


@dataclass(frozen=True)
class Act:
    """An operation with what was drawn for n images, and for which of them it acts."""

    operation: Operation
    on: Bool[np.ndarray, " n"]
    drawn: Drawn


def around(u: Float[np.ndarray, " n"], most: float) -> Float[np.ndarray, " n"]:
    """From uniform numbers to uniform values in -most .. most."""
    return (2 * u - 1) * most


class Move(Operation, ABC):
    """Moves every point by a matrix. Coordinates have their origin in the image's centre; y points down."""

    permutes: ClassVar[bool] = False  # every pixel lands on a pixel's place, so nothing has to be resampled

    @abstractmethod
    def matrix(self, drawn: Drawn, height: int, width: int) -> Float[np.ndarray, "n 3 3"]:
        """From where a point is, in pixels from the centre, to where it goes."""

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result; InputError where the image is too small."""
        return height, width


class Warp(Operation, ABC):
    """Moves points by a smooth field, after the matrices of its run."""

    @abstractmethod
    def field(self, drawn: Drawn, height: int, width: int) -> Float[np.ndarray, "n k k 2"]:
        """Displacements (x, y) in pixels at k x k places spread evenly over the image; zero where it does not act."""


class Colour(Operation, ABC):
    """Changes a pixel's value x [c] to gain x + offset + pull m, m being the mean of the image before its run."""

    @abstractmethod
    def after(self, gain: Any, offset: Any, pull: Any, drawn: Drawn) -> tuple[Any, Any, Any]:
        """(gain [n, c, c], offset [n, c], pull [n, c, c]) of all so far followed by this one; values are in [0, 1]."""


class Curve(Operation, ABC):
    """Changes each value alone, by a curve."""

    @abstractmethod
    def curve(self, values: Float[np.ndarray, "n m"], drawn: Drawn) -> Float[np.ndarray, "n m"]:
        """New values of [0, 1]; row i of `values` belongs to row i of `drawn`."""


class Each(Operation, ABC):
    """Acts on one image at a time, in place, because it looks at the whole of it or at a place in it."""

    def rows(self, drawn: Drawn, height: int, width: int) -> list[dict[str, Any]]:
        """For each image of this size, the keyword arguments of `change`: what was drawn, as plain numbers."""
        return rows_of(drawn)

    @abstractmethod
    def change(self, image: np.ndarray, top: float, **row: Any) -> None:
        """Change image [H, W] or [H, W, C] of values 0..top in place."""


def rows_of(columns: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """From one array a name to one dict of plain numbers an image."""
    lists = [column.tolist() for column in columns.values()]
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]

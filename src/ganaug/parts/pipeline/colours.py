# SPDX-License-Identifier: Apache-2.0
"""Operations on pixel values that are one small matrix (colours) or one curve a value (curves).

Values are in [0, 1]. A run of colours is clipped once, at its end. Bands other than red, green and blue are changed
each by itself: their mean takes the place of the mean grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from ganaug.data.errors import InputError
from ganaug.parts.ops.photometric import LUMA
from ganaug.parts.pipeline.operation import Act, Colour, Curve, Drawn, Uniforms, around

Values = Float[np.ndarray, "n m"]
GREY = np.array(LUMA)
# Hue turns about grey in the YIQ colours of colour television, where a turn is a matrix and brightness stays.
YIQ = np.array([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
RGB = np.linalg.inv(YIQ)


def scaled(gain: Any, offset: Any, pull: Any, factor: Float[np.ndarray, " n"]) -> tuple[Any, Any, Any]:
    """All so far, times a factor an image."""
    return gain * factor[:, None, None], offset * factor[:, None], pull * factor[:, None, None]


def mixed(gain: Any, offset: Any, pull: Any, matrix: Float[np.ndarray, "n c c"]) -> tuple[Any, Any, Any]:
    """All so far, followed by a matrix an image."""
    return matrix @ gain, (matrix @ offset[:, :, None])[:, :, 0], matrix @ pull


class ColourOfLight(Colour):
    """A colour that mixes red, green and blue; InputError for other bands."""

    def acts(self, on: np.ndarray, drawn: Drawn, channels: int) -> list[Act]:
        if channels != 3:
            raise InputError(
                f"{self.name} needs images of 3 channels (red, green, blue), found {channels}: use gain, which acts on "
                "each band, or leave it out."
            )
        return super().acts(on, drawn, channels)


# --- colours ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Brightness(Colour):
    """Multiply by a factor uniform in 1 - amount .. 1 + amount."""

    amount: float = 0.2
    name: ClassVar = "brightness"
    LIMITS: ClassVar = {"amount": (0, 1)}
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"factor": 1 + around(u[:, 0], self.amount)}

    def after(self, gain: Any, offset: Any, pull: Any, drawn: Drawn) -> tuple[Any, Any, Any]:
        return scaled(gain, offset, pull, drawn["factor"])


@dataclass(frozen=True)
class Contrast(Colour):
    """Multiply the distance from the image's mean grey (of other bands: the band's mean) by 1 +- amount."""

    amount: float = 0.2
    name: ClassVar = "contrast"
    LIMITS: ClassVar = {"amount": (0, 1)}
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"factor": 1 + around(u[:, 0], self.amount)}

    def after(self, gain: Any, offset: Any, pull: Any, drawn: Drawn) -> tuple[Any, Any, Any]:
        channels = gain.shape[-1]
        centre = np.tile(GREY, (3, 1)) if channels == 3 else np.eye(channels)
        rest = (1 - drawn["factor"])[:, None, None] * centre  # what the mean of the image so far adds
        gained, moved, pulled = scaled(gain, offset, pull, drawn["factor"])
        return gained, moved + (rest @ offset[:, :, None])[:, :, 0], pulled + rest @ (gain + pull)


@dataclass(frozen=True)
class Saturation(ColourOfLight):
    """Multiply the distance from each pixel's own grey by 1 - amount .. 1 + amount; red, green and blue only."""

    amount: float = 0.2
    name: ClassVar = "saturation"
    LIMITS: ClassVar = {"amount": (0, 1)}
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"factor": 1 + around(u[:, 0], self.amount)}

    def after(self, gain: Any, offset: Any, pull: Any, drawn: Drawn) -> tuple[Any, Any, Any]:
        factor = drawn["factor"][:, None, None]
        return mixed(gain, offset, pull, factor * np.eye(3) + (1 - factor) * np.tile(GREY, (3, 1)))


@dataclass(frozen=True)
class Hue(ColourOfLight):
    """Turn the hue by up to `share` of the circle either way, at constant brightness; red, green and blue only."""

    share: float = 0.05
    name: ClassVar = "hue"
    LIMITS: ClassVar = {"share": (0, 0.5)}
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"turn": around(u[:, 0], self.share)}

    def after(self, gain: Any, offset: Any, pull: Any, drawn: Drawn) -> tuple[Any, Any, Any]:
        cos, sin = np.cos(2 * np.pi * drawn["turn"]), np.sin(2 * np.pi * drawn["turn"])
        turned = np.zeros((len(cos), 3, 3))
        turned[:, 0, 0] = 1
        turned[:, 1, 1] = turned[:, 2, 2] = cos
        turned[:, 1, 2], turned[:, 2, 1] = -sin, sin
        return mixed(gain, offset, pull, RGB @ turned @ YIQ)


@dataclass(frozen=True)
class Grey(ColourOfLight):
    """Replace red, green and blue by their grey."""

    p: float = 0.1
    name: ClassVar = "grey"

    def after(self, gain: Any, offset: Any, pull: Any, drawn: Drawn) -> tuple[Any, Any, Any]:
        return mixed(gain, offset, pull, np.broadcast_to(np.tile(GREY, (3, 1)), gain.shape))


@dataclass(frozen=True)
class Gain(Colour):
    """Multiply every band by its own factor, uniform in 1 - amount .. 1 + amount: for any bands, up to `bands`."""

    amount: float = 0.1
    bands: int = 20
    name: ClassVar = "gain"
    LIMITS: ClassVar = {"amount": (0, 1), "bands": (1, 256)}

    @property
    def columns(self) -> int:
        return self.bands

    def drawn(self, u: Uniforms) -> Drawn:
        return {"factors": 1 + around(u, self.amount)}

    def acts(self, on: np.ndarray, drawn: Drawn, channels: int) -> list[Act]:
        if channels > self.bands:
            raise InputError(f"gain has factors for {self.bands} bands, found {channels}: give bands={channels}.")
        return super().acts(on, drawn, channels)

    def after(self, gain: Any, offset: Any, pull: Any, drawn: Drawn) -> tuple[Any, Any, Any]:
        factors = drawn["factors"][:, : gain.shape[-1]]
        return gain * factors[:, :, None], offset * factors, pull * factors[:, :, None]


@dataclass(frozen=True)
class Invert(Colour):
    """White minus the value."""

    p: float = 0.5
    name: ClassVar = "invert"

    def drawn(self, u: Uniforms) -> Drawn:
        return {"factor": np.full(len(u), -1.0)}

    def after(self, gain: Any, offset: Any, pull: Any, drawn: Drawn) -> tuple[Any, Any, Any]:
        gained, moved, pulled = scaled(gain, offset, pull, drawn["factor"])
        return gained, moved + (1 - drawn["factor"][:, None]) / 2, pulled


# --- curves -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gamma(Curve):
    """Raise to a power between 1 / (1 + amount) and 1 + amount."""

    amount: float = 0.3
    name: ClassVar = "gamma"
    LIMITS: ClassVar = {"amount": (0, 4)}
    uniforms: ClassVar = 1

    def drawn(self, u: Uniforms) -> Drawn:
        return {"power": (1 + self.amount) ** around(u[:, 0], 1)}

    def curve(self, values: Values, drawn: Drawn) -> Values:
        return values ** drawn["power"][:, None]


@dataclass(frozen=True)
class Posterize(Curve):
    """Keep only the highest `bits` of 8 bits."""

    bits: int = 4
    p: float = 0.5
    name: ClassVar = "posterize"
    LIMITS: ClassVar = {"bits": (1, 8)}

    def drawn(self, u: Uniforms) -> Drawn:
        return {"bits": np.full(len(u), float(self.bits))}

    def curve(self, values: Values, drawn: Drawn) -> Values:
        step = 2.0 ** (8 - drawn["bits"])[:, None]
        return np.where(step <= 1, values, np.floor(np.rint(values * 255) / step) * step / 255)


@dataclass(frozen=True)
class Solarize(Curve):
    """Invert values at or above `threshold`, of 0..255."""

    threshold: float = 128
    p: float = 0.5
    name: ClassVar = "solarize"
    LIMITS: ClassVar = {"threshold": (0, 256)}

    def drawn(self, u: Uniforms) -> Drawn:
        return {"threshold": np.full(len(u), float(self.threshold))}

    def curve(self, values: Values, drawn: Drawn) -> Values:
        return np.where(np.rint(values * 255) >= drawn["threshold"][:, None], 1 - values, values)

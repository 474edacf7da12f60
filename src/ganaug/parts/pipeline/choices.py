# SPDX-License-Identifier: Apache-2.0
"""Operations that stand for a random choice among others: RandAugment and TrivialAugment.

The 14 operations and torchvision's magnitudes (31 levels, signed enhancers). Deviations from the systems `randaugment`
and `trivialaugment`, which follow torchvision to the pixel: shears are about the centre, shifts need not be whole
pixels, and what is uncovered is filled as in the rest of the pipeline. Saturation is left out unless there are 3
channels, solarize unless there are 1 or 3: inverted, a measured band is nothing that a sensor could have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from ganaug.parts.pipeline.colours import Brightness, Contrast, Posterize, Saturation, Solarize
from ganaug.parts.pipeline.each import AutoContrast, Equalize, Sharpen
from ganaug.parts.pipeline.moves import Rotate, Shear, Shift, Slide
from ganaug.parts.pipeline.operation import Act, Drawn, Move, Operation, Uniforms

Column = Float[np.ndarray, " n"]
MEMBERS = 14
TOP = 30  # the strongest of 31 levels


@dataclass(frozen=True)
class Strongest:
    """Magnitudes at level 30."""

    shear: float
    shift: float  # a share of the side or pixels, as `move` takes it
    move: Move
    degrees: float
    enhance: float
    bits: int  # that posterize takes away


STANDARD = Strongest(shear=0.3, shift=150 / 331, move=Shift(), degrees=30, enhance=0.9, bits=4)
WIDE = Strongest(shear=0.99, shift=32, move=Slide(), degrees=135, enhance=0.99, bits=6)


def members(level: Column, sign: Column, most: Strongest) -> list[tuple[Operation, Drawn]]:
    """The operations with what each would do at every image's level and sign; the identity is not among them."""
    share, none = level / TOP * sign, np.zeros(len(level))
    enhanced = {"factor": 1 + share * most.enhance}
    return [
        (Shear(), {"across": share * most.shear, "down": none}),
        (Shear(), {"across": none, "down": share * most.shear}),
        (most.move, {"across": share * most.shift, "down": none}),
        (most.move, {"across": none, "down": share * most.shift}),
        (Rotate(), {"degrees": share * most.degrees}),
        (Brightness(), enhanced),
        (Contrast(), enhanced),
        (Saturation(), enhanced),
        (Posterize(), {"bits": 8 - np.rint(level / TOP * most.bits)}),
        (Solarize(), {"threshold": 255 * (1 - level / TOP)}),
        (Sharpen(), enhanced),
        (AutoContrast(), {}),
        (Equalize(), {}),
    ]


def chosen(on: np.ndarray, choice: Column, level: Column, sign: Column, most: Strongest, channels: int) -> list[Act]:
    """One operation an image: member k where the choice is k + 1, nothing where it is 0."""
    acts = [
        Act(operation, on & (choice == k), drawn) for k, (operation, drawn) in enumerate(members(level, sign, most), 1)
    ]
    without = {1: ("saturation",), 3: ()}.get(channels, ("saturation", "solarize"))
    return [act for act in acts if act.operation.name not in without]


@dataclass(frozen=True)
class RandAugment(Operation):
    """`ops` random operations, each at level `magnitude` of 0..30.

    Cubuk, Zoph, Shlens, Le, "RandAugment", NeurIPS 2020, arXiv 1909.13719.
    """

    ops: int = 2
    magnitude: float = 9
    name: ClassVar = "randaugment"
    LIMITS: ClassVar = {"ops": (1, 8), "magnitude": (0, 30)}

    @property
    def columns(self) -> int:
        return 2 * self.ops

    def drawn(self, u: Uniforms) -> Drawn:
        return {"choice": np.floor(u[:, ::2] * MEMBERS), "sign": np.sign(u[:, 1::2] - 0.5)}

    def acts(self, on: np.ndarray, drawn: Drawn, channels: int) -> list[Act]:
        level = np.full(len(on), float(self.magnitude))
        rounds = zip(drawn["choice"].T, drawn["sign"].T, strict=True)
        return [act for choice, sign in rounds for act in chosen(on, choice, level, sign, STANDARD, channels)]


@dataclass(frozen=True)
class TrivialAugment(Operation):
    """One random operation an image at a random level of the wide space.

    Mueller, Hutter, "TrivialAugment", ICCV 2021, arXiv 2103.10158.
    """

    name: ClassVar = "trivialaugment"
    uniforms: ClassVar = 3

    def drawn(self, u: Uniforms) -> Drawn:
        levels = np.floor(u[:, 1] * (TOP + 1))
        return {"choice": np.floor(u[:, 0] * MEMBERS), "level": levels, "sign": np.sign(u[:, 2] - 0.5)}

    def acts(self, on: np.ndarray, drawn: Drawn, channels: int) -> list[Act]:
        return chosen(on, drawn["choice"], drawn["level"], drawn["sign"], WIDE, channels)

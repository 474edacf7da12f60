# SPDX-License-Identifier: Apache-2.0
"""Drawn streets: sky above, ground below, buildings that stand on it and round trees before and behind them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from ganaug.data.drawn.layouts import Layout, Material, Numbers, Style, frame

MATERIALS = (
    Material("sky", "sky", (0.50, 0.75, 0.90), "sky", 0.04),
    Material("ground", "ground", (0.45, 0.75, 0.20), "soil", 0.15),
    Material("building", "building", (0.80, 0.20, 0.25), "concrete", 0.08),
    Material("tree", "tree", (0.10, 0.40, 0.15), "leaves", 0.25),
)
SKY, GROUND, BUILDING, TREE = range(len(MATERIALS))
ORDER = (BUILDING, TREE, BUILDING, TREE, BUILDING, TREE, TREE)  # objects from the far end to the near one
BUILT_UP = 0.45, 1.0  # share of these objects that a scene has


def street(number: Numbers, size: tuple[int, int]) -> Layout:
    """Layouts of streets; object k + 1 is the k-th of ORDER."""
    x, y = frame(size)
    half_width, half_height = (side / min(size) / 2 for side in size[::-1])
    scene = Layout(len(number.values), size)
    horizon, tilt = number(-0.05, 0.4) * half_height, number(-0.1, 0.1)
    built_up = number(*BUILT_UP)
    scene.lay(y > horizon + tilt * x, GROUND)
    for k, what in enumerate(ORDER):
        depth = (k + number()) / len(ORDER)
        centre = number(-1, 1) * half_width
        foot = horizon + tilt * centre + np.float32(0.5) * depth * (half_height - horizon)
        shape = building if what == BUILDING else tree
        inside = shape(number, x - centre, y - foot, np.float32(0.7) + np.float32(0.6) * depth)
        scene.lay(inside & (number() < built_up), what, k + 1)
    return scene


def building(number: Numbers, x: ndarray, y: ndarray, scale: ndarray) -> Bool[ndarray, "b H W"]:
    """A box that stands on y = 0."""
    half, height = number(0.08, 0.19) * scale, number(0.22, 0.5) * scale
    return (np.abs(x) <= half) & (y <= 0) & (y >= -height)


def tree(number: Numbers, x: ndarray, y: ndarray, scale: ndarray) -> Bool[ndarray, "b H W"]:
    """A disc that stands on y = 0, a little higher or broader than round."""
    radius, stretch = number(0.07, 0.13) * scale, number(0.85, 1.2)
    return (x * x) / (radius * radius) + ((y + radius * stretch) / (radius * stretch)) ** 2 <= 1


STREET = Style(street, 3 + 5 * len(ORDER), MATERIALS, len(ORDER))

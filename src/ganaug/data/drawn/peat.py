# SPDX-License-Identifier: Apache-2.0
"""Drawn peatland from above: a mosaic of heather and cotton-grass, bare peat, pools, grips, gullies and tracks.

Grips are drains that were cut: straight, parallel or as a herring-bone. Gullies are eroded: branching and winding,
with bare peat along their edges. Lines are 1 to 3 pixels wide up to 64 pixels a side, and grow with larger images.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from ganaug.data.drawn.layouts import Layout, Material, Numbers, Style, frame, smooth

MATERIALS = (
    Material("bare_peat", "bare_peat", (0.42, 0.27, 0.18), "bare_peat", 0.12),
    Material("heather", "vegetation", (0.45, 0.42, 0.28), "heather", 0.2),
    Material("cotton_grass", "vegetation", (0.66, 0.70, 0.36), "cotton_grass", 0.15),
    Material("water", "water", (0.20, 0.38, 0.62), "water", 0.04),
    Material("grip", "grip", (0.10, 0.10, 0.12), "wet_peat", 0.1),
    Material("gully", "gully", (0.62, 0.42, 0.40), "clay", 0.1),
    Material("track", "track", (0.86, 0.82, 0.74), "gravel", 0.06),
)
BARE, HEATHER, COTTON_GRASS, WATER, GRIP, GULLY, TRACK = range(len(MATERIALS))
POOLS, LATERALS = 4, 7  # at most: pools; drains each way from the middle one
ON_GULLY, ON_TRACK, FIRST_GRIP = POOLS + 1, POOLS + 2, POOLS + 3  # object ids
SPINE = FIRST_GRIP + 2 * LATERALS + 1  # ids of the drains on its one side lie below it, on its other side above
MOST = SPINE + 2 * LATERALS + 1
AWAY = np.float32(9.0)  # shorter sides: what is not there lies outside of the image

Field = Float[ndarray, "b H W"]
Sway = tuple[ndarray, ndarray, ndarray | float]  # size, length and phase of a winding


def moor(number: Numbers, size: tuple[int, int]) -> Layout:
    """Layouts of peatland."""
    x, y = frame(size)
    stroke = np.float32(max(1, min(size) / 64) / min(size))
    scene = Layout(len(number.values), size)
    gully = gullies(number, x, y, stroke)
    scene.material[:] = HEATHER
    scene.lay(mosaic(number, 9, size) > number(0.5, 0.8), COTTON_GRASS)
    hags = np.clip(1 - gully / np.float32(0.06), 0, 1)
    scene.lay(mosaic(number, 6, size) + np.float32(0.3) * hags > number(0.8, 1.05), BARE)
    lay_grips(scene, number, x, y, stroke)
    scene.lay(gully < 0, GULLY, ON_GULLY)
    rim = mosaic(number, 9, size)
    for k in range(POOLS):
        scene.lay(pool(number, x, y) < rim, WATER, k + 1)
    scene.lay(track(number, x, y, stroke), TRACK, ON_TRACK)
    return scene


def mosaic(number: Numbers, cells: int, size: tuple[int, int]) -> Field:
    """Patches of two sizes: a field of values about 0.75."""
    coarse, fine = number.grid(cells, cells), number.grid(2 * cells, 2 * cells)
    return smooth(coarse, size) + np.float32(0.5) * smooth(fine, size)


# --- lines ------------------------------------------------------------------------------------------------------------


def wave(t: ndarray) -> ndarray:
    """A round wave of period 1 between -1 and 1 that is 0 at whole numbers: parabolas, exactly rounded."""
    q = t - np.floor(t) - np.float32(0.5)
    return 16 * q * (np.abs(q) - np.float32(0.5))


def steepness(t: ndarray) -> ndarray:
    """The derivative of `wave`."""
    q = t - np.floor(t) - np.float32(0.5)
    return 32 * np.abs(q) - 8


def direction(angle: ndarray) -> tuple[ndarray, ndarray]:
    """Cosine and sine as float32, rounded from float64: float32's own differ between processors."""
    return np.cos(angle, dtype=float).astype(np.float32), np.sin(angle, dtype=float).astype(np.float32)


def turned(x: ndarray, y: ndarray, at: tuple[ndarray, ndarray], angle: ndarray) -> tuple[Field, Field]:
    """How far points lie along and across (to the right of) a line through `at` at an angle in radians."""
    cos, sin = direction(angle)
    x, y = x - at[0], y - at[1]
    return x * cos + y * sin, y * cos - x * sin


def winding(along: ndarray, sways: list[Sway]) -> ndarray:
    """How far a winding line lies across its axis."""
    return sum(size * wave(along / length + phase) for size, length, phase in sways)


def beside(along: Field, across: Field, sways: list[Sway]) -> Field:
    """Distance from a winding line, to first order."""
    slope = sum(size / length * steepness(along / length + phase) for size, length, phase in sways)
    return np.abs(across - winding(along, sways)) / np.sqrt(1 + slope * slope)


def gullies(number: Numbers, x: ndarray, y: ndarray, stroke: np.float32) -> Field:
    """Distance from the edge of a trunk with three branches, negative inside; in three of four scenes."""
    at, angle = (number(-0.3, 0.3), number(-0.3, 0.3)), number(0, 2 * np.pi)
    sways = [(number(0.03, 0.09), number(0.5, 0.9), number()), (number(0.01, 0.03), number(0.15, 0.3), number())]
    along, across = turned(x, y, at, angle)
    cos, sin = direction(angle)
    edge = beside(along, across, sways) - number(0.8, 1.5) * stroke
    for side, low, high in ((1, -0.45, -0.15), (-1, -0.2, 0.15), (1, 0.1, 0.4)):
        begin = number(low, high)
        shift = winding(begin, sways)
        root = at[0] + begin * cos - shift * sin, at[1] + begin * sin + shift * cos
        edge = np.minimum(edge, branch(number, x, y, root, angle + side * number(0.5, 1.1), stroke))
    return edge + np.where(number() < 0.75, np.float32(0), AWAY)


def branch(
    number: Numbers, x: ndarray, y: ndarray, root: tuple[ndarray, ndarray], angle: ndarray, stroke: np.float32
) -> Field:
    """Distance from the edge of a winding line that begins at `root` and thins out."""
    along, across = turned(x, y, root, angle)
    sways: list[Sway] = [(number(0.01, 0.04), number(0.2, 0.4), 0.0)]
    length = number(0.15, 0.45)
    half = number(0.7, 1.1) * stroke * (1 - np.float32(0.3) * np.clip(along / length, 0, 1))
    return np.maximum(beside(along, across, sways) - half, np.maximum(-along, along - length))


def lay_grips(scene: Layout, number: Numbers, x: ndarray, y: ndarray, stroke: np.float32) -> None:
    """Parallel drains, or drains on both sides of a spine; in four of five scenes, every drain an object."""
    bones, present = number() < 0.5, number() < 0.8
    along, across = turned(x, y, (number(-0.25, 0.25), number(-0.25, 0.25)), number(0, 2 * np.pi))
    cos, sin = direction(np.where(bones, number(0.7, 1.1), np.pi / 2))  # of laterals against the spine
    spacing, half, reach = number(0.13, 0.22), number(0.55, 0.85) * stroke, number(0.3, 0.75)
    place = along - np.abs(across) * (cos / sin)
    which = np.rint(place / spacing)
    near = np.abs(place - which * spacing) * sin <= half
    laterals = present & near & (np.abs(across) <= reach) & (np.abs(which) <= LATERALS)
    other_side = np.where(bones & (across > 0), SPINE - FIRST_GRIP + 1, 0)
    scene.lay(laterals, GRIP, which.astype(np.int32) + LATERALS + FIRST_GRIP + other_side)
    spine = present & bones & (np.abs(across) <= half) & (np.abs(along) <= (LATERALS + np.float32(0.5)) * spacing)
    scene.lay(spine, GRIP, SPINE)


def pool(number: Numbers, x: ndarray, y: ndarray) -> Field:
    """Below about 0.75 inside an ellipse; beyond the image in half of all cases."""
    along, across = turned(x, y, (number(-0.5, 0.5), number(-0.5, 0.5)), number(0, np.pi))
    along, across = along / number(0.05, 0.16), across / number(0.04, 0.12)
    return along * along + across * across + np.where(number() < 0.5, np.float32(0), AWAY)


def track(number: Numbers, x: ndarray, y: ndarray, stroke: np.float32) -> Bool[ndarray, "b H W"]:
    """A gently bent line right across the image, in half of all scenes."""
    along, across = turned(x, y, (number(-0.4, 0.4), number(-0.4, 0.4)), number(0, 2 * np.pi))
    sways = [(number(0.02, 0.07), number(1.2, 2.0), number())]
    return (beside(along, across, sways) <= number(0.9, 1.5) * stroke) & (number() < 0.5)


PEAT = Style(moor, 1062, MATERIALS, MOST)

# SPDX-License-Identifier: Apache-2.0
"""How one image sees an identity, whoever it is: pose, viewpoint, place, light, background, noise and resolution.

All numbers are hashed from (seed, purpose, key), so that an image does not depend on which others are drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from ganaug.data.drawn.shapes import Canvas, box

VIEWS = ("front", "left", "right", "back")
YAW = np.radians([0.0, -90.0, 90.0, 180.0])  # how far to the right of the image a view turns the face
COLOURS, SHAPES, CAMERA, LIGHT, VISITS, IMAGE = range(6)  # purposes of random numbers
JITTER = 10  # numbers that loosen a pose
BLOCKS = 3  # background blocks of an image: two of its camera, one of its own


class Sighting(NamedTuple):
    """What differs between images of one identity. `_replace(pose=...)` shows the same scene in another pose."""

    pose: Int[ndarray, " b"]  # row of the poses of the kind that is drawn
    view: Int[ndarray, " b"]  # row of VIEWS
    yaw: Float[ndarray, " b"]  # radians off the view
    jitter: Float[ndarray, "b 10"]  # -1..1, loosens the pose
    centre: Float[ndarray, "b 2"]  # x, y in shares of the frame
    scale: Float[ndarray, " b"]  # about 1
    light: Float[ndarray, "b 3"]  # factor on red, green, blue
    walls: Float[ndarray, "b 2 3"]  # colours above and below the horizon
    horizon: Float[ndarray, " b"]  # share of the height
    blocks: Float[ndarray, "b 3 7"]  # centre, half sides in shares of the frame, colour
    coarse: Int[ndarray, " b"]  # drawn at 1/coarse of the resolution and enlarged
    grain: Int[ndarray, " b"]  # seed of the noise


def uniforms(seed: int, purpose: int, keys: Int[ndarray, " b"], count: int) -> Float[ndarray, "b count"]:
    """Uniform numbers in 0..1, a pure function of (seed, purpose, key)."""
    each, back = np.unique(keys, return_inverse=True)
    return np.stack([np.random.default_rng([seed, purpose, int(key)]).random(count) for key in each])[back]


def between(low: float, high: float, numbers: ndarray) -> ndarray:
    """Numbers of 0..1 brought to low..high."""
    return low + (high - low) * numbers


def rgb(hue: ndarray, saturation: ndarray, value: ndarray) -> Float[ndarray, "*n 3"]:
    """Colours 0..1 from hue, saturation and value 0..1."""
    k = (np.array([5.0, 3.0, 1.0]) + 6 * hue[..., None]) % 6
    return value[..., None] * (1 - saturation[..., None] * np.clip(np.minimum(k, 4 - k), 0, 1))


def sightings(
    rows: Int[ndarray, " b"], camera: Int[ndarray, " b"], *, cameras: int, poses: int, seed: int = 0
) -> Sighting:
    """The sightings of some rows of a set by their cameras; `rows` are the set's `index`."""
    u, place = uniforms(seed, IMAGE, rows, 40), uniforms(seed, CAMERA, camera, 40)
    light = camera_light(cameras, seed)[camera] * between(0.95, 1.05, u[:, 6:7])
    own = scenery(u[:, 10:15]), scenery(place[:, 5:10]), scenery(place[:, 10:15])
    blocks = np.stack([own[1], own[2], own[0]], 1)
    bright = np.array([0.45, 0.25]) + 0.25 * u[:, 15:17]
    blocks[..., :2] += between(-0.12, 0.12, u[:, None, 7:9])  # the camera looks elsewhere
    return Sighting(
        pose=(u[:, 0] * poses).astype(np.int64),
        view=(u[:, 1] * len(VIEWS)).astype(np.int64),
        yaw=np.radians(between(-12, 12, u[:, 2])),
        jitter=between(-1, 1, u[:, 20 : 20 + JITTER]),
        centre=0.5 + np.stack([between(-0.07, 0.07, u[:, 3]), between(-0.025, 0.025, u[:, 4])], 1),
        scale=between(0.9, 1.05, u[:, 5]),
        light=light,
        walls=rgb(place[:, 0:2], between(0.05, 0.3, place[:, 2:4]), bright),
        horizon=between(0.3, 0.7, place[:, 4]) + between(-0.08, 0.08, u[:, 9]),
        blocks=blocks,
        coarse=1 + (u[:, 17] < 0.2) + (u[:, 17] < 0.07),
        grain=(u[:, 18] * 2**53).astype(np.int64),
    )


def camera_light(cameras: int, seed: int) -> Float[ndarray, "cameras 3"]:
    """Gain and cast of every camera: gains are spread evenly over 0.65..1.1, so that no two cameras are alike."""
    order = np.random.default_rng([seed, LIGHT]).permutation(cameras)
    cast = uniforms(seed, LIGHT, np.arange(cameras), 3)
    return np.linspace(0.65, 1.1, cameras)[order, None] * between(0.88, 1.12, cast)


def scenery(u: Float[ndarray, "b 5"]) -> Float[ndarray, "b 7"]:
    """A muted block: centre x and y, half sides, colour."""
    colour = rgb(u[:, 3], 0.35 * u[:, 4], between(0.2, 0.75, u[:, 2]))
    half = np.stack([between(0.06, 0.22, u[:, 4]), between(0.05, 0.3, u[:, 3])], 1)
    return np.concatenate([u[:, :2], half, colour], 1)


def backdrop(canvas: Canvas, how: Sighting) -> None:
    """Wall and floor with a soft horizon, and blocks before them; the mask stays 0."""
    height, width = canvas.size
    y = (np.arange(height) + 0.5) / height - how.horizon[:, None]
    share = np.clip(0.5 + 4 * y, 0, 1).astype(np.float32)[:, None]
    wall, floor = how.walls.astype(np.float32).transpose(1, 0, 2)[..., None]
    canvas.colour[:] = (wall + (floor - wall) * share)[..., None]
    for block in how.blocks.transpose(1, 0, 2):
        centre, half = block[:, :2] * (width, height) - 0.5, block[:, 2:4] * (width, height)
        canvas.paint(box(centre, half, canvas.size), block[:, 4:], part=0)


def facing(how: Sighting, extra: ndarray | float = 0.0) -> tuple[Float[ndarray, " b"], Float[ndarray, " b"]]:
    """How much a body faces the camera (-1: away) and the right of the image (-1: left)."""
    yaw = YAW[how.view] + how.yaw + extra
    return np.cos(yaw), np.sin(yaw)


def turned(
    points: Float[ndarray, "b n 3"], how: Sighting, extra: ndarray | float = 0.0, *, elevation: float = 0.0
) -> Float[ndarray, "b n 3"]:
    """Points of a body in image directions: right, down, towards the camera; same unit, parallel projection.

    A body has x to its own left, y down and z ahead. `extra` is added to the yaw, `elevation` is the camera's; both
    in radians.
    """
    ahead, aside = (share[:, None] for share in facing(how, extra))
    x, y, z = np.moveaxis(points, -1, 0)
    right, near = x * ahead + z * aside, z * ahead - x * aside
    lean, rise = np.cos(elevation), np.sin(elevation)
    return np.stack([right, y * lean + near * rise, near * lean - y * rise], -1)


def developed(canvas: Canvas, how: Sighting) -> UInt8[ndarray, "b H W 3"]:
    """The picture that the camera takes: light, resolution, noise of deviation 0.02, 8 bits."""
    picture = canvas.colour * how.light.astype(np.float32)[:, :, None, None]
    for factor in (2, 3):
        rows = np.flatnonzero(how.coarse == factor)
        vertical, horizontal = (enlarging(side, factor) for side in canvas.size)
        picture[rows] = vertical @ picture[rows].astype(float) @ horizontal.T  # sums of float32 differ by processor
    for image, seed in zip(picture, how.grain, strict=True):
        image += 0.02 * np.random.default_rng(int(seed)).standard_normal(canvas.size, np.float32)
    picture = np.clip(picture * 255 + np.float32(0.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(picture.transpose(0, 2, 3, 1))


def enlarging(side: int, factor: int) -> Float[ndarray, "side side"]:
    """The matrix that averages `factor` neighbours of a line of pixels and interpolates back linearly."""
    small = -(-side // factor)
    down = np.arange(side) // factor == np.arange(small)[:, None]
    at = np.clip((np.arange(side) + 0.5) / factor - 0.5, 0, small - 1)
    up = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(small)))
    return up @ (down / down.sum(1, keepdims=True))

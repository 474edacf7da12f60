# SPDX-License-Identifier: Apache-2.0
"""From materials to pixels: rendered flat, or photographed by one fixed camera.

The photograph differs from the rendering in all that makes a rendering look false and a learner fail that has seen
nothing else: colours (a matrix and gamma; gain and path radiance of each band above 3), light that grows from left to
right, rough surfaces, blur and grain. Labels come from the layout and know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8
from numpy import ndarray

from ganaug.data.drawn import spectra
from ganaug.data.drawn.layouts import Material, smooth

# Turns hues round and keeps white: a class takes the colour of another one, and in no channel is the order of the
# classes kept, so that no scale and shift of channels leads back.
MATRIX = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
GAMMA = 1.3
RAMP = 0.75, 1.1  # light at the left and at the right edge
BLUR = 0.2  # share of each neighbour in a line of pixels: a Gaussian of about 0.6 pixels
CELL = 3  # pixels between the numbers of surface noise
GREY = np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601


class Sensor(NamedTuple):
    """What turns light into stored numbers: pixel = round(full * (light + path + noise)), cut to the kind of number.

    The noise has the deviation read + shot * light.
    """

    bands: tuple[str, ...]
    path: Float[ndarray, " c"]
    read: float
    shot: float
    full: int
    least: int  # 0 means no data in a satellite's product
    kind: type


SENSORS = {
    1: Sensor(("grey",), np.zeros(1, np.float32), 0.06, 0.0, 255, 0, np.uint8),
    3: Sensor(("red", "green", "blue"), np.zeros(3, np.float32), 0.06, 0.0, 255, 0, np.uint8),
    13: Sensor(spectra.BANDS, spectra.PATH, spectra.READ, spectra.SHOT, spectra.FULL, 1, np.uint16),
}


def rendered_colours(materials: Sequence[Material], bands: int) -> Float[ndarray, "m c"]:
    """What each material sends out in a rendering, 0..1."""
    if bands == len(spectra.BANDS):
        return spectra.reflectance([material.spectrum for material in materials])
    return in_bands(np.array([material.colour for material in materials]), bands)


def photographed_colours(materials: Sequence[Material], bands: int) -> Float[ndarray, "m c"]:
    """What the camera sees of each material in light 1, without the path radiance."""
    if bands == len(spectra.BANDS):
        return rendered_colours(materials, bands) * spectra.GAIN
    colours = np.array([material.colour for material in materials])
    return in_bands(np.clip(colours @ MATRIX.T, 0, 1) ** GAMMA, bands)


def in_bands(colours: Float[ndarray, "m 3"], bands: int) -> Float[ndarray, "m c"]:
    """Colours as they are or as one grey."""
    return (colours if bands == 3 else (colours * GREY).sum(1, keepdims=True)).astype(np.float32)


def rendered(
    material: UInt8[ndarray, "b H W"], materials: Sequence[Material], bands: int, brightness: Float[ndarray, "b 1 1"]
) -> Shaped[ndarray, "b H W c"]:
    """Flat pictures: one colour a material and scene."""
    sensor, rows = SENSORS[bands], material.astype(np.intp)
    planes = [stored(colour[rows] * brightness, sensor) for colour in rendered_colours(materials, bands).T]
    return np.stack(planes, -1)


def photographed(
    material: UInt8[ndarray, "b H W"],
    materials: Sequence[Material],
    bands: int,
    brightness: Float[ndarray, "b 1 1"],
    seeds: Int[ndarray, "b k"],
) -> Shaped[ndarray, "b H W c"]:
    """The same layouts as the camera sees them; row i's noise comes from `seeds[i]` alone."""
    sensor, rows, size = SENSORS[bands], material.astype(np.intp), material.shape[1:]
    lattice, grain = noise(seeds, bands, size)
    rough = np.array([material.roughness for material in materials], np.float32)[rows]
    ramp = np.linspace(*RAMP, size[1]).astype(np.float32)
    light = np.maximum(1 + rough * smooth(lattice, size), 0) * (brightness * ramp)
    planes = []
    for k, colour in enumerate(photographed_colours(materials, bands).T):
        signal = blurred(colour[rows] * light) + sensor.path[k]
        deviation = np.float32(sensor.read) + np.float32(sensor.shot) * signal
        planes.append(stored(signal + deviation * grain[:, k], sensor))
    return np.stack(planes, -1)


def noise(
    seeds: Int[ndarray, "b k"], bands: int, size: tuple[int, int]
) -> tuple[Float[ndarray, "b r c"], Float[ndarray, "b bands H W"]]:
    """Standard normal numbers: a lattice for the surfaces, which all bands share, and one a pixel and band."""
    height, width = size
    lattice = np.empty((len(seeds), height // CELL + 2, width // CELL + 2), np.float32)
    grain = np.empty((len(seeds), bands, height, width), np.float32)
    for k, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        rng.standard_normal(dtype=np.float32, out=lattice[k])
        rng.standard_normal(dtype=np.float32, out=grain[k])
    return lattice, grain


def blurred(picture: Float[ndarray, "b H W"]) -> Float[ndarray, "b H W"]:
    """Each pixel with a share of its neighbours, along columns and lines; the edge continues outside."""
    share = np.float32(BLUR)
    wide = np.pad(picture, ((0, 0), (1, 1), (0, 0)), "edge")
    picture = picture + share * (wide[:, :-2] + wide[:, 2:] - 2 * picture)
    wide = np.pad(picture, ((0, 0), (0, 0), (1, 1)), "edge")
    return picture + share * (wide[..., :-2] + wide[..., 2:] - 2 * picture)


def stored(signal: Float[ndarray, "b H W"], sensor: Sensor) -> Shaped[ndarray, "b H W"]:
    """The numbers of a file."""
    return np.clip(np.rint(signal * sensor.full), sensor.least, np.iinfo(sensor.kind).max).astype(sensor.kind)

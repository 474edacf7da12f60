# SPDX-License-Identifier: Apache-2.0
"""Drawn scenes with exact masks, objects and boxes: as rendered graphics, and as a camera would see such scenes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from ganaug.data.drawn.exposure import SENSORS, photographed, rendered
from ganaug.data.drawn.layouts import Numbers, Style, tight_boxes
from ganaug.data.drawn.peat import PEAT
from ganaug.data.drawn.roster import checked_size
from ganaug.data.drawn.sightings import between, uniforms
from ganaug.data.drawn.spectra import BRIGHTEST
from ganaug.data.drawn.street import STREET
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.scaling import Scaling

STYLES: dict[str, Style] = {"street": STREET, "peat": PEAT}
LAYOUT, SURFACE = 0, 2  # purposes of random numbers; photographs add 1, so that they show other scenes
LIGHT = 0.9, 1.1  # brightness of scenes
BLOCK = 2**18  # pixels drawn at once, so that they stay in the processor's cache
TRAIN, TEST, TEST_EVERY = 0, 2, 5


def scenes(
    n: int = 1000,
    *,
    size: tuple[int, int] = (32, 32),
    style: str = "street",
    real: bool = False,
    bands: int = 3,
    seed: int = 0,
) -> ImageSet:
    """`n` drawn scenes of `size` (height, width): flat as rendered graphics, or other scenes as photographs (`real`).

    Styles: "street" (sky, ground, building, tree) and "peat" (bare_peat, vegetation, water, grip, gully, track; from
    above). Bands: 3 (red, green, blue) or 1 (grey), uint8; 13 of Sentinel-2, uint16 reflectance x 10000, 1 or more.
    Photographs of a style go through one fixed camera: colours, light from the side, rough surfaces, blur and grain
    (`exposure`). Flat and real scenes share no layout.

    Columns: fold (every fifth row is test); mask uint8, named by mask_classes; instances int32, ids of objects, 0
    elsewhere; boxes float32 [N, most, 4]: row k holds what is seen of object k + 1, x0, y0, x1, y1 at pixel edges, NaN
    where nothing is. Row i depends on the other arguments and on i, not on n. Raises InputError for an unknown style,
    other bands, sizes below 16 and n or seed out of range.
    """
    kind, size = checked(n, style, bands, seed), checked_size(size)
    step = max(1, BLOCK // (size[0] * size[1]))
    blocks = [np.arange(first, min(first + step, n)) for first in range(0, n, step)]
    done = [drawn(rows, kind, size, real, bands, seed) for rows in blocks]
    pixels, masks, instances, boxes = (np.concatenate(parts) for parts in zip(*done, strict=True))
    fold = np.where(np.arange(n) % TEST_EVERY == TEST_EVERY - 1, TEST, TRAIN).astype(np.int8)
    return ImageSet.of(
        pixels,
        mask=masks,
        mask_classes=kind.classes,
        instances=instances,
        boxes=boxes,
        fold=fold,
        bands=SENSORS[bands].bands,
        scaling=scaling(bands),
        name="scenes" + (style != "street") * f"-{style}" + real * "-real",
    )


def drawn(
    rows: Int[ndarray, " b"], kind: Style, size: tuple[int, int], real: bool, bands: int, seed: int
) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Pixels, masks, instances and boxes of some rows of a set."""
    u = uniforms(seed, LAYOUT + real, rows, kind.numbers + 1)
    layout = kind.draw(Numbers(u[:, 1:]), size)
    brightness = between(*LIGHT, u[:, :1, None]).astype(np.float32)
    if real:
        seeds = np.array([[seed, SURFACE + real, row] for row in rows])
        pixels = photographed(layout.material, kind.materials, bands, brightness, seeds)
    else:
        pixels = rendered(layout.material, kind.materials, bands, brightness)
    mask = kind.class_of[layout.material]
    return pixels, mask, layout.instances, tight_boxes(layout.instances, kind.most)


def scaling(bands: int) -> Scaling:
    """The same for every set of so many bands, whatever its images hold: a learner of one must read the other."""
    kind = np.dtype(SENSORS[bands].kind)
    return Scaling() if kind == np.uint8 else Scaling(kind.name, 0.0, float(BRIGHTEST))


def checked(n: int, style: str, bands: int, seed: int) -> Style:
    """The style by its name; InputError for arguments that make no set."""
    if style not in STYLES:
        raise InputError(f"there is no style '{style}' of scenes: use one of {', '.join(STYLES)}.")
    if bands not in SENSORS:
        raise InputError(f"scenes are drawn in {', '.join(map(str, SENSORS))} bands, found {bands}: use one of these.")
    for what, found, least in (("n", n, 1), ("seed", seed, 0)):
        if found < least:
            raise InputError(f"{what} must be at least {least} for drawn scenes, found {found}: pass a larger number.")
    return STYLES[style]

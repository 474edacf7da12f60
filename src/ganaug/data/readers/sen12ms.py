# SPDX-License-Identifier: Apache-2.0
"""The layout of SEN12MS: Sentinel-1, Sentinel-2 and land cover of equal places in files of equal names.

Schmitt, Hughes, Qiu and Zhu 2019, ISPRS Annals IV-2/W7, 153-160:
ROIs1158_spring/s2_1/ROIs1158_spring_s2_1_p30.tif beside s1_1/ROIs1158_spring_s1_1_p30.tif and lc_1/..._lc_1_p30.tif.
Neighbouring patches overlap, so `group` is the scene: splits by patch would leak. Scaling is that of the authors'
toolbox, 0..10000 for Sentinel-2 and -25..0 dB for Sentinel-1. Pixels are read as `gather` reads them, without rasterio;
a patch with NaN is refused by name, when it is decoded (one of Sentinel-1 in the published set is damaged).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from ganaug.data.batch import UNKNOWN
from ganaug.data.decode import decode, is_image
from ganaug.data.errors import InputError
from ganaug.data.gather import pixels_of
from ganaug.data.image_set import ImageSet
from ganaug.data.pixels import Pixels
from ganaug.data.readers.walk import entries, folders
from ganaug.data.scaling import Scaling
from ganaug.data.sizes import Fit, Size, nearest_to
from ganaug.data.threads import in_threads

NAME = re.compile(r"(ROIs\d+_[a-z]+)_s2_(\d+)_p(\d+)\.tiff?", re.ASCII | re.IGNORECASE)
S2, S1, LAND_COVER = "s2", "s1", "lc"
S2_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
S1_BANDS = ("VV", "VH")
S2_SCALING, S1_SCALING = Scaling("uint16", 0.0, 10_000.0), Scaling("float32", -25.0, 0.0)
IGBP = (  # classes 1..17 of the International Geosphere-Biosphere Programme, the first layer of land cover
    *("evergreen needleleaf forest", "evergreen broadleaf forest", "deciduous needleleaf forest"),
    *("deciduous broadleaf forest", "mixed forest", "closed shrubland", "open shrubland", "woody savanna"),
    *("savanna", "grassland", "permanent wetland", "cropland", "urban", "cropland and natural vegetation"),
    *("snow and ice", "barren", "water"),
)


def recognise(path: Path) -> bool:
    """Folders s2_1 and so on with files of such names, here or one level below."""
    return next(iter(patches(path)), None) is not None


def read(path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """Sentinel-2 as images, Sentinel-1 as views["s1"], land cover (IGBP, 17 classes) as mask where it is there.

    Masks are held in memory: 64 KiB a patch. Raises InputError for a patch without its partner, for other numbers of
    bands and for NaN.
    """
    found = patches(path)
    files = [file for file, _, _ in found]
    radar = [partner(file, S1) for file in files]
    scenes = sorted({scene for _, scene, _ in found})
    data = ImageSet(
        image=banded(files, S2_BANDS, size, fit),
        bands=S2_BANDS,
        scaling=S2_SCALING,
        group=np.array([scenes.index(scene) for _, scene, _ in found], np.int64),
        origin=np.array([json.dumps({"file": os.path.relpath(file, path).replace(os.sep, "/")}) for file in files]),
        views={S1: ImageSet(image=banded(radar, S1_BANDS, size, fit), bands=S1_BANDS, scaling=S1_SCALING, name=S1)},
    )
    if not any(swapped(file, LAND_COVER).is_file() for file in files):
        return data
    covers = [partner(file, LAND_COVER) for file in files]
    return data.but(mask=land_cover(covers, data.image.shape[:2], size, fit), mask_classes=IGBP)


def patches(path: Path) -> list[tuple[Path, tuple[str, int], int]]:
    """File, scene (region with season, number) and number of every Sentinel-2 patch, in the order of these."""
    if not path.is_dir():
        return []
    inside = folders(path)
    inside += [scene for region in inside if region.name.lower().startswith("rois") for scene in folders(region)]
    found = []
    for folder in inside:
        if folder.name.lower().startswith(f"{S2}_"):
            named = [(Path(e.path), NAME.fullmatch(e.name)) for e in entries(folder) if is_image(e.name)]
            found += [(file, (m[1], int(m[2])), int(m[3])) for file, m in named if m is not None]
    return sorted(found, key=lambda patch: patch[1:])


def swapped(file: Path, kind: str) -> Path:
    """Where the partner of a Sentinel-2 patch lies: its name with another word for s2."""
    folder = f"{kind}{file.parent.name[len(S2) :]}"
    return file.parent.with_name(folder) / file.name.replace(f"_{S2}_", f"_{kind}_")


def partner(file: Path, kind: str) -> Path:
    """The partner of a Sentinel-2 patch; InputError where it is missing."""
    other = swapped(file, kind)
    if not other.is_file():
        raise InputError(f"the patch {file} has no partner {other}: add it or remove the patch.")
    return other


def banded(files: Sequence[Path], bands: Sequence[str], size: Size | None, fit: Fit) -> Pixels:
    """Patches as pixels; InputError where they have another number of bands."""
    pixels = pixels_of(files, size, fit)
    if pixels.shape[2] != len(bands):
        raise InputError(f"{files[0]} has {pixels.shape[2]} bands, and {len(bands)} are needed: {', '.join(bands)}.")
    return pixels


def land_cover(
    files: Sequence[Path], sides: tuple[int | None, int | None], size: Size | None, fit: Fit
) -> UInt8[ndarray, "n h w"]:
    """IGBP classes 0..16 of the first layer, 255 for numbers that the scheme has not; InputError for other sizes."""

    def one(file: Path) -> ndarray:
        layer = decode(file)[..., 0]
        known = (layer >= 1) & (layer <= len(IGBP))
        mask = np.where(known, layer - 1, UNKNOWN).astype(np.uint8)
        mask = mask if size is None else nearest_to(mask, size, fit, UNKNOWN)
        if mask.shape != sides:
            raise InputError(f"{file} has {mask.shape[0]}x{mask.shape[1]} pixels, its image {sides[0]}x{sides[1]}.")
        return mask

    masks = in_threads(one, files, "reading land cover")
    return np.stack(list(masks))

# SPDX-License-Identifier: Apache-2.0
"""What keeps raster files from being one set: other places, bands, units or sizes than the first file's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tifffile import TiffFile

from ganaug.data import gather
from ganaug.data.decode import Header, header, kept
from ganaug.data.errors import InputError
from ganaug.data.geo import Raster, same_crs
from ganaug.data.rasters import Survey
from ganaug.data.scaling import Scaling

GEO_TAGS = (33550, 33922, 34264, 34735)  # pixel scale, tie points, transformation, keys: OGC GeoTIFF 1.1, 7.1
UNIT_SCALE = 5e-4  # a stated scale up to this one means reflectance or another share of 1
BEYOND = 2.0  # times the stated scale: clouds and snow lie above it, nothing twice as high
BAND_NAMES = "bands.txt"


def georeferenced(file: Path) -> bool:
    """Whether a TIFF has a tag of GeoTIFF; needs no rasterio."""
    if file.suffix.lower() not in (".tif", ".tiff") or not file.is_file():
        return False
    try:
        with TiffFile(file) as tiff:
            return any(tag in tiff.pages[0].tags for tag in GEO_TAGS)
    except Exception:  # what is wrong with a file is told by whoever reads it
        return False


def band_names(folder: Path, files: Sequence[Path], rasters: Sequence[Raster]) -> tuple[str, ...]:
    """Names by bands.txt, else by the first file; InputError where a file names its bands in another order."""
    listed = folder / BAND_NAMES
    names, said = rasters[0].bands, files[0]
    if listed.is_file():
        lines = listed.read_text(encoding="utf-8-sig").splitlines()
        names, said = tuple(line.strip() for line in lines if line.strip()), listed
        if len(names) != len(rasters[0].scales):
            raise InputError(f"{listed} has {len(names)} names for {len(rasters[0].scales)} bands: give one a band.")
    for file, raster in zip(files, rasters, strict=True):
        if raster.bands != names and (raster.bands or said != listed):
            raise InputError(
                f"{file} has the bands {', '.join(raster.bands) or 'without names'} and {said} "
                f"{', '.join(names) or 'none with names'}: bring them into one order."
            )
    return names


def refuse_unplaced(files: Sequence[Path]) -> None:
    """InputError for a file without a place beside one that has one."""
    known = [georeferenced(file) for file in files]
    if not all(known):
        raise InputError(
            f"{files[known.index(False)]} has no CRS, and {files[known.index(True)]} has one: "
            "georeference it or move it elsewhere."
        )


def refuse_mixed(files: Sequence[Path], rasters: Sequence[Raster]) -> None:
    """InputError for files whose channels, dtype or ADD_OFFSET differ from the first's."""
    gather.refuse_mixed_kinds(files, [Header(r.height, r.width, len(r.scales), kept(r.dtype)) for r in rasters])
    for file, raster in zip(files, rasters, strict=True):
        if raster.added != rasters[0].added:
            raise InputError(
                f"{file} states the ADD_OFFSET {raster.added and raster.added[0]} and {files[0]} "
                f"{rasters[0].added and rasters[0].added[0]}: bring them to one offset."
            )


def stated_crs(files: Sequence[Path], rasters: Sequence[Raster]) -> list[tuple[Path, str]]:
    """Each file that no generator made, with its CRS or ""."""
    pairs = zip(files, rasters, strict=True)
    return [(file, raster.place.crs if raster.place else "") for file, raster in pairs if not raster.generated]


def refuse_without_crs(files: Sequence[Path], rasters: Sequence[Raster]) -> None:
    """InputError for a file without a CRS beside others that have one."""
    found = stated_crs(files, rasters)
    for file, crs in found:
        if not crs and any(other for _, other in found):
            raise InputError(f"{file} has no CRS, and other files have one: georeference it or move it elsewhere.")


def refuse_other_crs(files: Sequence[Path], rasters: Sequence[Raster]) -> None:
    """InputError for a file whose CRS differs from the first's."""
    found = stated_crs(files, rasters)
    for file, crs in found:
        first, ours = found[0]
        if crs and ours and not same_crs(crs, ours):
            raise InputError(
                f"{file} has the CRS {crs[:60]} and {first} {ours[:60]}: warp them to one, or load them apart."
            )


def refuse_above(files: Sequence[Path], rasters: Sequence[Raster], surveys: Sequence[Survey], scaling: Scaling) -> None:
    """InputError for 16 bit values that can't be in the stated unit: another unit was mixed in."""
    for file, raster, survey in zip(files, rasters, surveys, strict=True):
        stated = [1 / scale for scale in raster.scales if 0 < scale <= UNIT_SCALE]
        top = min([scaling.high, *stated])
        if raster.dtype == np.uint16 and survey.high > BEYOND * top:
            raise InputError(
                f"{file} holds {survey.high:.0f}, and its stated scale ends at {top:.0f}: "
                "it is in another unit, or has a nodata value that it does not state."
            )


def refuse_other_sizes(files: Sequence[Path], rasters: Sequence[Raster], found: Sequence[Path]) -> None:
    """InputError when a mask has another size than its image."""
    for file, raster, mask in zip(files, rasters, found, strict=False):
        height, width = header(mask)[:2]
        if (height, width) != (raster.height, raster.width):
            raise InputError(
                f"the mask {mask} has {height}x{width} pixels (height x width), its image {file} "
                f"{raster.height}x{raster.width}: they must be equal."
            )

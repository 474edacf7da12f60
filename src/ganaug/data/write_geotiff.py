# SPDX-License-Identifier: Apache-2.0
"""A set as GeoTIFF files, and tiles put back into the scene that they were cut from.

A row with a place keeps its CRS, transform and nodata value. A row without one, as generated rows are, gets a
local engineering CRS of one unit a pixel, never that of a real image. Generated rows have tags that say what made
them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Shaped
from numpy import ndarray

from ganaug.data import manifest
from ganaug.data.atomic import atomic_file
from ganaug.data.errors import InputError
from ganaug.data.geo import ADDED, NOWHERE, SYNTHETIC, Place, facts, library, opened, place_of, read_place, same_crs
from ganaug.data.image_set import ImageSet
from ganaug.data.threads import in_threads

LOCAL = f'LOCAL_CS["{NOWHERE}",UNIT["metre",1]]'
BLOCK = 256  # pixels a side of the squares that a file is compressed in
TAGS = {"system": "SYSTEM", "version": "VERSION", "seed": "SEED", "label_policy": "LABEL_POLICY"}
NEAR = 1e-3  # of a pixel: two places that differ by less are one


def write_geotiff(data: ImageSet, folder: Path) -> list[str]:
    """000000.tif and so on or, for a set with masks, images/000000.tif beside masks/000000.tif.

    Pixels that are not valid hold nodata again (the file's own value, NaN for floats, or else an internal mask). Raises
    InputError where rasterio is missing.
    """
    digits = max(6, len(str(len(data) - 1)))
    place = "" if data.mask is None else "images/"
    files = [f"{place}{row:0{digits}d}.tif" for row in range(len(data))]
    nodata = usual_nodata(data)
    for part in ("images", "masks") if data.mask is not None else ():
        (folder / part).mkdir()

    def one(row: int) -> None:
        where, tags = placed(data, row, nodata), tags_of(data, row)
        write_raster(folder / files[row], *stored(data, row, where), where, data.bands, tags)
        if data.mask is not None:
            mask, where = data.mask[row][..., None].astype(np.uint8), replace(where, nodata=None)
            write_raster(folder / "masks" / Path(files[row]).name, mask, None, where, (), tags[:1])

    for _ in in_threads(one, range(len(data)), "writing images"):
        pass
    return files


def usual_nodata(data: ImageSet) -> float | None:
    """The nodata value of the first row with a place: generated rows of the set keep clear of it too."""
    places = (place_of(str(text)) for text in data.origin) if data.origin is not None else ()
    return next((place.nodata for place in places if place is not None), None)


def placed(data: ImageSet, row: int, nodata: float | None) -> Place:
    """Where a row lies; nowhere, in units of pixels from the lower left corner, where that is not known."""
    known = place_of(str(data.origin[row])) if data.origin is not None else None
    if known is not None:
        return known
    height = float(data.image.at(row).shape[0])
    return Place(LOCAL, (1.0, 0.0, 0.0, 0.0, -1.0, height), nodata)


def stored(data: ImageSet, row: int, place: Place) -> tuple[Shaped[ndarray, "h w c"], Bool[ndarray, "h w"] | None]:
    """The numbers of a file, and its internal mask where no nodata value can tell what is not valid."""
    image = np.array(data.image.at(row))
    nodata = fitting(place.nodata, image.dtype)
    if nodata is not None:
        image = clear_of(image, nodata)
    if data.valid is None or data.valid[row].all():
        return image, None
    if nodata is None:
        return image, data.valid[row]
    image[~data.valid[row]] = nodata
    return image, None


def fitting(nodata: float | None, dtype: np.dtype) -> float | None:
    """A nodata value that the dtype can hold, else None; NaN for floats."""
    if dtype.kind == "f":
        return nodata if nodata is None or abs(nodata) <= np.finfo(dtype).max else float("nan")
    limits = np.iinfo(dtype)
    held = nodata is not None and limits.min <= nodata <= limits.max and nodata == int(nodata)
    return nodata if held else None


def clear_of(image: ndarray, nodata: float) -> ndarray:
    """Values equal to nodata moved to the next number: 1 where nodata is 0, one less where nodata is the largest."""
    if image.dtype.kind == "f":
        return np.where(image == nodata, np.nextafter(image.dtype.type(nodata), np.inf), image).astype(image.dtype)
    beside = nodata + 1 if nodata < np.iinfo(image.dtype).max else nodata - 1
    return np.where(image == nodata, beside, image).astype(image.dtype)


def made_by(data: ImageSet, row: int) -> dict[str, Any]:
    """System, version, seed and label policy of a generated row; {} for a real one."""
    made = manifest.shown_origin(str(data.origin[row])) if data.origin is not None else {}
    return made if "system" in made else {}


def tags_of(data: ImageSet, row: int) -> list[dict[str, str]]:
    """Tags of the file, then of each band."""
    made = made_by(data, row)
    tags = {SYNTHETIC: "1", **{TAGS[name]: str(value) for name, value in made.items()}} if made else {}
    if made and data.parents is not None:
        tags["PARENTS"] = ",".join(map(str, np.ravel(data.parents[row]).tolist()))
    known = facts(str(data.origin[row])) if data.origin is not None else {}
    return [tags, *({ADDED[0]: str(offset)} for offset in known.get("add_offset", ()))]


def write_raster(
    file: Path,
    image: Shaped[ndarray, "h w c"],
    valid: Bool[ndarray, "h w"] | None,
    place: Place,
    bands: Sequence[str],
    tags: Sequence[dict[str, str]],
) -> None:
    """One file: tiled, deflate, with a predictor (2 for integers, 3 for floats)."""
    height, width, channels = image.shape
    rasterio = library()
    profile = {
        **{"driver": "GTiff", "height": height, "width": width, "count": channels, "dtype": str(image.dtype)},
        **{"crs": place.crs or None, "transform": rasterio.Affine(*place.transform)},
        **{"nodata": fitting(place.nodata, image.dtype), "photometric": "minisblack", "BIGTIFF": "IF_SAFER"},
        **{"tiled": True, "blockxsize": block(width), "blockysize": block(height)},
        **{"compress": "deflate", "predictor": 3 if image.dtype.kind == "f" else 2},
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.MemoryFile() as memory:
        with memory.open(**profile) as raster:
            raster.write(np.ascontiguousarray(image.transpose(2, 0, 1)))
            for band, name in enumerate(bands, 1):
                raster.set_band_description(band, name)
            for band, named in enumerate(tags):  # 0 is the file itself
                raster.update_tags(band, **named)
            if valid is not None:
                raster.write_mask(valid)
        file.write_bytes(memory.read())  # not by GDAL, which closes a file on a full disk without a word


def block(side: int) -> int:
    """The side of a compressed square: BLOCK, or less for a small image; the format wants multiples of 16."""
    return min(BLOCK, -(-side // 16) * 16)


# --- back into the scene ----------------------------------------------------------------------------------------


def write_back(tiles: ImageSet, scene: Path, out: Path) -> Path:
    """A copy of a scene with tiles at their places; all other pixels, and pixels without data, stay as they are.

    A tile lies where its place says or, without one, at "top" and "left" of its origin. Numbers are rounded to the
    scene's dtype and keep clear of its nodata value. Where a tile is generated, the copy is tagged SYNTHETIC=1.

    Raises InputError for a tile that names no place, lies outside or off the grid of the scene, or has other bands.
    """
    scene, out = Path(scene), Path(out)
    if out.resolve() == scene.resolve():
        raise InputError(f"{out} is the scene itself, which is not changed: name another file.")
    ground = read_place(scene)
    corners = [corner(tiles, row, ground.place, scene) for row in range(len(tiles))]
    with atomic_file(out) as part:
        shutil.copyfile(scene, part)
        with opened(part, "r+") as raster:
            for row, (top, left) in enumerate(corners):
                put(raster, tiles, row, top, left, scene)
            if any(made_by(tiles, row) for row in range(len(tiles))):
                raster.update_tags(**{SYNTHETIC: "1"})
            meant = sums(raster, tiles, corners)
        refuse_half(part, meant, tiles, corners, out)
    return out


def sums(raster: Any, tiles: ImageSet, corners: Sequence[tuple[int, int]]) -> list[int]:
    """A check sum of the scene at each tile."""
    return [
        crc32(raster.read(window=window_of(tiles, row, top, left)).tobytes()) for row, (top, left) in enumerate(corners)
    ]


def refuse_half(
    part: Path, meant: Sequence[int], tiles: ImageSet, corners: Sequence[tuple[int, int]], out: Path
) -> None:
    """InputError where a closed file does not hold what was put into it: GDAL is silent when a disk is full."""
    with suppress(InputError), opened(part) as raster:
        if sums(raster, tiles, corners) == meant:
            return
    raise InputError(f"{out} could not be written whole: free some space on its disk and try again.")


def window_of(tiles: ImageSet, row: int, top: int, left: int) -> Any:
    """Where a tile lies in the scene."""
    height, width = tiles.image.at(row).shape[:2]
    return library().windows.Window(left, top, width, height)


def corner(tiles: ImageSet, row: int, ground: Place | None, scene: Path) -> tuple[int, int]:
    """Top and left of a tile in the scene."""
    text = str(tiles.origin[row]) if tiles.origin is not None else "{}"
    place = place_of(text)
    if place is None or ground is None:
        known = facts(text)
        if "top" not in known or "left" not in known:
            raise InputError(f"tile {row} names no place in {scene}: its origin needs place, or top and left.")
        return int(known["top"]), int(known["left"])
    top, left = ground.pixel(*place.transform[2::3])
    whole = abs(top - round(top)) + abs(left - round(left)) < NEAR
    far = ground.window(top, left).pixel(*place.corner(1000, 1000))
    if not (whole and same_crs(place.crs, ground.crs) and np.allclose(far, 1000, rtol=0, atol=1000 * NEAR)):
        raise InputError(
            f"tile {row} does not lie on the grid of {scene}: another CRS, pixel size or a part of a pixel."
        )
    return round(top), round(left)


def put(raster: Any, tiles: ImageSet, row: int, top: int, left: int, scene: Path) -> None:
    """One tile into an open scene."""
    image = tiles.image.at(row)
    height, width, channels = image.shape
    if channels != raster.count:
        raise InputError(f"tile {row} has {channels} bands and {scene} {raster.count}: they must be equal.")
    if min(top, left) < 0 or top + height > raster.height or left + width > raster.width:
        raise InputError(f"tile {row} at row {top}, column {left} does not lie inside {scene}.")
    window = window_of(tiles, row, top, left)
    old = raster.read(window=window)
    new = as_stored(image.transpose(2, 0, 1), old.dtype)
    keep = ~np.isfinite(old).all(0)
    for band, nodata in enumerate(raster.nodatavals):
        if nodata is not None:
            keep |= old[band] == nodata
            new[band] = clear_of(new[band], nodata)
    keep |= ~tiles.valid[row] if tiles.valid is not None else False
    raster.write(np.where(keep, old, new), window=window)


def as_stored(image: ndarray, dtype: np.dtype) -> ndarray:
    """Numbers of any shape in another dtype, integers rounded and bounded."""
    if dtype.kind == "f":
        return image.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(image.astype(np.float64)), limits.min, limits.max).astype(dtype)

# SPDX-License-Identifier: Apache-2.0
"""Georeferenced TIFF: one file, a folder of them (with a table beside them or not), or images/ beside masks/.

`valid` is False where any band is nodata, NaN or masked. These pixels hold the mean of their band over the valid
pixels of the file, so that nodata is never taken for signal, and their mask is 255. The place of each image is in
its `origin`. Bands are called as the files describe them or, where they don't, as in bands.txt (a name a line).
Every file is read once for its valid pixels; those of a set above the memory bound are then read when asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ganaug.data import manifest
from ganaug.data.decode import is_image, kept
from ganaug.data.errors import InputError
from ganaug.data.geo import Raster, facts, library, place_of, read_place, with_place
from ganaug.data.image_set import ImageSet
from ganaug.data.names import in_order
from ganaug.data.rasters import Piece, Survey, pixels_of, surveyed, valid_column
from ganaug.data.readers import masks, tables
from ganaug.data.readers.geotiff_checks import (
    band_names,
    georeferenced,
    refuse_above,
    refuse_mixed,
    refuse_other_sizes,
    refuse_unplaced,
)
from ganaug.data.readers.listing import Row, columns_of, some, written_order
from ganaug.data.readers.walk import entries, image_names
from ganaug.data.scaling import Scaling
from ganaug.data.sizes import Fit, Size, refuse_placed, shrunk
from ganaug.data.threads import in_threads

LOOKED_AT = 16  # files of a folder that are opened to recognise it


def recognise(path: Path) -> bool:
    """A georeferenced TIFF, or a folder or images/ beside masks/ in which one of the first images is such."""
    return any(georeferenced(file) for file in candidates(path)[:LOOKED_AT])


def candidates(path: Path) -> list[Path]:
    """The images that a set would hold, by the names of the files."""
    if masks.recognise(path):
        return [Path(name) for part, _ in masks.parts_of(path) for name in image_names(part / masks.IMAGES)]
    if tables.recognise(path):
        return [Path(row.file) for row in tables.rows(path)]  # type: ignore[arg-type]
    if not path.is_dir():
        return [path]
    return [Path(entry.path) for entry in entries(path) if entry.is_file() and is_image(entry.name)]


def listed(path: Path) -> tuple[Sequence[Row], list[Path]]:
    """The images of a set and their masks; no masks where the layout has none."""
    if masks.recognise(path):
        parts = masks.parts_of(path)
        rows = written_order([row for part, fold in parts for row in masks.rows_of(part, fold, path)], path)
        found = [masks.mask_of(row, path) for row in some(rows, path)]
        masks.refuse_lonely_masks([part for part, _ in parts], found)
        return rows, found
    rows = tables.rows(path) if tables.recognise(path) else [Row(file, file.name) for file in candidates(path)]
    return written_order(rows, path), []


def read(path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """Georeferenced images as a set, with what is known of their place, bands and valid pixels.

    Raises InputError naming the file where rasterio is missing; where a file has no CRS, another CRS, other bands,
    another order of bands or another ADD_OFFSET than the first; where it holds no valid pixel, or 16 bit values far
    above the scale that it or ganaug.json states; and as `readers.masks` does.
    """
    library()
    rows, found = listed(path)
    folder = path if path.is_dir() else path.parent
    files = [Path(row.file) for row in rows]  # type: ignore[arg-type]
    refuse_unplaced(files)
    rasters = list(in_threads(read_place, files, "reading raster headers"))
    columns = columns_for(rows, folder)
    refuse_mixed(files, rasters)
    columns["bands"] = band_names(folder, files, rasters) or columns.get("bands", ())
    refuse_other_sizes(files, rasters, found)
    surveys = list(in_threads(surveyed, files, "looking for nodata"))
    columns["scaling"] = scaling_of(columns.get("scaling"), rasters, surveys)
    refuse_above(files, rasters, surveys, columns["scaling"])
    if size is not None:
        refuse_placed(list(columns.items()), size)
    columns["origin"] = origins(columns.get("origin"), rows, rasters, size, fit)
    pieces = [Piece(*part, 0, 0, part[1].height, part[1].width) for part in zip(files, surveys, strict=True)]
    valid = valid_column(surveys, path, size, fit)
    data = ImageSet(image=pixels_of(pieces, rasters, size, fit), valid=valid, **columns)
    return with_masks(data, rows, found, path, size, fit) if found else data


def columns_for(rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    """What a manifest of ours says about the set, else what its layout says."""
    written = manifest.read(folder)
    if written is not None and all(row.name in written.lines for row in rows):
        return manifest.from_facts(written.facts) | written.columns([row.name for row in rows])
    names = tuple(in_order({row.label for row in rows if row.label is not None}))
    return {"classes": names, **columns_of(rows, names)}


def origins(
    known: ndarray | None, rows: Sequence[Row], rasters: Sequence[Raster], size: Size | None, fit: Fit
) -> ndarray:
    """JSON texts [N] with "file", "place" and, of Sentinel-2, "add_offset"; a place that is written there stays."""
    texts = known.tolist() if known is not None else [json.dumps({"file": row.name}) for row in rows]
    told = []
    for text, raster in zip(texts, rasters, strict=True):
        if raster.added is not None:
            text = json.dumps({**facts(text), "add_offset": list(raster.added)})
        place = place_of(text) or raster.place
        if place is not None and size is not None:
            old = (raster.height, raster.width)
            text = with_place(text, place.fitted(old, size if fit == "resize" else shrunk(old, size), size))
        elif place is not None and place_of(text) is None:
            text = with_place(text, place)
        told.append(text)
    return np.array(told)


def with_masks(
    data: ImageSet, rows: Sequence[Row], files: Sequence[Path], path: Path, size: Size | None, fit: Fit
) -> ImageSet:
    """The set with the masks of `readers.masks`, 255 where a pixel is not valid."""
    if data.image.shape[0] is None:
        raise InputError(f"the images of {path} have different sizes, and masks need one: pass --size 64.")
    found = masks.codes(files, size, fit, masks.PADDING, "reading masks")
    mask, names = masks.numbered(found, files, path, [path, *(part for part, _ in masks.parts_of(path))])
    beside = masks.beside(rows, path, size, fit)
    given = [valid for valid in (data.valid, beside.pop("valid", None)) if valid is not None]
    valid = np.logical_and.reduce(given) if given else None
    if valid is not None:
        mask = np.where(valid, mask, masks.UNKNOWN).astype(np.uint8)
    return data.but(mask=mask, mask_classes=names, valid=valid, **beside)


def scaling_of(stated: Scaling | None, rasters: Sequence[Raster], surveys: Sequence[Survey]) -> Scaling:
    """The stated scaling where it is one of these numbers, else the range of the valid pixels."""
    dtype = kept(rasters[0].dtype)
    if stated is not None and stated.dtype == str(dtype):
        return stated
    if dtype == np.uint8:
        return Scaling()
    low, high = min(survey.low for survey in surveys), max(survey.high for survey in surveys)
    return Scaling(str(dtype), low, high if high > low else low + 1.0)

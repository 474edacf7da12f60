# SPDX-License-Identifier: Apache-2.0
"""Georeferenced TIFF: one file, a folder of them (with a table or not), class folders, or images/ beside masks/.

`valid` is False where any band is nodata, NaN or masked, and in padding. These pixels hold the mean of their
band over the valid pixels of the file, so that nodata is never taken for signal, and their mask is 255. The place of
each image is in its `origin`. Bands are called as the files describe them or, where they don't, as in bands.txt (a
name a line). Every file is read once for its valid pixels; those of a set above the memory bound are then read when
asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ganaug.data.decode import is_image, kept
from ganaug.data.errors import InputError
from ganaug.data.geo import Raster, facts, library, place_of, read_place, with_place
from ganaug.data.image_set import ImageSet
from ganaug.data.rasters import Piece, Survey, pixels_of, surveyed, valid_column
from ganaug.data.readers import class_folders, masks, tables
from ganaug.data.readers.geotiff_checks import (
    band_names,
    georeferenced,
    refuse_above,
    refuse_mixed,
    refuse_other_crs,
    refuse_other_sizes,
    refuse_unplaced,
    refuse_without_crs,
)
from ganaug.data.readers.listing import Row, as_set, known, some, written_order
from ganaug.data.readers.walk import entries, folders, image_names
from ganaug.data.scaling import Scaling
from ganaug.data.sizes import Fit, Size, moved_columns
from ganaug.data.threads import in_threads

LOOKED_AT = 16  # files of a folder that are opened to recognise it


def recognise(path: Path) -> bool:
    """A georeferenced TIFF, or a folder or images/ beside masks/ in which one of the first images is such."""
    return any(georeferenced(file) for file in candidates(path)[:LOOKED_AT])


def recognise_classes(path: Path) -> bool:
    """Class folders, the first image of one of which is a georeferenced TIFF."""
    if not class_folders.recognise(path):
        return False
    kinds = (kind for top in folders(path) for kind in (top, *folders(top)))  # below train/ or not
    firsts = (Path(name) for kind in kinds for name in islice(image_names(kind), 1))
    return any(georeferenced(file) for file in islice(firsts, LOOKED_AT))


def candidates(path: Path) -> list[Path]:
    """The images that a set would hold, by the names of the files."""
    if masks.recognise(path):
        return [Path(name) for part, _ in masks.parts_of(path) for name in image_names(masks.images_in(part))]
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
        found = masks.masks_of(some(rows, path), path)
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
    rows, found = listed(path)
    rows, columns = known(rows, path if path.is_dir() else path.parent)
    rasters = headers(rows)
    refuse_other_crs([Path(row.file) for row in rows], rasters)  # type: ignore[arg-type]
    data = as_rasters(rows, columns, rasters, path, size, fit, found)
    return with_masks(data, rows, found, path, size, fit) if found else data


def read_classes(path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """Class folders of georeferenced images as a set, their names the classes; InputError as in `read`.

    Here each image may have a CRS of its own: examples of classes come from all over, and each keeps its place.
    """
    rows, classes = class_folders.listed(path)
    rows, columns = known(rows, path, classes, from_folders=True)
    return as_rasters(rows, columns, headers(rows), path, size, fit)


def read_rows(rows: Sequence[Row], path: Path, folder: Path, size: Size | None, fit: Fit) -> ImageSet:
    """Image files of a set at `path` that lie in `folder`: with place and valid pixels if they are georeferenced.

    InputError as in `read`; as in class folders, each image may have a CRS of its own.
    """
    if not any(georeferenced(Path(row.file)) for row in rows[:LOOKED_AT]):  # type: ignore[arg-type]
        return as_set(rows, path, size, fit)
    rows, columns = known(rows, path)
    return as_rasters(rows, columns, headers(rows), folder, size, fit)


def headers(rows: Sequence[Row]) -> list[Raster]:
    """What each file says of itself; InputError for one without a place beside one that has one."""
    library()
    files = [Path(row.file) for row in rows]  # type: ignore[arg-type]
    refuse_unplaced(files)
    rasters = list(in_threads(read_place, files, "reading raster headers"))
    refuse_without_crs(files, rasters)
    return rasters


def as_rasters(
    rows: Sequence[Row],
    columns: dict[str, Any],
    rasters: Sequence[Raster],
    path: Path,
    size: Size | None,
    fit: Fit,
    found: Sequence[Path] = (),
) -> ImageSet:
    """Georeferenced images, with what is known of them beforehand, as a set; `found` are the masks, not read here."""
    files = [Path(row.file) for row in rows]  # type: ignore[arg-type]
    refuse_mixed(files, rasters)
    columns["bands"] = band_names(path if path.is_dir() else path.parent, files, rasters) or columns.get("bands", ())
    refuse_other_sizes(files, rasters, found)
    surveys = list(in_threads(surveyed, files, "looking for nodata"))
    columns["scaling"] = scaling_of(columns.get("scaling"), rasters, surveys)
    refuse_above(files, rasters, surveys, columns["scaling"])
    columns["origin"] = origins(columns.get("origin"), rows, rasters)
    columns |= moved_columns(columns, lambda: [(raster.height, raster.width) for raster in rasters], size, fit)
    pieces = [Piece(*part, 0, 0, part[1].height, part[1].width) for part in zip(files, surveys, strict=True)]
    valid = valid_column(surveys, path, size, fit)
    return ImageSet(image=pixels_of(pieces, rasters, size, fit), valid=valid, **columns)


def origins(written: ndarray | None, rows: Sequence[Row], rasters: Sequence[Raster]) -> ndarray:
    """JSON texts [N] with "file", "place" and, of Sentinel-2, "add_offset"; a place that is written there stays."""
    texts = written.tolist() if written is not None else [json.dumps({"file": row.name}) for row in rows]
    told = []
    for text, raster in zip(texts, rasters, strict=True):
        if raster.added is not None:
            text = json.dumps({**facts(text), "add_offset": list(raster.added)})
        if raster.place is not None and place_of(text) is None:
            text = with_place(text, raster.place)
        told.append(text)
    return np.array(told)


def with_masks(
    data: ImageSet, rows: Sequence[Row], files: Sequence[Path], path: Path, size: Size | None, fit: Fit
) -> ImageSet:
    """The set with the masks of `readers.masks`, 255 where a pixel is not valid."""
    if data.image.shape[0] is None:
        raise InputError(f"the images of {path} have different sizes, and masks need one: pass --size 64.")
    found = masks.codes([[file] for file in files], size, fit, masks.PADDING, "reading masks")
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

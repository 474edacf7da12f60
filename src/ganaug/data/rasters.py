# SPDX-License-Identifier: Apache-2.0
"""The pixels of raster files: which are valid, and windows of large files that are read when they are asked for.

Nodata pixels and padding hold the mean of their band over the valid pixels of the file, so that they are never taken
for signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

from ganaug.data import gather
from ganaug.data.decode import MOST_PIXELS, MOST_VALUES, kept
from ganaug.data.errors import InputError
from ganaug.data.geo import Raster, library, opened
from ganaug.data.pixels import ArrayPixels, FilePixels, Pixels, RaggedPixels
from ganaug.data.sizes import Fit, Size, brought_to, inner_size
from ganaug.data.threads import in_threads

A_STRIP = 64 * 2**20  # bytes of a large file that are read at a time


class Survey(NamedTuple):
    """What one pass over a file finds."""

    height: int
    width: int
    valid: Bool[ndarray, "h w"] | None  # None: every pixel
    fill: Float[ndarray, " c"]  # mean of each band over the valid pixels
    low: float
    high: float


def surveyed(file: Path) -> Survey:
    """Valid pixels of a file and the mean of each band over them, a strip at a time; InputError where none is."""
    with opened(file) as raster:
        valid = np.zeros((raster.height, raster.width), bool)
        total, low, high = np.zeros(raster.count), np.inf, -np.inf
        for top, (values, good) in strips(raster):
            valid[top : top + len(good)] = good
            if good.any():
                held = values[:, good]
                total += held.sum(1, dtype=np.float64)
                low, high = min(low, float(held.min())), max(high, float(held.max()))
    if not valid.any():
        raise InputError(f"{file} holds nodata only: remove it.")
    return Survey(*valid.shape, None if valid.all() else valid, total / valid.sum(), low, high)


def strips(raster: Any) -> Iterator[tuple[int, tuple[Shaped[ndarray, "c h w"], Bool[ndarray, "h w"]]]]:
    """First row, values and valid pixels of the strips of an open dataset."""
    a_row = raster.width * sum(np.dtype(kind).itemsize for kind in raster.dtypes)
    height = max(raster.block_shapes[0][0], A_STRIP // a_row)
    for top in range(0, raster.height, height):
        yield top, strip(raster, top, 0, min(height, raster.height - top), raster.width)


def strip(
    raster: Any, top: int, left: int, height: int, width: int
) -> tuple[Shaped[ndarray, "c h w"], Bool[ndarray, "h w"]]:
    """Values of a window and its valid pixels: no band is nodata, NaN or masked (a fourth band is never alpha)."""
    rasterio = library()
    window = rasterio.windows.Window(left, top, width, height)
    values = raster.read(window=window)
    good = np.isfinite(values).all(0)
    for band, nodata in zip(values, raster.nodatavals, strict=True):
        if nodata is not None:
            good &= band != nodata
    flags = raster.mask_flag_enums[0]
    if rasterio.enums.MaskFlags.per_dataset in flags and rasterio.enums.MaskFlags.alpha not in flags:
        good &= raster.dataset_mask(window=window) > 0
    return values, good


@dataclass(frozen=True)
class Piece:
    """A window of a raster file; it can be opened like the file, and its name tells which window it is."""

    path: Path
    survey: Survey
    top: int
    left: int
    height: int
    width: int

    @property
    def parent(self) -> Path:
        return self.path.parent

    @property
    def name(self) -> str:
        return f"{self.path.name}@{self.top},{self.left},{self.height},{self.width}"

    def open(self, mode: str) -> IO[bytes]:
        return self.path.open(mode)


def read_piece(piece: Piece) -> Shaped[ndarray, "h w c"]:
    """The values of a window, nodata filled by the mean of its band; InputError where it is too large."""
    pixels, bands = piece.height * piece.width, len(piece.survey.fill)
    if pixels > MOST_PIXELS or pixels * bands > MOST_VALUES:
        raise InputError(
            f"{piece.path} is too large to be read whole ({piece.height}x{piece.width}x{bands}): pass --tiles 256."
        )
    with opened(piece.path) as raster:
        values = raster.read(window=library().windows.Window(piece.left, piece.top, piece.width, piece.height))
    dtype = kept(values.dtype)
    with np.errstate(over="ignore"):
        image = np.ascontiguousarray(values.transpose(1, 2, 0)).astype(dtype)
    if piece.survey.valid is not None:
        part = piece.survey.valid[piece.top : piece.top + piece.height, piece.left : piece.left + piece.width]
        image[~part] = fill_of(piece, dtype)
    return image


def fill_of(piece: Piece, dtype: np.dtype) -> Shaped[ndarray, " c"]:
    """What pixels that are not valid hold: the mean of each band."""
    fill = piece.survey.fill
    return (np.rint(fill) if dtype.kind == "u" else fill).astype(dtype)


@dataclass(frozen=True)
class SizedPiece:
    """Reads windows and brings each to one size; padding holds what nodata does."""

    size: Size
    fit: Fit

    def __call__(self, piece: Piece) -> Shaped[ndarray, "h w c"]:
        image = read_piece(piece)
        return brought_to(image, self.size, self.fit, fill_of(piece, image.dtype))


class RasterPixels(FilePixels):
    """Raster files, or windows of them, that are read when they are asked for."""

    def select(self, rows: ndarray) -> RasterPixels:
        return RasterPixels([self.paths[int(row)] for row in rows], self.read, self.shape, self.dtype)

    def windows(self, rows: ndarray, top: ndarray, left: ndarray, side: int) -> RasterPixels:
        """Squares of `side` pixels of the images in `rows`; no file is read for them before they are asked for."""
        cut = [
            Piece(whole.path, whole.survey, whole.top + int(y), whole.left + int(x), side, side)
            for whole, y, x in zip([self.paths[int(row)] for row in rows], top, left, strict=True)
        ]
        return RasterPixels(cut, self.read, (side, side, self.shape[2]), self.dtype)


def pixels_of(pieces: Sequence[Piece], rasters: Sequence[Raster], size: Size | None, fit: Fit) -> Pixels:
    """Raster files as pixels: decoded at once when they are few, else when they are asked for."""
    sizes = {(piece.height, piece.width) for piece in pieces}
    height, width = size or (next(iter(sizes)) if len(sizes) == 1 else (None, None))
    channels, dtype = len(rasters[0].scales), kept(rasters[0].dtype)
    whole = sum(piece.height * piece.width for piece in pieces) if size is None else len(pieces) * size[0] * size[1]
    large = size is None and any(piece.height * piece.width > MOST_PIXELS for piece in pieces)  # to be cut into tiles
    if large or whole * channels * dtype.itemsize > gather.IN_MEMORY:
        if size is None:
            return RasterPixels(pieces, read_piece, (height, width, channels), dtype)  # type: ignore[arg-type]
        return FilePixels(pieces, SizedPiece(size, fit), (height, width, channels), dtype)  # type: ignore[arg-type]
    images = in_threads(SizedPiece(size, fit) if size else read_piece, pieces, "reading rasters")
    if height is None or width is None:
        return RaggedPixels(list(images))
    return ArrayPixels(gather.stacked(images, (len(pieces), height, width, channels), dtype))


def valid_column(surveys: Sequence[Survey], path: Path, size: Size | None, fit: Fit) -> Bool[ndarray, "n h w"] | None:
    """Valid pixels of all images, None where all are. Padding is not; a resized pixel is where all of it is."""
    padded = size is not None and any(inner_size(survey[:2], size, fit) != size for survey in surveys)
    if not padded and all(survey.valid is None for survey in surveys):
        return None
    if size is None and len({survey[:2] for survey in surveys}) > 1:
        raise InputError(f"the images of {path} have nodata and different sizes, one is needed: pass --size 64.")
    found = [np.ones(survey[:2], bool) if survey.valid is None else survey.valid for survey in surveys]
    if size is None:
        return np.stack(found)
    return np.stack([brought_to(valid[..., None].astype(np.float32), size, fit)[..., 0] > 0.999 for valid in found])

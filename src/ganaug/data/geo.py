# SPDX-License-Identifier: Apache-2.0
"""Where a raster lies on the ground, and what its file says about its bands.

The corner of the pixel in (row, column) lies at x = c + a column + b row, y = f + d column + e row, with the affine
transform (a, b, c, d, e, f) of OGC GeoTIFF 1.1; its centre is half a pixel further. rasterio is imported when a
raster is opened and not before: everything else of ganaug works without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

from ganaug.data.errors import InputError

Transform = tuple[float, float, float, float, float, float]

QUANTIFICATION = 10_000  # of Sentinel-2 products: stored numbers a unit of reflectance
ADDED = ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")  # of Sentinel-2 L2A and L1C
SYNTHETIC = "SYNTHETIC"  # the tag of a generated image
NOWHERE = "ganaug: no place on the ground"  # name of the local CRS of images without a place


@dataclass(frozen=True)
class Place:
    """CRS as text (`EPSG:32630` or WKT; "" where a file states none), transform (a, b, c, d, e, f), nodata value."""

    crs: str
    transform: Transform
    nodata: float | None = None

    def __post_init__(self) -> None:
        if self.nodata is not None and isnan(self.nodata):
            object.__setattr__(self, "nodata", nan)  # the same object everywhere, so that equal places compare equal

    def corner(self, row: float, column: float) -> tuple[float, float]:
        """x and y of a pixel's corner."""
        a, b, c, d, e, f = self.transform
        return c + a * column + b * row, f + d * column + e * row

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Row and column of the corner at x and y; the inverse of `corner`."""
        a, b, c, d, e, f = self.transform
        area = a * e - b * d
        return (a * (y - f) - d * (x - c)) / area, (e * (x - c) - b * (y - f)) / area

    def window(self, top: float, left: float) -> Place:
        """The place of a part that begins in row `top` and column `left`."""
        a, b, _, d, e, _ = self.transform
        x, y = self.corner(top, left)
        return replace(self, transform=(a, b, x, d, e, y))

    def resized(self, factor_y: float, factor_x: float) -> Place:
        """The place of the same ground with `factor` times as many rows and columns."""
        a, b, c, d, e, f = self.transform
        return replace(self, transform=(a / factor_x, b / factor_y, c, d / factor_x, e / factor_y, f))

    def fitted(self, old: tuple[int, int], inner: tuple[int, int], size: tuple[int, int]) -> Place:
        """The place of an image of `old` pixels brought to `inner` and centred in `size` (heights and widths)."""
        top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
        return self.resized(inner[0] / old[0], inner[1] / old[1]).window(-top, -left)

    def to_json(self) -> dict[str, Any]:
        """Plain values; a nodata value that JSON has no number for (NaN, infinity) as text."""
        known = self.nodata is None or isfinite(self.nodata)
        nodata = self.nodata if known else str(self.nodata)
        return {"crs": self.crs, "transform": list(self.transform), "nodata": nodata}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Place:
        """The inverse of `to_json`; InputError where the values are none."""
        try:
            a, b, c, d, e, f = map(float, values["transform"])
            nodata = values.get("nodata")
            return cls(str(values["crs"]), (a, b, c, d, e, f), None if nodata is None else float(nodata))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the place {values} is damaged ({error}): crs, a transform of 6 numbers and nodata are needed."
            ) from None


def facts(origin: str) -> dict[str, Any]:
    """The origin of a row as values; {} for other texts than a JSON object."""
    try:
        known = json.loads(origin)
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def place_of(origin: str) -> Place | None:
    """Where a row of a set lies: "place" of its origin, moved by "top" and "left" for a tile; None where unknown."""
    known = facts(origin)
    if known.get("place") is None:
        return None
    return Place.from_json(known["place"]).window(known.get("top", 0), known.get("left", 0))


def with_place(origin: str, place: Place) -> str:
    """The origin of a row that lies at `place` as a whole: what it was cut from no longer tells where it lies."""
    known = {name: value for name, value in facts(origin).items() if name not in ("top", "left")}
    return json.dumps({**known, "place": place.to_json()})


# --- what a file says -------------------------------------------------------------------------------------------


class Raster(NamedTuple):
    """What a raster file says about itself."""

    place: Place | None  # None: neither CRS nor transform, or the local CRS NOWHERE
    generated: bool  # it states the local CRS NOWHERE
    bands: tuple[str, ...]  # () where not every band has a name
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    added: tuple[float, ...] | None  # a band's BOA_ADD_OFFSET or RADIO_ADD_OFFSET; None where the file has none
    height: int
    width: int
    dtype: np.dtype


def read_place(path: Path) -> Raster:
    """Place, names, scales and offsets of the bands of a raster file, by its header alone.

    Raises InputError where rasterio is missing or the file is no raster.
    """
    with opened(path) as raster:
        return Raster(
            place=stated_place(raster),
            generated=is_nowhere(raster),
            bands=tuple(raster.descriptions) if all(raster.descriptions) else (),
            scales=tuple(raster.scales),
            offsets=tuple(raster.offsets),
            added=added_offsets(raster),
            height=raster.height,
            width=raster.width,
            dtype=np.result_type(*raster.dtypes),
        )


@contextmanager
def opened(path: Path, mode: str = "r", **profile: Any) -> Iterator[Any]:
    """A dataset of rasterio; whatever goes wrong with it is told in one InputError that names the file."""
    rasterio = library()
    try:
        with rasterio.open(path, mode, **profile) as raster:
            yield raster
    except InputError:
        raise
    except (rasterio.errors.RasterioError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:150].rstrip(".")
        raise InputError(f"{path} cannot be used as a raster ({reason}): mend or remove it.") from error


def library() -> Any:
    """rasterio; InputError that says how to get it."""
    try:
        import rasterio
        import rasterio.errors
        import rasterio.windows
    except ImportError:
        raise InputError(
            "georeferenced images need rasterio, which is not installed: pip install 'ganaug[geo]'."
        ) from None
    return rasterio


def is_nowhere(raster: Any) -> bool:
    """Whether an open dataset states the local CRS of images without a place."""
    return raster.crs is not None and NOWHERE in raster.crs.to_wkt()


def stated_place(raster: Any) -> Place | None:
    """The place that an open dataset states."""
    if is_nowhere(raster) or (raster.crs is None and raster.transform.is_identity):
        return None
    crs = "" if raster.crs is None else raster.crs.to_string()
    return Place(crs, tuple(map(float, tuple(raster.transform)[:6])), raster.nodata)  # type: ignore[arg-type]


def same_crs(one: str, other: str) -> bool:
    """Whether two texts mean one CRS, however each is written."""
    if one == other or not (one and other):
        return one == other
    crs = library().crs.CRS
    return bool(crs.from_string(one) == crs.from_string(other))


# --- Sentinel-2 -------------------------------------------------------------------------------------------------


def added_offsets(raster: Any) -> tuple[float, ...] | None:
    """BOA_ADD_OFFSET or RADIO_ADD_OFFSET of each band, from its tags or the file's; None where one has none.

    Never guessed from a date: re-processed products of old scenes have the offset, harmonised ones of new do not.
    """
    found = []
    for band in raster.indexes:
        tags = {**raster.tags(), **raster.tags(band)}
        found.append(next((tags[name] for name in ADDED if name in tags), None))
    return None if None in found else tuple(map(float, found))  # type: ignore[arg-type]


def reflectance(dn: Shaped[ndarray, "... c"], offset: Float[ndarray, " c"] | float) -> Float[ndarray, "... c"]:
    """Sentinel-2 numbers as reflectance, float64: (DN + offset) / 10000, small negative values are legal.

    `offset`: what the product's metadata calls ADD_OFFSET, one number or one a band; 0 before baseline 04.00 and in
    harmonised collections. Nodata (DN 0) must be masked by the caller.
    """
    return (np.asarray(dn, np.float64) + np.asarray(offset, np.float64)) / QUANTIFICATION

# SPDX-License-Identifier: Apache-2.0
"""TIFF: any number of bands, 8 and 16 bit integers and floats, bands first or last."""

from __future__ import annotations

from importlib.util import find_spec
from typing import IO, Any, cast

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from ganaug.data.formats.raw import TURNED, Raw, channels_first, from_shape

WITHOUT_CODECS = (
    *(COMPRESSION.NONE, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE),
    *(COMPRESSION.PACKBITS, COMPRESSION.LZMA),
)
ORIENTATION, NODATA = 274, 42113  # tags


def opened(file: IO[bytes]) -> Raw:
    """The first image series of a TIFF file: pages that belong together are its bands."""
    series = TiffFile(file).series[0]
    page: Any = series.keyframe
    orientation = int(page.tags.valueof(ORIENTATION, default=1))
    first = len(series.shape) == 3 and bands_first(series.axes, series.shape)
    raw = from_shape(series.shape, series.dtype, series.asarray, first, orientation)
    return raw if numbers_are_brightness(page) else through_pillow(file, page, raw)


def nodata(file: IO[bytes]) -> list[float]:
    """The value that means no data, as GDAL notes it; [] without one."""
    text = str(cast(Any, TiffFile(file).series[0].keyframe).tags.valueof(NODATA, default=""))
    try:
        return [float(text)]
    except ValueError:
        return []


def bands_first(axes: str, shape: tuple[int, ...]) -> bool:
    """By the axis that the file names samples, else by the shape."""
    return axes[0] == "S" if "S" in axes else channels_first(shape)


def numbers_are_brightness(page: TiffPage) -> bool:
    """Whether tifffile alone gives the image: no palette, no inverted grey, no packed bits, a known compression."""
    known = page.compression in WITHOUT_CODECS or find_spec("imagecodecs") is not None
    return known and page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB) and page.bitspersample >= 8


def through_pillow(file: IO[bytes], page: TiffPage, raw: Raw) -> Raw:
    """The common 8 bit kinds that Pillow decodes (it would cut deeper colour to 8 bit); ValueError for others."""
    from PIL import Image, ImageOps

    from ganaug.data.formats.pictures import described

    if page.bitspersample > 8 and (page.bitspersample, raw.channels) != (16, 1):
        name = COMPRESSION(page.compression).name
        raise ValueError(f"its {name} compression needs one more package: pip install imagecodecs")
    file.seek(0)
    image = Image.open(file, formats=("TIFF",))
    channels, dtype, pixels = described(image)

    def upright() -> np.ndarray:
        return pixels(ImageOps.exif_transpose(image))  # some versions of Pillow did this on opening

    sides = (raw.width, raw.height) if raw.orientation in TURNED else (raw.height, raw.width)
    return Raw(*sides, channels, dtype, upright)

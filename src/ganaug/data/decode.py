# SPDX-License-Identifier: Apache-2.0
"""One image file -> one array [H, W, C] of uint8, uint16 or float32, upright, checked; or one sentence why not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

import numpy as np

from ganaug.data.errors import InputError
from ganaug.data.formats import npy, pictures, tiff
from ganaug.data.formats.raw import TURNED, ImageFile, Raw, TooLargeError

MOST_PIXELS = 128_000_000  # a scene of Sentinel-2 has 121 million
MOST_VALUES = 4 * MOST_PIXELS  # pixels times bands

FORMATS: dict[str, Callable[[IO[bytes]], Raw]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm"), pictures.opened),
    **dict.fromkeys((".tif", ".tiff"), tiff.opened),
    ".npy": npy.opened,
}


class Header(NamedTuple):
    """Size of the upright image, its channels, and the dtype it is decoded to."""

    height: int
    width: int
    channels: int
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Memory of the decoded image."""
        return self.height * self.width * self.channels * self.dtype.itemsize


def is_image(name: str | os.PathLike) -> bool:
    """Whether a file's name ends as an image's does; hidden files are none."""
    stem, suffix = os.path.splitext(os.path.basename(name))
    return suffix.lower() in FORMATS and not stem.startswith(".")


def header(path: ImageFile) -> Header:
    """What a file holds, without decoding it; InputError when it is no image or too large."""
    with opened(path) as raw:
        sides = (raw.width, raw.height) if raw.orientation in TURNED else (raw.height, raw.width)
        return Header(*sides, raw.channels, kept(raw.dtype))


def decode(path: ImageFile) -> np.ndarray:
    """A file as an upright array [H, W, C] of uint8, uint16 or float32.

    Palettes become RGB, 1 bit becomes 0 and 255, other integers and floats become float32. Raises InputError when
    the file cannot be read, is cut off, is larger than MOST_PIXELS or holds NaN or infinite values.
    """
    with opened(path) as raw:
        array = raw.pixels()
        if array.shape != (raw.height, raw.width, raw.channels):
            raise ValueError(f"its header says {raw.height} x {raw.width} pixels, its content is {array.shape}")
        dtype = kept(array.dtype)
        with np.errstate(over="ignore"):
            array = array.astype(dtype) * 255 if array.dtype.kind == "b" else array.astype(dtype)
        if dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{path} holds NaN or infinite values: replace them before loading.")
        return np.ascontiguousarray(oriented(array, raw.orientation))


def decode_mask(path: ImageFile) -> np.ndarray:
    """A mask file as numbers int32 [H, W]: grey values or palette indices; colours as 0xRRGGBB + 2^24; -1 is 255.

    Raises InputError as `decode` does, and for values that are no whole numbers.
    """
    indices = palette_indices(path)
    array = decode(path) if indices is None else indices[..., None]
    if array.shape[2] >= 3:
        weights = np.array([1 << 16, 1 << 8, 1], np.int32)
        return array[..., :3].astype(np.int32) @ weights + (1 << 24)
    unknown = np.isin(array[..., 0], [-1, *nodata_of(path)])
    values = np.where(unknown, 255, array[..., 0])
    whole = values.astype(np.int32)
    if (whole != values).any() or whole.min() < 0:
        raise InputError(f"the mask {path} holds values that are no class numbers: whole numbers from 0 are needed.")
    return whole


def nodata_of(path: ImageFile) -> list[float]:
    """The value that a TIFF states for no data; a stated 0 is a class, because many tools state it unasked."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return []
    with path.open("rb") as file:
        return [value for value in tiff.nodata(file) if value]


def palette_indices(path: ImageFile) -> np.ndarray | None:
    """What a palette picture stores [H, W], upright, None for other files; a mask's colours mean nothing."""
    if path.suffix.lower() not in (".png", ".bmp", ".tif", ".tiff"):
        return None
    with opened(path), path.open("rb") as file:
        try:
            image = pictures.Image.open(file, formats=(*pictures.KINDS, "TIFF"))
        except pictures.Image.UnidentifiedImageError:  # TIFF of other numbers or bands than a picture's
            return None
        if image.mode != "P":
            return None
        image.load()  # some versions of Pillow turn a TIFF upright here, and then it states no orientation
        return oriented(np.asarray(image)[..., None], pictures.exif_orientation(image))[..., 0]


def kept(dtype: np.dtype) -> np.dtype:
    """The dtype that a stored one is decoded to; ValueError for complex numbers, texts and objects."""
    if dtype.kind not in "biuf":
        raise ValueError(f"its values are {dtype}, numbers are needed")
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    native = dtype.newbyteorder("=")
    return native if native in (np.uint8, np.uint16) else np.dtype(np.float32)


def oriented(array: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W, C] as stored -> upright, by the EXIF orientation 1..8 (Exif 2.3, tag 0x0112)."""
    if orientation in TURNED:
        array = array.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


@contextmanager
def opened(path: ImageFile) -> Iterator[Raw]:
    """An opened image file; whatever goes wrong with it is told in one InputError that names it."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path} is empty (0 bytes): remove it or copy it again.")
            file.seek(0)
            raw = FORMATS[path.suffix.lower()](file)
            refuse_large(path, raw)
            yield raw
    except InputError:
        raise
    except TooLargeError:
        raise too_large(path, "far more") from None
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except PermissionError:
        raise InputError(f"{path} may not be read (permission denied): change its permissions.") from None
    except Exception as error:  # decoders raise nearly everything on broken files
        reason = (str(error) or type(error).__name__).splitlines()[0][:150].rstrip(".")
        raise InputError(
            f"{path} cannot be read as an image ({reason}): it is cut off or another kind of file; mend or remove it."
        ) from error


def refuse_large(path: ImageFile, raw: Raw) -> None:
    """InputError when an image is larger than the bounds."""
    pixels = raw.height * raw.width
    if pixels > MOST_PIXELS or pixels * raw.channels > MOST_VALUES:
        raise too_large(path, f"{raw.height} x {raw.width} x {raw.channels}")
    if not pixels:
        raise InputError(f"{path} has no pixels ({raw.height} x {raw.width}): remove it.")


def too_large(path: ImageFile, found: str) -> InputError:
    """The sentence for images over the bound."""
    return InputError(
        f"{path} is too large: at most {MOST_PIXELS // 1_000_000} million pixels of 4 channels are decoded, "
        f"found {found}: cut it into tiles first."
    )

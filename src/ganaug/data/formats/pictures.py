# SPDX-License-Identifier: Apache-2.0
"""PNG, JPEG, WebP, BMP and PPM by Pillow; 16 bit colour PNG, which Pillow cuts to 8 bit, by torchvision."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from typing import IO

import numpy as np
from PIL import Image

from ganaug.data.formats.raw import Raw, TooLargeError

# Our own bound refuses with a sentence; Pillow's warning would come before it, at 90 million pixels.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

KINDS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")
SHOWN_AS = {  # modes that are no plain grey, RGB or RGBA
    **dict.fromkeys(("P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"), "RGB"),
    **dict.fromkeys(("PA", "LA", "La", "RGBa"), "RGBA"),
    "1": "L",
}
CHANNELS = {"RGB": 3, "RGBA": 4}
DEEP = ("I", "I;16", "I;16B", "I;16L")
ORIENTATION = 0x0112


def opened(file: IO[bytes]) -> Raw:
    """A picture file, told by its content whatever its name."""
    try:
        image = Image.open(file, formats=KINDS)
    except Image.DecompressionBombError as error:
        raise TooLargeError from error
    except Image.UnidentifiedImageError:
        raise ValueError("its content is none of PNG, JPEG, WebP, BMP and PPM") from None
    if image.format == "PNG":
        orientation, deep = png_orientation(file), png_is_deep_colour(file)
    else:
        orientation, deep = exif_orientation(image), False
    channels, dtype, pixels = described(image)
    if deep:
        return Raw(image.height, image.width, channels, np.dtype(np.uint16), lambda: deep_png(file), orientation)
    return Raw(image.height, image.width, channels, dtype, lambda: pixels(image), orientation)


def described(image: Image.Image) -> tuple[int, np.dtype, Callable[[Image.Image], np.ndarray]]:
    """Channels, dtype and the decoder [H, W, C] of a picture that Pillow has opened."""
    mode = SHOWN_AS.get(image.mode, image.mode)
    dtype = np.dtype(np.uint16 if mode in DEEP else np.float32 if mode == "F" else np.uint8)

    def pixels(image: Image.Image) -> np.ndarray:
        if image.mode != mode:
            image.load()
            image.info.pop("transparency", None)  # a palette's transparent colour stays a colour
            image = image.convert(mode)
        array = np.asarray(image).astype(dtype)
        return array if array.ndim == 3 else array[..., None]

    return CHANNELS.get(mode, 1), dtype, pixels


def exif_orientation(image: Image.Image) -> int:
    """1..8; 1 where it is missing or its block is broken, which says nothing about the pixels."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return 1


def png_orientation(file: IO[bytes]) -> int:
    """As above, walking over the chunks: Pillow would decode the pixels to reach a block that comes after them."""
    start = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                exif = Image.Exif()
                exif.load(b"Exif\0\0" + file.read(size))
                return int(exif.get(ORIENTATION, 1))
            file.seek(size + 4, 1)
    except Exception:
        return 1
    finally:
        file.seek(start)
    return 1


def png_is_deep_colour(file: IO[bytes]) -> bool:
    """Whether a PNG holds 16 bit RGB or RGBA."""
    start = file.tell()
    file.seek(24)
    depth, colour = file.read(2)
    file.seek(start)
    return depth == 16 and colour in (2, 6)


def deep_png(file: IO[bytes]) -> np.ndarray:
    """A 16 bit colour PNG as uint16 [H, W, C]."""
    import torch

    try:
        from torchvision.io import ImageReadMode, decode_png
    except ImportError:  # announced for a later release
        raise ValueError("16 bit colour PNG needs a torchvision with torchvision.io: convert it to TIFF") from None
    file.seek(0)
    content = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
    decoded = decode_png(content, mode=ImageReadMode.UNCHANGED).to(torch.int32)  # int32 in older versions
    return decoded.permute(1, 2, 0).numpy().astype(np.uint16)

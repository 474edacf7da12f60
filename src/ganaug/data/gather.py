# SPDX-License-Identifier: Apache-2.0
"""Many image files as the pixels of one set: decoded at once when they are few, on demand when they are many."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganaug.data.decode import Header, decode, header
from ganaug.data.errors import InputError
from ganaug.data.formats.raw import ImageFile
from ganaug.data.pixels import ArrayPixels, FilePixels, Pixels, RaggedPixels
from ganaug.data.sizes import Fit, Sized
from ganaug.data.threads import in_threads

IN_MEMORY = 512 * 2**20  # bytes of decoded images up to which a set is decoded at once
COLOURS = 3
NAMED = 10  # broken files at most
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm")  # of grey, colours, or colours and alpha
LOOKED_AT = 20_000  # headers read of a larger set; the rest is checked when it is decoded


def pixels_of(files: Sequence[ImageFile], size: tuple[int, int] | None = None, fit: Fit = "resize") -> Pixels:
    """Image files [N] as pixels, each brought to `size` where it is given.

    Pictures with alpha, and grey ones among colours, become colours, transparent places white, and a warning says so.
    Raises InputError when the files differ in channel counts or dtypes otherwise, or that names all files that cannot
    be read.
    """
    looked = sample(files, LOOKED_AT)
    headers = list(every(header, looked, "reading image sizes"))
    first = headers[0]._replace(channels=common_channels(looked, headers))
    same = len({h[:2] for h in headers}) == 1
    height, width = size or (first[:2] if same else (None, None))
    read: Any = Checked(first, None if size or not same else first[:2])
    read = Sized(read, size, fit) if size else read
    whole = sum(h.bytes for h in headers) / len(headers) * len(files)
    if size:
        whole = len(files) * size[0] * size[1] * first.channels * first.dtype.itemsize
    if whole > IN_MEMORY:
        return FilePixels(files, read, (height, width, first.channels), first.dtype)  # type: ignore[arg-type]
    images = every(read, files, "reading images")
    if height is None or width is None:
        return RaggedPixels(list(images))
    return ArrayPixels(stacked(images, (len(files), height, width, first.channels), first.dtype))


def every(read: Callable[[ImageFile], Any], files: Sequence[ImageFile], title: str) -> Iterator[Any]:
    """What `read` makes of each file; where one is refused, all that are so are named, to be mended in one go."""
    try:
        yield from in_threads(read, files, title)
    except InputError as first:
        found = in_threads(lambda file: is_refused(read, file), files, "looking for other broken files")
        bad = [str(file) for file, refused in zip(files, found, strict=True) if refused]
        if len(bad) < 2:
            raise
        more = ", ..." if len(bad) > NAMED else ""
        raise InputError(f"{first} It is one of {len(bad)} such files: {', '.join(bad[:NAMED])}{more}.") from None


def is_refused(read: Callable[[ImageFile], Any], file: ImageFile) -> bool:
    """Whether reading ends in an InputError."""
    try:
        read(file)
    except InputError:
        return True
    return False


def sample(files: Sequence[ImageFile], most: int) -> Sequence[ImageFile]:
    """At most `most` of the files, evenly spaced."""
    if len(files) <= most:
        return files
    return [files[int(i)] for i in np.linspace(0, len(files) - 1, most)]


def stacked(images: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Images as they come -> one array, without holding them twice."""
    array = np.empty(shape, dtype)
    for row, image in enumerate(images):
        array[row] = image
    return array


@dataclass(frozen=True)
class Checked:
    """Reads one file and refuses what its header alone could not show in a sample: another kind, another size."""

    like: Header
    size: tuple[int, int] | None  # None: any

    def __call__(self, path: ImageFile) -> np.ndarray:
        image = decode(path)
        if self.like.channels == COLOURS and image.dtype == np.uint8 and path.suffix.lower() in PICTURES:
            image = in_colours(image)
        if (image.shape[2], image.dtype) != (self.like.channels, self.like.dtype):
            found = Header(image.shape[0], image.shape[1], image.shape[2], image.dtype)
            raise InputError(f"{path} has {kind(found)}, the other images have {kind(self.like)}: convert it first.")
        if self.size and image.shape[:2] != self.size:
            height, width = image.shape[:2]
            raise InputError(
                f"{path} has {height}x{width} pixels, the others {self.size[0]}x{self.size[1]}: "
                "pass --size 64 (resize), or --size 64 --fit pad."
            )
        return image


def common_channels(files: Sequence[ImageFile], headers: Sequence[Header]) -> int:
    """The channels that all files have, or the 3 that transparent and mixed pictures are brought to, with a warning.

    InputError that names two files when they differ otherwise.
    """
    pictures = all(f.suffix.lower() in PICTURES and h.dtype == np.uint8 for f, h in zip(files, headers, strict=True))
    if not pictures or {h.channels for h in headers} in ({1}, {COLOURS}):
        refuse_mixed_kinds(files, headers)
        return headers[0].channels
    n = sum(h.channels != COLOURS for h in headers)
    told = (
        "are grey or have alpha and become plain colour images; a fourth band that is no alpha must be in TIFF or .npy."
    )
    warnings.warn(f"{n} of {len(files)} images {told}", stacklevel=2)
    return COLOURS


def refuse_mixed_kinds(files: Sequence[ImageFile], headers: Sequence[Header]) -> None:
    """InputError that names two files when not all have the same channels and dtype."""
    first = headers[0]
    for file, found in zip(files, headers, strict=True):
        if found[2:] != first[2:]:
            raise InputError(
                f"{files[0]} has {kind(first)} and {file} has {kind(found)}, but the images of a set must be alike: "
                "convert or remove the odd ones."
            )


def in_colours(image: np.ndarray) -> np.ndarray:
    """A picture [H, W, 1, 3 or 4] of uint8 in colours [H, W, 3]: grey as three equal ones, transparent places white."""
    if image.shape[2] == 1:
        return image.repeat(COLOURS, 2)
    if image.shape[2] == COLOURS:
        return image
    alpha = image[..., 3:].astype(np.uint16)
    return ((image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def kind(found: Header) -> str:
    """`3 channels of uint8`."""
    return f"{found.channels} channel{'s' * (found.channels != 1)} of {found.dtype}"

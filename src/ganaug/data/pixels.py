# SPDX-License-Identifier: Apache-2.0
"""Where the pixels of a set live: in one array, in a list of arrays of mixed sizes, or in files read on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ganaug.data.errors import InputError

MARK = 4096  # bytes of a file that stand for its content


class Pixels(Protocol):
    """Images by row. `shape` is (height, width, channels); height and width are None where sizes differ."""

    dtype: np.dtype

    @property
    def shape(self) -> tuple[int | None, int | None, int]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Rows [n] -> uint8, uint16 or float32 [n, H, W, C]; InputError where sizes differ."""
        ...

    def at(self, row: int) -> np.ndarray:
        """One image [H, W, C]."""
        ...

    def select(self, rows: np.ndarray) -> Pixels: ...
    def fingerprint(self) -> str: ...


class ArrayPixels:
    """All images in one array [N, H, W, C], in memory or memory-mapped."""

    def __init__(self, array: np.ndarray):
        if array.ndim == 3:
            array = array[..., None]
        if array.ndim != 4:
            raise InputError(f"images must be an array [N, H, W] or [N, H, W, C], found shape {array.shape}.")
        self.array, self.dtype = array, array.dtype

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        return self.array.shape[1], self.array.shape[2], self.array.shape[3]

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.array[rows]

    def at(self, row: int) -> np.ndarray:
        return self.array[row]

    def select(self, rows: np.ndarray) -> ArrayPixels:
        return ArrayPixels(self.array[rows])

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.array.shape}{self.array.dtype}".encode())
        for start in range(0, len(self.array), 4096):  # bounded memory for memory-mapped sets
            digest.update(np.ascontiguousarray(self.array[start : start + 4096]).tobytes())
        return digest.hexdigest()


class RaggedPixels:
    """Images of mixed sizes in memory."""

    def __init__(self, arrays: Sequence[np.ndarray]):
        self.arrays = list(arrays)
        self.dtype = self.arrays[0].dtype if self.arrays else np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        sizes = {a.shape[:2] for a in self.arrays}
        height, width = sizes.pop() if len(sizes) == 1 else (None, None)
        return height, width, self.arrays[0].shape[2] if self.arrays else 1

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        chosen = [self.arrays[int(r)] for r in np.atleast_1d(rows)]
        refuse_mixed_sizes({a.shape[:2] for a in chosen})
        return np.stack(chosen)

    def at(self, row: int) -> np.ndarray:
        return self.arrays[row]

    def select(self, rows: np.ndarray) -> RaggedPixels:
        return RaggedPixels([self.arrays[int(r)] for r in rows])

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for array in self.arrays:
            digest.update(f"{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


class FilePixels:
    """Images that stay in their files: only the rows asked for are decoded.

    `read` turns one path into an array [H, W, C] of `dtype`; `shape` was found from the file headers.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[Path], np.ndarray],
        shape: tuple[int | None, int | None, int],
        dtype: np.dtype,
    ):
        self.paths, self.read, self.shape, self.dtype = list(paths), read, shape, np.dtype(dtype)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        chosen = [self.at(int(r)) for r in np.atleast_1d(rows)]
        refuse_mixed_sizes({a.shape[:2] for a in chosen})
        return np.stack(chosen) if chosen else np.zeros((0, *(s or 0 for s in self.shape)), self.dtype)

    def at(self, row: int) -> np.ndarray:
        return self.read(self.paths[row])

    def select(self, rows: np.ndarray) -> FilePixels:
        return FilePixels([self.paths[int(r)] for r in rows], self.read, self.shape, self.dtype)

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.shape}{self.dtype}{getattr(self.read, 'fit', '')}".encode())
        for path in self.paths:
            digest.update(file_mark(path))
        return digest.hexdigest()


def file_mark(path: Path) -> bytes:
    """Name, size and a piece from the middle of a file: reading 100,000 files only to name a set takes minutes,
    and uncompressed images of one set all have the same size."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size // 2 - MARK // 2))
        return f"{path.parent.name}/{path.name}:{size};".encode(errors="surrogatepass") + file.read(MARK)


def sizes_of(pixels: Pixels) -> list[tuple[int, int]]:
    """Height and width of every image; images are read for it only where sizes differ."""
    height, width, _ = pixels.shape
    if height is None or width is None:
        return [pixels.at(row).shape[:2] for row in range(len(pixels))]
    return [(height, width)] * len(pixels)


def refuse_mixed_sizes(sizes: set[tuple[int, int]]) -> None:
    """InputError when there is more than one (height, width)."""
    if len(sizes) > 1:
        small, large = min(sizes), max(sizes)
        raise InputError(
            f"the images have {len(sizes)} different sizes, from {small[0]}x{small[1]} to {large[0]}x{large[1]} "
            "pixels (height x width), and this needs one size: pass --size 64 (resize), or --size 64 --fit pad."
        )

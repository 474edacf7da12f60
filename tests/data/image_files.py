# SPDX-License-Identifier: Apache-2.0
"""Small image files for the tests of readers and writers."""

from __future__ import annotations

import struct
import weakref
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, height: int = 6, width: int = 8, channels: int = 3) -> np.ndarray:
    """A random uint8 picture [H, W, C]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


def save(array: np.ndarray, path: Path) -> Path:
    """A picture as PNG or another format of Pillow, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(path)
    return path


def png_bytes(height: int, width: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """A PNG file by hand: header and the given unfiltered rows (PNG specification, section 11)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


class Held:
    """Counts how many of the arrays that it was called with are in memory at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def __call__(self, array: np.ndarray) -> np.ndarray:
        self.now += 1
        self.most = max(self.most, self.now)
        weakref.finalize(array, self.gone)
        return array

    def gone(self) -> None:
        self.now -= 1

# SPDX-License-Identifier: Apache-2.0
"""Single arrays in NumPy's own file format; files that hold pickled objects are refused."""

from __future__ import annotations

from typing import IO

import numpy as np
from numpy.lib import format as npy

from ganaug.data.formats.raw import Raw, channels_first, from_shape


def opened(file: IO[bytes]) -> Raw:
    """An array [H, W], [H, W, C] or [C, H, W]; ValueError for others."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds pickled Python objects, which may run code")
    return from_shape(shape, dtype, lambda: whole(file), len(shape) == 3 and channels_first(shape))


def whole(file: IO[bytes]) -> np.ndarray:
    """The array of a file that was opened before."""
    file.seek(0)
    return np.load(file, allow_pickle=False)

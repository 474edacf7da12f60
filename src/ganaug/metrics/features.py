# SPDX-License-Identifier: Apache-2.0
"""Features and labels as a caller gives them, checked and as arrays on the processor."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ganaug.data.errors import InputError

Array = np.ndarray | Tensor


def unit_rows(name: str, x: Float[Array, "n d"]) -> Float[np.ndarray, "n d"]:
    """Copy of the rows with length one, float32; a row of zeros stays. Raises `InputError` if not finite."""
    rows = matrix_of(name, x.float() if isinstance(x, Tensor) else x).astype(np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    if not np.isfinite(lengths).all():
        raise InputError(f"{name}: expected finite features, found NaN, infinity or overflow; check the network.")
    rows /= np.maximum(lengths, np.finfo(np.float32).tiny)
    return rows


def check_same_width(query: np.ndarray, gallery: np.ndarray) -> None:
    """Raises `InputError` unless both have equally many columns."""
    if query.shape[1] != gallery.shape[1]:
        found = f"{query.shape[1]} and {gallery.shape[1]}"
        raise InputError(f"query, gallery: expected equal dimensions, found {found}; use one network for both.")


def matrix_of(name: str, x: Shaped[Array, "n d"]) -> Shaped[np.ndarray, "n d"]:
    """The matrix as an array. Raises `InputError` unless it has two axes and is not empty."""
    array = _array(x)
    if array.ndim != 2 or not array.size:
        found = f"found shape {array.shape}; check what was passed"
        raise InputError(f"{name}: expected a matrix with rows and columns, {found}.")
    return array


def whole_numbers(name: str, x: Int[Array, " n"], rows: int) -> Int[np.ndarray, " n"]:
    """The labels as int64. Raises `InputError` unless there is one whole number for each of `rows` images."""
    array = _array(x)
    if array.shape != (rows,) or array.dtype.kind not in "iu":
        found = f"found {array.dtype} of shape {array.shape}; check the labels"
        raise InputError(f"{name}: expected {rows} whole numbers, one for each image, {found}.")
    return array.astype(np.int64)


def _array(x: Array) -> np.ndarray:
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)

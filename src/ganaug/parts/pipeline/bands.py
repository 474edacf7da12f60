# SPDX-License-Identifier: Apache-2.0
"""Changes of each band by itself: statistics and straight lines, for bytes by a table of grey levels."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float


def mean(image: np.ndarray, channels: int) -> Float[np.ndarray, " c"] | tuple[float, ...]:
    """The mean of each band."""
    return cv2.mean(image)[:channels] if channels <= 4 else image.mean((0, 1))


def extremes(image: np.ndarray) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """The least and the largest value of each band."""
    flat = image.reshape(image.shape[0] * image.shape[1], 1, -1)
    return tuple(cv2.reduce(flat, 0, kind).astype(float).ravel() for kind in (cv2.REDUCE_MIN, cv2.REDUCE_MAX))


def straight(image: np.ndarray, gain: Float[np.ndarray, " c"], offset: Float[np.ndarray, " c"], top: float) -> None:
    """gain x + offset for each band, within 0..top, in place."""
    if image.dtype == np.uint8:
        table = np.clip(np.rint(np.arange(256)[:, None] * gain + offset), 0, 255).astype(np.uint8)
        cv2.LUT(image, table[None] if image.ndim == 3 else table[:, 0], image)
        return
    changed = image * gain + offset if image.ndim == 3 else image * gain[0] + offset[0]
    np.clip(changed if image.dtype == np.float32 else np.rint(changed), 0, top, out=image, casting="unsafe")

# SPDX-License-Identifier: Apache-2.0
"""How stored pixel values map to the [-1, 1] that networks see, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scaling:
    """A linear map of stored values `low..high` of `dtype` to [-1, 1].

    One pair for all bands, so that the ratio between bands survives.
    """

    dtype: str = "uint8"
    low: float = 0.0
    high: float = 255.0

    @classmethod
    def of(cls, pixels: np.ndarray) -> Scaling:
        """The usual map for a sample of pixels: 0..255 for 8 bit, the range found for 16 bit and float.

        Values of other pixels beyond that range are clipped by `to_float`.
        """
        if pixels.dtype == np.uint8:
            return cls()
        if pixels.size == 0:
            return cls(str(pixels.dtype), 0.0, 1.0)
        low, high = float(pixels.min()), float(pixels.max())
        return cls(str(pixels.dtype), low, high if high > low else low + 1.0)

    def to_float(self, pixels: np.ndarray) -> np.ndarray:
        """Stored values of any shape -> float32 in [-1, 1]; values outside `low..high` are clipped."""
        scaled = (pixels.astype(np.float32) - self.low) * np.float32(2.0 / (self.high - self.low)) - 1.0
        return np.clip(scaled, -1.0, 1.0)

    def to_pixels(self, values: np.ndarray) -> np.ndarray:
        """Float in [-1, 1] -> stored values; integers are rounded. `to_pixels(to_float(x)) == x` for 8 bit."""
        stored = (np.clip(values.astype(np.float64), -1.0, 1.0) + 1.0) * (self.high - self.low) / 2.0 + self.low
        return (np.rint(stored) if np.issubdtype(self.dtype, np.integer) else stored).astype(self.dtype)

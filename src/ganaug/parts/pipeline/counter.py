# SPDX-License-Identifier: Apache-2.0
"""Random numbers by counting: a number depends on (seed, epoch, index, column) and on nothing drawn before it.

The mixing function is SplitMix64's finaliser (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators",
OOPSLA 2014). No generator state exists, so any image's numbers can be had at once, by any process, in any order.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt64

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(x: UInt64[np.ndarray, "*n"]) -> UInt64[np.ndarray, "*n"]:
    """A bijection of 64-bit integers that leaves no visible order."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def uniforms(seed: int, epoch: int, index: Int[np.ndarray, " n"], columns: int) -> Float[np.ndarray, "n columns"]:
    """Uniform numbers in [0, 1), one row an index; row i is the same whatever other rows are asked for."""
    start = mix(np.array([seed, epoch], dtype=np.int64).astype(np.uint64) * GOLDEN + GOLDEN)
    row = mix(index.astype(np.uint64) * GOLDEN + start[0] + mix(start[1:]))
    column = np.arange(1, columns + 1, dtype=np.uint64) * GOLDEN
    return (mix(row[:, None] + column) >> np.uint64(11)) * 2.0**-53

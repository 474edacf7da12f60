# SPDX-License-Identifier: Apache-2.0
"""Samplers: rows on the CPU, and the same ones, wherever networks live."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest
import torch

from ganaug.data.image_set import ImageSet
from ganaug.parts import samplers

OWN = [f for f in vars(samplers).values() if getattr(f, "__module__", "") == samplers.__name__]
SAMPLERS = [f for f in OWN if list(signature(f).parameters)[:4] == ["data", "n", "seed", "t"]]


def some():
    pixels = np.zeros((12, 8, 8, 1), np.uint8)
    return ImageSet.of(pixels, np.arange(12) % 3, identity=np.arange(12) // 3)


def test_all_samplers_are_looked_at():
    assert {"shuffled", "class_balanced", "pk", "single"} <= {f.__name__ for f in SAMPLERS}


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda f: f.__name__)
def test_rows_are_on_the_cpu_whatever_the_default_device_is(sampler):
    rows = sampler(some(), 8, 0, 5)
    with torch.device("meta"):
        again = sampler(some(), 8, 0, 5)
    assert again.device.type == "cpu"
    assert again.dtype == torch.int64
    assert torch.equal(again, rows)

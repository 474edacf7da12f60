# SPDX-License-Identifier: Apache-2.0
"""What other libraries are given: numbers of pixels that numpy can read wherever the batch lives."""

from __future__ import annotations

import torch

from ganaug.data.batch import Batch
from ganaug.parts.ops.foreign import FIRST, pixel_numbers


def test_pixel_numbers_are_on_the_cpu_whatever_the_default_device_is():
    with torch.device("meta"):
        numbers = pixel_numbers(Batch(image=torch.zeros(2, 3, 4, 5), mask=torch.zeros(2, 4, 5, dtype=torch.int64)))
    assert numbers.numpy().ravel().tolist() == list(range(FIRST, FIRST + 20))

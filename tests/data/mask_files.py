# SPDX-License-Identifier: Apache-2.0
"""Small folders of images and masks for the tests of readers and writers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_files import picture, save

from ganaug.data.errors import InputError
from ganaug.data.load import load


def classes(seed: int, most: int = 3, height: int = 6, width: int = 8) -> np.ndarray:
    """Random class numbers uint8 [H, W] of 0..most - 1, each of them at least once."""
    numbers = np.random.default_rng(1000 + seed).integers(0, most, (height, width)).astype(np.uint8)
    numbers.ravel()[:most] = np.arange(most)
    return numbers


def scenes(folder: Path, masks: list[np.ndarray], ending: str = "", suffix: str = ".png") -> Path:
    """images/0.png and so on with the given masks beside them, as grey values or colours."""
    for row, mask in enumerate(masks):
        save(picture(row, *mask.shape[:2]), folder / "images" / f"{row}.png")
        save(mask if mask.ndim == 3 else mask[..., None], folder / "masks" / f"{row}{ending}{suffix}")
    return folder


def told(source: object, *words: str, **options: object) -> None:
    """`load` refuses with one line that holds all the words."""
    with pytest.raises(InputError) as error:
        load(source, **options)  # type: ignore[arg-type]
    for word in words:
        assert word in str(error.value), f"'{word}' is missing in: {error.value}"
    assert "\n" not in str(error.value)

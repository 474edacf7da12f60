# SPDX-License-Identifier: Apache-2.0
"""Folders of images that the tests of readers and writers share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from image_files import picture, save


@pytest.fixture
def class_folders(tmp_path: Path) -> Callable[..., Path]:
    """Makes class folders with a few PNG files: `class_folders(cat=3, dog=2)`."""

    def make(under: str = "", channels: int = 3, **counts: int) -> Path:
        for k, (name, n) in enumerate(counts.items()):
            for i in range(n):
                save(picture(100 * k + i, channels=channels), tmp_path / "set" / under / name / f"{i}.png")
        return tmp_path / "set"

    return make

# SPDX-License-Identifier: Apache-2.0
"""The layout of SEN12MS, written here in small: partners by names, scenes as groups, damaged patches by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ganaug.data.encode import encoded
from ganaug.data.errors import InputError
from ganaug.data.readers import sen12ms
from ganaug.data.splits import holdout_rows

SCENES = (("ROIs1158_spring", 1), ("ROIs1158_spring", 12), ("ROIs1868_summer", 1))
SIDE = 8


def number(roi: str, scene: int, patch: int) -> int:
    """What the Sentinel-2 patch holds in its first band, everywhere."""
    return 1000 * (roi == "ROIs1868_summer") + 10 * scene + patch


def path_of(root: Path, roi: str, kind: str, scene: int, patch: int) -> Path:
    return root / roi / f"{kind}_{scene}" / f"{roi}_{kind}_{scene}_p{patch}.tif"


def put(file: Path, values: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encoded(values, ".tif"))


def dataset(root: Path, patches=(2, 30, 100), cover: bool = True) -> Path:
    """Three scenes with a few patches each; every patch tells which it is in all its files."""
    for roi, scene in SCENES:
        for patch in patches:
            k = number(roi, scene, patch)
            s2 = np.full((SIDE, SIDE, 13), k, np.uint16) + np.arange(13, dtype=np.uint16)
            s1 = np.full((SIDE, SIDE, 2), -k / 100, np.float32)
            lc = np.full((SIDE, SIDE, 4), 1 + k % 17, np.uint8)
            lc[0] = 255
            for kind, values in (("s2", s2), ("s1", s1), *([("lc", lc)] if cover else [])):
                put(path_of(root, roi, kind, scene, patch), values)
    return root


def test_partners_by_name_in_order_of_scene_and_patch(tmp_path):
    assert sen12ms.recognise(dataset(tmp_path))
    data = sen12ms.read(tmp_path, None, "resize")
    expected = [number(roi, scene, patch) for roi, scene in SCENES for patch in (2, 30, 100)]
    assert data.image[np.arange(9)][:, 0, 0, 0].tolist() == expected
    assert data.bands.index("B8A") == 8 and data.image.at(0)[0, 0, 8] == expected[0] + 8
    radar = data.views["s1"]
    assert radar.image[np.arange(9)][:, 0, 0, 1] == pytest.approx(np.array(expected) / -100)
    assert radar.bands == ("VV", "VH") and (data.scaling.high, radar.scaling.low) == (10_000.0, -25.0)
    assert data.mask[:, 1, 0].tolist() == [k % 17 for k in expected] and (data.mask[:, 0] == 255).all()
    assert len(data.mask_classes) == 17 and data.mask_classes[16] == "water"
    assert json.loads(data.origin[3])["file"] == "ROIs1158_spring/s2_12/ROIs1158_spring_s2_12_p2.tif"


def test_a_scene_is_never_divided(tmp_path):
    data = sen12ms.read(dataset(tmp_path, patches=range(6)), None, "resize")
    assert data.group.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    held = holdout_rows(data, 0.34, seed=0)
    rest = np.setdiff1d(np.arange(len(data)), held)
    assert len(held) and not set(data.group[held]) & set(data.group[rest])


def test_one_region_alone_and_no_land_cover(tmp_path):
    data = sen12ms.read(dataset(tmp_path, cover=False) / "ROIs1158_spring", None, "resize")
    assert len(data) == 6 and data.mask is None and set(data.group) == {0, 1}
    assert not sen12ms.recognise(tmp_path / "ROIs1158_spring" / "s2_1")


def test_size(tmp_path):
    data = sen12ms.read(dataset(tmp_path), (4, 4), "resize")
    assert data.spec.size == (4, 4) and data.mask.shape[1:] == (4, 4) and data.views["s1"].spec.size == (4, 4)


def test_what_is_damaged_is_named(tmp_path):
    dataset(tmp_path)
    whole = np.zeros((SIDE, SIDE, 2), np.float32)
    broken = path_of(tmp_path, "ROIs1868_summer", "s1", 1, 30)
    put(broken, np.where(np.arange(2) == 0, np.nan, whole).astype(np.float32))
    with pytest.raises(InputError, match=r"ROIs1868_summer_s1_1_p30\.tif holds NaN"):
        sen12ms.read(tmp_path, None, "resize")
    broken.unlink()
    with pytest.raises(InputError, match=r"s2_1_p30\.tif has no partner \S+s1_1_p30\.tif"):
        sen12ms.read(tmp_path, None, "resize")
    put(broken, whole)
    cover = path_of(tmp_path, "ROIs1868_summer", "lc", 1, 2)
    put(cover, np.ones((4, 4, 4), np.uint8))
    with pytest.raises(InputError, match=r"lc_1_p2\.tif has 4x4 pixels, its image 8x8"):
        sen12ms.read(tmp_path, None, "resize")


def test_other_bands(tmp_path):
    put(path_of(tmp_path, "ROIs1158_spring", "s2", 1, 1), np.ones((SIDE, SIDE, 12), np.uint16))
    put(path_of(tmp_path, "ROIs1158_spring", "s1", 1, 1), np.ones((SIDE, SIDE, 2), np.float32))
    with pytest.raises(InputError, match="has 12 bands, and 13 are needed"):
        sen12ms.read(tmp_path, None, "resize")

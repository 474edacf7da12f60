# SPDX-License-Identifier: Apache-2.0
"""Masks that lie with their images: told by the end of their names, or in a folder for each image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from image_files import picture, save
from mask_files import told

from ganaug.data.load import load
from ganaug.data.splits import holdout_rows


def block(top: int, left: int) -> np.ndarray:
    """A mask of 16 x 16 pixels with a white square of 4."""
    mask = np.zeros((16, 16), np.uint8)
    mask[top : top + 4, left : left + 4] = 255
    return mask


def beside(folder: Path, *names: str, mark: str = "_mask") -> Path:
    for k, name in enumerate(names):
        save(picture(k, 16, 16), folder / f"{name}.png")
        save(block(k, 2 * k)[..., None], folder / f"{name}{mark}.png")
    return folder


@pytest.mark.parametrize("mark", ["_mask", "-label", " seg", "_Mask", "_segmentation_1"])
def test_masks_beside_images_of_their_names(tmp_path, mark):
    data = load(beside(tmp_path, "a.1", "b", mark=mark))
    assert data.mask_classes == ("background", "foreground") and data.group is None and data.label is None
    assert np.array_equal(data.mask, [block(0, 0) // 255, block(1, 2) // 255])
    assert np.array_equal(data.image.at(1), picture(1, 16, 16))


def test_several_masks_of_an_image_are_one(tmp_path):
    beside(tmp_path, "a", "b")
    save(block(9, 9)[..., None], tmp_path / "a_mask_1.png")
    assert np.array_equal(load(tmp_path).mask[0], (block(0, 0) | block(9, 9)) // 255)


def test_folders_of_few_images_are_groups_and_folds_are_folds(tmp_path):
    for k in range(8):
        beside(tmp_path / f"patient {k}", f"{k}a", f"{k}b")
    data = load(tmp_path)
    assert data.group.tolist() == [k for k in range(8) for _ in range(2)]
    held = holdout_rows(data, 0.3, 0)
    assert not set(data.group[held]) & set(np.delete(data.group, held))
    for fold in ("train", "test"):
        beside(tmp_path / "set" / fold, "a", "b")
    split = load(tmp_path / "set")
    assert split.fold.tolist() == [2, 2, 0, 0] and split.group is None
    assert json.loads(split.origin[0]) == {"file": "test/a.png"}


def test_a_few_images_of_such_a_name_are_images(class_folders):
    folder = class_folders(cat=4, dog=4)
    (folder / "cat" / "1.png").rename(folder / "cat" / "0_mask.png")
    assert load(folder).counts() == {"cat": 4, "dog": 4}


def test_an_image_without_mask_and_a_mask_of_another_size(tmp_path):
    beside(tmp_path, "a", "b", "c")
    (tmp_path / "c_mask.png").unlink()
    told(tmp_path, "c.png", "no mask", "c_mask.png")
    save(block(0, 0)[:8, :, None], tmp_path / "c_mask.png")
    told(tmp_path, "c_mask.png", "8x16", "16x16")


def objects(folder: Path, n: int = 3) -> Path:
    for k in range(n):
        save(picture(k, 16, 16), folder / f"id{k}" / "images" / f"id{k}.png")
        for j in range(k + 1):
            save(block(3 * j, 5 * j)[..., None], folder / f"id{k}" / "masks" / f"{j}.png")
    return folder


def test_a_folder_an_image_with_a_mask_an_object(tmp_path):
    data = load(objects(tmp_path))
    assert len(data) == 3 and data.mask_classes == ("background", "foreground")
    assert [np.unique(of).tolist() for of in data.instances] == [[0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert np.array_equal(data.mask, data.instances > 0)
    assert np.array_equal(data.instances[2], block(0, 0) // 255 + block(3, 5) // 255 * 2 + block(6, 10) // 255 * 3)
    small = load(tmp_path, size=8)
    assert np.array_equal(small.mask, small.instances > 0) and small.mask.shape == (3, 8, 8)


def test_folders_an_image_below_folds(tmp_path):
    objects(tmp_path / "train"), objects(tmp_path / "test", 2)
    assert load(tmp_path).fold.tolist() == [2, 2, 0, 0, 0]


def test_a_folder_an_image_without_any_mask(tmp_path):
    (objects(tmp_path) / "id0" / "masks" / "0.png").unlink()
    told(tmp_path, "id0.png", "no mask")

# SPDX-License-Identifier: Apache-2.0
"""Two kinds of images in one folder: A is the set, B its second set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from image_files import picture, save
from mask_files import classes, scenes, told

from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.write import write


def images(folder: Path, *seeds: int, suffix: str = ".png", **shape: int) -> Path:
    """A folder with a picture a seed, called by its seed."""
    for seed in seeds:
        save(picture(seed, **shape), folder / f"{seed}{suffix}")
    return folder


def seeds_of(data: ImageSet) -> list[int]:
    """Which pictures a set holds, by their pixels."""
    known = {picture(seed).tobytes(): seed for seed in range(100)}
    return [known[data.image.at(row).tobytes()] for row in range(len(data))]


def test_train_and_test_of_both_kinds(tmp_path):
    for name, seeds in (("trainA", (3, 1, 2)), ("testA", (4,)), ("trainB", (11, 12)), ("testB", (13, 14))):
        images(tmp_path / "horses" / name, *seeds)
    data = load(tmp_path / "horses")
    other = data.others["b"]
    assert seeds_of(data) == [1, 2, 3, 4] and data.fold.tolist() == [0, 0, 0, 2]
    assert seeds_of(other) == [11, 12, 13, 14] and other.fold.tolist() == [0, 0, 2, 2]
    assert data.name == "horses" and set(data.others) == {"b"} and not data.views
    assert data.label is None and data.mask is None and other.mask is None
    assert json.loads(other.origin[2]) == {"file": "testB/13.png"}
    assert data.spec.others["b"].rows == 4


def test_one_kind_may_lack_a_test_fold(tmp_path):
    for name, seeds in (("trainA", (1, 2)), ("trainB", (11,)), ("valA", (3,))):
        images(tmp_path / name, *seeds)
    data = load(tmp_path)
    assert data.fold.tolist() == [0, 0, 1] and data.others["b"].fold.tolist() == [0]


def test_a_and_b_with_names_that_are_not_all_equal(tmp_path):
    images(tmp_path / "A", 1, 2)
    images(tmp_path / "B", 1, 3, 4)
    data = load(tmp_path)
    assert seeds_of(data) == [1, 2] and seeds_of(data.others["b"]) == [1, 3, 4] and data.fold is None


def test_folds_inside_a_and_b(tmp_path):
    for name, seeds in (("A/train", (1, 2)), ("A/test", (3,)), ("B/train", (11,)), ("B/test", (12,))):
        images(tmp_path / name, *seeds)
    data = load(tmp_path)
    assert dict(zip(seeds_of(data), data.fold, strict=True)) == {1: 0, 2: 0, 3: 2}
    assert data.others["b"].fold[seeds_of(data.others["b"]).index(12)] == 2


def test_masks_of_one_kind_or_both(tmp_path):
    masks = [classes(row) for row in range(3)]
    scenes(tmp_path / "A", masks)
    images(tmp_path / "B", 50, 51)
    data = load(tmp_path)
    assert np.array_equal(data.mask, np.stack(masks)) and data.others["b"].mask is None
    scenes(tmp_path / "B", masks[:2])
    assert np.array_equal(load(tmp_path).others["b"].mask, np.stack(masks[:2]))


def test_masks_below_folds_have_one_numbering(tmp_path):
    """Guessed a folder at a time, masks of background alone and of 0 and 255 would mean different things."""
    wanted = classes(0, 2)
    scenes(tmp_path / "trainA", [255 * wanted])
    scenes(tmp_path / "testA", [np.zeros_like(wanted)])
    images(tmp_path / "trainB", 1)
    data = load(tmp_path)
    assert data.mask_classes == ("background", "foreground") and data.fold.tolist() == [0, 2]
    assert np.array_equal(data.mask[0], wanted) and not data.mask[1].any()


def test_masks_with_equal_names_are_no_pairs_of_images(tmp_path):
    for letter in "AB":
        scenes(tmp_path / letter, [classes(0)])
    data = load(tmp_path)
    assert data.mask is not None and data.others["b"].mask is not None and not data.views


def test_kinds_that_ganaug_wrote_keep_their_columns(tmp_path):
    pictures = np.stack([picture(i) for i in range(4)])
    mask = np.stack([classes(i) for i in range(4)])
    data = ImageSet.of(pictures, mask=mask, mask_classes=("x", "y", "z"), group=np.array([5, 5, 1, 1]))
    write(data, tmp_path / "both" / "A")
    write(data.select([3, 1]).but(mask=None, mask_classes=()), tmp_path / "both" / "B")
    found = load(tmp_path / "both")
    assert found.fingerprint() == data.but(others={"b": found.others["b"]}).fingerprint()
    assert found.others["b"].group.tolist() == [1, 5]


def test_sizes_are_brought_to_one(tmp_path):
    images(tmp_path / "trainA", 1, 2)
    images(tmp_path / "trainB", 3, 4, height=9, width=11)
    data = load(tmp_path, size=(4, 5))
    assert data.spec.size == data.others["b"].spec.size == (4, 5)
    assert load(tmp_path).others["b"].spec.size == (9, 11)


def test_classes_called_a_and_b_are_classes_where_ganaug_wrote_them_or_others_stand_beside(tmp_path):
    data = ImageSet.of(np.stack([picture(i) for i in range(4)]), [0, 1, 0, 1], ["A", "B"])
    assert load(write(data, tmp_path / "out")).counts() == {"A": 2, "B": 2}
    for letter in "ABC":
        images(tmp_path / "three" / letter, 1)
    assert load(tmp_path / "three").classes == ("A", "B", "C")


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("A", "B"), ("trainA", "trainB")])
@pytest.mark.parametrize("empty", [0, 1])
def test_one_kind_is_empty(tmp_path, names, empty):
    (tmp_path / names[empty]).mkdir()
    images(tmp_path / names[1 - empty], 1)
    told(tmp_path, names[empty], "holds no images")


def test_both_are_empty(tmp_path):
    for letter in "AB":
        (tmp_path / letter).mkdir()
    told(tmp_path, str(tmp_path / "A"), "holds no images")


def test_one_kind_is_missing(tmp_path):
    images(tmp_path / "trainA", 1)
    images(tmp_path / "testB", 2)
    told(tmp_path, "no folder trainB/")


def test_masks_for_one_fold_only(tmp_path):
    scenes(tmp_path / "trainA", [classes(0)])
    images(tmp_path / "testA", 1)
    images(tmp_path / "trainB", 1)
    told(tmp_path, "trainA", "testA", "masks/")

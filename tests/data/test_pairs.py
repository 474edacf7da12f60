# SPDX-License-Identifier: Apache-2.0
"""Pairs of images of one scene: A is the set, B its view, row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_files import picture, save
from mask_files import told

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.readers import pairs


def pairs_in(folder: Path, *seeds: int, first: str = "A", second: str = "B", suffix: str = ".png") -> Path:
    """Pictures in A/ and their negatives, of one channel, in B/."""
    for seed in seeds:
        save(picture(seed), folder / first / f"{seed}.png")
        save(255 - picture(seed)[..., :1], folder / second / f"{seed}{suffix}")
    return folder


def assert_paired(data: ImageSet) -> None:
    """Every row and its view belong to each other, also in a selection and in a batch."""
    assert len(data.views["b"]) == len(data) and not data.others
    for found in (data, data.select(np.arange(len(data))[::-2])):
        for row in range(len(found)):
            assert np.array_equal(found.views["b"].image.at(row), 255 - found.image.at(row)[..., :1])
    batch = data.batch([len(data) - 1])
    assert (batch.views["b"].image[:, 0] + batch.image[:, 0]).abs().max() < 1e-6


def test_equal_names_are_pairs(tmp_path):
    data = load(pairs_in(tmp_path / "maps", 2, 1, 0))
    assert_paired(data)
    assert len(data) == 3 and data.fold is None and data.name == "maps"
    assert data.spec.channels == 3 and data.spec.views["b"].channels == 1


def test_kinds_of_files_may_differ(tmp_path):
    assert_paired(load(pairs_in(tmp_path, 0, 1, suffix=".bmp")))


def test_folders_inside_belong_to_the_name(tmp_path):
    for town in ("x", "y"):
        pairs_in(tmp_path, ord(town), first=f"A/{town}", second=f"B/{town}")
        for letter in "AB":
            (tmp_path / letter / town / f"{ord(town)}.png").rename(tmp_path / letter / town / "1.png")
    assert_paired(load(tmp_path))


@pytest.mark.parametrize("way", ["{fold}/{kind}", "{kind}/{fold}"])
def test_folds_above_or_below(tmp_path, way):
    for fold, seeds in (("train", (1, 2, 3)), ("val", (4,)), ("test", (5, 6))):
        pairs_in(tmp_path, *seeds, first=way.format(fold=fold, kind="A"), second=way.format(fold=fold, kind="B"))
    data = load(tmp_path)
    assert_paired(data)
    assert {name: len(data.in_fold(name)) for name in ("train", "val", "test")} == {"train": 3, "val": 1, "test": 2}
    assert data.views["b"].fold is None, "the fold stands with the row, not with its companion"


def test_both_are_brought_to_size(tmp_path):
    data = load(pairs_in(tmp_path, 0, 1), size=(3, 5))
    assert data.spec.size == data.views["b"].spec.size == (3, 5)


def test_photographs_of_mixed_sizes(tmp_path):
    pairs_in(tmp_path, 0)
    for letter in "AB":
        save(picture(9, 4, 5, 3 if letter == "A" else 1), tmp_path / letter / "9.png")
    assert load(tmp_path).image.shape[0] is None and load(tmp_path, size=4).views["b"].spec.size == (4, 4)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lacking", "having"), [("B", "A"), ("A", "B")])
def test_an_image_without_partner(tmp_path, lacking, having):
    pairs_in(tmp_path / "train", 1, 2, 3)
    for seed in (2, 3):
        (tmp_path / "train" / lacking / f"{seed}.png").unlink()
    told(tmp_path, str(Path(having) / "2.png"), "no partner", f"3 images in {having}/", f"1 in {lacking}/")


def test_asked_for_as_pairs_unequal_names_are_refused_too(tmp_path):
    pairs_in(tmp_path, 1, 2)
    (tmp_path / "B" / "1.png").rename(tmp_path / "B" / "0.png")
    assert not pairs.recognise(tmp_path)
    with pytest.raises(InputError, match=r"1\.png has no partner"):
        pairs.read(tmp_path, None, "resize")


def test_images_of_a_pair_of_different_sizes(tmp_path):
    pairs_in(tmp_path, 0, 1, 2)
    save(picture(1, 6, 7), tmp_path / "B" / "1.png")
    save(picture(2, 6, 7), tmp_path / "B" / "2.png")
    for size in (None, 4):
        told(tmp_path, str(Path("A") / "1.png"), "6x8", str(Path("B") / "1.png"), "6x7", size=size)


@pytest.mark.parametrize("empty", ["A", "B"])
def test_empty_folders(tmp_path, empty):
    pairs_in(tmp_path / "train", 1)
    (tmp_path / "train" / empty / "1.png").unlink()
    told(tmp_path, str(Path("train") / empty), "holds no images")


def test_two_images_of_one_name(tmp_path):
    pairs_in(tmp_path / "train", 1)
    save(picture(5), tmp_path / "train" / "A" / "1.jpg")
    told(tmp_path, "1.jpg", "1.png", "one name")

# SPDX-License-Identifier: Apache-2.0
"""A set with masks as images/ beside masks/: what is written reads back equal."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import picture
from PIL import Image
from test_write import assert_equal

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.write import write

NAMES = ("ground", "road, wet", "Größe")


def masked(n: int = 6, dtype: str = "int32", **columns: object) -> ImageSet:
    """Random images with masks of three classes and unknown pixels, 16-bit instances and validity."""
    rng = np.random.default_rng(0)
    return ImageSet.of(
        np.stack([picture(row) for row in range(n)]),
        mask=np.array([0, 1, 2, 255], np.uint8)[rng.integers(0, 4, (n, 6, 8))],
        instances=rng.integers(0, 60_000, (n, 6, 8)).astype(dtype),
        valid=rng.random((n, 6, 8)) < 0.8,
        mask_classes=NAMES,
        **columns,
    )


def assert_same(found: ImageSet, data: ImageSet) -> None:
    assert_equal(found, data)
    assert found.mask_classes == data.mask_classes


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16"])
def test_masks_instances_and_validity(tmp_path, dtype):
    data = masked(dtype=dtype)
    assert_same(load(write(data, tmp_path / "out")), data)


def test_folds_labels_and_groups(tmp_path):
    fold = np.array([2, 0, 1, 0, 0, 2], np.int8)
    data = masked(labels=[0, 1, -1, 1, 0, 0], classes=["ill", "well"], fold=fold, group=np.array([4, 4, 1, 1, 0, 0]))
    out = write(data, tmp_path / "out")
    assert_same(load(out), data)
    assert np.array_equal(np.asarray(Image.open(out / "test" / "masks" / "000000.png")), data.mask[0])
    assert {path.name for path in out.iterdir()} == {"train", "val", "test", "ganaug.json", "manifest.jsonl"}


def test_rows_without_a_fold_lie_side_by_side(tmp_path):
    data = masked(fold=np.array([2, 0, -1, 0, 0, 2], np.int8))
    assert_same(load(write(data, tmp_path / "out")), data)


@pytest.mark.parametrize(("channels", "kind"), [(1, "uint8"), (13, "uint16"), (3, "float32")])
def test_other_kinds_of_images(tmp_path, channels, kind):
    images = (np.random.default_rng(0).random((4, 5, 7, channels)) * 200).astype(kind)
    data = ImageSet.of(images, mask=(images[..., 0] > 100).astype(np.uint8), mask_classes=("low", "high"))
    assert_same(load(write(data, tmp_path / "out")), data)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([0, 1, 2, 255]), min_size=6, max_size=6), st.integers(1, 3))
def test_any_few_values_mean_after_reading_what_they_meant_before(values, n):
    """Also 0 and 255 alone, which in a stranger's folder would be background and foreground."""
    mask = np.tile(np.array(values, np.uint8).reshape(1, 2, 3), (n, 1, 1))
    data = ImageSet.of(np.zeros((n, 2, 3, 1), np.uint8), mask=mask, mask_classes=NAMES)
    with TemporaryDirectory() as place:
        assert_same(load(write(data, f"{place}/out")), data)


def test_without_its_manifest_the_masks_are_those_of_any_folder(tmp_path):
    data = masked()
    out = write(data, tmp_path / "out")
    for name in ("manifest.jsonl", "ganaug.json"):
        (out / name).unlink()
    found = load(out)
    assert np.array_equal(found.mask, data.mask) and found.mask_classes == ("0", "1", "2")
    assert np.array_equal(found.instances, data.instances) and np.array_equal(found.valid, data.valid)


def test_a_weeded_folder_keeps_masks_and_images_together(tmp_path):
    data = masked()
    out = write(data, tmp_path / "out")
    for name in ("images", "masks", "instances", "valid"):
        (out / name / "000002.png").unlink()
    assert_same(load(out), data.select([0, 1, 3, 4, 5]))


def test_other_formats_say_what_holds_masks(tmp_path):
    assert_same(load(write(masked(), tmp_path / "npz", "npz")), masked())
    for format in ("csv", "webdataset"):
        with pytest.raises(InputError, match="'mask'"):
            write(masked(), tmp_path / format, format)
    with pytest.raises(InputError, match="'depth'"):
        write(masked(depth=np.zeros((6, 6, 8), np.float32)), tmp_path / "folder")

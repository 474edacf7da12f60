# SPDX-License-Identifier: Apache-2.0
"""Image sets from arrays: what is no image or no label is refused, and what differs is not joined."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import Held, picture, save

from ganaug.data import gather
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.pixels import FilePixels
from ganaug.data.scaling import Scaling

GREY = np.zeros((3, 4, 5), np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.full((3, 4, 5), np.nan), None, "images hold values that are NaN"),
        (np.full((3, 4, 5), 1e300), None, "beyond float32"),
        (GREY, ["cat", "dog", "cat"], "whole numbers .* found .'cat', 'dog', 'cat'.: number the classes"),
        (GREY, [0, 1, 0.5], "whole numbers"),
        (GREY, [0, 1, np.nan], "whole numbers"),
        (GREY, [0, 1, np.inf], "whole numbers"),
        (GREY, [0, 1, -2], "whole numbers"),
        (GREY, [0, 1, 10**9], "labels go up to 1000000000 for 3 images"),
    ],
)
def test_what_is_no_image_or_label(images, labels, words):
    with pytest.raises(InputError, match=words):
        ImageSet.of(images, labels)


def test_labels_that_are_whole_numbers_however_they_are_stored():
    for labels in ([1.0, -1.0, 0.0], np.array([1, -1, 0], np.int8), [True, False, True], []):
        data = ImageSet.of(GREY[: len(labels)], labels)
        assert data.label.dtype == np.int64 and data.label.tolist() == [int(k) for k in labels]
    assert len(ImageSet.of(GREY, [0, 5, 999]).classes) == 1000


def test_the_range_of_a_set_is_found_with_one_image_in_memory():
    held = Held()

    def read(path: Path) -> np.ndarray:
        return held(np.arange(12, dtype=np.uint16).reshape(3, 4, 1) + np.uint16(100 * int(path.stem)))

    files = FilePixels([Path(f"{k}.png") for k in range(20)], read, (3, 4, 1), np.dtype(np.uint16))
    assert ImageSet(image=files).scaling == Scaling("uint16", 0.0, 1911.0) and held.most <= 2
    assert ImageSet.of(np.zeros((2, 0, 4), np.float32)).scaling == Scaling("float32", 0.0, 1.0)


def test_sets_of_other_numbers_are_not_joined():
    low, high = (ImageSet.of(np.array([[[0, top]]], np.uint16)) for top in (10, 4000))
    with pytest.raises(InputError, match=r"one dtype and scaling, found uint16, .*high=10.* and uint16, .*high=4000"):
        ImageSet.cat([low, low, high])
    with pytest.raises(InputError, match=r"found uint8, .* and uint16"):
        ImageSet.cat([ImageSet.of(GREY[:1, :1, :2]), low])
    joined = ImageSet.cat([low.but(scaling=high.scaling), high])
    assert joined.image[np.arange(2)].ravel().tolist() == [0, 10, 0, 4000] and joined.scaling == high.scaling


@pytest.mark.parametrize("memory", [gather.IN_MEMORY, 0])
def test_names_that_are_no_utf8_have_a_fingerprint(tmp_path, monkeypatch, memory):
    monkeypatch.setattr(gather, "IN_MEMORY", memory)
    prints = []
    for name in ("caf\udce9", "caf\udce8"):
        save(picture(0), tmp_path / name / name / "0.png")
        data = load(tmp_path / name)
        assert data.classes == (name,)
        prints.append(data.fingerprint())
    assert prints[0] != prints[1]


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.full((2, 4, 4), 300, np.uint16), "from 0 to 255 .* found uint16 from 300 to 300"),
        (np.full((2, 4, 4), -1), "from 0 to 255"),
        (np.zeros((2, 4, 4)), "found float64"),
        (np.zeros((2, 4, 5), np.uint8), r"must be \[N, 4, 4\] as the images are, found \[2, 4, 5\]"),
    ],
)
def test_masks_that_no_file_could_hold(mask, words):
    with pytest.raises(InputError, match=words):
        ImageSet.of(np.zeros((2, 4, 4, 1), np.uint8), mask=mask)


def test_masks_of_true_and_false_and_values_without_a_name():
    images, held = np.zeros((1, 2, 2, 1), np.uint8), np.array([[[True, False], [False, True]]])
    data = ImageSet.of(images, mask=held)
    assert data.mask.dtype == np.uint8 and data.mask_classes == ("0", "1")
    with pytest.raises(InputError, match="mask value 1 has no name: 1 mask classes were given"):
        ImageSet.of(images, mask=held.astype(np.uint8), mask_classes=("ground",))


def test_batches_are_stored_before_the_next_is_made():
    """So a large set is never in memory as floats."""
    spec, alive = ImageSet.of(np.zeros((2, 4, 4, 3), np.uint8)).spec, []

    def made():
        for k in range(3):
            batch = Batch(image=torch.full((2, 3, 4, 4), k / 2 - 1))
            alive.append(weakref.ref(batch))
            yield batch
            del batch
            assert k == 0 or alive[k - 1]() is None

    data = ImageSet.from_batches(made(), spec)
    assert data.image[np.arange(6)][:, 0, 0, 0].tolist() == [0, 0, 64, 64, 128, 128]
    with pytest.raises(InputError, match="no images were asked for"):
        ImageSet.from_batches([], spec)

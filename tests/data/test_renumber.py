# SPDX-License-Identifier: Apache-2.0
"""A name means the same class in every set, whatever its number."""

from __future__ import annotations

import numpy as np
import pytest

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.renumber import with_classes, with_mask_classes

IMAGES = np.zeros((4, 2, 2, 1), np.uint8)


def test_labels_follow_their_names_and_unknown_ones_stay():
    data = with_classes(ImageSet.of(IMAGES, [0, 1, -1, 1], ("cat", "dog")), ("bird", "dog", "cat"), "it")
    assert data.label.tolist() == [2, 1, -1, 1] and data.classes == ("bird", "dog", "cat")
    empty = ImageSet.of(IMAGES, [0, 0, 0, 0], ("cat", "eel"))
    assert with_classes(empty, ("dog", "cat"), "it").label.tolist() == [1] * 4, "a name that no image has is no matter"


def test_masks_follow_their_names_and_unknown_places_stay():
    mask = np.arange(16, dtype=np.uint8).reshape(4, 2, 2) % 3
    mask[mask == 2] = 255
    data = with_mask_classes(ImageSet.of(IMAGES, mask=mask, mask_classes=("x", "y")), ("y", "z", "x"), "it")
    assert np.array_equal(data.mask, np.array([2, 0, 255], np.uint8)[np.arange(16) % 3].reshape(4, 2, 2))
    assert data.mask.dtype == np.uint8 and data.mask_classes == ("y", "z", "x")


def test_other_classes_are_refused():
    with pytest.raises(InputError, match="it has class 'cat'; its classes must be named as the data's: dog, eel"):
        with_classes(ImageSet.of(IMAGES, [0] * 4, ("cat",)), ("dog", "eel"), "it")
    masked = ImageSet.of(IMAGES, mask=np.zeros((4, 2, 2), np.uint8), mask_classes=("x",))
    with pytest.raises(InputError, match="it has the mask classes x; masks of the classes y, z are needed"):
        with_mask_classes(masked, ("y", "z"), "it")

# SPDX-License-Identifier: Apache-2.0
"""Large images cut into tiles: what moves along, what stays together, and a gap between training and test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from image_files import Held
from mask_files import scenes

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.pixels import FilePixels, RaggedPixels
from ganaug.data.splits import few_groups, holdout_rows
from ganaug.data.tiles import tiled


def scene(n: int = 3, height: int = 6, width: int = 9, **columns: object) -> ImageSet:
    """Images whose pixels tell where they are: image, row and column."""
    pixels = np.stack(np.broadcast_arrays(*np.ogrid[:n, :height, :width]), -1).astype(np.uint8)
    return ImageSet.of(pixels, mask=pixels[..., 2] % 5, instances=pixels[..., 1].astype(np.int32), **columns)


def placed(data: ImageSet) -> np.ndarray:
    """Image, top and left of every tile by its pixels."""
    return np.stack([data.image.at(row)[0, 0] for row in range(len(data))])


def test_tiles_hold_their_own_pixels_masks_and_places():
    data = tiled(scene(), 2)
    assert len(data) == 3 * 3 * 4 and data.image.shape == (2, 2, 3)  # the last column of 9 is cut off
    for row, (image, top, left) in enumerate(placed(data)):
        assert np.array_equal(data.image.at(row), scene().image.at(image)[top : top + 2, left : left + 2])
        assert np.array_equal(data.mask[row], scene().mask[image, top : top + 2, left : left + 2])
        assert np.array_equal(data.instances[row], scene().instances[image, top : top + 2, left : left + 2])
        assert json.loads(data.origin[row]) == {"top": top, "left": left} and data.group[row] == image
    assert len(np.unique(placed(data), axis=0)) == len(data) and data.index.tolist() == list(range(len(data)))


def test_tiles_keep_what_is_known_of_their_image():
    origin = np.array([json.dumps({"file": f"{k}.png"}) for k in range(3)])
    label, group = np.array([2, 0, 1]), np.array([7, 7, 9])
    data = tiled(scene(labels=label, fold=np.array([2, 0, 0], np.int8), group=group, origin=origin), 3)
    image = placed(data)[:, 0]
    assert np.array_equal(data.label, label[image]) and np.array_equal(data.group, group[image])
    assert np.array_equal(data.fold == 2, image == 0), "the folds of the source are kept, and none is divided"
    assert json.loads(data.origin[-1]) == {"file": "2.png", "top": 3, "left": 6}


def test_tiles_of_an_image_never_straddle_a_split():
    data = tiled(scene(n=9), 3)
    held = holdout_rows(data, 0.3, 0)
    rest = np.setdiff1d(np.arange(len(data)), held)
    assert not set(placed(data)[held, 0]) & set(placed(data)[rest, 0])


def test_shots_are_whole_images_and_nested():
    data = tiled(scene(n=9), 3)
    small, large = few_groups(data, 2, 1), few_groups(data, 5, 1)
    assert len(small) == 2 * 6 and len(np.unique(data.group[small])) == 2 and set(small) < set(large)
    for wanted in (0, 10):
        with pytest.raises(InputError, match="1 to 9"):
            few_groups(data, wanted, 0)


# --- one or two images: the area is divided -----------------------------------------------------------------------


def apart(some: np.ndarray, others: np.ndarray, side: int) -> np.ndarray:
    """Whether tiles (image, top, left) of two sets have the side of one between them, or are of two images, [n, m]."""
    distance = np.abs(some[:, None, 1:] - others[None, :, 1:]).max(2)
    return (some[:, None, 0] != others[None, :, 0]) | (distance >= 2 * side)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=2),
    st.integers(1, 6),
)
def test_no_test_tile_touches_a_training_tile(sizes, side):
    assume(all(max(size) // side >= 3 and min(size) >= side for size in sizes))
    grids = [np.stack(np.broadcast_arrays(k, *np.ogrid[:h, :w]), -1) for k, (h, w) in enumerate(sizes)]
    data = tiled(ImageSet(image=RaggedPixels([grid.astype(np.uint8) for grid in grids])), side)
    train, test = (placed(data)[data.in_fold(name)].astype(int) for name in ("train", "test"))
    assert len(train) + len(test) == len(data)
    for image in range(len(sizes)):
        assert (train[:, 0] == image).any() and (test[:, 0] == image).any()
    assert apart(train, test, side).all()


def test_the_far_third_of_the_longer_side_is_for_tests():
    data = tiled(scene(n=1, height=4, width=18), 2)
    train, test = (placed(data)[data.in_fold(name)] for name in ("train", "test"))
    assert sorted(set(train[:, 2])) == [0, 2, 4, 6, 8] and sorted(set(test[:, 2])) == [12, 14, 16]
    assert set(train[:, 1]) == set(test[:, 1]) == {0, 2} and data.group is None


def test_each_of_two_images_is_divided_along_its_own_longer_side():
    sizes = ((4, 18), (18, 4))
    grids = [np.stack(np.broadcast_arrays(k, *np.ogrid[:h, :w]), -1).astype(np.uint8) for k, (h, w) in enumerate(sizes)]
    data = tiled(ImageSet(image=RaggedPixels(grids)), 2)
    found = placed(data)[data.in_fold("test")]
    assert set(found[found[:, 0] == 0][:, 2]) == set(found[found[:, 0] == 1][:, 1]) == {12, 14, 16}


@pytest.mark.parametrize("transposed", [False, True])
def test_where_a_side_holds_nothing_valid_the_rest_is_divided(transposed):
    """The seen part is 4 x 12 pixels of 18 x 12, far from the corner: without it there would be nothing to train on."""
    valid = np.zeros((1, 12, 18), bool)
    valid[:, :, 14:] = True
    data = scene(n=1, height=12, width=18, valid=valid)
    if transposed:
        turned = data.image.array.transpose(0, 2, 1, 3)
        data = ImageSet.of(turned, valid=valid.transpose(0, 2, 1))
    found = tiled(data, 2)
    train, test = (placed(found)[found.in_fold(name)] for name in ("train", "test"))
    assert set(train[:, 1]) == {0, 2, 4} and set(test[:, 1]) == {8, 10} and set(train[:, 2]) == {14, 16}


# --- from files, further sets, refusals ---------------------------------------------------------------------------


def test_load_cuts_images_with_their_masks(tmp_path):
    mask = np.repeat(np.repeat(np.arange(6).reshape(2, 3), 4, 0), 4, 1).astype(np.uint8)
    data = load(scenes(tmp_path, [mask] * 3), tiles=4)
    assert len(data) == 18 and data.mask_classes == tuple("012345")
    assert [np.unique(m).tolist() for m in data.mask[:6]] == [[0], [1], [2], [3], [4], [5]]
    assert len(np.unique(data.group)) == 3


def test_a_second_set_is_cut_likewise():
    data = tiled(scene(others={"b": scene(n=4)}), 3)
    assert data.others["b"].image.shape == (3, 3, 3) and len(data.others["b"]) == 4 * 2 * 3


@pytest.mark.parametrize(
    ("data", "side", "words"),
    [
        (scene(), 0, "at least 1 pixel"),
        (scene(), 7, "image 0 has 6x9 pixels"),
        (scene(n=1), 4, "2 tiles along its longer side, and 3"),
        (scene(boxes=np.zeros((3, 1, 4), np.float32)), 2, "'boxes'"),
        (scene(keypoints=np.zeros((3, 1, 3), np.float32)), 2, "'keypoints'"),
        (scene(views={"b": ImageSet.of(np.zeros((3, 3, 4, 1), np.uint8))}), 2, "view 'b' has another size"),
    ],
)
def test_what_can_not_be_cut(data, side, words):
    with pytest.raises(InputError, match=words):
        tiled(data, side)


def test_files_are_decoded_one_at_a_time():
    held = Held()
    files = FilePixels(
        [Path(f"{k}.png") for k in range(3)],
        lambda path: held(scene().image.at(int(path.stem)).copy()),
        (6, 9, 3),
        np.dtype(np.uint8),
    )
    made = tiled(ImageSet(image=files), 3)
    assert np.array_equal(made.image[np.arange(18)], tiled(scene(), 3).image[np.arange(18)])
    assert held.most <= 2


def test_views_are_cut_at_the_same_places():
    data = scene()
    deep = np.arange(3 * 6 * 9).reshape(3, 6, 9, 1).astype(np.uint16)
    twin = ImageSet.of(deep, bands=("VV",))
    made = tiled(data.but(views={"s1": twin}), 3)
    whole = [json.loads(str(text)) for text in made.origin]
    for row, spot in enumerate(whole):
        part = deep[made.group[row], spot["top"] : spot["top"] + 3, spot["left"] : spot["left"] + 3]
        assert np.array_equal(made.views["s1"].image.at(row), part)
    assert made.views["s1"].bands == ("VV",) and made.views["s1"].scaling == twin.scaling

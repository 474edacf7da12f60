# SPDX-License-Identifier: Apache-2.0
"""Resizing keeps dtype and brightness; padding keeps shape, centre and zeros; all that lies in pixels moves along."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from image_files import picture

from ganaug.data.drawn.layouts import tight_boxes
from ganaug.data.errors import InputError
from ganaug.data.geo import Place, with_place
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.pixels import RaggedPixels
from ganaug.data.sizes import as_size, brought_to
from ganaug.data.write import write


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 255), ("uint16", 65535), ("float32", -3.25)])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_a_flat_image_stays_flat(dtype, value, channels):
    small = brought_to(np.full((9, 14, channels), value, dtype), (4, 6))
    assert small.shape == (4, 6, channels) and small.dtype == dtype and np.allclose(small, value, rtol=1e-6, atol=0)


def test_halving_averages_as_an_antialiased_filter_does():
    stripes = np.tile(np.array([0, 200], np.uint8), (8, 8))[..., None]  # one pixel wide: gone at half the size
    assert abs(brought_to(stripes, (4, 8))[2, 2:6].astype(int) - 100).max() <= 25


def test_the_right_size_is_left_alone():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    assert brought_to(image, (3, 4)) is image


def test_pad_centres_a_small_image_on_zeros_without_resampling():
    image = np.arange(1, 7, dtype=np.uint16).reshape(2, 3, 1)
    wide = brought_to(image, (4, 5), "pad")
    assert np.array_equal(wide[1:3, 1:4], image) and wide.sum() == image.sum()


def test_pad_shrinks_the_longer_side():
    tall = brought_to(np.full((20, 10, 3), 9, np.uint8), (8, 8), "pad")
    assert (tall[:, 2:6] == 9).all() and not tall[:, :2].any() and not tall[:, 6:].any()


@pytest.mark.parametrize(
    ("size", "fit"),
    [
        (0, "resize"),
        ((4, -1), "resize"),
        (8, "crop"),
        ("64", "pad"),
        (16.0, "resize"),
        ((4,), "resize"),
        ((4, 5.0), "pad"),
    ],
)
def test_nonsense_is_refused(size, fit):
    with pytest.raises(InputError, match=r"size must|fit must"):
        as_size(size, fit)


def test_a_set_in_memory_is_brought_to_size_too():
    data = load(ImageSet.of(np.zeros((3, 6, 8, 1), np.uint8), [0, 1, 0]), size=(4, 5))
    assert data.spec.size == (4, 5) and data.label.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("size", "fit", "box", "point"),
    [
        ((8, 4), "resize", [1, 2, 3, 6], [-0.25, 0.5]),
        ((8, 8), "pad", [2, 3, 6, 5], [0, 2]),
        ((4, 4), "pad", [1, 1.5, 3, 2.5], [-0.25, 0.75]),
    ],
)
def test_boxes_and_keypoints_by_hand(size, fit, box, point):
    boxes = np.array([[[2, 1, 6, 3], [np.nan] * 4]], np.float32)
    points = np.array([[[0, 0]]], np.float32)  # the centre of the first pixel
    data = load(ImageSet.of(np.zeros((1, 4, 8, 1), np.uint8), boxes=boxes, keypoints=points), size=size, fit=fit)
    assert data.boxes.dtype == data.keypoints.dtype == np.float32
    assert data.boxes[0, 0].tolist() == box and np.isnan(data.boxes[0, 1]).all()
    assert data.keypoints[0, 0].tolist() == point


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from(["resize", "pad"]))
def test_the_box_of_a_resized_mask_is_the_resized_box(source, fit):
    height, width, *size = (source.draw(st.integers(1, 40)) for _ in range(4))
    ends = [source.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)) for n in (height, width)]
    (top, low), (left, right) = map(sorted, ends)
    instances = np.zeros((1, height, width), np.int32)
    instances[0, top:low, left:right] = 1
    boxes = tight_boxes(instances, 1)
    images = np.zeros((1, height, width, 1), np.uint8)
    whole = ImageSet.of(images, instances=instances, boxes=boxes, keypoints=middle(boxes))
    data = load(whole, size=tuple(size), fit=fit)
    assume(data.instances.any())  # an object thinner than a pixel may be gone
    assert np.abs(data.boxes - tight_boxes(data.instances, 1)).max() <= 1
    np.testing.assert_allclose(data.keypoints, middle(data.boxes), atol=1e-4)


def middle(boxes: np.ndarray) -> np.ndarray:
    """The middles of boxes as keypoints."""
    return (boxes[..., :2] + boxes[..., 2:] - 1) / 2


def marked(mixed: bool) -> ImageSet:
    """Three images with boxes, keypoints and places, all of 6x8 pixels or (`mixed`) one of 9x7."""
    rng = np.random.default_rng(0)
    images = [picture(0), picture(1), picture(2, *((9, 7) if mixed else (6, 8)))]
    place = Place("EPSG:32630", (10.0, 0.0, 500.0, 0.0, -10.0, 900.0))
    return ImageSet(
        image=RaggedPixels(images),
        boxes=(rng.random((3, 2, 4)) * 6).astype(np.float32),
        keypoints=(rng.random((3, 5, 2)) * 6).astype(np.float32),
        origin=np.array(["{}", with_place("{}", place), with_place('{"seed": 1}', place.window(3, 4))]),
    )


@pytest.mark.parametrize("fit", ["resize", "pad"])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("format", ["folder", "csv", "webdataset", "npz", "coco"])
def test_what_was_written_is_brought_to_size_as_what_is_in_memory(format, mixed, fit):
    whole, sizes = marked(mixed), {"size": (5, 12), "fit": fit}
    if format == "npz" and mixed:
        pytest.skip("an archive holds images of one size")
    with TemporaryDirectory() as place:
        found = load(write(whole, f"{place}/out", format), **sizes)
    data = load(whole, **sizes)
    for name in ("boxes", "keypoints", "origin"):
        assert np.array_equal(getattr(found, name), getattr(data, name)), name
        assert not np.array_equal(getattr(found, name), getattr(whole, name)), "control: it moved"
    assert np.array_equal(found.image[np.arange(3)], data.image[np.arange(3)])


def test_views_stay_in_step_and_others_are_brought_to_size():
    mask = np.array([[0, 0, 1, 1]] * 3, np.uint8)[None]
    low = ImageSet.of(picture(1, 3, 4)[None], mask=mask, boxes=np.array([[[2, 0, 4, 3]]], np.float32))
    twin, other = ImageSet.of(picture(2)[None]), ImageSet.of(picture(3, 5, 5)[None])
    whole = ImageSet.of(picture(0)[None], views={"low": low, "twin": twin}, others={"b": other})
    data = load(whole, size=(12, 4))
    assert data.spec.size == data.views["twin"].spec.size == data.others["b"].spec.size == (12, 4)
    assert np.array_equal(data.views["twin"].image.at(0), brought_to(twin.image.at(0), (12, 4)))
    half = data.views["low"]
    assert half.spec.size == (6, 2) and half.mask.tolist() == [[[0, 1]] * 6] and half.boxes.tolist() == [[[1, 0, 2, 6]]]
    padded = load(whole, size=12, fit="pad").views["low"]  # 2 rows above the image of 6x8 in 12x12: 1 above its half
    assert padded.spec.size == (6, 6) and padded.boxes.tolist() == [[[3, 1, 5, 4]]]


def test_depth_is_not_blended_across_edges():
    depth = np.array([[1.5, 1.5, 9, 9]] * 2, np.float32)[None]
    data = ImageSet.of(np.zeros((1, 2, 4, 1), np.uint8), depth=depth)
    assert load(data, size=(1, 2)).depth.tolist() == [[[1.5, 9]]]
    assert load(data, size=4, fit="pad").depth[0, :, 0].tolist() == [0, 1.5, 1.5, 0]


def test_masks_move_along_by_nearest_pixels_and_padding_is_unknown():
    mask = np.zeros((1, 4, 8), np.uint8)
    mask[0, :2, :4] = 3
    data = ImageSet.of(np.zeros((1, 4, 8, 1), np.uint8), mask=mask, valid=np.ones((1, 4, 8), bool))
    assert load(data, size=(2, 4)).mask.tolist() == [[[3, 3, 0, 0], [0, 0, 0, 0]]]
    padded = load(data, size=8, fit="pad")
    assert (padded.mask[0, :2] == 255).all() and (padded.mask[0, 2:6] == mask[0]).all()
    assert padded.valid[0].sum() == 32 and not padded.valid[0, :2].any()

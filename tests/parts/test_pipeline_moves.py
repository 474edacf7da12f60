# SPDX-License-Identifier: Apache-2.0
"""Fused moves agree with the same moves one by one, and with what they do to shapes, points and boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ganaug.data.errors import InputError
from ganaug.parts.pipeline.compiled import geometry, runs
from ganaug.parts.pipeline.pipeline import Pipeline

MOVES = [
    "flip_h",
    "flip_v",
    "turn",
    "rotate(30)",
    "scale(0.2)",
    "shift(0.1)",
    "shear(0.2)",
    "zoom_crop(0.6)",
    "slide(3)",
]
pipelines = st.lists(st.sampled_from(MOVES), min_size=1, max_size=5).map(", ".join)
seeds = st.integers(0, 10_000)


def smooth(side: int = 64, seed: int = 0, channels: int = 3) -> np.ndarray:
    """A smooth random image, float32 [side, side, channels] in 0..1."""
    noise = np.random.default_rng(seed).random((side, side, channels))
    image = ndimage.gaussian_filter(noise, (3, 3, 0), mode="reflect")
    return ((image - image.min()) / (image.max() - image.min())).astype(np.float32)


def one_by_one(pipe: Pipeline, image: np.ndarray) -> np.ndarray:
    """The same draw as in the pipeline, each move resampled by itself, by cubic splines on a canvas with room."""
    draw = pipe.draw(0)
    room = 3 * len(image)
    image = np.pad(image, ((room, room), (room, room), (0, 0)), mode="symmetric")
    for act in draw.acts(3):
        if act.on[0]:
            side = len(image) - 2 * room
            back = np.linalg.inv(act.operation.matrix(act.drawn, side, side)[0])[[1, 0, 2]][:, [1, 0, 2]]
            centre = (np.array(image.shape[:2]) - 1) / 2
            shift = centre - back[:2, :2] @ centre + back[:2, 2]
            bands = [ndimage.affine_transform(image[..., k], back[:2, :2], shift, mode="mirror") for k in range(3)]
            image = np.stack(bands, -1)
    return image[room:-room, room:-room]


@settings(max_examples=25, deadline=None)
@given(pipelines, seeds)
def test_one_resampling_agrees_with_moves_one_by_one(text: str, seed: int) -> None:
    image, pipe = smooth(32), Pipeline(text, seed=seed)
    fused, slow = pipe(image=image, index=0)["image"], one_by_one(pipe, image)
    assert np.abs(fused - slow)[4:-4, 4:-4].mean() < 0.01  # linear against cubic interpolation of a smooth image


def test_moves_are_not_the_identity_in_that_comparison() -> None:
    images = np.repeat(smooth(32)[None], 20, 0)
    assert np.abs(Pipeline("rotate(30)")(image=images, index=np.arange(20))["image"] - images).mean() > 0.05


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_flips_and_turns_are_exact_permutations(dtype: str, channels: int) -> None:
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    image = (np.random.default_rng(0).random((12, 12, channels)) * top).astype(dtype)
    flip = Pipeline("flip_h(p=1)")
    assert np.array_equal(flip(image=image, index=0)["image"], image[:, ::-1])
    assert np.array_equal(flip(image=flip(image=image, index=0)["image"], index=0)["image"], image)
    turns = Pipeline("turn", seed=3)
    quarters = turns.draw(np.arange(40)).drawn[0]["quarters"].astype(int)
    turned = turns(image=np.repeat(image[None], 40, 0), index=np.arange(40))["image"]
    assert set(quarters) == {0, 1, 2, 3}
    assert all(np.array_equal(made, np.rot90(image, k)) for made, k in zip(turned, quarters, strict=True))


def test_a_flip_inside_a_resampling_keeps_every_value() -> None:
    image = (np.random.default_rng(0).random((9, 14, 3)) * 255).astype(np.uint8)
    pipe = Pipeline("flip_h(p=1), flip_v(p=1), rotate(0)")
    assert np.array_equal(pipe(image=image, index=0)["image"], image[::-1, ::-1])


def test_images_that_are_not_square_turn_by_halves() -> None:
    image = (np.random.default_rng(0).random((8, 12, 3)) * 255).astype(np.uint8)
    turned = Pipeline("turn")(image=np.repeat(image[None], 20, 0), index=np.arange(20))["image"]
    assert turned.shape == (20, 8, 12, 3)
    assert {np.array_equal(t, image) or np.array_equal(t, image[::-1, ::-1]) for t in turned} == {True}


def overlap_of_disc(text: str, seed: int) -> tuple[float, float]:
    """(IoU of a moved mask with the moved disc it shows, share of pixels that are the nearest of the mask)."""
    pipe, y, x = Pipeline(text, seed=seed), *np.mgrid[0:64, 0:64]
    mask = ((x - 30) ** 2 + (y - 33) ** 2 < 24**2).astype(np.uint8)
    plan = geometry(runs(pipe.draw(0).acts(1))[0], 1, 64, 64)
    source = np.stack([x, y, np.ones_like(x)], -1) @ plan.back[0].T
    inside = ((source > -0.5) & (source < 63.5)).all(-1)
    wanted = ((source - (30, 33)) ** 2).sum(-1) < 24**2
    moved = pipe(image=mask, mask=mask, index=0)["mask"]
    assert set(np.unique(moved[~inside])) <= {255, 0, 1}
    nearest = np.clip(np.rint(source), 0, 63).astype(int)
    same = (moved == mask[nearest[..., 1], nearest[..., 0]])[inside].mean()
    union = ((wanted | (moved == 1)) & inside).sum()
    return (wanted & (moved == 1) & inside).sum() / max(union, 1), same


@settings(max_examples=20, deadline=None)
@given(pipelines, seeds)
def test_a_moved_mask_is_the_nearest_of_the_mask(text: str, seed: int) -> None:
    assert overlap_of_disc(text, seed)[1] > 0.99  # but for ties


def test_a_moved_mask_is_the_mask_of_the_moved_disc() -> None:
    """Nearest pixels are off by up to half a pixel along the rim, so single draws vary; the mean is what is stated."""
    overlaps = [overlap_of_disc("rotate(30), scale(0.1), shift(0.1), shear(0.2)", seed)[0] for seed in range(40)]
    assert np.mean(overlaps) > 0.97 and min(overlaps) > 0.94


@settings(max_examples=20, deadline=None)
@given(pipelines, seeds)
def test_keypoints_land_on_what_they_marked(text: str, seed: int) -> None:
    pipe, y, x = Pipeline(text, seed=seed, fill=0.0), *np.mgrid[0:64, 0:64]
    image = np.exp(-((x - 36) ** 2 + (y - 29) ** 2) / 18).astype(np.float32)
    made = pipe(image=image, keypoints=np.array([[36.0, 29.0]]), index=0)
    moved, spot = made["image"], made["keypoints"][0]
    if (spot > 9).all() and (spot < 54).all():
        found = np.array([(moved * x).sum(), (moved * y).sum()]) / moved.sum()
        assert np.abs(found - spot).max() < 0.5


def test_keypoints_follow_a_displacement() -> None:
    y, x = np.mgrid[0:64, 0:64]
    spot = np.array([[32.0, 30.0]])
    image = np.exp(-((x - 32) ** 2 + (y - 30) ** 2) / 3).astype(np.float32)
    pipe, moves = Pipeline("rotate(20), elastic(0.06)", seed=2, fill=0.0), []
    for index in range(10):
        made = pipe(image=image, keypoints=spot, index=index)
        found = np.array([(made["image"] * x).sum(), (made["image"] * y).sum()]) / made["image"].sum()
        assert np.abs(found - made["keypoints"][0]).max() < 0.5
        moves.append(
            np.abs(
                made["keypoints"]
                - Pipeline("rotate(20)", seed=2)(image=image, keypoints=spot, index=index)["keypoints"]
            )
        )
    assert np.max(moves) > 1  # the displacement is no nothing


@pytest.mark.parametrize("text", ["elastic(0.16, 2)", "elastic(0.08)", "elastic(0.02, 16)"])
def test_keypoints_follow_the_strongest_displacements(text: str) -> None:
    image, spot = np.zeros((128, 128), np.float32), np.array([[60.0, 50.0]])
    image[46:55, 56:65] = 1
    pipe = Pipeline(text, fill=0.0)
    made = [pipe(image=image, keypoints=spot, index=index) for index in range(100)]
    places = [np.rint(one["keypoints"][0]).astype(int) for one in made]
    assert np.mean([one["image"][y, x] > 0.5 for one, (x, y) in zip(made, places, strict=True)]) >= 0.99


def test_thousands_of_points_follow_a_displacement_as_one_does() -> None:
    image, points = np.zeros((64, 64), np.uint8), np.random.default_rng(0).random((70_000, 2)) * 63
    pipe = Pipeline("elastic(0.03)")
    many = pipe(image=image, keypoints=points, index=1)["keypoints"]
    assert np.array_equal(many[-5:], pipe(image=image, keypoints=points[-5:], index=1)["keypoints"])


def test_boxes_are_exact_under_flips_scale_and_shifts() -> None:
    image, box = np.zeros((40, 60, 3), np.uint8), np.array([[10.0, 12, 30, 22]])
    assert Pipeline("flip_h(p=1)")(image=image, boxes=box, index=0)["boxes"].tolist() == [[30, 12, 50, 22]]
    pipe = Pipeline("scale(0.3), shift(0.1)", seed=5)
    draw = pipe.draw(0)
    factor, across, down = draw.drawn[0]["factor"][0], draw.drawn[1]["across"][0] * 60, draw.drawn[1]["down"][0] * 40
    wanted = [(10 - 30) * factor + 30 + across, (12 - 20) * factor + 20 + down]
    wanted += [(30 - 30) * factor + 30 + across, (22 - 20) * factor + 20 + down]
    assert np.allclose(pipe(image=image, boxes=box, index=0)["boxes"][0], np.clip(wanted, 0, [60, 40, 60, 40]))


def test_a_box_that_leaves_the_image_is_nan_and_one_that_is_cut_is_cut() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    boxes = np.array([[0.0, 0, 5, 5], [10, 10, 38, 38], [np.nan] * 4])
    made = Pipeline("crop(20)", seed=4)(image=image, boxes=boxes, index=0)["boxes"]
    left, top = (np.floor(v[0] * 21) for v in Pipeline("crop(20)", seed=4).draw(0).drawn[0].values())
    assert left >= 5 or top >= 5  # of this seed
    assert np.isnan(made[0]).all() and np.isnan(made[2]).all()
    assert made[1].tolist() == [max(10 - left, 0), max(10 - top, 0), min(38 - left, 20), min(38 - top, 20)]


def test_crops_take_whole_pixels_from_everywhere() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    made = Pipeline("crop(3)")(image=np.repeat(image[None], 200, 0), index=np.arange(200))["image"]
    assert {tuple(m[0, :1]) for m in made} == {(0,), (1,), (4,), (5,)}
    assert all((m == m[0, 0] + np.array([[0, 1, 2], [4, 5, 6], [8, 9, 10]])).all() for m in made)


def test_images_that_a_crop_does_not_act_on_keep_whole_pixels() -> None:
    image = (np.random.default_rng(0).random((33, 30, 3)) * 255).astype(np.uint8)
    made = Pipeline("crop(32, 29, p=0.5)")(image=np.repeat(image[None], 20, 0), index=np.arange(20))["image"]
    parts = [image[top : top + 32, left : left + 29] for top in (0, 1) for left in (0, 1)]
    assert all(any(np.array_equal(one, part) for part in parts) for one in made)


def test_a_crop_larger_than_the_image_is_refused() -> None:
    with pytest.raises(InputError, match="crop is 40x40 pixels and the image only 32x32"):
        Pipeline("crop(40)")(image=np.zeros((32, 32, 3), np.uint8), index=0)


def test_operations_after_a_crop_know_the_new_size() -> None:
    image = (np.random.default_rng(0).random((30, 20, 3)) * 255).astype(np.uint8)
    made = Pipeline("crop(10, 12), noise(0.01), flip_h(p=1), crop(8)")(image=image, index=3)["image"]
    assert made.shape == (8, 8, 3)


def test_one_resampling_loses_less_than_three() -> None:
    """PSNR after +10, +10 and -20 degrees: fused it is the identity, one by one it blurs three times."""
    image = smooth(64)
    fixed = Pipeline("rotate(10), rotate(10), rotate(10)")
    draw = fixed.draw(0)
    for drawn, degrees in zip(draw.drawn, (10.0, 10.0, -20.0), strict=True):
        drawn["degrees"][:] = degrees
    fused = fixed.apply(draw, image=image[None])["image"][0]
    slow = image
    for k in range(3):
        alone = Pipeline("rotate(10)")
        step = alone.draw(0)
        step.drawn[0]["degrees"][:] = draw.drawn[k]["degrees"]
        slow = alone.apply(step, image=slow[None])["image"][0]
    inside = (slice(12, -12), slice(12, -12))
    error = [np.square(made - image)[inside].mean() for made in (fused, slow)]
    assert -10 * np.log10(error[0] + 1e-12) > -10 * np.log10(error[1]) + 10

# SPDX-License-Identifier: Apache-2.0
"""Pipelines: the same bits for an image however it is reached, replay, text, and what is refused."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from ganaug.data.errors import InputError
from ganaug.parts.pipeline.counter import uniforms
from ganaug.parts.pipeline.pipeline import Draw, Pipeline
from ganaug.parts.pipeline.words import OPERATIONS

FULL = (
    "flip_h, rotate(20), elastic(0.03), crop(28, pad=3), brightness(0.2), contrast(0.2), saturation, hue, gamma, "
    "noise(0.04), cutout, blur, randaugment(2, 12), shift(0.1), equalize, erase"
)


def images(n: int = 20, side: int = 32, channels: int = 3) -> np.ndarray:
    return (np.random.default_rng(0).random((n, side, side, channels)) * 255).astype(np.uint8)


# --- purity -----------------------------------------------------------------------------------------------------


def test_an_image_gets_the_same_bits_alone_in_a_batch_and_in_a_list() -> None:
    pipe, batch = Pipeline(FULL, seed=7), images()
    masks, points = batch[..., 0] // 64, np.random.default_rng(1).random((20, 3, 2)) * 30
    boxes = np.sort(np.random.default_rng(2).random((20, 2, 2, 2)) * 30, 2).reshape(20, 2, 4)[..., [0, 1, 2, 3]]
    index = np.random.default_rng(3).permutation(500)[:20]
    together = pipe(image=batch, mask=masks, keypoints=points, boxes=boxes, index=index, epoch=2)
    listed = pipe(image=list(batch), mask=list(masks), keypoints=list(points), boxes=list(boxes), index=index, epoch=2)
    threaded = Pipeline(FULL, seed=7, threads=3)(image=batch, index=index, epoch=2)["image"]
    for i, k in enumerate(index):
        alone = pipe(image=batch[i], mask=masks[i], keypoints=points[i], boxes=boxes[i], index=k, epoch=2)
        for name, value in alone.items():
            assert np.array_equal(value, together[name][i], equal_nan=value.dtype.kind == "f"), name
            assert np.array_equal(value, listed[name][i], equal_nan=value.dtype.kind == "f"), name
        assert np.array_equal(threaded[i], alone["image"])


def test_seed_epoch_and_index_all_matter() -> None:
    image = images(1)[0]
    made = [
        Pipeline(FULL, seed=seed)(image=image, index=index, epoch=epoch)["image"].tobytes()
        for seed, epoch, index in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1))
    ]
    assert len(set(made)) == 6


def test_random_numbers_are_uniform_and_independent_of_their_neighbours() -> None:
    u = uniforms(3, 1, np.arange(20_000), 4)
    assert abs(u.mean() - 0.5) < 0.005 and abs(u.var() - 1 / 12) < 0.002 and u.min() >= 0 and u.max() < 1
    assert np.abs(np.corrcoef(u.T) - np.eye(4)).max() < 0.03
    assert np.abs(np.corrcoef(u[:-1].T, u[1:].T)[:4, 4:]).max() < 0.03
    assert np.array_equal(uniforms(3, 1, np.array([17, 5]), 2), u[[17, 5], :2])


class Augmented(Dataset):
    """What a user writes around a pipeline."""

    def __init__(self, pipe: Pipeline):
        self.pipe, self.data = pipe, images(24)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> torch.Tensor:
        return torch.from_numpy(self.pipe(image=self.data[i], index=i, epoch=1)["image"])


def test_the_number_of_workers_changes_nothing() -> None:
    loaded = [torch.cat(list(DataLoader(Augmented(Pipeline(FULL)), batch_size=6, num_workers=n))) for n in (0, 1, 2)]
    assert torch.equal(loaded[0], loaded[1]) and torch.equal(loaded[0], loaded[2])


def test_global_random_states_stay_untouched() -> None:
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()  # noqa: NPY002
    Pipeline(FULL)(image=images(), index=np.arange(20))
    after = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()  # noqa: NPY002
    assert before[:2] == after[:2] and torch.equal(before[2], after[2])


def test_the_source_images_stay_untouched() -> None:
    batch = images()
    for text in (FULL, "noise(0.1)", "brightness(0.5)", "autocontrast(p=1)"):
        Pipeline(text)(image=batch, index=np.arange(20))
        Pipeline(text)(image=batch[0], index=0)
        assert np.array_equal(batch, images()), text


# --- replay -----------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=6), st.integers(0, 99))
def test_a_recorded_draw_gives_the_same_bits(names: list[str], seed: int) -> None:
    pipe, batch = Pipeline(names, seed=seed), images(4)
    draw = pipe.draw([3, 1, 4, 1])
    again = Draw.from_json(draw.to_json())
    made = pipe.apply(draw, image=batch)["image"]
    assert np.array_equal(made, Pipeline(str(pipe), seed=99).apply(again, image=batch)["image"])
    assert np.array_equal(made, pipe(image=batch, index=[3, 1, 4, 1])["image"])


def test_a_pipeline_survives_its_text_and_pickling() -> None:
    pipe = Pipeline(FULL, seed=5, fill=0.25, threads=2)
    assert str(Pipeline(str(pipe))) == str(pipe)
    copy = pickle.loads(pickle.dumps(pipe))
    assert (copy.seed, copy.fill, copy.threads, str(copy)) == (5, 0.25, 2, str(pipe))


# --- kinds of images --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 13, 20])
def test_any_number_of_channels_and_any_type(dtype: str, channels: int) -> None:
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    batch = (np.random.default_rng(0).random((6, 24, 40, channels)) * top).astype(dtype)
    text = FULL.replace("saturation, hue, ", "gain, ").replace("crop(28, pad=3)", "crop(pad=3)")
    made = Pipeline(text, fill="edge")(image=batch, index=np.arange(6))["image"]
    assert made.shape == batch.shape and made.dtype == batch.dtype
    assert not np.array_equal(made, batch) and made.max() <= top


def test_a_list_may_mix_sizes() -> None:
    mixed = [images(1, side)[0] for side in (16, 40, 28)]
    made = Pipeline("rotate(20), noise(0.02)")(image=mixed, index=[0, 1, 2])["image"]
    assert [m.shape for m in made] == [m.shape for m in mixed]
    assert {m.shape for m in Pipeline("crop(12)")(image=mixed, index=[0, 1, 2])["image"]} == {(12, 12, 3)}


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_masks_keep_their_type_and_values(dtype: str) -> None:
    mask = (np.random.default_rng(0).integers(0, 5, (32, 32))).astype(dtype)
    moved = Pipeline("rotate(30), shift(0.2)", seed=1)(image=images(1)[0], mask=mask, index=0)["mask"]
    assert moved.dtype == mask.dtype and set(np.unique(moved)) <= {0, 1, 2, 3, 4, 255} and 255 in moved


@pytest.mark.parametrize("dtype", ["bool", "float32", "int8"])
@pytest.mark.parametrize("text", ["shift(0.2)", "flip_h"])
def test_masks_that_can_not_hold_255_are_refused(dtype: str, text: str) -> None:
    mask = np.ones((32, 32), dtype)
    with pytest.raises(InputError, match=rf"mask must hold whole numbers up to 255.*found {dtype}: use mask.astype"):
        Pipeline(text)(image=images(1)[0], mask=mask, index=0)


@pytest.mark.parametrize("text", ["rotate(10)", "elastic(0.03)"])
def test_empty_lists_are_no_boxes_and_no_points(text: str) -> None:
    made = Pipeline(text)(image=images(1)[0], boxes=[], keypoints=[], index=0)
    assert made["boxes"].shape == (0, 4) and made["keypoints"].shape == (0, 2)
    made = Pipeline(text)(image=list(images(2)), boxes=[[], [[1, 2, 3, 4]]], index=[0, 1])
    assert [len(boxes) for boxes in made["boxes"]] == [0, 1]


def test_a_crop_without_sides_keeps_them() -> None:
    assert str(Pipeline("crop(None, None, pad=2)")) == "crop(pad=2)"


def test_a_fill_value_fills_every_band() -> None:
    white = np.full((16, 16, 13), 255, np.uint8)
    made = Pipeline("slide(10)", seed=1, fill=0.2)(image=white, index=0)["image"]
    assert set(np.unique(made)) > {51, 255}
    assert ((made == made[..., :1]).all(-1)).all()


def test_nothing_in_nothing_out() -> None:
    batch, pipe = images(3), Pipeline(FULL)
    made = pipe(image=batch[:0], mask=batch[:0, ..., 0], index=[])
    assert made["image"].shape == (0, 28, 28, 3) and len(made["mask"]) == 0
    none = pipe(image=batch, boxes=np.zeros((3, 0, 4)), keypoints=np.zeros((3, 0, 2)), index=[1, 2, 3])
    assert none["boxes"].shape == (3, 0, 4) and none["keypoints"].shape == (3, 0, 2)


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the pipeline is empty"),
        ("rotat(3)", "there is no operation 'rotat': did you mean rotate"),
        ("rotate(500)", "rotate: degrees must be a number from 0 to 180, found 500"),
        ("rotate(angle=3)", "rotate takes degrees, p, found 'rotate\\(angle=3\\)'"),
        ("rotate(3, degrees=4)", "an argument is given twice"),
        ("rotate('a')", "degrees must be a number from 0 to 180, found 'a'"),
        ("rotate(p=2)", "p must be a number from 0 to 1, found 2"),
        ("rotate(__import__('os'))", "arguments must be plain numbers"),
        ("__import__('os').system('x')", "is no operation"),
        ("rotate(", "can't be read"),
        ("flip_h for x in y", "can't be read"),
        ("flip_h] + [rotate", "can't be read"),
        ("(" * 5000, "can't be read"),
        ("rotate(None)", "rotate: degrees must be a number from 0 to 180, found None"),
        ("flip_h(p=None)", "p must be a number from 0 to 1, found None"),
        ("crop(pad=None)", "crop: pad must be a whole number from 0 to 4096, found None"),
        ("noise(0.1), nois", "did you mean noise"),
        ("crop(3.5)", "crop: height must be a whole number from 1 to 16384, found 3.5"),
        ("randaugment(1.5)", "ops must be a whole number"),
        ("elastic(0.1)", "elastic: amount must be at most 0.08 with 4 cells, found 0.1"),
        (None, "must be a text such as .* found None"),
    ],
)
def test_a_pipeline_that_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Pipeline(text)


def test_bad_images_and_targets_are_refused() -> None:
    pipe, image = Pipeline("rotate(10)"), images(1)[0]
    for bad, said in (
        (image.astype(np.float32), "must hold values from 0 to 1, found 0 to 25"),
        (np.full((4, 4), np.nan, np.float32), "must hold values from 0 to 1"),
        (image.astype(np.int64), "must be uint8, uint16 or float32, found int64"),
        ([1, 2], "must be a numpy array .* found list"),
        (images(2), r"found shape \[2, 32, 32, 3\]"),
    ):
        with pytest.raises(InputError, match=said):
            pipe(image=bad, index=0)
    with pytest.raises(InputError, match="mask is 8x9 pixels and its image 32x32"):
        pipe(image=image, mask=np.zeros((9, 8), np.uint8), index=0)
    for box in ([-1.0, 0, 5, 5], [0.0, 0, 33, 5], [9.0, 0, 5, 5]):
        with pytest.raises(InputError, match=r"boxes must be .* inside the image of 32x32 pixels"):
            pipe(image=image, boxes=np.array([box]), index=0)
    with pytest.raises(InputError, match="image holds 20 images, and 3 numbers"):
        pipe(image=images(), index=[1, 2, 3])
    with pytest.raises(InputError, match="mask holds 3 entries for 20 images"):
        pipe(image=images(), mask=np.zeros((3, 32, 32)), index=np.arange(20))
    with pytest.raises(InputError, match=r"must be a batch .* or a list of images, found int"):
        pipe(image=5, index=[0])
    with pytest.raises(InputError, match="gain has factors for 20 bands, found 25: give bands=25"):
        Pipeline("gain")(image=images(channels=25), index=np.arange(20))
    with pytest.raises(InputError, match="fill must be reflect, edge or a value"):
        Pipeline("rotate", fill="wrap")
    for seed in (-1, 2**64, "1"):
        with pytest.raises(InputError, match="seed must be from 0 to 2"):
            Pipeline("rotate", seed=seed)
    for index in (-1, "a", None, 0.5):
        with pytest.raises(InputError, match="index must be the images' numbers"):
            pipe(image=image, index=index)
    with pytest.raises(InputError, match=r"image has no pixels, found shape \[0, 5, 3\]"):
        pipe(image=np.zeros((0, 5, 3), np.uint8), index=0)


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ({"keypoints": np.ones((2, 3))}, r"keypoints must be \(x, y\), one row each, found shape \[2, 3\]"),
        ({"boxes": np.ones((2, 5))}, r"boxes must be \(x0, y0, x1, y1\), one row each, found shape \[2, 5\]"),
        ({"boxes": np.array([1.0, 1, 5, 5])}, r"one row each, found shape \[4\]"),
        ({"mask": [[0]]}, r"mask must be a numpy array \[H, W\] for each image, found list"),
        ({"mask": np.zeros((32, 32, 1), np.uint8)}, r"found shape \[32, 32, 1\]"),
        ({"mask": np.full((32, 32), 2**40)}, "more than 32 bits hold"),
    ],
)
def test_targets_of_another_shape_are_refused(targets: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Pipeline("rotate(10)")(image=images(1)[0], index=0, **targets)


@pytest.mark.parametrize(("channels", "inverted"), [(1, True), (3, True), (13, False)])
@pytest.mark.parametrize("text", ["randaugment(2, 30)", "trivialaugment"])
def test_measured_bands_are_never_inverted(channels: int, inverted: bool, text: str) -> None:
    """Dark reflectances: only an inversion makes most of them bright."""
    dark = np.random.default_rng(0).uniform(0.06, 0.1, (400, 8, 8, channels)).astype(np.float32)
    made = Pipeline(text)(image=dark, index=np.arange(400))["image"]
    spread = made.std((1, 2, 3)) < 0.05  # stretched histograms are bright too
    assert (made.mean((1, 2, 3))[spread] > 0.8).any() == inverted


DAMAGED = [
    '{"draws": [{"operation": "rotate"}]}',
    '{"draws": [{"operation": "rotate", "acts": [true]}]}',
    '{"draws": [{"operation": "rotate", "acts": [true], "degrees": [[1, 2]]}]}',
    '{"draws": [{"operation": "rotate", "acts": [true, true], "degrees": 3}]}',
    '{"draws": [{"operation": "rotate", "acts": true}]}',
]


@pytest.mark.parametrize("text", ["", "[]", *DAMAGED, '{"draws": 3}', "[" * 100_000])
def test_a_damaged_record_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="recorded draw"):
        Draw.from_json(text)

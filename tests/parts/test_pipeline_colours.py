# SPDX-License-Identifier: Apache-2.0
"""Fused colours equal colours one by one, written out; noise, holes and choices have their stated statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torchvision.transforms.v2 import functional as tv

from ganaug.data.errors import InputError
from ganaug.parts.pipeline.pipeline import Pipeline

LUMA = np.array([0.299, 0.587, 0.114])


def picture(channels: int = 3, side: int = 24, seed: int = 0) -> np.ndarray:
    """Values around the middle, so that nothing is clipped."""
    return (0.4 + 0.2 * np.random.default_rng(seed).random((side, side, channels))).astype(np.float32)


def written_out(name: str, x: np.ndarray, drawn: dict[str, float]) -> np.ndarray:
    """One operation on one float image, by its definition."""
    rgb = x.shape[-1] == 3
    if name == "brightness":
        return x * drawn["factor"]
    if name == "contrast":
        centre = (x @ LUMA).mean() if rgb else x.mean((0, 1))
        return centre + drawn["factor"] * (x - centre)
    if name == "saturation":
        grey = (x @ LUMA)[..., None]
        return grey + drawn["factor"] * (x - grey)
    if name == "gain":
        return x * drawn["factors"][: x.shape[-1]]
    if name == "gamma":
        return x ** drawn["power"]
    assert name == "invert"
    return 1 - x


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(["brightness(0.1)", "contrast(0.3)", "saturation(0.3)", "gain(0.05)", "gamma", "invert"]),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 1000),
    st.sampled_from([1, 3, 13]),
)
def test_fused_colours_equal_colours_one_by_one(ops: list[str], seed: int, channels: int) -> None:
    ops = [op for op in ops if channels == 3 or not op.startswith("saturation")] or ["contrast"]
    pipe, image = Pipeline(ops, seed=seed), picture(channels)
    draw, wanted = pipe.draw(0), image.astype(float)
    for op, on, drawn in zip(draw.operations, draw.on, draw.drawn, strict=True):
        if on[0]:
            wanted = written_out(op.name, wanted, {name: value[0] for name, value in drawn.items()})
    made = pipe(image=image, index=0)["image"]
    assert np.abs(made - np.clip(wanted, 0, 1)).max() < 2e-5
    bytes_ = pipe(image=np.rint(image * 255).astype(np.uint8), index=0)["image"] / 255
    assert np.abs(bytes_ - made).max() < 6 / 255  # every pass rounds once
    words = pipe(image=np.rint(image * 65535).astype(np.uint16), index=0)["image"] / 65535
    assert np.abs(words - made).max() < 1e-3


def test_hue_keeps_grey_and_brightness_and_turns_back() -> None:
    image, pipe = picture(), Pipeline("hue(0.5)")
    draw = pipe.draw(0)
    draw.drawn[0]["turn"][:] = 0.2
    turned = pipe.apply(draw, image=image[None])["image"]
    assert np.abs(turned[0] @ LUMA - image @ LUMA).max() < 2e-3  # the published matrix has three digits
    assert np.abs(turned[0] - image).max() > 0.05
    draw.drawn[0]["turn"][:] = -0.2
    assert np.abs(pipe.apply(draw, image=turned)["image"][0] - image).max() < 1e-5


@pytest.mark.parametrize("name", ["saturation", "hue", "grey(p=1)"])
def test_colours_of_light_are_refused_on_bands(name: str) -> None:
    with pytest.raises(InputError, match=r"needs images of 3 channels.*found 13: use gain"):
        Pipeline(name)(image=picture(13), index=0)


def test_grey_level_operations_equal_torchvision_on_bytes() -> None:
    image = (np.random.default_rng(3).random((20, 30, 3)) ** 2 * 200).astype(np.uint8)
    given_ = torch.from_numpy(image).permute(2, 0, 1)
    for name, same in (
        ("autocontrast(p=1)", tv.autocontrast(given_)),
        ("posterize(4, p=1)", tv.posterize(given_, 4)),
        ("solarize(100, p=1)", tv.solarize(given_, 100)),
    ):
        made = Pipeline(name)(image=image, index=0)["image"].astype(int)
        assert np.abs(made - same.permute(1, 2, 0).numpy()).max() <= 1, name


def test_equalising_maps_levels_to_their_share() -> None:
    image = (np.random.default_rng(3).random((20, 30, 2)) ** 2 * 200).astype(np.uint8)
    made = Pipeline("equalize(p=1)")(image=image, index=0)["image"]
    for k in range(2):
        counts = np.bincount(image[..., k].ravel(), minlength=256)
        least = counts[image[..., k].min()]
        share = (counts.cumsum() - least) / (600 - least) * 255
        assert np.abs(made[..., k] - share[image[..., k]]).max() <= 0.51


def test_sharpening_equals_torchvision() -> None:
    image, pipe = (np.random.default_rng(3).random((20, 30, 3)) * 255).astype(np.uint8), Pipeline("sharpen(0.9)")
    factor = float(pipe.draw(5).drawn[0]["factor"][0])
    wanted = tv.adjust_sharpness(torch.from_numpy(image).permute(2, 0, 1), factor).permute(1, 2, 0).numpy()
    assert np.abs(pipe(image=image, index=5)["image"].astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_noise_has_the_stated_deviation_and_leaves_the_mask(dtype: str) -> None:
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    image, mask = np.full((64, 64, 3), 0.5 * top).astype(dtype), np.arange(4096).reshape(64, 64) % 7
    made = Pipeline("noise(0.05)")(image=image, mask=mask, index=9)
    change = (made["image"].astype(float) - image) / top
    assert abs(change.std() / 0.05 - 1) < 0.05 and abs(change.mean()) < 0.002
    assert np.array_equal(made["mask"], mask)
    other = Pipeline("noise(0.05)")(image=image, index=10)["image"].astype(float) - image
    assert abs(np.corrcoef(change.ravel(), other.ravel())[0, 1]) < 0.05


def test_cutouts_mean_hole_is_smaller_than_its_square() -> None:
    """Half the side at 32 px: the clipped length is 14 of 32 on average, so 19.1 % of the image, not 25 %."""
    images = np.ones((4000, 32, 32), np.float32)
    holes = Pipeline("cutout(0.5, value=0)")(image=images, index=np.arange(4000))["image"] == 0
    assert abs(holes.mean() - (14 / 32) ** 2) < 0.004


def test_erase_stays_within_its_areas() -> None:
    images = np.ones((500, 40, 30), np.float32)
    holes = Pipeline("erase(0.1, 0.3, value=0, p=1)")(image=images, index=np.arange(500))["image"] == 0
    share = holes.mean((1, 2))
    assert share.min() > 0.07 and share.max() < 0.33 and share.std() > 0.03


def test_randaugment_chooses_evenly_and_trivialaugment_once() -> None:
    choices = Pipeline("randaugment(2, 9)").draw(np.arange(7000)).drawn[0]["choice"].ravel()
    assert stats.chisquare(np.bincount(choices.astype(int), minlength=14)).pvalue > 0.01
    draw = Pipeline("trivialaugment").draw(np.arange(7000))
    acting = np.sum([act.on for act in draw.acts(3)], 0)
    assert acting.max() == 1 and abs((acting == 0).mean() - 1 / 14) < 0.02
    assert stats.chisquare(np.bincount(draw.drawn[0]["level"].astype(int), minlength=31)).pvalue > 0.01


def test_randaugment_changes_more_with_magnitude() -> None:
    images = np.repeat(picture(side=32)[None], 300, 0)
    change = [
        np.square(Pipeline(f"randaugment(2, {m})")(image=images, index=np.arange(300))["image"] - images).mean()
        for m in (3, 12, 30)
    ]
    assert change[0] < change[1] < change[2]


def test_randaugment_takes_many_bands() -> None:
    images = np.repeat(picture(13)[None], 60, 0)
    made = Pipeline("randaugment, trivialaugment")(image=images, index=np.arange(60))["image"]
    assert made.shape == images.shape and made.min() >= 0 and made.max() <= 1

# SPDX-License-Identifier: Apache-2.0
"""Albumentations pipelines: everything moves as ganaug's own operations move it, seeded, stored, or refused."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from foreign_cases import flips_as_ganaug_does, full, independent, marked, same, seeds_decide, smooth, stays_marked
from sklearn.base import clone
from typer.testing import CliRunner

import ganaug
from ganaug.cli.main import app
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError

pytest.importorskip("albumentations")
import albumentations as A


def system(*steps, **how):
    """A fitted system of these transforms."""
    return ganaug.make("albumentations", pipeline=A.Compose(list(steps), **how)).fit(None)


@pytest.mark.parametrize("axis", ["horizontal", "vertical"])
def test_flips_are_those_of_ganaug(axis):
    flips_as_ganaug_does(system({"horizontal": A.HorizontalFlip, "vertical": A.VerticalFlip}[axis](p=1)), axis)


@pytest.mark.parametrize("channels", [1, 13])
def test_other_numbers_of_channels_are_flipped_too(channels):
    flips_as_ganaug_does(system(A.HorizontalFlip(p=1)), "horizontal", full(channels=channels))


def test_two_flips_are_independent_where_a_seeded_compose_ties_them_together():
    flips = (A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5))
    assert min(independent(system(*flips))) > 0.18
    own, image = A.Compose(list(flips)), np.arange(4, dtype=np.float32).reshape(2, 2, 1)
    own.set_random_seed(1)
    assert len({own(image=image)["image"].tobytes() for _ in range(100)}) == 2, "the control: both or neither"


def test_same_seed_same_bits_and_global_states_untouched():
    seeds_decide(system(A.Rotate((-30, 30), p=1), A.RandomBrightnessContrast(p=0.5), A.GaussNoise(p=0.5)), full())


def test_keypoints_masks_and_boxes_stay_on_what_they_mark():
    given = marked()
    affine = A.Affine(rotate=(-30, 30), scale=(0.8, 1.2), translate_percent=(-0.1, 0.1), p=1)
    stays_marked(system(affine).augment(given), given)


@pytest.mark.parametrize("fill_mask", [0, 1, 255])
def test_what_is_uncovered_is_unknown_and_what_was_unknown_stays_so(fill_mask):
    given = full()
    found = system(A.Affine(translate_px=(8, 8), fill_mask=fill_mask, p=1)).augment(given)
    assert (found.mask[:, :8] == 255).all() and (found.mask[:, :, :8] == 255).all()
    assert not found.valid[:, :8].any() and not found.instances[:, :, :8].any()
    assert torch.equal(found.mask[:, 8:, 8:], given.mask[:, :-8, :-8])
    assert torch.equal(found.instances[:, 8:, 8:], given.instances[:, :-8, :-8])


def test_values_never_leave_their_range():
    image = torch.cat([smooth(4), torch.ones(4, 3, 20, 32), -torch.ones(4, 3, 20, 32)])
    found = system(A.RandomBrightnessContrast((0.9, 0.9), (0.9, 0.9), p=1), A.GaussNoise((0.5, 0.5), p=1)).augment(
        Batch(image=image)
    )
    assert found.image.abs().max() == 1


def test_object_plain_data_and_file_are_one_pipeline_that_a_run_folder_keeps(tmp_path):
    pipeline = A.Compose([A.OneOf([A.HorizontalFlip(p=1), A.VerticalFlip(p=1)], p=0.8), A.Rotate(p=0.5)], p=0.9)
    A.save(pipeline, tmp_path / "pipeline.json")
    forms = [pipeline, A.to_dict(pipeline), json.loads((tmp_path / "pipeline.json").read_text())]
    fitted = [ganaug.make("albumentations", pipeline=form).fit(None) for form in forms]
    fitted += [clone(fitted[0]).fit(None)]
    for number in (0, 1):
        fitted[number].save(tmp_path / str(number))
        fitted.append(ganaug.restore(tmp_path / str(number)))
    first, *others = [each.augment(full(), seed=5) for each in fitted]
    assert not torch.equal(first.image, full().image)
    for other in others:
        same(other, first)
        assert torch.equal(other.image, first.image)


@pytest.mark.parametrize(
    "step", [A.PadIfNeeded(16, 16), A.SafeRotate(p=1), A.RGBShift(p=1), A.OneOf([A.FrequencyMasking(8, p=1)], p=1)]
)
def test_what_the_library_describes_with_arguments_of_a_base_class_is_taken(step):
    batch = Batch(image=torch.rand(4, 3, 16, 16) * 2 - 1)
    made = ganaug.make("albumentations", pipeline=step).fit(None).augment(batch)
    assert isinstance(step, A.PadIfNeeded) == torch.equal(made.image, batch.image)


def test_a_file_on_the_command_line_does_what_the_library_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    A.save(A.Compose([A.Rotate((-20, 20), p=1), A.GaussNoise(p=0.5)]), "pipeline.json")
    for words in (
        ["fit", "albumentations", "digits", "--set", "pipeline=@pipeline.json", "-o", "run"],
        ["augment", "run", "digits", "--format", "npz", "--seed", "4", "-o", "more"],
    ):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
    digits = ganaug.load("digits")
    train, made = digits.select(digits.in_fold("train")), ganaug.load("more")
    own = ganaug.make("albumentations", pipeline=json.loads((tmp_path / "pipeline.json").read_text())).fit(train)
    assert np.array_equal(made.image[:], own.augment(train, seed=4).image[:])
    assert not np.array_equal(made.image[:], train.image[:])
    for file, said in (("nowhere.json", "nowhere.json can't be read"), ("pipeline.txt", "pipeline.txt can't be read")):
        (tmp_path / "pipeline.txt").write_text("no json")
        result = CliRunner().invoke(app, ["fit", "albumentations", "digits", "--set", f"pipeline=@{file}", "-o", "new"])
        assert result.exit_code == 2 and said in result.stderr and result.stderr.count("\n") == 1


# --- refusals ---------------------------------------------------------------------------------------------------


def plain(name, **arguments):
    """A pipeline of one transform as plain data."""
    step = {"__class_fullname__": name, "p": 1.0, **arguments}
    return {"transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [step]}}


def unchanged(image, **_):
    """Code that no plain data can describe."""
    return image


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        (plain("HorizontalFlop"), "no transform 'HorizontalFlop': the nearest are HorizontalFlip"),
        (plain("os.HorizontalFlip"), "can't be made"),
        (plain("HorizontalFlip", q=1), "Argument.*'q'.*not valid for transform HorizontalFlip"),
        (plain("Rotate", limit="far"), "can't be made.*limit"),
        (plain("Mosaic"), "Mosaic brings other images in"),
        (plain("Normalize"), "Normalize changes the type or the scale"),
        (plain("MaskDropout"), "MaskDropout reads masks"),
        ({"transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": []}}, "empty"),
        ([{"name": "HorizontalFlip"}], "found list: give A.to_dict"),
        ("flips.json", "found str: give A.to_dict"),
        (None, "found NoneType: give A.to_dict"),
        ({}, "found dict: give A.to_dict"),
        (A.Compose([A.Lambda(image=unchanged)]), "can't be described as plain data"),
    ],
)
def test_what_is_no_pipeline_is_refused_in_a_sentence(pipeline, said):
    with pytest.raises(InputError, match=said) as error:
        ganaug.make("albumentations", pipeline=pipeline).fit(None)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("step", "batch", "said"),
    [
        (A.ToGray(p=1), full(channels=13), "13 channels, 20x32 pixels.*basic_ops, which takes any number"),
        (A.HueSaturationValue(p=1), full(channels=13), "basic_ops"),
        (A.RandomCrop(8, 8, p=1), full(), "turns images of 3 channels, 20x32 pixels into 3 channels, 8x8 pixels"),
        (A.RandomCrop(64, 64, p=1), full(), "CropSizeError.*exceeds"),
        (A.ElasticTransform(p=1), full(), "ElasticTransform does not move boxes and keypoints well"),
        (
            A.Affine(rotate=9, border_mode=4),
            full().but(boxes=None),
            "Affine with border_mode 4 does not move keypoints",
        ),
        (A.HorizontalFlip(), full().but(depth=torch.ones(12, 20, 32)), "can't move depth"),
        (A.HorizontalFlip(), full().but(views={"low": Batch(image=smooth(12))}), "can't move views"),
    ],
)
def test_what_a_pipeline_can_not_do_with_a_batch_is_refused_in_a_sentence(step, batch, said):
    with pytest.raises(InputError, match=said) as error:
        system(step).augment(batch)
    assert "\n" not in str(error.value)


def test_distortions_and_reflections_work_without_points():
    given = full().but(boxes=None, keypoints=None)
    for step in (A.ElasticTransform(alpha=200, sigma=6, p=1), A.Affine(rotate=20, border_mode=4, p=1)):
        found = system(step).augment(given)
        assert not torch.equal(found.mask, given.mask) and set(found.mask.unique().tolist()) == {0, 1, 2, 3, 4, 255}


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(InputError, match="pip install albumentations"):
        ganaug.make("albumentations").fit(None)

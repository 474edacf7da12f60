# SPDX-License-Identifier: Apache-2.0
"""kornia pipelines: everything moves as ganaug's own operations move it, seeded, stored, or refused."""

from __future__ import annotations

import sys

import pytest
import torch
from foreign_cases import flips_as_ganaug_does, full, independent, marked, same, seeds_decide, smooth, stays_marked

import ganaug
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError

pytest.importorskip("kornia")


def system(*steps):
    """A fitted system of these steps."""
    return ganaug.make("kornia", pipeline=list(steps)).fit(None)


def step(name, **arguments):
    """One step."""
    return {"name": name, **arguments}


@pytest.mark.parametrize("axis", ["horizontal", "vertical"])
def test_flips_are_those_of_ganaug(axis):
    flips_as_ganaug_does(system(step(f"Random{axis.title()}Flip", p=1.0)), axis)


@pytest.mark.parametrize("channels", [1, 13])
def test_other_numbers_of_channels_are_flipped_too(channels):
    flips_as_ganaug_does(system(step("RandomHorizontalFlip", p=1.0)), "horizontal", full(channels=channels))


@pytest.mark.parametrize("asked", [{}, {"same_on_batch": True}])
def test_parameters_are_drawn_for_each_image(asked):
    flips = (step("RandomHorizontalFlip", **asked), step("RandomVerticalFlip", **asked))
    assert min(independent(system(*flips))) > 0.18


def test_same_seed_same_bits_and_global_states_untouched():
    inner = [
        step("RandomGaussianNoise", std=0.1),
        step("RandomHue", hue=[-0.1, 0.1]),
        step("RandomRotation", degrees=9),
    ]
    choice = step("ImageSequential", transforms=inner, random_apply=2)
    seeds_decide(system(step("RandomRotation", degrees=30.0), choice), full())


@pytest.mark.parametrize(
    "move",
    [
        step("RandomAffine", degrees=30.0, translate=[0.1, 0.1], scale=[0.8, 1.2], p=1.0),
        step("RandomPerspective", distortion_scale=0.4, p=1.0),
    ],
)
def test_keypoints_masks_and_boxes_stay_on_what_they_mark(move):
    given = marked()
    stays_marked(system(move).augment(given), given)


@pytest.mark.parametrize("name", ["RandomErasing", "RandomTranslate"])
def test_what_is_uncovered_is_unknown_and_what_was_unknown_stays_so(name):
    given = full()
    arguments = {"scale": [0.3, 0.4]} if name == "RandomErasing" else {"translate_x": [0.3, 0.3]}
    found = system(step(name, p=1.0, **arguments)).augment(given)
    uncovered = (found.image == -1).all(1)
    assert 0.2 < uncovered.float().mean() < 0.45
    assert (found.mask[uncovered] == 255).all()
    assert not found.valid[uncovered].any() and not found.instances[uncovered].any()
    known = found.mask != 255
    assert ((found.mask == 3) == ~found.valid)[known].all() and torch.equal(
        found.instances[known] // 7_000_003, found.mask[known]
    )
    assert known.float().mean() > 0.4 and (found.mask[:, :2] == 255).all()


def test_values_never_leave_their_range():
    image = torch.cat([smooth(4), torch.ones(4, 3, 20, 32), -torch.ones(4, 3, 20, 32)])
    found = system(step("RandomGaussianNoise", std=0.5, p=1.0)).augment(Batch(image=image)).image
    assert found.abs().max() == 1


@pytest.mark.parametrize("name", ["RandAugment", "TrivialAugment", "AutoAugment"])
def test_the_policies_of_the_library_work(name):
    arguments = {"RandAugment": {"n": 2, "m": 10}}.get(name, {})
    given = Batch(image=smooth(32))
    seeds_decide(system(step(name, **arguments)), given.but(label=torch.arange(32)))


def test_a_run_folder_keeps_the_pipeline(tmp_path):
    fitted = system(
        step("RandomRotation", degrees=20.0, p=0.8), step("RandomGaussianBlur", kernel_size=[3, 3], sigma=[0.5, 1.0])
    )
    fitted.save(tmp_path / "run")
    back = ganaug.restore(tmp_path / "run")
    assert back.pipeline == fitted.pipeline
    same(back.augment(full(), seed=4), fitted.augment(full(), seed=4))


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ([step("RandomRotatoin")], "no transform 'RandomRotatoin': the nearest are RandomRotation"),
        ([step("RandomAffine3D")], "no transform 'RandomAffine3D'"),
        ([step("RandomRotation", angle=3)], "RandomRotation does not take its arguments.*angle"),
        ([step("RandomMixUpV2")], "RandomMixUpV2 brings other images in"),
        ([step("RandomJigsaw")], "RandomJigsaw tears an image apart"),
        ([step("Normalize", mean=0.5, std=0.5)], "Normalize changes the type or the scale"),
        ([], "found an empty one"),
        (torch.nn.Identity(), "found Identity"),
    ],
)
def test_what_is_no_pipeline_is_refused_in_a_sentence(pipeline, said):
    with pytest.raises(InputError, match=said) as error:
        ganaug.make("kornia", pipeline=pipeline).fit(None)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("one", "batch", "said"),
    [
        (step("RandomHue", hue=[0.1, 0.2], p=1.0), full(channels=13), "13 channels, 20x32.*basic_ops, which takes any"),
        (step("RandomCrop", size=[8, 8], p=1.0), full(), "into 3 channels, 8x8 pixels"),
        (step("RandomElasticTransform"), full(), "RandomElasticTransform does not move boxes and keypoints well"),
        (
            step("RandomThinPlateSpline"),
            full().but(boxes=None, keypoints=None),
            "does not move mask and valid and inst",
        ),
        (step("RandomInvert"), full().but(depth=torch.ones(12, 20, 32)), "can't move depth"),
        (step("RandomInvert"), full().but(views={"low": Batch(image=smooth(12))}), "can't move views"),
    ],
)
def test_what_a_pipeline_can_not_do_with_a_batch_is_refused_in_a_sentence(one, batch, said):
    with pytest.raises(InputError, match=said) as error:
        system(one).augment(batch)
    assert "\n" not in str(error.value)


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia.augmentation", None)
    with pytest.raises(InputError, match="pip install kornia"):
        ganaug.make("kornia").fit(None)

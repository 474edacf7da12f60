# SPDX-License-Identifier: Apache-2.0
"""torchvision v2 pipelines: everything moves as ganaug's own operations move it, seeded, described, or refused."""

from __future__ import annotations

import json

import pytest
import torch
from foreign_cases import flips_as_ganaug_does, full, independent, marked, same, seeds_decide, smooth, stays_marked
from sklearn.neighbors import NearestCentroid
from torchvision import tv_tensors
from torchvision.transforms import v2

import ganaug
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.study.source import MixedSource
from ganaug.systems.transforms.torchvision_v2 import described
from ganaug.tasks.classification import Classifier


def system(*steps):
    """A fitted system of these steps."""
    return ganaug.make("torchvision", pipeline=list(steps)).fit(None)


def step(name, **arguments):
    """One step."""
    return {"name": name, **arguments}


@pytest.mark.parametrize("axis", ["horizontal", "vertical"])
def test_flips_are_those_of_ganaug(axis):
    flips_as_ganaug_does(system(step(f"Random{axis.title()}Flip", p=1.0)), axis)


@pytest.mark.parametrize("channels", [1, 13])
def test_other_numbers_of_channels_are_flipped_too(channels):
    flips_as_ganaug_does(system(step("RandomHorizontalFlip", p=1.0)), "horizontal", full(channels=channels))


def test_parameters_are_drawn_for_each_image():
    assert min(independent(system(step("RandomHorizontalFlip"), step("RandomVerticalFlip")))) > 0.18


def test_same_seed_same_bits_and_global_states_untouched():
    seeds_decide(system(step("RandomRotation", degrees=30), step("ColorJitter", brightness=0.3, hue=0.1)), full())


@pytest.mark.parametrize(
    "move",
    [
        step("RandomAffine", degrees=30, translate=[0.1, 0.1], scale=[0.8, 1.2], interpolation="bilinear"),
        step("RandomPerspective", distortion_scale=0.4, p=1.0),
        step("RandomResizedCrop", size=[40, 52], scale=[0.7, 1.0]),
    ],
)
def test_keypoints_masks_and_boxes_stay_on_what_they_mark(move):
    given = marked()
    stays_marked(system(move).augment(given), given)


def test_half_a_turn_keeps_keypoints_where_the_library_loses_over_a_pixel():
    given = full()
    found = system(step("RandomRotation", degrees=[180, 180])).augment(given)
    whole = torch.tensor([31.0, 19.0]) - given.keypoints
    torch.testing.assert_close(found.keypoints, whole, rtol=0, atol=1e-3, equal_nan=True)
    own = tv_tensors.KeyPoints(given.keypoints[0], canvas_size=(20, 32))
    error = (v2.RandomRotation((180, 180))(own) - whole[0]).norm(dim=-1)
    assert error.nan_to_num(9).min() > 1.4, "the control"


@pytest.mark.parametrize("fill", [0, 0.5, 1])
def test_what_is_uncovered_is_unknown_and_what_was_unknown_stays_so(fill):
    given = full()
    cut = system(step("RandomCrop", size=[20, 32], padding=[32, 0, 0, 0], fill=fill))
    found = cut.augment(given)
    assert torch.equal(found.image, cut.augment(Batch(image=given.image)).image), "with and without fields"
    uncovered = (found.image - (2 * fill - 1)).abs().amax(1) < 1e-6
    assert 0.3 < uncovered.float().mean() < 0.7
    assert (found.mask[uncovered] == 255).all()
    assert not found.valid[uncovered].any() and not found.instances[uncovered].any()
    assert (found.mask[:, :2] == 255).all() and (found.mask[:, 2:][~uncovered[:, 2:]] != 255).all()


def test_values_never_leave_their_range():
    image = torch.cat([smooth(4), torch.ones(4, 3, 20, 32), -torch.ones(4, 3, 20, 32)])
    pipeline = (step("ColorJitter", brightness=[2, 3], contrast=[3, 4]), step("GaussianNoise", sigma=0.5, clip=False))
    assert system(*pipeline).augment(Batch(image=image)).image.abs().max() == 1


# --- pipelines as data ------------------------------------------------------------------------------------------

PIPELINE = [
    v2.RandomAffine(15, translate=(0.1, 0.2), interpolation=v2.InterpolationMode.BILINEAR, fill=0.25),
    v2.RandomApply([v2.GaussianBlur(3), v2.ColorJitter(0.2, hue=0.1)], p=0.3),
    v2.Compose([v2.RandomChoice([v2.RandomHorizontalFlip(0.7), v2.RandomInvert()], p=[1, 3])]),
    v2.RandomErasing(p=0.9, value=0.5),
]


def test_a_described_pipeline_gives_the_bits_of_the_library_and_is_kept_by_a_run_folder(tmp_path):
    plain = described(v2.Compose(PIPELINE))
    assert plain == json.loads(json.dumps(plain))
    assert [each["name"] for each in plain] == ["RandomAffine", "RandomApply", "RandomChoice", "RandomErasing"]
    fitted, images = system(*plain), smooth(8)
    fitted.save(tmp_path / "run")
    found = fitted.augment(Batch(image=images), seed=7)
    same(ganaug.restore(tmp_path / "run").augment(Batch(image=images), seed=7), found)
    own = ganaug.make("torchvision").fit(None)
    own.compose = v2.Compose(PIPELINE)
    assert torch.equal(found.image, own.augment(Batch(image=images), seed=7).image)


@pytest.mark.parametrize(
    "transform",
    [
        v2.Lambda(lambda image: image),
        v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10),
        v2.RandomRotation(5, fill={tv_tensors.Image: 1}),
        torch.nn.Identity(),
    ],
)
def test_what_can_not_be_described_asks_for_the_list(transform):
    with pytest.raises(InputError, match="write the list by hand"):
        system(*described(transform))


def test_a_system_is_an_arm_that_the_results_name(tmp_path, monkeypatch):
    table = MixedSource.table
    monkeypatch.setattr(MixedSource, "table", lambda source, n: table(source, 128))  # few rows
    arm = ganaug.make("torchvision", pipeline=[step("RandomRotation", degrees=[30, 30])])
    learner = Classifier(backbone=NearestCentroid(), batch_size=64)  # takes no time
    study = ganaug.Study(arms=[arm], task=learner, shots=4, repeats=2, steps=5, leave_out=["duplicate", "placebo"])
    digits = ganaug.load("digits")
    results = study.run(digits.select(digits.label < 3).but(classes=("0", "1", "2")), tmp_path / "out")
    name = "torchvision(pipeline=[{'name': 'RandomRotation', 'degrees': [30, 30]}])"
    assert name in {verdict["arm"] for verdict in results.verdicts}
    assert name in results.results["summary"]["headline"]
    cells = {(c["arm"], c["repeat"]): c["score"] for c in results.results["cells"]}
    assert cells[name, 0] != cells["none", 0], "every batch goes through the pipeline"


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ([step("RandomRotatoin", degrees=3)], "no transform 'RandomRotatoin': the nearest are RandomRotation"),
        ([step("nn.Linear")], "no transform 'nn.Linear'"),
        ([step("RandomRotation", angle=3)], "RandomRotation does not take its arguments.*angle"),
        ([step("RandomApply", transforms=[])], "found an empty one"),
        ([step("CutMix")], "CutMix brings other images in"),
        ([step("Normalize", mean=[0.5], std=[0.5])], "Normalize changes the type or the scale"),
        ([step("FiveCrop", size=8)], "FiveCrop gives several images"),
        ([step("Lambda")], "Lambda is code"),
        ([{"degrees": 3}], "each step of the pipeline"),
        ([], "found an empty one"),
        (None, "found NoneType"),
        (v2.RandomRotation(3), "found RandomRotation"),
        ([v2.RandomRotation(3)], "each step of the pipeline"),
    ],
)
def test_what_is_no_pipeline_is_refused_in_a_sentence(pipeline, said):
    with pytest.raises(InputError, match=said) as error:
        ganaug.make("torchvision", pipeline=pipeline).fit(None)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("one", "batch", "said"),
    [
        (
            step("ColorJitter", brightness=0.1),
            full(channels=13),
            "13 channels, 20x32.*basic_ops, which takes any number",
        ),
        (step("Grayscale"), full(), "of 3 channels, 20x32 pixels into 1 channels, 20x32 pixels"),
        (step("CenterCrop", size=8), full(), "into 3 channels, 8x8 pixels"),
        (step("RandAugment"), full(), "RandAugment"),
        (step("ElasticTransform"), full(), "ElasticTransform does not move boxes and keypoints well"),
        (step("RandomInvert"), full().but(depth=torch.ones(12, 20, 32)), "can't move depth"),
        (step("RandomInvert"), full().but(views={"low": Batch(image=smooth(12))}), "can't move views"),
    ],
)
def test_what_a_pipeline_can_not_do_with_a_batch_is_refused_in_a_sentence(one, batch, said):
    with pytest.raises(InputError, match=said) as error:
        system(one).augment(batch)
    assert "\n" not in str(error.value)

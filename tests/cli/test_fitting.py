# SPDX-License-Identifier: Apache-2.0
"""fit, sample and augment do what the library does, and refuse what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

import ganaug

TINY = ("--preset", "tiny", "--steps", 3)


@pytest.fixture
def run(ganaug_cli, tmp_path):
    """A fitted run folder."""
    result = ganaug_cli("fit", "dcgan", "digits", *TINY, "--set", "lr=0.001", "--seed", 5, "-o", "run", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"system": "dcgan", "run": "run", "seed": 5, "steps": 3, "retry": 0}
    return tmp_path / "run"


def equal(images, others):
    """Whether two sets hold the same pixels."""
    return np.array_equal(images.image[np.arange(len(images))], others.image[np.arange(len(others))])


def test_fit_is_the_library_on_the_training_fold(run):
    digits = ganaug.load("digits")
    train = digits.select(digits.in_fold("train"))
    own = ganaug.make("dcgan", preset="tiny", lr=0.001).fit(train, budget=3, seed=5)
    assert equal(ganaug.restore(run).sample(5), own.sample(5))
    assert not equal(
        ganaug.make("dcgan", preset="tiny", lr=0.001).fit(train, budget=3, seed=6).sample(5), own.sample(5)
    )


@pytest.mark.parametrize("format", ["folder", "npz", "csv", "webdataset"])
def test_sample_writes_the_images_of_the_run(run, ganaug_cli, format):
    target = run.parent / "more"
    result = ganaug_cli("sample", run, "-n", 5, "--seed", 9, "--format", format, "-o", target, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["images"] == 5
    assert equal(ganaug.load(str(target)), ganaug.restore(run).sample(5, seed=9))


def test_augment_by_id_changes_training_rows_only(ganaug_cli, tmp_path):
    assert ganaug_cli("augment", "cutout", "digits", "-o", "more", "--format", "npz").exit_code == 0
    digits = ganaug.load("digits")
    train = digits.select(digits.in_fold("train"))
    made = ganaug.make("cutout").fit(train, budget=0).augment(train, seed=0)
    assert len(made) == len(train) < len(digits)
    assert equal(ganaug.load(str(tmp_path / "more")), made) and not equal(made, train)


def test_size_reaches_the_images(ganaug_cli, tmp_path):
    result = ganaug_cli("augment", "cutout", "digits", "--size", "12x16", "--fit", "pad", "-o", "more")
    assert result.exit_code == 0, result.output
    assert ganaug.load(str(tmp_path / "more")).spec.size == (12, 16)


def test_a_system_that_makes_no_variants_says_so(run, ganaug_cli):
    result = ganaug_cli("augment", run, "digits", "-o", "more")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "dcgan makes no variants" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "dcgn", "digits", "-o", "o"], "there is no system 'dcgn'"),
        (["fit", "dcgan", "digits", "-o", "o", "--set", "widht=3"], "no parameter 'widht'"),
        (["fit", "dcgan", "digits", "-o", "o", "--preset", "huge"], "no preset 'huge'"),
        (["fit", "dcgan", "digits", "-o", "o", "--steps", 3, "--minutes", 1], "--steps and --minutes"),
        (["fit", "dcgan", "digits", "-o", "o", "--steps", -3], "found -3"),
        (["fit", "dcgan", "digits", "-o", "o", "--minutes", 0], "must be positive"),
        (["fit", "dcgan", "digits", "-o", "o", "--size", "big"], "found 'big'"),
        (["fit", "dcgan", "nowhere", "-o", "o"], "nowhere"),
        (["sample", "nowhere", "-n", 3, "-o", "o"], "not a run folder"),
        (["sample", "nowhere", "-o", "o"], "say how many images"),
        (["sample", "nowhere", "-n", 3, "--per-class", 3, "-o", "o"], "say how many images by one of"),
        (["augment", "nothing", "digits", "-o", "o"], "there is no system 'nothing'"),
        (["evaluate", "nowhere", "digits"], "nowhere"),
        (["inspect", "nowhere"], "nowhere"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_mistakes_are_told_before_anything_is_written(words, said, refused):
    assert said in refused(*words)


def test_a_used_folder_is_refused_and_resume_goes_on(run, ganaug_cli, refused):
    fit = ("fit", "dcgan", "digits", *TINY, "--set", "lr=0.001", "-o", "run")
    assert "go on with that run by --resume" in refused(*fit, "--seed", 5)
    assert "started with seed 5, now 6" in refused(*fit, "--seed", 6, "--resume")
    assert "another data set" in refused(*fit, "--seed", 5, "--size", 16, "--resume")
    assert ganaug_cli(*fit, "--seed", 5, "--resume").exit_code == 0
    assert "already holds other content" in refused("sample", "run", "-n", 3, "-o", "run")


def test_classes_cannot_be_asked_of_an_unconditional_system(run, refused):
    assert "--per-class-model" in refused("sample", run, "--per-class", 3, "-o", "more")


# --- two images combined -----------------------------------------------------------------------------------------


def test_grid_of_a_joint_system_is_a_picture_and_its_variants_go_into_the_market_layout(ganaug_cli, tmp_path):
    people = ganaug.load("pedestrians", size=(32, 32))
    few = people.select(people.identity < 8).but(mask=None, keypoints=None, attributes=None, query=None, fold=None)
    ganaug.write(few, tmp_path / "people", "market")
    assert ganaug_cli("fit", "dg_net", "people", "--preset", "tiny", "--steps", 2, "-o", "run").exit_code == 0
    assert ganaug_cli("augment", "run", "people", "--grid", "-o", "picture").exit_code == 0
    from PIL import Image

    with Image.open(tmp_path / "picture" / "grid.png") as picture:
        assert picture.size[0] > 7 * 32
    assert ganaug_cli("augment", "run", "people", "--format", "market", "-o", "more").exit_code == 0
    names = [file.name for file in (tmp_path / "more" / "bounding_box_train").iterdir()]
    assert len(names) == len(few)
    assert all("s9_" in name for name in names)


def test_grid_of_a_system_that_combines_nothing_is_refused(run, refused):
    assert "dcgan has no grid" in refused("augment", "run", "digits", "--grid", "-o", "picture")


def test_untrained_system_is_not_augmented_with(refused):
    assert "dg_net must be trained first" in refused("augment", "dg_net", "pedestrians", "-o", "out")


def test_fit_tells_the_policy_that_was_found(ganaug_cli, tmp_path):
    given = ("fit", "fast_autoaugment", "digits", "-o", tmp_path / "policy", "--preset", "tiny")
    told = ganaug_cli(*given).stdout.splitlines()
    assert told[0].startswith("fitted fast_autoaugment") and len(told) > 1
    assert ganaug.restore(tmp_path / "policy").words() == told[1:]

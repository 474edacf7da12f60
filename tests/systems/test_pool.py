# SPDX-License-Identifier: Apache-2.0
"""Pool: the unlabelled images, and what they bring with the labels that a model guesses."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

import ganaug
from ganaug.core.card import Recipe
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study import generate
from ganaug.study.study import Study
from ganaug.systems.low_data import pool as module
from ganaug.tasks.classification import Classifier
from ganaug.tasks.segmentation import Segmenter


def with_pool(n=40):
    data = digits()
    rows = data.in_fold("train")
    pool = data.select(rows[100 : 100 + n]).but(label=None, classes=(), fold=None)
    return data.select(rows[:100]).but(fold=None, others={"unlabelled": pool}), pool


def test_every_image_is_one_of_the_pool_and_all_of_it_comes(monkeypatch):
    data, pool = with_pool()
    made = ganaug.make("pool").fit(data, seed=1).sample(400)
    assert made.label is None
    found = [np.flatnonzero((pool.image[:] == image).all((1, 2, 3))) for image in made.image[:]]
    assert all(len(rows) for rows in found)
    assert len({int(rows[0]) for rows in found}) == 40
    monkeypatch.setattr(module, "MOST", 7)
    few = ganaug.make("pool").fit(data, seed=1).sample(100)
    assert len(np.unique(few.image[:].reshape(100, -1), axis=0)) == 7


def test_without_a_pool_it_says_how_to_give_one():
    with pytest.raises(InputError, match="needs a second set 'unlabelled': --unlabelled PATH, or --unlabelled rest"):
        ganaug.make("pool").fit(digits())


def test_guessed_labels_raise_the_score(monkeypatch, tmp_path):
    """Five labelled digits a class, and the rest of the training fold without labels."""
    monkeypatch.setattr(generate, "look_at", lambda *_: {})  # the audits take longer than all else here
    study = Study(arms=["pool"], shots=5, repeats=3, steps=120, offer_rest=True, leave_out=["rules", "duplicate"])
    results = study.run(digits(), tmp_path / "out").results
    assert {c["status"] for c in results["cells"]} == {"ok"}, [c["note"] for c in results["cells"]]
    score = {arm: np.mean([c["score"] for c in results["cells"] if c["arm"] == arm]) for arm in ("none", "pool")}
    assert score["pool"] > score["none"] + 0.01
    assert not [c for c in results["cells"] if c["arm"].startswith("placebo")], "its labels are of its images alone"


def test_a_learner_without_a_network_can_not_guess(tmp_path):
    study = Study(arms=["pool"], task=Classifier(backbone=NearestCentroid()), repeats=1, steps=5, offer_rest=True)
    with pytest.raises(InputError, match=r"only a network can label .* is a NearestCentroid"):
        replace(study, shots=5).run(digits(), tmp_path / "out")


@pytest.mark.parametrize("labels", ["hard", "carry"])
def test_labels_that_its_images_lack_are_refused(labels):
    data, _ = with_pool()
    with pytest.raises(InputError, match=f"have no label of their own, so labels={labels} can't be"):
        Study(arms=[Recipe(system="pool", labels=labels)], repeats=1).plan(data)


def test_a_study_of_a_set_with_a_pool_tries_it_by_itself():
    data, _ = with_pool()
    study = Study(repeats=1)
    assert "rules+pool" in [arm.name for arm in study.plan(data)]
    assert "Unlabelled images can be used as they are" in study._why
    assert "rules+pool" not in [arm.name for arm in Study(repeats=1).plan(data.but(others={}))]


def test_no_classes_are_guessed_for_masks():
    images, mask = np.zeros((12, 16, 16, 1), np.uint8), np.arange(12 * 256).reshape(12, 16, 16) % 2
    data = ImageSet.of(images, mask=mask.astype(np.uint8), mask_classes=("a", "b"), fold=np.repeat([0, 2], 6))
    pool = ImageSet.of(images)
    arms = Study(task=Segmenter(width=4), repeats=1).plan(data.but(others={"unlabelled": pool}))
    assert "rules+dualgan_med" in [arm.name for arm in arms] and "rules+pool" not in [arm.name for arm in arms]


def test_a_pool_of_another_kind_of_images_is_refused():
    data, _ = with_pool()
    other = ImageSet.of(np.zeros((9, 8, 8, 3), np.uint8))
    with pytest.raises(InputError, match=r"unlabelled images must be \(8, 8, 1\) as the others, found \(8, 8, 3\)"):
        ganaug.make("pool").fit(data.but(others={"unlabelled": other}))

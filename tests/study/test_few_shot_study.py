# SPDX-License-Identifier: Apache-2.0
"""Few-shot studies: unseen test classes, and support images that an arm's system varies."""

from __future__ import annotations

import numpy as np
import pytest

from ganaug.core.card import Recipe
from ganaug.data.image_set import ImageSet
from ganaug.study import quality
from ganaug.study.arms import Arm
from ganaug.study.folds import fold, training_view
from ganaug.study.saturate import inner_fold
from ganaug.study.study import Study
from ganaug.tasks.few_shot import FewShot

ACCURACIES = [f"accuracy_{n}_shot{support}" for support in ("", "_real_support", "_rules_support") for n in (1, 5)]


def tiles(classes=12, each=8, size=16, seed=0):
    """A pattern of 4x4 grey tiles is the class; place and noise are those of the image."""
    rng = np.random.default_rng(seed)
    pattern = rng.integers(0, 2, (classes, 1, 4, 4)).repeat(each, 1).reshape(-1, 4, 4)
    image = 60 + 130 * pattern.repeat(size // 4, 1).repeat(size // 4, 2) + rng.normal(0, 20, (len(pattern), size, size))
    moved = [np.roll(one, rng.integers(-1, 2, 2), (0, 1)) for one in image.clip(0, 255).astype(np.uint8)]
    return ImageSet.of(np.stack(moved), np.repeat(np.arange(classes), each))


def learner():
    return FewShot(ways=2, episodes=40, variants=2, batch_size=8)


def by_operations(name, **params):
    """An arm whose support images, and no others, are joined by variants of them."""
    recipe = Recipe(system="basic_ops", params=params, plan="x1", share=0.0)
    return Arm(name, "generated", "none", recipes=((name, recipe),))


def run(folder, arms, **given):
    """A short study of these arms, two repeats, without the judge's long training."""
    study = Study(arms=arms, task=learner(), repeats=2, steps=12, generator_steps=2, **given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "JUDGE_STEPS", 5)
        patch.setattr("ganaug.study.saturate.TRIALS", 1)
        return study.run(tiles(), folder, resume=folder.exists())


def cells(results, arm):
    """The cells of an arm, one a repeat."""
    return sorted((c for c in results.results["cells"] if c["arm"] == arm), key=lambda c: c["repeat"])


# --- which classes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixed", [False, True])
def test_training_validation_and_test_share_no_class(fixed):
    label = np.repeat(np.arange(12), 8)
    given = tiles().but(fold=np.where(label < 8, 0, 2).astype(np.int8)) if fixed else tiles()
    data, tested = learner().prepared(given), []
    for repeat in range(3):
        rows = fold(data, None, repeat, repeats=3, seed=0)
        train, test = (set(label[part]) for part in (rows.train, rows.test))
        assert not train & test and train | test == set(range(12))
        inner = inner_fold(rows, data, 0)
        learns, validates = (set(label[part]) for part in (inner.train, inner.test))
        assert not learns & validates and learns | validates == train and len(validates) >= 2
        assert training_view(data, rows.train).spec.classes == tuple(f"id {k}" for k in sorted(train))
        tested += sorted(test)
    assert tested == [8, 9, 10, 11] * 3 if fixed else sorted(tested) == list(range(12))


# --- support images ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dagan(tmp_path_factory):
    return run(tmp_path_factory.mktemp("few") / "out", ["dagan"])


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    arms = [by_operations("noise", noise=50.0), by_operations("itself", strength=0.0)]
    return run(tmp_path_factory.mktemp("changed") / "out", arms, leave_out=["duplicate", "placebo"])


def test_every_arm_is_judged_by_one_shot_at_equal_updates(dagan):
    results = dagan.results
    assert all(c["status"] == "ok" for c in results["cells"]), [c["note"] for c in results["cells"]]
    assert {c["arm"] for c in results["cells"]} == {"none", "rules", "duplicate", "dagan", "placebo:dagan"}
    assert results["manifest"]["score"] == "2-way 1-shot accuracy"
    assert results["manifest"]["regime"] == "re-split"
    for cell in results["cells"]:
        assert list(cell["scores"]) == ACCURACIES
        assert cell["score"] == cell["scores"]["accuracy_1_shot"]
    assert {v["against"] for v in dagan.verdicts if v["arm"] == "dagan"} == {"none", "rules"}


def test_only_an_arm_that_varies_given_images_varies_the_support(dagan):
    for name in ("none", "rules", "duplicate"):
        assert all(c["score"] == c["scores"]["accuracy_1_shot_real_support"] for c in cells(dagan, name))
    scores = [c["scores"] for c in cells(dagan, "dagan")]
    assert any(s["accuracy_1_shot"] != s["accuracy_1_shot_real_support"] for s in scores)
    assert any(s["accuracy_1_shot_rules_support"] != s["accuracy_1_shot_real_support"] for s in scores)
    kept = [p for p in (dagan.folder / "cells").iterdir() if p.is_dir()]
    assert len(kept) == 2, "one fitted DAGAN a repeat"


def test_variants_that_are_the_image_change_nothing_and_noise_misleads(changed):
    assert all(c["score"] == c["scores"]["accuracy_1_shot_real_support"] for c in cells(changed, "itself"))
    itself, noise = (np.mean([c["score"] for c in cells(changed, name)]) for name in ("itself", "noise"))
    assert noise < itself - 0.05


def test_a_share_of_0_keeps_generated_images_out_of_training(changed):
    for name in ("itself", "noise"):
        for alone, arm in zip(cells(changed, "none"), cells(changed, name), strict=True):
            assert arm["scores"]["accuracy_1_shot_real_support"] == alone["score"]
            assert arm["scores"]["accuracy_5_shot_real_support"] == alone["scores"]["accuracy_5_shot"]


def test_kept_systems_give_the_same_scores_when_a_study_goes_on(dagan):
    before = [c["scores"] for c in cells(dagan, "dagan")]
    for path in (dagan.folder / "cells").glob("learner-*.json"):
        path.unlink()
    assert [c["scores"] for c in cells(run(dagan.folder, ["dagan"]), "dagan")] == before


def test_test_rows_count_by_their_class(dagan):
    for verdict in dagan.verdicts:
        assert verdict["bootstrap_low"] is not None and verdict["bootstrap_low"] <= verdict["bootstrap_high"]

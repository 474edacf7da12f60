# SPDX-License-Identifier: Apache-2.0
"""The few-shot task: class means of unseen classes, what varies them, episodes, shares, and what it can't do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from ganaug.core.loop import Budget
from ganaug.data.batch import Batch
from ganaug.data.drawn.shapes import capsule
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study.folds import training_view
from ganaug.study.source import source_for
from ganaug.tasks import task
from ganaug.tasks.few_shot import QUERIES, FewShot, episode

SIDE = 16


@cache
def glyphs(classes: int, each: int, seed: int, channels: int = 1) -> ImageSet:
    """Characters of three strokes, which are the class; ends, place and pen are those of the image."""
    rng = np.random.default_rng(seed)
    ends = rng.uniform(3, 13, (classes, 1, 3, 2, 2)) + rng.normal(0, 0.6, (classes, each, 3, 2, 2))
    ends = (ends + rng.normal(0, 0.8, (classes, each, 1, 1, 2))).reshape(-1, 3, 2, 2)
    pen = rng.uniform(0.5, 1.0, len(ends))
    strokes = [capsule(ends[:, i, 0], ends[:, i, 1], pen, (SIDE, SIDE)).whole((SIDE, SIDE)) for i in range(3)]
    ink = (255 * np.max(strokes, axis=0)).astype(np.uint8)[..., None].repeat(channels, 3)
    return ImageSet.of(ink, np.repeat(np.arange(classes), each))


class Told(nn.Module):
    """A model that reads a class and a doubt off two pixels: it is right where the doubt is 0."""

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        number, wrong = ((x[:, 0, 0, :2] + 1) * 127.5).round().long().T
        return nn.functional.one_hot((number + wrong) % 8, 8).float()


def numbered(doubt: np.ndarray, each: int = 8) -> ImageSet:
    """Eight classes for `Told`, with the doubt [8 * each] of each image."""
    identity = np.repeat(np.arange(8), each)
    images = np.zeros((len(identity), 8, 8, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = identity, doubt
    return ImageSet.of(images, identity=identity)


SURE = np.zeros(64, int)


# --- what it learns ----------------------------------------------------------------------------------------------


def test_unseen_classes_are_recognised_far_better_after_learning_than_before():
    learner = FewShot(episodes=100)
    data = learner.prepared(glyphs(40, 10, 0).but(fold=np.repeat([0, 2], [300, 100]).astype(np.int8)))
    view, test = training_view(data, data.in_fold("train")), data.select(data.in_fold("test"))
    torch.manual_seed(0)
    untrained = learner.score(learner.network(view.spec).eval(), test)
    trained = learner.score(learner.fit(source_for(learner, view, [], [], 60, 0), Budget(60), 0), test)
    assert trained.main > untrained.main + 0.15
    assert trained.table["accuracy_5_shot"] > trained.main > 0.8, "chance is 0.2"


@pytest.mark.parametrize(("channels", "size"), [(1, (16, 16)), (3, (12, 20)), (13, (28, 28))])
def test_features_have_length_1_and_logits_one_entry_a_training_class(channels, size):
    learner = FewShot()
    model = learner.network(ImageSet.of(np.zeros((4, *size, channels), np.uint8), [0, 1, 2, 2]).spec).eval()
    images = torch.rand(2, channels, *size)
    assert model(images).shape == (2, 1, 3)
    assert torch.allclose(model.embed(images).norm(dim=1), torch.ones(2))


# --- class means and what varies them ----------------------------------------------------------------------------


def test_scores_are_1_where_features_are_the_class_and_lower_where_support_or_queries_mislead():
    learner, doubt = FewShot(episodes=100), (np.arange(64) % 8 == 0).astype(int)  # of each eight one looks otherwise
    assert learner.score(Told(), numbered(SURE)).table == {"accuracy_1_shot": 1, "accuracy_1_shot_real_support": 1} | {
        "accuracy_5_shot": 1,
        "accuracy_5_shot_real_support": 1,
    }
    found = learner.score(Told(), numbered(doubt))
    assert abs(found.table["accuracy_5_shot"] - 7 / 8) < 0.02, "one misleading image of five is outvoted"
    assert found.main < found.table["accuracy_5_shot"] - 0.08, "an eighth of the class means is that of another class"


def test_copies_change_nothing_and_variants_count_as_much_as_the_image():
    learner, data = FewShot(episodes=100, variants=2), numbered((np.arange(64) % 4 == 0).astype(int))
    clean, wrong = numbered(SURE), numbered(SURE + 3)
    made = {"copies": data, "clean": clean, "wrong": wrong, "own": wrong}
    turns = []

    def by(name):
        return lambda images, turn: turns.append((name, turn)) or made[name]

    found = learner.score_varied(Told(), data, {name: by(name) for name in made})
    for shots in (1, 5):
        real, copies, clean, wrong, own = (
            found.table[f"accuracy_{shots}_shot" + (f"_{name}_support" if name else "")]
            for name in ("real", "copies", "clean", "wrong", "")
        )
        assert copies == real
        assert clean >= real + (0.02 if shots == 1 else 0), "two clean variants outvote one misleading image"
        assert own == wrong < 0.5 < real, (
            "wrong where the class three before takes part, which it does in 4 of 7 episodes"
        )
    assert found.main == found.table["accuracy_1_shot"]
    assert sorted(turns) == sorted((name, turn) for name in made for turn in (0, 1))


def test_class_mean_is_that_of_image_and_variants():
    learner, data = FewShot(variants=3), numbered(SURE)
    real = Told().embed(data.images())
    mean = learner.averaged(Told(), data, real, lambda images, turn: numbered(SURE + turn))
    expected = sum(Told().embed(numbered(SURE + turn).images()) for turn in (0, 0, 1, 2)) / 4
    torch.testing.assert_close(mean, expected)


# --- episodes ----------------------------------------------------------------------------------------------------


def test_episodes_are_fixed_and_hold_different_images_of_different_classes():
    identity = np.r_[np.repeat([3, 5, 6, 9, 11, 12], [20, 20, 20, 30, 8, 5]), [-1] * 40]
    seen = []
    for number in range(60):
        given, asked = episode(identity, 5, 4, number)
        again, _ = episode(identity, 5, 4, number)
        assert np.array_equal(given, again)
        classes = identity[given]
        assert (classes == classes[:, :1]).all() and len(set(classes[:, 0])) == 4
        assert all((identity[part] == k).all() for part, k in zip(asked, classes[:, 0], strict=True))
        assert [len(part) for part in asked] == [3 if k == 11 else QUERIES for k in classes[:, 0]]
        used = np.concatenate([given.ravel(), *asked])
        assert len(np.unique(used)) == len(used)
        seen += classes[:, 0].tolist()
    assert set(seen) == {3, 5, 6, 9, 11}, "classes with no image left to ask for, and unknown rows, stay out"


def test_shares_are_what_each_row_adds_to_the_score_and_nothing_where_it_was_not_asked_for():
    data = numbered((np.arange(64) % 3 == 0).astype(int))
    data = data.but(identity=np.where(np.arange(64) < 8, -1, data.identity))
    found = FewShot(episodes=30).score(Told(), data)
    assert np.isnan(found.shares[:8]).all() and not np.isnan(found.shares).all()
    assert np.nanmean(found.shares) == pytest.approx(found.main)
    assert found.units.shape == (30, 1) and found.reduce(found.units) == pytest.approx(found.main)
    misread = np.flatnonzero((np.arange(64) % 3 == 0) & ~np.isnan(found.shares))
    assert np.nanmean(found.shares[misread]) < 0.7 * found.main


def test_classes_too_small_for_five_shots_are_scored_with_one():
    found = FewShot(episodes=20).score(Told(), numbered(np.zeros(24, int), each=3))
    assert "accuracy_1_shot" in found.table and "accuracy_5_shot" not in found.table
    with pytest.raises(InputError, match="need 9 classes with 2 images or more that training has not seen, found 8"):
        FewShot(ways=9).score(Told(), numbered(SURE))


# --- which classes -----------------------------------------------------------------------------------------------


def test_a_test_fold_with_classes_of_its_own_is_kept_and_another_one_is_dropped():
    learner, data = FewShot(ways=2), glyphs(12, 4, 0)
    apart = np.repeat([0, 1, 2], [32, 8, 8]).astype(np.int8)
    kept = learner.prepared(data.but(fold=apart))
    assert np.array_equal(kept.fold, apart)
    assert kept.label is None and np.array_equal(kept.identity, data.label)
    assert learner.prepared(data.but(fold=np.tile([0, 0, 0, 2], 12).astype(np.int8))).fold is None
    assert learner.prepared(data).fold is None
    by_name = learner.prepared(data.but(label=None, classes=(), identity=data.label, camera=data.label))
    assert np.array_equal(by_name.identity, data.label) and by_name.camera is None


def test_too_few_classes_are_one_sentence():
    data = glyphs(12, 4, 0)
    with pytest.raises(InputError, match="has 12 classes of two images or more, and 5-way episodes need at least 23"):
        FewShot().prepared(data)
    apart = np.repeat([0, 2], [28, 20]).astype(np.int8)
    with pytest.raises(InputError, match=r"has 7 training classes .* 5-way episodes need at least 15"):
        FewShot().prepared(data.but(fold=apart))
    with pytest.raises(InputError, match=r"has 5 test classes .* 6-way episodes need at least 6"):
        FewShot(ways=6).prepared(glyphs(23, 4, 0).but(fold=np.repeat([0, 2], [72, 20]).astype(np.int8)))
    with pytest.raises(InputError, match="has neither classes nor identities"):
        FewShot().prepared(data.but(label=None, classes=()))


def test_it_is_known_by_name():
    assert isinstance(task("few_shot"), FewShot)
    assert task("few_shot").score_name == "5-way 1-shot accuracy"


def test_the_labels_of_the_source_are_what_it_learns():
    learner, data = FewShot(), glyphs(3, 4, 0)

    class NextClass:
        spec, outputs = data.spec, 4

        def batch(self, t: int) -> Batch:
            return data.batch()

        def target(self, batch: Batch, logits: torch.Tensor, t: int):
            assert logits.shape == (12, 4)
            return torch.eye(4)[batch.label + 1], torch.ones(12)

    model = learner.fit(NextClass(), Budget(40), 0)
    assert (model(data.images())[:, 0].argmax(1).numpy() == data.label + 1).mean() > 0.9

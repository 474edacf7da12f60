"""The source: what learners train on, whatever the arm."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import ganaug
from ganaug.core.card import Recipe
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError
from ganaug.data.splits import few_shot
from ganaug.data.view import TrainView
from ganaug.study.arms import parse_arm, refuse_impossible_use
from ganaug.study.cells import LearnerJob, labelled
from ganaug.study.folds import Fold, fold
from ganaug.study.generate import GeneratorJob
from ganaug.study.source import Generated, MixedSource, surest


def few(n=5):
    data = digits()
    view = TrainView.of(data, data.in_fold("train"))
    return view.select(few_shot(view, n, 0))


def source(real, *, labels="hard", share=0.5, transforms=(), n=10, ramp=0.0, size=16):
    made = ganaug.make("duplicate").fit(real).sample(per_class=n, seed=1)
    recipe = Recipe(system="duplicate", labels=labels, share=share, ramp=ramp)
    return MixedSource(real, [Generated(made, recipe)], transforms, batch_size=size, steps=100, seed=3)


def test_batches_are_pure_in_seed_and_t():
    mixed = source(few(), transforms=[ganaug.make("basic_ops").fit(few(), budget=0)])
    again = source(few(), transforms=[ganaug.make("basic_ops").fit(few(), budget=0)])
    mixed.batch(0)
    assert torch.equal(mixed.batch(7).image, again.batch(7).image)
    assert not torch.equal(mixed.batch(7).image, mixed.batch(8).image)


def test_share_of_generated_rows_and_its_ramp():
    assert source(few(), share=0.25).shares(50) == [12, 4]
    ramped = source(few(), ramp=0.5)
    assert [ramped.shares(t)[1] for t in (0, 24, 49, 99)] == [0, 4, 8, 8]


def test_shares_that_fill_the_batch_are_rounded_to_it():
    real = few()
    made = ganaug.make("duplicate").fit(real).sample(per_class=9, seed=1)
    several = [Generated(made, Recipe(system="duplicate", labels="hard", share=1.0)) for _ in range(3)]
    assert MixedSource(real, several, [], batch_size=32, steps=9, seed=3).shares(0) == [0, 10, 11, 11]


def test_union_share_follows_the_numbers():
    real = few(5)
    mixed = source(real, share=None, n=15)
    drawn = np.array([mixed.shares(t)[1] for t in range(400)])
    assert abs(drawn.mean() / 16 - 150 / 200) < 0.02


@pytest.mark.parametrize(
    ("policy", "width", "expected"),
    [("hard", 10, 1.0), ("uniform", 10, 0.1), ("smoothed", 10, 0.91), ("extra_class", 11, 1.0)],
)
def test_label_policies_apply_to_generated_rows_only(policy, width, expected):
    mixed = source(few(), labels=policy)
    batch = mixed.batch(2)
    soft, weight = mixed.target(batch, torch.zeros(16, width), 2)
    made = batch.row < 0
    assert mixed.outputs == width
    assert soft.shape == (16, width)
    torch.testing.assert_close(soft.sum(1), torch.ones(16))
    assert bool((soft[~made].max(1).values == 1).all())
    assert torch.equal(soft[~made].argmax(1), batch.label[~made])
    torch.testing.assert_close(soft[made].max(1).values, torch.full((8,), expected))
    if policy == "extra_class":
        assert bool((soft[made].argmax(1) == 10).all())
    assert bool((weight == 1).all())


def test_pseudo_label_follows_the_logits_of_the_moment():
    mixed = source(few(), labels="pseudo_label")
    batch = mixed.batch(0)
    logits = torch.zeros(16, 10)
    logits[:, 4] = 1
    soft, _ = mixed.target(batch, logits, 0)
    assert bool((soft[batch.row < 0].argmax(1) == 4).all())
    assert torch.equal(soft[batch.row >= 0].argmax(1), batch.label[batch.row >= 0])


def test_none_gives_weight_zero():
    mixed = source(few(), labels="none")
    batch = mixed.batch(0)
    _, weight = mixed.target(batch, torch.zeros(16, 10), 0)
    assert torch.equal(weight, (batch.row >= 0).float())


def test_mixers_act_on_soft_labels_of_any_width():
    real = few()
    mixed = source(real, labels="extra_class", transforms=[ganaug.make("mixup").fit(real, budget=0)])
    batch = mixed.batch(1)
    assert batch.soft_label.shape[1] == 11
    torch.testing.assert_close(batch.soft_label.sum(1), torch.ones(16))
    assert bool((batch.soft_label[:, 10] > 0).any())


def test_unknown_labels_are_refused():
    real = few()
    blank = real.but(label=np.full(len(real), -1))
    with pytest.raises(InputError, match="unknown labels"):
        MixedSource(blank, [], [], batch_size=8, steps=10, seed=0).batch(0)


def test_table_gives_one_weighted_row_a_class_of_a_soft_label():
    real = few()
    x, y, weight = MixedSource(real, [], [], batch_size=10, steps=1, seed=0).table(50)
    assert x.shape == (50, 64)
    assert (weight == 1).all()
    assert sorted(np.bincount(y).tolist()) == [5] * 10
    x, y, weight = source(real, labels="uniform", size=10).table(10)
    assert len(x) == 5 + 5 * 10
    assert weight.sum() == pytest.approx(10)


def test_filter_keeps_the_surest_half_of_each_class():
    made = few(5).select(np.arange(13)).but(label=np.repeat([0, 1, 2], [5, 5, 3]))
    logits = torch.zeros(13, 10)
    logits[torch.arange(13), torch.from_numpy(made.label)] = torch.tensor([1, 5, 2, 4, 3, 1, 1, 9, 1, 8, 6, 5, 7.0])
    kept = surest(made, logits, 0.5)
    np.testing.assert_array_equal(kept.image[:], made.image[[1, 3, 4, 5, 7, 9, 10, 12]])  # of equal ones the first
    assert len(surest(made, logits, 0.01)) == 3  # never less than one
    assert len(surest(made, logits, 1.0)) == 13


def test_arm_that_keeps_half_trains_on_the_images_that_a_model_of_the_real_ones_knows():
    real, made = few(5), few(20)
    wrong = np.arange(len(made)) % 2 == 1
    mixed_up = made.but(label=np.where(wrong, (made.label + 1) % 10, made.label))

    class Knows:
        """A learner that has learnt everything: it tells the classes of `made` by the image."""

        batch_size = 8

        def fit(self, source, budget, seed):
            assert source.transforms == [mirrored], "the teacher learns as the arm does"
            keys = {made.image[i].tobytes(): int(made.label[i]) for i in range(len(made))}
            return lambda x: torch.stack([one_hot(keys[as_bytes(image)]) for image in x])

    def as_bytes(image):
        return ((image[0] + 1) / 2 * 255).round().byte()[..., None].numpy().tobytes()

    def one_hot(k):
        return 9.0 * torch.nn.functional.one_hot(torch.tensor(k), 10)

    recipe = Recipe(system="duplicate", keep=0.5)
    arm = parse_arm(recipe, real)
    job = LearnerJob(arm, 5, 0, 10, {}, (), fold(digits(), 5, 0, repeats=1, seed=0))
    mirrored = ganaug.make("basic_ops")
    kept = labelled(mixed_up, recipe, job, Knows(), real, [mirrored])
    known = {made.image[i].tobytes() for i in np.flatnonzero(~wrong)}
    share = np.mean([kept.image[i].tobytes() in known for i in range(len(kept))])
    assert len(kept) == pytest.approx(100, abs=10) and share > 0.9
    placebo = labelled(mixed_up, recipe, replace(job, arm=replace(arm, permuted=True)), Knows(), real, [mirrored])
    assert sorted(placebo.label) == sorted(kept.label) and (placebo.label != kept.label).any()


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ({"keep": 0.0}, "keep of duplicate is 0, which leaves no image"),
        ({"share": 1.5}, "share of duplicate must lie in"),
        ({"ramp": 2.0}, "ramp of duplicate must lie in"),
        ({"keep": 0.5, "labels": "uniform"}, "come without one"),
    ],
)
def test_uses_that_can_not_be_are_refused(use, said):
    real = few()
    arm = parse_arm(Recipe(system="duplicate", **use), real)
    with pytest.raises(InputError, match=said):
        refuse_impossible_use(arm, real)


def test_batches_keep_their_size_when_two_recipes_come_as_they_come():
    real = few(1)
    made = ganaug.make("duplicate").fit(real).sample(per_class=40, seed=1)
    recipe = Recipe(system="duplicate", share=None)
    both = MixedSource(real, [Generated(made, recipe)] * 2, [], batch_size=16, steps=100, seed=3)
    drawn = np.array([both.shares(t) for t in range(300)])
    assert (drawn.sum(1) == 16).all() and (drawn >= 0).all()
    np.testing.assert_allclose(drawn.mean(0) / 16, np.array([10, 400, 400]) / 810, atol=0.02)


@pytest.mark.parametrize(("system", "alike"), [("acgan", True), ("dcgan", False)])
def test_a_conditional_system_is_fitted_once_for_hard_and_for_taught_labels(system, alike):
    """An unconditional one is not: where the generator's labels count, it is one clone a class."""
    keys = [
        GeneratorJob("a", Recipe(system=system, labels=labels), 5, 0, 20, Fold(*[np.arange(3)] * 3, 0)).describe()
        for labels in ("hard", "pseudo_label")
    ]
    assert (keys[0] == keys[1]) is alike

# SPDX-License-Identifier: Apache-2.0
"""Semi-supervised GAN: K logits stand for K + 1, who moves in a step, and what the unlabelled images bring."""

import numpy as np
import pytest
import torch
from judges import weights
from sklearn.neighbors import NearestCentroid
from torch import nn
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study.cache import Cache
from ganaug.study.cells import LearnerJob, run_learner
from ganaug.study.study import Study
from ganaug.systems.low_data.improved_gan import ImprovedGAN, real_logit, unlabelled_loss
from ganaug.tasks.classification import Classifier


def with_pool(n=60):
    data = digits()
    rows = data.in_fold("train")
    pool = data.select(rows[60 : 60 + n]).but(label=None, classes=(), fold=None)
    return data.select(rows[:60]).but(fold=None, others={"unlabelled": pool})


def logits(seed, n=12, k=5):
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3


def test_k_logits_are_k_plus_1_with_a_zero_for_generated():
    """The sheet's first check, to 1e-6: the released formula, and a softmax over the explicit further class."""
    real, made = logits(0), logits(1)
    whole = [F.log_softmax(F.pad(x, (0, 1)), 1) for x in (real, made)]
    as_classes = -(whole[0][:, :-1].exp().sum(1).log().mean() + whole[1][:, -1].mean()) / 2
    z = real_logit(real)
    as_released = -0.5 * z.mean() + 0.5 * F.softplus(z).mean() + 0.5 * F.softplus(real_logit(made)).mean()
    found = unlabelled_loss(real, made)
    torch.testing.assert_close(found, as_classes, rtol=0, atol=1e-6)
    torch.testing.assert_close(found, as_released, rtol=0, atol=1e-6)
    torch.testing.assert_close(whole[0][:, :-1].softmax(1), real.softmax(1), rtol=0, atol=1e-6)


def test_each_update_moves_its_own_network_and_counts_the_classifiers():
    system, seen = ganaug.make("improved_gan", preset="tiny").fit(with_pool(), budget=4, seed=1), []
    assert system.recogniser_updates_ == 4
    update = system.update

    def watched(loss, optimiser, **rest):
        before = {name: weights(getattr(system, name)) for name in ("classifier", "gen")}
        update(loss, optimiser, **rest)
        seen.append([name for name in before if not torch.equal(weights(getattr(system, name)), before[name])])

    system.update, system.total, data = watched, 4, with_pool()
    with seeded(0, "step"):
        system.step(system.draw(data, torch.arange(8)), 1)
    assert seen == [["classifier"], ["gen"]]


def test_running_statistics_are_of_real_images_alone():
    system, data = ganaug.make("improved_gan", preset="tiny").fit(with_pool(), budget=2, seed=1), with_pool()
    system.set_mode(training=True)
    norm = next(part for part in system.classifier.modules() if isinstance(part, nn.BatchNorm2d))
    batch, seen = system.draw(data, torch.arange(8)), []
    norm.register_forward_hook(lambda module, given, out: seen.append(given[0].mean((0, 2, 3))))
    before = norm.running_mean.clone()
    with seeded(0, "step"), torch.no_grad():
        system.classifier_losses(batch, batch.pair["unlabelled"].image)
        system.feature_distance(batch.pair["unlabelled"].image)
    assert len(seen) == 4  # labelled with unlabelled, generated, and both again for the generator
    torch.testing.assert_close(norm.running_mean, 0.9 * before + 0.1 * seen[0])


def test_the_generator_is_told_the_mean_features_of_the_unlabelled_images_and_no_classes():
    system, data = ganaug.make("improved_gan", preset="tiny").fit(with_pool(), budget=2, seed=1), with_pool()
    images = data.others["unlabelled"].images(np.arange(16))
    with torch.no_grad():
        system.gen.forward = lambda z: images.flip(0)  # the same images in another order
        assert system.feature_distance(images) < 1e-5
        system.gen.forward = lambda z: images.roll(4, -1)
        assert system.feature_distance(images) > 1e-3


def test_only_the_labelled_images_pass_the_transforms_of_an_arm():
    system, data, seen = ganaug.make("improved_gan", preset="tiny"), with_pool(), []
    system.transform = lambda batch: seen.append(len(batch)) or batch
    system.fit(data, budget=3, seed=1)
    assert seen == [8, 8, 8]


def test_the_unlabelled_images_raise_the_score_on_digits(tmp_path):
    """The sheet's fourth check on two folds, in a study's own cells: the same network, updates and labelled images."""
    data, study = digits(), Study(arms=["improved_gan"], shots=5, repeats=2, offer_rest=True)
    arms = [arm for arm in study.plan(data) if arm.name in ("none", "improved_gan")]

    def score(arm, i):
        job = LearnerJob(arm, 5, i, 250, {}, (), study.fold(data, 5, i))
        found = run_learner(data, job, Classifier(), Cache(tmp_path, ""))
        assert (found["status"], found["updates"]) == ("ok", 250), found["note"]
        return found["score"]

    plain, taught = (np.mean([score(arm, i) for i in range(2)]) for arm in arms)
    assert taught > plain + 0.02


def test_without_a_pool_it_says_how_to_give_one():
    with pytest.raises(InputError, match="improved_gan needs a second set 'unlabelled': --unlabelled PATH"):
        ganaug.make("improved_gan").fit(digits())


def test_a_pool_of_another_kind_of_images_is_refused():
    other = ImageSet.of(np.zeros((9, 8, 8, 3), np.uint8))
    with pytest.raises(InputError, match=r"unlabelled images must be \(8, 8, 1\) as the others, found \(8, 8, 3\)"):
        ganaug.make("improved_gan").fit(with_pool().but(others={"unlabelled": other}))
    with pytest.raises(InputError, match="unlabelled images must be"):
        ganaug.make("bagan", preset="tiny").fit(with_pool().but(others={"unlabelled": other}))


def test_a_run_of_it_says_what_it_is_for():
    system = ganaug.make("improved_gan", preset="tiny").fit(with_pool(), budget=2)
    for ask in (lambda: system.sample(4), lambda: system.augment(digits())):
        with pytest.raises(InputError, match=r"it yields a recogniser alone, `system.model\(\)` in Python"):
            ask()


def test_the_learner_of_a_study_says_how_its_classifier_is_trained(monkeypatch, tmp_path):
    used = []
    monkeypatch.setattr(ImprovedGAN, "prepare", lambda self, train: used.append(self.get_params(deep=False)))
    task = Classifier(lr=1e-3, weight_decay=0.0, batch_size=16)
    study = Study(arms=["improved_gan"], shots=5, repeats=1, offer_rest=True, task=task)
    arm = next(arm for arm in study.plan(digits()) if arm.joint)
    run_learner(digits(), LearnerJob(arm, 5, 0, 2, {}, (), study.fold(digits(), 5, 0)), task, Cache(tmp_path, ""))
    assert [used[0][name] for name in ("lr", "weight_decay", "batch_size")] == [1e-3, 0.0, 16]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shots": [5, None]}, "needs a second set 'unlabelled'"),  # all images: nothing is left over
        ({"task": Classifier(backbone=NearestCentroid())}, "needs a network as backbone"),
        ({"arms": ["dg_net"]}, "dg_net is for reid, and this study is of classification"),
    ],
)
def test_what_a_study_can_not_give_is_said_before_anything_is_trained(changes, words):
    study = Study(**{"arms": ["improved_gan"], "shots": 5, "repeats": 1, "offer_rest": True, **changes})
    with pytest.raises(InputError, match=words):
        study.plan(digits())


def test_an_empty_pool_is_refused():
    data = with_pool()
    nothing = data.others["unlabelled"].select(np.arange(0))
    for id in ("improved_gan", "bagan"):
        with pytest.raises(InputError, match="no images among the unlabelled ones"):
            ganaug.make(id, preset="tiny").fit(data.but(others={"unlabelled": nothing}))


def test_a_network_without_features_is_refused():
    task = Classifier(backbone=lambda channels, outputs: nn.Sequential(nn.Flatten(), nn.Linear(64, outputs)))
    with pytest.raises(InputError, match=r"needs a backbone with `features`"):
        ganaug.make("improved_gan", task=task).fit(with_pool())

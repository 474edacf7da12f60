# SPDX-License-Identifier: Apache-2.0
"""Fast AutoAugment: changed images that a child still knows are rewarded, and the search finds such changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid

import ganaug
from ganaug.core.protocols import Scores
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.splits import few_shot
from ganaug.data.view import TrainView
from ganaug.parts import search
from ganaug.parts.ops import photometric
from ganaug.parts.ops.policy_ops import POLICY_OPS, apply_op, apply_policy
from ganaug.study import cells
from ganaug.study.arms import parse_arm
from ganaug.study.cache import Cache
from ganaug.study.study import Study
from ganaug.systems.transforms import fast_autoaugment
from ganaug.systems.transforms.fast_autoaugment import BINS, FastAutoAugment
from ganaug.tasks.classification import Classifier

pytestmark = pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # of constant pixels of digits
HARMFUL = ("Invert", "FlipX", "FlipY")


def some_digits(shots: int = 20) -> ImageSet:
    whole = ganaug.load("digits")
    return whole.select(few_shot(whole, shots, 0))


def means() -> Classifier:
    """A learner that takes no time: the nearest class mean."""
    return Classifier(backbone=NearestCentroid(), batch_size=8)


def judging(data: ImageSet, **params) -> FastAutoAugment:
    """A system before its first trial, which can be asked for rewards."""
    system = ganaug.make("fast_autoaugment", **params).fit(data, budget=0)
    system.train = TrainView.of(data)
    return system


def always(name: str, magnitude: float = 0.0):
    """A change of all images by one operation."""

    def change(batch: Batch) -> Batch:
        n = len(batch)
        return apply_op(batch, torch.full((n,), POLICY_OPS.index(name)), torch.full((n,), magnitude))

    return change


@pytest.fixture(scope="module")
def judge():
    return judging(some_digits(30), folds=1, child_steps=120)


# --- the reward -------------------------------------------------------------------------------------------------


def test_what_keeps_digits_readable_is_rewarded_above_what_does_not(judge):
    def noise(batch):
        return batch.but(image=photometric.noise(batch.image, torch.full((len(batch),), 0.05)))

    good = [judge.density(0, change) for change in (always("Rotate", 6.0), always("ShearX", 0.05), noise)]
    bad = [judge.density(0, always(name)) for name in HARMFUL]
    assert min(good) > max(bad) + 0.3
    assert judge.density(0, always("Rotate", 30.0)) < min(good) - 0.2


def test_the_mean_over_passes_punishes_a_change_that_the_best_pass_hides(judge):
    """Half of the images are inverted: the best of five passes rarely is."""
    untouched = judge.density(0, lambda batch: batch)

    def half(batch):
        return apply_policy(batch, [[("Invert", 0.5, 0)]], BINS)

    mean, best = judge.density(0, half), judge.set_params(reduce="max").density(0, half)
    judge.set_params(reduce="mean")
    assert mean < 0.65 * untouched
    assert best > 0.9 * untouched


class Bright:
    """A learner that is right where an image is bright."""

    def fit(self, source, budget, seed):
        return None

    def score(self, model, data):
        right = (data.images(np.arange(len(data))).mean((1, 2, 3)) > 0).double().numpy()
        return Scores(right.mean(), {}, right, np.mean, right)


@pytest.mark.parametrize(("reduce", "wanted"), [("mean", (3 + 1 + 0) / 9), ("max", 2 / 3)])
def test_passes_are_reduced_image_by_image(reduce, wanted):
    """Three images, three passes: one is right in all, one in a single pass, one never."""
    bright = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 0, 0]]).flatten() * 2.0 - 1
    system = judging(ImageSet.of(np.zeros((9, 8, 8, 1), np.uint8), np.zeros(9, int), ("one",)), task=Bright(), passes=3)
    system.set_params(reduce=reduce)
    found = system.density(0, lambda batch: batch.but(image=bright[:, None, None, None].expand_as(batch.image)))
    assert abs(found - wanted) < 1e-9


# --- the search -------------------------------------------------------------------------------------------------


def at_random(kinds, points, rewards, rng):
    """The control: a search that learns nothing from rewards."""
    return search.suggest(kinds, points, rewards, rng, start=10**6)


def harmful(system: FastAutoAugment, rows: np.ndarray) -> float:
    """The share of the places of some trials that hold a flip or an inversion, at above 0.3."""
    places = [op for i in rows for sub in system.policy_of(system.tried[i].numpy()) for op in sub]
    return float(np.mean([name in HARMFUL and p > 0.3 for name, p, _ in places]))


def test_the_search_learns_from_rewards_what_to_leave_out(monkeypatch):
    params = {"task": means(), "folds": 1, "passes": 3}
    data = some_digits()
    guided = ganaug.make("fast_autoaugment", **params).fit(data, budget=70, seed=1)
    monkeypatch.setattr(fast_autoaugment, "suggest", at_random)
    chance = ganaug.make("fast_autoaugment", **params).fit(data, budget=70, seed=1)
    assert torch.equal(guided.tried[:20], chance.tried[:20])  # the same child, the same start
    late = [float(s.rewards[40:].mean()) for s in (guided, chance)]
    top = [harmful(s, s.rewards.argsort(descending=True)[:10].tolist()) for s in (guided, chance)]
    assert late[0] > late[1] + 0.08
    assert top[0] < 0.1 < harmful(chance, range(70))


def test_the_best_of_each_fold_are_merged_and_repeated_operations_are_dropped():
    system = judging(some_digits(), task=means(), folds=2, keep=2)
    system.total = 6
    system.build(system.spec)
    points = np.random.default_rng(0).random((6, 10, 3))
    points[:, :, 0] = np.stack(np.divmod(np.arange(30), len(system.ops)), 1).reshape(6, 10)  # 30 pairs of operations
    points[4, :2, 0] = points[0, :2, 0]
    points[4, 2:4, 0] = points[2, [1, 0], 0]  # the same two in the other order are another sub-policy
    system.tried.copy_(torch.from_numpy(points.reshape(6, 30)))
    system.rewards.copy_(torch.tensor([0.9, 0.1, 0.8, 0.7, 0.9, 0.2]))
    subs = [sub for i in (0, 2, 4, 3) for sub in system.policy_of(points[i])]
    del subs[10]  # the operations of trial 4's first are those of trial 0's
    assert system.merged(6) == subs
    assert len(system.merged(1)) == 5 and len(system.merged(2)) == 10  # of trials that were made


def test_children_see_neither_what_judges_them_nor_the_test_fold():
    data = some_digits()
    label = data.label.copy()
    label[::9] = -1
    fold = np.where(np.arange(len(data)) % 4 == 0, 2, 0).astype(np.int8)
    learned, judged = [], []

    class Watched(Classifier):
        def fit(self, source, budget, seed):
            learned.append(set(source.rows.index.tolist()))
            return super().fit(source, budget, seed)

    class Watching(FastAutoAugment):
        def split(self, k):
            held, rest = super().split(k)
            judged.append(set(held.index.tolist()))
            return held, rest

    task = Watched(backbone=NearestCentroid(), batch_size=8)
    Watching(task=task, folds=3, trials=2, passes=1, held=30).fit(data.but(label=label, fold=fold))
    allowed = set(data.index[(fold == 0) & (label >= 0)].tolist())
    assert len(learned) == len(judged) == 3  # once a fold
    for seen, judging_rows in zip(learned, judged, strict=True):
        assert not seen & judging_rows and seen | judging_rows <= allowed
        assert len(judging_rows) == 30 and abs(len(seen) - 2 * len(allowed) / 3) <= 10
    assert len({frozenset(rows) for rows in judged}) == 3  # another split a fold


def test_a_study_searches_anew_in_each_repeat_with_its_own_learner(monkeypatch, tmp_path):
    fitted, make = [], cells.make

    class Seen(FastAutoAugment):
        def fit(self, train, **how):
            super().fit(train, **how)
            fitted.append((set(train.index.tolist()), self))
            return self

    def small(id, **params):
        return Seen(**FastAutoAugment.PRESETS["tiny"]) if id == "fast_autoaugment" else make(id, **params)

    monkeypatch.setattr(cells, "make", small)
    data, learner = ganaug.load("digits"), means()
    study, arm = Study(task=learner, shots=6, repeats=3), parse_arm("rules+fast_autoaugment", data)
    folds = [study.fold(data, 6, repeat) for repeat in range(3)]
    jobs = [cells.LearnerJob(arm, 6, repeat, 10, {}, (), fold) for repeat, fold in enumerate(folds)]
    found = [cells.run_learner(data, job, learner, Cache(tmp_path, "")) for job in jobs]
    assert [cell["status"] for cell in found] == ["ok"] * 3
    assert [seen for seen, _ in fitted] == [set(data.index[fold.train].tolist()) for fold in folds]
    assert all(system.task is learner and system.fitted_["steps"] == 6 for _, system in fitted)
    assert len({repr(system.policy_) for _, system in fitted}) == 3
    assert [cell["found"] for cell in found] == [{"fast_autoaugment": system.words()} for _, system in fitted]


# --- what it yields ---------------------------------------------------------------------------------------------


def test_images_go_through_one_sub_policy_with_their_masks():
    system = ganaug.make("fast_autoaugment", preset="tiny", task=means()).fit(some_digits(), budget=2)
    assert 2 <= len(system.policy_) <= 10
    system.policy_ = [[["FlipX", 1.0, 0], ["Identity", 1.0, 0]], [["FlipY", 1.0, 0], ["Identity", 1.0, 0]]]
    ramp = torch.arange(64.0).view(1, 8, 8).expand(400, 8, 8)
    made = system.augment(Batch(image=ramp[:, None] / 32 - 1, mask=ramp.long()))
    across = (made.mask == ramp.flip(2)).flatten(1).all(1)
    assert ((made.mask == ramp.flip(1)).flatten(1).all(1) == ~across).all()
    assert 0.4 < across.float().mean() < 0.6
    assert torch.equal(made.image[:, 0], made.mask / 32 - 1)
    assert system.words() == ["Mirror it left to right.", "Mirror it top to bottom."]


def test_operations_without_meaning_are_never_tried():
    for channels, never in ((1, {"Color"}), (3, set()), (13, {"Color", "Invert", "Solarize"})):
        data = ImageSet.of(np.zeros((12, 8, 8, channels), np.uint8), np.arange(12) % 2, ("a", "b"))
        assert set(judging(data, task=means()).ops) == set(POLICY_OPS[1:]) - never


@pytest.mark.parametrize("params", [{"folds": 0}, {"keep": 0}, {"reduce": "best"}])
def test_bad_parameters_are_refused(params):
    with pytest.raises(InputError, match=next(iter(params))):
        ganaug.make("fast_autoaugment", **params).fit(some_digits(), budget=0)


def test_a_time_holds_the_training_of_the_children_and_then_trials(monkeypatch):
    clock, child_of, trial = [0.0], FastAutoAugment.child_of, FastAutoAugment.trial

    def slow(act, seconds):
        def acted(self, *given):
            clock[0] += seconds(self, *given)
            return act(self, *given)

        return acted

    monkeypatch.setattr(fast_autoaugment, "perf_counter", lambda: clock[0])
    new_child = slow(child_of, lambda self, k: 4.0 * (self.child is None or self.child[0] != k))
    monkeypatch.setattr(FastAutoAugment, "child_of", new_child)
    monkeypatch.setattr(FastAutoAugment, "trial", slow(trial, lambda *_: 0.5))
    params = {"folds": 2, "passes": 1, "keep": 1, "task": means()}
    system = ganaug.make("fast_autoaugment", **params).fit(some_digits(), budget=ganaug.Budget(seconds=16))
    assert system.fitted_["steps"] == 16, "8 s of 16 are for two children"
    assert system.words()
    with pytest.raises(InputError, match="takes about 8 s here, a trial in each 1 s, and 8 s were given"):
        ganaug.make("fast_autoaugment", **params).fit(some_digits(), budget=ganaug.Budget(seconds=8))


def test_without_a_trial_there_is_no_policy():
    with pytest.raises(InputError, match="tried no policy"):
        judging(some_digits(), task=means()).augment(Batch(image=torch.zeros(2, 1, 8, 8)))

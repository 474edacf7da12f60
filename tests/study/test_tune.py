# SPDX-License-Identifier: Apache-2.0
"""The search as a whole, with learners that take no time and a clock that the learners move."""

import json
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator

import ganaug
from ganaug.core.card import Recipe
from ganaug.core.protocols import Scores
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError
from ganaug.study import cells, generate, results, rounds, space, tune
from ganaug.study import search as searching
from ganaug.study.arms import parse_arm, stored_arm, with_controls
from ganaug.study.folds import fold, training_view
from ganaug.study.tune import Tune

ARMS = ["rules+cutout", "rules+smote"]


class Chance(NamedTuple):
    """A model that is right so often; it knows nothing of the images."""

    seed: int
    right: float

    def __call__(self, images):
        return torch.zeros(len(images), 10)


class Instant(BaseEstimator):
    """A learner that is right with probability 0.6, and with `gain` more where the planted recipe is used.

    Which test image it gets right follows from the seed alone, so arms differ by the gain only, or not at all.
    """

    batch_size = 8

    def __init__(self, gain=0.0, planted=""):
        self.gain = gain
        self.planted = planted

    def prepared(self, data):
        return data

    def network(self, spec, outputs=None):
        raise AssertionError("nothing asks this learner for a network")

    def fit(self, source, budget, seed):
        used = [(g.recipe.system, g.recipe.share, g.recipe.labels) for g in source.generated]
        return Chance(seed, 0.6 + self.gain * (used == [(self.planted, 0.25, "hard")]))

    def score(self, model, data):
        luck = np.random.default_rng([model.seed, len(data)]).random(len(data))
        right = (luck < model.right).astype(float)
        return Scores(float(right.mean()), {}, right, lambda units: float(units.mean()), right)


class Noisy(Instant):
    """As good with every arm, but each has luck of its own."""

    def fit(self, source, budget, seed):
        luck = sum(ord(c) for g in source.generated for c in repr(g.recipe)) + 31 * len(source.transforms)
        return Chance(1000 * seed + luck, 0.6)


class Looking(Instant):
    """Its luck depends on every pixel and label that it is trained on or tested on."""

    def fit(self, source, budget, seed):
        batch = source.batch(0)
        return Chance(seed + int(1000 * batch.image.double().sum()) % 1000 + int(batch.label.sum()), 0.6)

    def score(self, model, data):
        seen = int(1000 * data.images().double().sum()) + int((data.label * np.arange(len(data))).sum())
        return super().score(model._replace(seed=model.seed + abs(seen)), data)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless something moves it: `clock.now += seconds`."""
    moved = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(rounds, "now", lambda: moved.now)
    monkeypatch.setattr(generate, "look_at", lambda *_: {})  # audits take long, and are not what is tested here
    monkeypatch.setattr(results, "leak_facts", lambda *_: {})
    monkeypatch.setattr(searching, "REPEATS", (3, 5))
    rungs = [replace(rung, most=most) for rung, most in zip(rounds.RUNGS, (2, 3, 4), strict=True)]
    monkeypatch.setattr(rounds, "RUNGS", rungs)
    monkeypatch.setattr(space, "MOST", 9)  # two arms as they come, and every use of SMOTE that is one change away
    for module in (cells, generate):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: moved.now))
    return moved


def costly(monkeypatch, clock, update=0.01, images=5.0):
    """Every update and every set of images takes time; returns what was trained and made."""
    done = []
    train, make = cells.train_and_score, generate.make_images

    def training(data, job, learner, cache):
        clock.now += update * job.steps
        done.append(("learner", job.steps))
        return train(data, job, learner, cache)

    def making(data, job, *rest):
        clock.now += images
        done.append(("images", job.name))
        return make(data, job, *rest)

    monkeypatch.setattr(cells, "train_and_score", training)
    monkeypatch.setattr(generate, "make_images", making)
    return done


def search(**changes):
    """A search of one worker in this process."""
    return Tune(**{"task": Instant(), "arms": ARMS, "shots": 5, "minutes": 30, "workers": 1, **changes})


def trials(found):
    return [t for rung in found.results["rungs"] for t in rung["trials"]]


def test_better_recipe_is_found_and_confirmed(tmp_path, clock):
    found = search(task=Instant(0.1, "smote")).run(digits(), tmp_path / "out").results
    recipe = found["winner"]["arm"]["recipes"][0][1]
    assert (recipe["system"], recipe["share"], recipe["labels"]) == ("smote", 0.25, "hard")
    assert found["ranking"][0]["difference"] > 0.05
    assert found["verdict"]["verdict"] == "helps"
    assert "Its placebo helps too" in found["sentence"]  # this learner does not look at labels
    again = Tune.winner(tmp_path / "out")
    assert again.recipes[0][1] == Recipe(**recipe)
    assert again.name == found["winner"]["name"] == "rules+smote (share 0.25, labels hard, ramp 0.0, keep 1.0)"


def test_placebo_apart_a_winner_is_recommended(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(searching, "FEWER", (("placebo",),))
    found = search(task=Instant(0.1, "smote")).run(digits(), tmp_path / "out").results
    assert found["sentence"].endswith("Use rules+smote (share 0.25, labels hard, ramp 0.0, keep 1.0).")


def test_search_among_equals_says_so(tmp_path, clock):
    found = search().run(digits(), tmp_path / "out").results
    assert found["verdict"]["verdict"] == "no material difference"
    assert found["sentence"].endswith("so keep the rules.")


def test_luck_in_the_search_is_not_taken_for_help(tmp_path, clock):
    found = [search(task=Noisy(), seed=seed).run(digits(), tmp_path / f"{seed}").results for seed in range(3)]
    first = [rounds.ranked(r["trials"], r["members"])[0]["difference"] for r in (run["rungs"][0] for run in found)]
    last = [run["ranking"][0]["difference"] for run in found]
    assert np.mean(first) > max(np.mean(last), 0)  # the luckiest looks good where it was chosen, and on no other folds
    assert sum(run["verdict"]["verdict"] == "helps" for run in found) <= 1


def test_every_trial_is_paired_with_the_rules_on_its_fold(tmp_path, clock):
    found = trials(search(task=Instant(0.1, "smote")).run(digits(), tmp_path / "out"))
    for t in found:
        assert t["difference"] == pytest.approx(t["score"] - t["rules"])
        planted = "smote (share 0.25, labels hard" in t["candidate"]
        assert (t["difference"] > 0) == planted
    by_rung = [{t["fold"] for t in found if t["rung"] == k} for k in range(3)]
    assert not by_rung[0] & by_rung[1] and not by_rung[1] & by_rung[2]
    assert sorted({t["updates"] for t in found}) == [100, 200]


@pytest.mark.parametrize(("seconds", "share"), [(1000, 1.0), (100, 0.5), (50, 0.25)])
def test_generators_train_as_long_as_the_time_holds_once_they_were_timed(seconds, share):
    recipe = Recipe(system="low_data_gan")
    c = space.Candidate("a", replace(parse_arm("low_data_gan", digits()), recipes=(("a", recipe),)), 1000)
    pace, rung = rounds.Pace(0.01, 64), rounds.Rung(0.25, 1.0, 1, 2)
    stub = SimpleNamespace(pace=pace, cost=lambda rung, members, folds: folds * c.steps * 0.1 * rung.generator)
    assert searching.Search.longest(stub, rung, [c], seconds).generator == 0.25, "nothing is known of its speed"
    pace.makers[rounds.made_by(recipe)] = 0.1
    assert searching.Search.longest(stub, rung, [c], seconds).generator == share


def test_the_first_round_is_short_however_much_time_there_is(tmp_path, clock, monkeypatch):
    costly(monkeypatch, clock, update=0.01, images=5.0)
    found = search(minutes=300).run(digits(), tmp_path / "out").results["rungs"]
    assert [r["rung"]["generator"] for r in found] == [0.25, 1.0, 1.0]
    assert [r["rung"]["learner"] for r in found] == [0.5, 1.0, 1.0]


def test_test_fold_never_reaches_the_search(tmp_path, clock, monkeypatch):
    seen = []
    real = searching.run_all

    def noting(function, data, jobs, *rest):
        seen.append(data)
        return real(function, data, jobs, *rest)

    monkeypatch.setattr(searching, "run_all", noting)
    data = digits()
    test = data.in_fold("test")
    search().run(data, tmp_path / "out")
    assert len(seen) >= 3
    assert not any(np.isin(part.index, test).any() for part in seen)


def test_folder_arm_with_test_images_and_such_a_pool_are_refused_before_the_search(tmp_path, clock):
    data = digits()
    stolen = data.select(np.concatenate([data.in_fold("test")[:3], data.in_fold("train")[:20]])).but(fold=None)
    ganaug.write(stolen, tmp_path / "made", "folder")
    with pytest.raises(InputError, match="3 near copies of test images"):
        search(arms=[f"folder:{tmp_path / 'made'}"]).run(data, tmp_path / "out")
    with pytest.raises(InputError, match="hold 3 test images"):
        pool = stolen.but(label=None, classes=())
        search().run(data.but(others={"unlabelled": pool}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("arm", "told"), [("rules+cutout", False), ("rules+smote", True)])
def test_a_gain_without_a_placebo_is_left_open_where_there_could_be_one(arm, told):
    winner = space.as_it_comes(parse_arm(arm, digits()))
    verdict = {"verdict": "helps", "sentence": "It helps."}
    found = {"placebos": [], "generators": [], "verdicts": []}
    said = searching.sentence(winner, [{"difference": 0.05}], 3, verdict, found)
    assert said.endswith(f"Use {arm}.") and ("No placebo was compared" in said) == told


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("no material difference", "no better than copies of real images (rules+duplicate)"),
        ("helps", "Use rules+smote. Over copies of real images (rules+duplicate) it brings +2.0 points."),
        ("inconclusive", "Use rules+smote. Whether it beats copies of real images (rules+duplicate)"),
        ("", "Copies of real images (rules+duplicate) were not compared, and they may do as well. Use rules+smote."),
    ],
)
def test_what_fills_up_classes_is_held_against_copies(verdict, told):
    eights = np.flatnonzero(digits().label == 8)
    winner = space.as_it_comes(parse_arm("rules+smote", digits().select(np.r_[eights[:5], 0:100])))
    own = {"verdict": "helps", "sentence": "It helps."}
    rival = {"arm": "rules+smote", "against": "rules+duplicate", "verdict": verdict, "effect": 0.02}
    found = {"placebos": [], "generators": [], "verdicts": [rival] if verdict else []}
    said = searching.sentence(winner, [{"difference": 0.05}], 3, own, found)
    assert told in said and ("Use rules+smote" in said) == (verdict != "no material difference")


def test_short_times_keep_the_copies_where_classes_are_filled_up():
    eights = np.flatnonzero(digits().label == 8)
    arms = [parse_arm("rules+smote", data) for data in (digits(), digits().select(np.r_[eights[:5], 0:100]))]
    stub = SimpleNamespace(confirmation_cost=lambda c, repeats, arms: arms, left=lambda: 3 * searching.CAUTION)
    even, skewed = (searching.Search.left_out(stub, space.as_it_comes(arm)) for arm in arms)
    assert even == ["none", "duplicate"], "rules, the arm and its placebo"
    assert skewed == ["none", "placebo", "duplicate"], "the last resort: rules and the arm"
    stub.left = lambda: 4 * searching.CAUTION
    assert searching.Search.left_out(stub, space.as_it_comes(arms[1])) == ["none", "placebo"]
    kept = with_controls([arms[1]], ["none", "placebo"])
    assert [arm.name for arm in kept] == ["rules", "duplicate", "rules+duplicate", "rules+smote"]


def test_few_shot_is_not_searched(tmp_path):
    with pytest.raises(InputError, match="study few_shot with named arms"):
        search(task="few_shot").run(digits(), tmp_path / "out")


def test_poisoned_test_rows_change_no_trial(tmp_path, clock):
    data, given = digits(), {"task": Looking()}
    test, pixels, label = data.in_fold("test"), data.image[np.arange(len(data))].copy(), data.label.copy()
    pixels[test], label[test] = 255 - pixels[test], 9 - label[test]
    poisoned = ganaug.ImageSet(image=pixels, label=label, fold=data.fold, classes=data.classes, scaling=data.scaling)
    one = search(**given).run(data.but(name="", origin=None), tmp_path / "one")
    two = search(**given).run(poisoned, tmp_path / "two")
    assert trials(one) == trials(two) and one.results["winner"] == two.results["winner"]
    assert one.results["found"] == two.results["found"]
    assert one.results["verdict"]["effect"] != two.results["verdict"]["effect"]


def test_set_without_a_test_fold_gets_one_before_the_search(tmp_path):
    data = digits().but(fold=None, group=np.arange(len(digits())) // 3)
    split = tune.with_test_fold(data, 0)
    test = split.in_fold("test")
    assert 0.25 < len(test) / len(data) < 0.4
    assert not set(data.group[test]) & set(data.group[split.in_fold("train")])
    seen, rows = searching.training_part(split)
    inner = searching.inner_fold(split, rows, 5, 0, 0)
    assert len(inner.train) == 50 and len(seen) == len(rows)
    assert not np.isin(seen.index[np.concatenate([inner.train, inner.test])], test).any()
    assert not np.isin(inner.train, inner.test).any()


@pytest.mark.parametrize(("minutes", "update", "images"), [(10, 0.02, 1), (10, 0.03, 60), (45, 0.05, 20)])
def test_ends_on_time_with_its_confirmation(tmp_path, clock, monkeypatch, minutes, update, images):
    monkeypatch.setattr(space, "MOST", 30)  # more than the time holds
    costly(monkeypatch, clock, update, images)
    found = search(minutes=minutes).run(digits(), tmp_path / "out").results
    assert found["seconds"] == clock.now - 1000
    assert found["seconds"] <= 60 * minutes
    assert found["verdict"]["repeats"] >= 3
    assert any(t["difference"] is not None for rung in found["rungs"] for t in rung["trials"])


def test_time_that_cannot_hold_the_confirmation_is_refused_at_the_start(tmp_path, clock, monkeypatch):
    costly(monkeypatch, clock, update=1.0)
    with pytest.raises(InputError, match=r"too short for this set.*takes about \d+ minutes here") as caught:
        search(minutes=10).run(digits(), tmp_path / "out")
    assert str(caught.value).count(". ") == 0
    assert not (tmp_path / "out").exists()


def test_killed_search_does_nothing_finished_again(tmp_path, clock, monkeypatch):
    done = costly(monkeypatch, clock, update=0.001, images=0.1)
    whole = search().run(digits(), tmp_path / "whole").results
    all_of_it = list(done)
    parts, train = [], cells.train_and_score

    def killed(data, job, learner, cache):
        if len(done) > 20 * (len(parts) + 1):
            parts.append(1)
            raise KeyboardInterrupt
        return train(data, job, learner, cache)

    done.clear()
    monkeypatch.setattr(cells, "train_and_score", killed)
    found = None
    while found is None:
        with suppress(KeyboardInterrupt):
            found = search().run(digits(), tmp_path / "out", resume=True).results
    assert len(parts) >= 3
    assert sorted(map(str, done)) == sorted(map(str, all_of_it))
    assert len(done) >= 20 * len(parts)
    assert found["ranking"] == whole["ranking"] and found["winner"] == whole["winner"]
    assert found["verdict"] == whole["verdict"]


def test_time_of_a_stopped_search_counts(tmp_path, clock, monkeypatch):
    costly(monkeypatch, clock, update=0.01)
    train = cells.train_and_score

    def killed(data, job, learner, cache):
        if clock.now > 1000 + 100:
            raise KeyboardInterrupt
        return train(data, job, learner, cache)

    monkeypatch.setattr(cells, "train_and_score", killed)
    with pytest.raises(KeyboardInterrupt):
        search(minutes=20).run(digits(), tmp_path / "out")
    monkeypatch.setattr(cells, "train_and_score", train)
    clock.now += 50_000  # nobody was there
    resumed = clock.now
    found = search(minutes=20).run(digits(), tmp_path / "out", resume=True).results
    assert 60 < found["seconds"] - (clock.now - resumed) <= 105
    assert found["seconds"] <= 20 * 60


def test_foreign_folder_and_other_settings_are_refused(tmp_path, clock):
    search().run(digits(), tmp_path / "out")
    with pytest.raises(InputError, match="not empty"):
        search().run(digits(), tmp_path / "out")
    with pytest.raises(InputError, match="other data or settings"):
        search(shots=3).run(digits(), tmp_path / "out", resume=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"minutes": 0}, "minutes must be above 0"),
        ({"shots": 5000}, "5000 shots were asked for"),
        ({"arms": ["rules+acgann"]}, "nearest are"),
        ({"task": "counting"}, "no task 'counting'"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        search(**changes).run(digits(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_collapsed_generator_counts_as_the_rules_and_is_no_winner(tmp_path, clock, monkeypatch):
    real = rounds.run_generator

    def collapsing(data, job, cache):
        facts = real(data, job, cache)
        return {**facts, "status": "collapsed"} if job.name == "smote" else facts

    monkeypatch.setattr(rounds, "run_generator", collapsing)
    found = search(arms=["rules+smote", "rules+adasyn"]).run(digits(), tmp_path / "out")
    smote = [t for t in trials(found) if "smote" in t["candidate"]]
    assert smote and all((t["status"], t["difference"]) == ("collapsed", 0.0) for t in smote)
    assert "adasyn" in found.results["winner"]["name"]


# --- the space --------------------------------------------------------------------------------------------------


def view_of(data, shots):
    return training_view(data, fold(data, shots, 0, repeats=1, seed=0).train)


def test_space_holds_transforms_and_every_use_of_a_generator():
    found = space.candidates(view_of(digits(), 20), "classification", (), 0)
    assert len(found) == len({c.name for c in found}) == space.MOST
    names = [c.name for c in found]
    assert {"rules+cutmix", "rules+smote", "rules+low_data_gan", "trivialaugment"} <= set(names)
    assert not any(c.arm.joint for c in found)
    found = space.candidates(view_of(digits(), 20), "classification", ["rules+glico"], 0)
    used = [(recipe, c.steps) for c in found for _, recipe in c.arm.recipes]
    assert {r.share for r, _ in used} == {0.1, 0.25, 0.5}
    assert {r.labels for r, _ in used} == set(space.USES["labels"])
    assert {r.ramp for r, _ in used} == {0.0, 0.5}
    assert {(r.labels, r.keep) for r, _ in used if r.keep < 1} == {("hard", 0.5), ("smoothed", 0.5)}
    assert {steps for _, steps in used} == {500, 1000, 2000}


def test_space_leaves_out_what_a_set_is_too_small_for():
    few = {c.arm.name for c in space.candidates(view_of(digits(), 5), "classification", (), 0)}
    assert "rules+low_data_gan" in few and "rules+acgan" not in few


def test_space_of_masks_holds_only_what_moves_masks():
    scenes = ganaug.Segmenter().prepared(ganaug.load("scenes"))
    found = space.candidates(view_of(scenes, 30), "segmentation", (), 0)
    assert {name for c in found for name, _ in c.arm.recipes} >= {"pix2pix"}
    assert {t for c in found for t in c.arm.transforms} >= {"rules", "trivialaugment"}
    assert not {"cutout", "cutmix"} & {t for c in found for t in c.arm.transforms}


def test_candidate_reads_back_from_json(tmp_path):
    for c in space.candidates(view_of(digits(), 20), "classification", (), 0):
        (tmp_path / "arm.json").write_text(json.dumps(space.as_plain(c)))
        assert stored_arm(tmp_path / "arm.json") == replace(c.arm, name=c.name)


def test_images_are_made_once_for_all_label_policies(tmp_path, clock, monkeypatch):
    done = costly(monkeypatch, clock, update=0.0, images=0.0)
    found = search(arms=["rules+smote"]).run(digits(), tmp_path / "out").results
    tried = len(found["rungs"][0]["members"])
    assert tried == 9 and found["rungs"][0]["folds"] == 2
    folds = sum(rung["folds"] for rung in found["rungs"])
    searched = [what for what in done if what == ("images", "smote")]
    assert len(searched) == folds + found["verdict"]["repeats"]


def test_images_of_a_finished_round_are_not_kept(tmp_path, clock):
    search(arms=["rules+smote"]).run(digits(), tmp_path / "out")
    assert not list((tmp_path / "out" / "cells").glob("*.npz"))
    assert list((tmp_path / "out" / "confirmation" / "cells").glob("*.npz"))

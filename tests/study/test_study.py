"""The study as a whole, with learners that take no time."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

import ganaug
from ganaug.core.card import Recipe
from ganaug.core.combine import PerClass
from ganaug.core.system import System
from ganaug.data.embedded import digits
from ganaug.data.errors import FoldError, InputError, Stopped
from ganaug.report.html import write_report
from ganaug.study import cells, generate, study
from ganaug.study.results import rivals
from ganaug.study.study import Study
from ganaug.tasks.classification import Classifier


def quick(**changes):
    """A study whose classifier is a nearest-mean rule on pixels."""
    given = {"arms": ["cutout", "rules+smote"], "shots": 5, "repeats": 3, "steps": 20}
    return Study(task=Classifier(backbone=NearestCentroid(), batch_size=8), **{**given, **changes})


def without_times(results):
    plain = json.loads(json.dumps(results))
    for name in ("created", "seconds", "command"):
        plain["manifest"].pop(name, None)
    for part in ("cells", "generators"):
        for row in plain[part]:
            row.pop("seconds")
    return plain


def test_a_generated_arm_has_to_beat_copies_where_they_are_an_arm_on_the_same_transforms():
    arms = quick(arms=["duplicate", "rules+duplicate", "smote", "rules+smote", "cutout"]).plan(digits())
    against = {arm.name: rivals(arm, arms, ["rules"]) for arm in arms}
    assert against["rules+smote"] == ["rules", "rules+duplicate"]
    assert against["smote"] == ["none", "rules", "duplicate"]
    assert against["rules+duplicate"] == ["rules"] and against["duplicate"] == ["none", "rules"]
    assert against["cutout"] == ["none", "rules"] and against["rules"] == ["none"]
    arms = quick(arms=["rules+duplicate", "duplicate+rules", "smote+rules"]).plan(digits())
    against = {arm.name: rivals(arm, arms, ["rules"]) for arm in arms}
    assert against["smote+rules"] == ["rules", "rules+duplicate"]
    assert against["rules+duplicate"] == against["duplicate+rules"] == ["rules"], "copies need not beat copies"
    found = Recipe(system="duplicate", labels="uniform")
    plain = [arm for arm in quick(arms=[found, "smote"]).plan(digits()) if arm.kind == "generated"]
    assert [rivals(arm, plain, ["rules"]) for arm in plain] == [["none", "rules"]] * 2, "guessed labels are no copies"
    arms = quick(arms=["smote", "rules+smote"]).plan(digits())
    against = {arm.name: rivals(arm, arms, ["rules"]) for arm in arms}
    assert against["smote"] == ["none", "rules"], "the control of every study is not judged"
    assert against["rules+smote"] == ["rules"]


def test_copies_stand_beside_what_fills_up_classes_unasked():
    asked, even = ["rules+smote", "rules+cutout"], quick(arms=["rules+smote"], shots=20).plan(digits())
    assert "rules+duplicate" not in {arm.name for arm in even}
    study = quick(arms=asked, shots=None, cut={"8": 5})
    arms = study.plan(digits())
    controls = ["none", "rules", "duplicate", "rules+duplicate"]
    assert [arm.name for arm in arms] == [*controls, *asked, "placebo:rules+smote"]
    copies, smote = (next(a for a in arms if a.name == name) for name in ("rules+duplicate", "rules+smote"))
    assert (copies.kind, copies.baseline, copies.transforms) == ("control", "rules", ("rules",))
    assert copies.recipes[0][1].plan == smote.recipes[0][1].plan == "balance"
    assert copies.recipes[0][1].share == smote.recipes[0][1].share
    assert rivals(smote, arms, ["rules"]) == ["rules", "rules+duplicate"]
    alone = quick(arms=["smote"], shots=None, cut={"8": 5}).plan(digits())
    assert rivals(next(a for a in alone if a.name == "smote"), alone, ["rules"]) == ["none", "rules", "duplicate"]
    named = quick(arms=["duplicate+rules", *asked], shots=None, cut={"8": 5}).plan(digits())
    assert "rules+duplicate" not in {arm.name for arm in named}, "these copies were asked for in another order"
    without = quick(arms=asked, shots=None, cut={"8": 5}, leave_out=["duplicate"]).plan(digits())
    assert not any("duplicate" in arm.name for arm in without)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "out"
    return quick().run(digits(), folder)


def test_cells_of_one_precision_are_not_taken_for_those_of_the_other(tmp_path, monkeypatch):
    bases = []

    class Reached(Exception):
        """The study has got as far as its cells."""

    def caught(folder, base):
        bases.append(base)
        raise Reached

    monkeypatch.setattr(study, "Cache", caught)
    for asked in ("float32", "bfloat16"):
        monkeypatch.setenv("GANAUG_PRECISION", asked)
        with pytest.raises(Reached):
            quick().run(digits(), tmp_path / asked)
    assert bases[0] != bases[1]


def test_results_hold_every_arm_size_and_repeat(finished):
    found = finished.results
    arms = {"none", "rules", "duplicate", "cutout", "rules+smote", "placebo:rules+smote"}
    assert {c["arm"] for c in found["cells"]} == arms
    assert len(found["cells"]) == 6 * 3
    for cell in found["cells"]:
        assert {"arm", "shots", "repeat", "score", "per_class", "updates", "seconds", "status"} <= set(cell)
        assert cell["updates"] == 20
        assert cell["status"] == "ok"
    for verdict in found["verdicts"]:
        assert verdict["verdict"] in {"helps", "harms", "no material difference", "inconclusive"}
        assert {"arm", "against", "shots", "effect", "low", "high", "p", "repeats", "regime"} <= set(verdict)
    assert {(v["arm"], v["against"]) for v in found["verdicts"]} == {
        ("rules", "none"),
        ("cutout", "none"),
        ("cutout", "rules"),
        ("rules+smote", "rules"),
    }
    assert found["manifest"]["regime"] == "fixed test fold"
    assert json.loads((finished.folder / "results.json").read_text()) == json.loads(json.dumps(found))


def test_effect_is_the_mean_paired_difference(finished):
    score = {(c["arm"], c["repeat"]): c["score"] for c in finished.results["cells"]}
    verdict = next(v for v in finished.verdicts if v["arm"] == "cutout" and v["against"] == "none")
    paired = [score["cutout", r] - score["none", r] for r in range(3)]
    assert verdict["effect"] == pytest.approx(np.mean(paired))


def test_images_are_handed_out_as_class_folders(finished):
    made = ganaug.load(finished.folder / "images" / "smote")
    assert made.counts() == dict.fromkeys(digits().classes, 50)


def test_workers_change_nothing(finished, tmp_path):
    again = quick(workers=2).run(digits(), tmp_path / "out")
    one, two = without_times(finished.results), without_times(again.results)
    one["manifest"].pop("workers"), two["manifest"].pop("workers")
    assert one == two


def test_resume_reads_finished_cells_and_gives_the_same_results(finished, monkeypatch, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    for path in sorted((copy / "cells").glob("learner-*.json"))[:4]:
        path.unlink()
    (copy / "results.json").unlink()
    trained = []
    real = cells.train_and_score
    monkeypatch.setattr(cells, "train_and_score", lambda *a: trained.append(1) or real(*a))
    again = quick().run(digits(), copy, resume=True)
    assert without_times(again.results) == without_times(finished.results)
    assert len(trained) == 4


def test_adding_repeats_keeps_finished_cells(finished, monkeypatch, tmp_path):
    import shutil

    copy = tmp_path / "more"
    shutil.copytree(finished.folder, copy)
    trained = []
    real = cells.train_and_score
    monkeypatch.setattr(cells, "train_and_score", lambda *a: trained.append(1) or real(*a))
    again = quick(repeats=4).run(digits(), copy, resume=True)
    assert len(trained) == 6
    old = {(c["arm"], c["repeat"]): c["score"] for c in finished.results["cells"]}
    new = {(c["arm"], c["repeat"]): c["score"] for c in again.results["cells"]}
    assert all(new[place] == score for place, score in old.items())


def test_foreign_folder_and_foreign_data_are_refused(finished, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not empty"):
        quick().run(digits(), tmp_path / "mine")
    with pytest.raises(InputError, match="not empty"):
        quick().run(digits(), finished.folder)
    with pytest.raises(InputError, match="other data"):
        quick().run(digits().select(np.arange(1500)), finished.folder, resume=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_arm_that_crashes_counts_as_its_baseline_and_is_listed(monkeypatch, tmp_path):
    real = generate.make_images

    def broken(data, job, keep):
        if job.name == "smote" and job.repeat == 1:
            raise RuntimeError("no luck")
        return real(data, job, keep)

    monkeypatch.setattr(generate, "make_images", broken)
    found = quick(arms=["rules+smote"]).run(digits(), tmp_path / "out").results
    cells_of = {(c["arm"], c["repeat"]): c for c in found["cells"]}
    crashed = cells_of["rules+smote", 1]
    assert crashed["status"] == "failed"
    assert "no luck" in crashed["note"]
    assert crashed["score"] == cells_of["rules", 1]["score"]
    assert cells_of["placebo:rules+smote", 1]["score"] == cells_of["rules", 1]["score"]
    assert "failed in 1 of 3 repeats" in found["summary"]["headline"]
    assert "smote failed" in found["summary"]["advice"]
    monkeypatch.setattr(generate, "make_images", real)
    again = quick(arms=["rules+smote"]).run(digits(), tmp_path / "out", resume=True).results
    assert {c["status"] for c in again["cells"]} == {"ok"}  # what failed is tried again


def test_a_baseline_that_fails_stops_the_study_with_a_sentence(monkeypatch, tmp_path):
    real = cells.train_and_score

    def broken(data, job, *rest):
        if job.arm.name == "none":
            raise MemoryError("no room")
        return real(data, job, *rest)

    monkeypatch.setattr(cells, "train_and_score", broken)
    with pytest.raises(Stopped, match=r"the arm none, .* \(MemoryError: no room\): without it there is no verdict"):
        quick(arms=["cutout"]).run(digits(), tmp_path / "out")


class Peeking(System):
    """A system that reaches for a row outside the training fold."""

    CARD = ganaug.make("smote").CARD

    def prepare(self, train):
        train.rows_of([int(digits().in_fold("test")[0])])


class Noting(System):
    """A system that writes down what it was given to learn from, and then fails."""

    CARD = ganaug.make("smote").CARD

    def __init__(self, seen=None):
        self.seen = seen

    def prepare(self, train):
        self.seen.append(train)
        raise RuntimeError("noted")


def test_system_that_reaches_for_the_test_fold_stops_the_study(monkeypatch, tmp_path):
    monkeypatch.setattr(generate, "system_of", lambda recipe: Peeking())
    with pytest.raises(FoldError, match="not in the training fold"):
        quick(arms=["smote"]).run(digits(), tmp_path / "out")


def test_folder_arm_with_test_images_is_refused_by_name(tmp_path):
    data = digits()
    stolen = data.select(np.concatenate([data.in_fold("test")[:3], data.in_fold("train")[:20]])).but(fold=None)
    ganaug.write(stolen, tmp_path / "made", "folder")
    with pytest.raises(InputError, match="3 near copies of test images") as caught:
        quick(arms=[f"folder:{tmp_path / 'made'}"]).run(data, tmp_path / "out")
    assert ".png" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_pool_that_holds_test_images_is_refused_by_number(tmp_path):
    data = digits()
    stolen = data.select(np.concatenate([data.in_fold("train")[:20], data.in_fold("test")[:2]]))
    pool = stolen.but(fold=None, label=None, classes=())
    with pytest.raises(InputError, match="hold 2 test images: image 20, image 21"):
        quick(arms=["smote"]).run(data.but(others={"unlabelled": pool}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_of_one_class_have_no_placebo(tmp_path):
    """Shuffled among each other their labels stay the same, so that the placebo would be the arm."""
    cut = {str(k): 20 for k in range(10)} | {"8": 5}
    results = quick(arms=["smote", "rules+smote"], shots=None, cut=cut).run(digits(), tmp_path / "out").results
    assert all(m["one_class"] for m in results["generators"] if m["arm"] == "smote")
    assert not [p for p in results["placebos"] if "smote" in p["arm"]]
    assert "Shuffling the labels of smote and rules+smote changes none" in results["summary"]["advice"]
    assert not any(c["arm"].startswith("placebo") for c in results["cells"]), "nor is it trained"
    assert [p["arm"] for p in quick(arms=["smote"]).run(digits(), tmp_path / "b").results["placebos"]] == [
        "placebo:smote"
    ]


def test_only_clones_of_classes_that_are_asked_for_are_trained(monkeypatch, tmp_path):
    fitted, fit = [], PerClass.fit
    monkeypatch.setattr(PerClass, "fit", lambda self, train, **how: fitted.append(train) or fit(self, train, **how))
    cut = {str(k): 20 for k in range(10)} | {"8": 5}
    study = quick(arms=[Recipe(system="deligan", preset="tiny", plan="balance", labels="hard")], shots=None, cut=cut)
    replace(study, repeats=1, generator_steps=4).run(digits(), tmp_path / "out")
    assert fitted and all(set(view.label) == {8} for view in fitted)


def test_rest_of_the_training_fold_is_offered_without_labels_and_without_test_rows(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(generate, "system_of", lambda recipe: Noting(seen))
    quick(arms=["smote"], offer_rest=True, repeats=1).run(digits(), tmp_path / "out")
    train, test = digits().in_fold("train"), digits().in_fold("test")
    pool = seen[0].others["unlabelled"]
    assert pool.label is None
    assert len(pool) == len(train) - 50
    assert not np.isin(pool.index, test).any()
    assert not np.isin(pool.index, seen[0].index).any()


def test_results_and_report_say_which_arms_had_the_unlabelled_images(tmp_path):
    arms = ["smote", Recipe(system="bagan", preset="tiny", share=None)]
    study = quick(arms=arms, offer_rest=True, repeats=1, generator_steps=4, leave_out=["duplicate", "placebo"])
    found = study.run(digits(), tmp_path / "out").results
    pool = {arm["arm"].split()[0]: arm["pool"] for arm in found["arms"]}
    assert pool == {"none": False, "rules": False, "smote": False, "bagan": True}
    assert found["manifest"]["data"]["unlabelled"] == len(digits().in_fold("train")) - 50
    report = write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert report.count("learns from the unlabelled images too") == 1
    assert re.search("Unlabelled images</dt><dd>1.028, for the arms that can", report)
    alone = replace(study, offer_rest=False).run(digits(), tmp_path / "alone").results
    assert not any(arm["pool"] for arm in alone["arms"]) and alone["manifest"]["data"]["unlabelled"] == 0


def test_cells_with_and_without_the_offered_rest_are_not_taken_for_each_other():
    from ganaug.study.arms import Arm

    keys = []
    for offer in (False, True):
        rows = quick(offer_rest=offer).fold(digits(), 5, 0)
        keys.append(cells.LearnerJob(Arm("a", "joint", "none", joint="dg_net"), 5, 0, 20, {}, (), rows).describe())
    assert keys[0] != keys[1]


def test_folder_arm_runs_on_images_of_another_tool(tmp_path):
    data = digits()
    quick(repeats=1).export_folds(data, tmp_path / "folds")
    exported = ganaug.load(tmp_path / "folds" / "shots-5" / "repeat-0")
    assert len(exported) == 50
    made = ganaug.make("smote").fit(exported).sample(per_class=20, seed=9)
    ganaug.write(made, tmp_path / "made", "folder")
    found = quick(arms=[f"rules+folder:{tmp_path / 'made'}"]).run(data, tmp_path / "out").results
    assert any(c["arm"].startswith("placebo:") for c in found["cells"])
    assert all(c["generated"] == 200 for c in found["cells"] if c["arm"].startswith("rules+folder"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"shots": -3}, "shots must be at least 1"),
        ({"shots": 5000}, "5000 shots were asked for"),
        ({"arms": ["rules+acgann"]}, "nearest are"),
        ({"margin": 0.0}, "margin must be above 0"),
        ({"leave_out": ["rulez"]}, "no control 'rulez'"),
        ({"cut": {"eight": 5}}, "no class 'eight'"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        quick(**changes).run(digits(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_arms_the_study_picks_some_and_says_why(tmp_path):
    found = quick(arms=None, cut={"8": 3}, shots=None, repeats=2, generator_steps=2)
    arms = found.plan(digits())
    assert any("smote" in arm.name for arm in arms)
    assert "times the smallest" in found._why


def test_scikit_learn_and_torch_learners_score_the_same_test_fold(tmp_path):
    found = Study(arms=["cutout"], shots=3, repeats=2, steps=20).run(digits(), tmp_path / "out").results
    assert found["manifest"]["learner"] == "small"
    assert found["manifest"]["data"]["test_rows"] == len(digits().in_fold("test"))


def test_further_scores_have_paired_differences_and_intervals_too(finished):
    table = {(c["arm"], c["shots"], c["repeat"]): c["scores"] for c in finished.results["cells"]}
    for verdict in finished.results["verdicts"]:
        arms, n = (verdict["arm"], verdict["against"]), verdict["repeats"]
        for name, found in verdict["further"].items():
            own, other = ([table[arm, verdict["shots"], r][name] for r in range(n)] for arm in arms)
            assert found["effect"] == pytest.approx(np.mean(np.subtract(own, other)), abs=1e-9)
            assert found["low"] <= found["effect"] <= found["high"]
        assert set(verdict["further"]) == set(table[arms[0], verdict["shots"], 0])


def test_one_arm_in_two_orders_keeps_both_names_and_scores(tmp_path):
    found = quick(arms=["rules+cutout", "cutout+rules"], repeats=1).run(digits(), tmp_path / "out").results
    scores = {c["arm"]: (c["status"], c["score"]) for c in found["cells"]}
    assert scores["rules+cutout"] == scores["cutout+rules"] and scores["rules+cutout"][0] == "ok"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"alpha": 5}, "alpha must lie between 0 and 1, found 5"),
        ({"backend": "foo"}, "there is no backend 'foo': there are loky"),
        ({"labels_from": "source", "cut": {"8": 5}}, "cut can't be combined with labels_from"),
        ({"labels_from": "source", "offer_rest": True}, "offer_rest can't be combined with labels_from"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, said):
    with pytest.raises(InputError, match=said):
        quick(**settings).plan(digits())


def test_sizes_are_told_once_and_one_arm_may_be_a_text():
    study = quick(shots=[10, 5, 5], arms="cutout")
    assert study.sizes == [5, 10]
    assert quick(shots=[None, 5]).sizes == [5, None], "all images are the largest size"
    assert "cutout" in [arm.name for arm in study.plan(digits())]


def test_images_are_handed_out_anew_at_another_size(tmp_path):
    out = tmp_path / "out"
    for shots, plan in ((5, 50), ([5, 10], 100)):
        quick(arms=["smote"], shots=shots, repeats=1).run(digits(), out, resume=out.exists())
        assert len(ganaug.load(out / "images" / "smote")) == 10 * plan


def test_folder_of_other_images_is_another_cell(tmp_path):
    files = tmp_path / "made"
    (files / "a").mkdir(parents=True)
    before = generate.files_in(str(files))
    (files / "a" / "0.png").write_bytes(b"1")
    assert generate.files_in(str(files)) != before


def test_images_of_unknown_class_are_refused():
    data = digits().select(np.arange(4))
    with pytest.raises(InputError, match="has images without a class"):
        generate.renumbered(data.but(label=np.array([0, 1, 2, -1])), digits(), "made")

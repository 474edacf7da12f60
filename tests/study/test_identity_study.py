"""Studies of identities: folds, units, recipes without labels, joint arms, and their mistakes."""

import json

import numpy as np
import pytest
import torch

import ganaug
from ganaug.data.checks import with_identities
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study import quality, saturate
from ganaug.study.arms import parse_arm
from ganaug.study.folds import fold, training_view
from ganaug.study.generate import GeneratorJob, folder_images
from ganaug.study.saturate import inner_fold
from ganaug.study.study import Study
from ganaug.tasks.reidentification import Embedder, Reidentifier, embedded, queries


def bodies(identities=18, images=6, folds=True, seed=0):
    """A coloured body (identity) at a random place (nuisance), seen by two cameras of different light."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(identities), images)
    camera = np.arange(len(identity)) % 2
    pixels = rng.integers(60, 90, (len(identity), 32, 32, 3)).astype(np.uint8)
    colours = rng.integers(30, 225, (identities, 2, 3))
    for row, number in enumerate(identity):
        y, x = rng.integers(1, 12), rng.integers(1, 16)
        pixels[row, y : y + 9, x : x + 12] = colours[number, 0]
        pixels[row, y + 9 : y + 18, x : x + 12] = colours[number, 1]
    pixels = np.clip(pixels * np.where(camera, 1.0, 0.8)[:, None, None, None], 0, 255).astype(np.uint8)
    fold = np.where(identity < 12, 0, 2).astype(np.int8) if folds else None
    return ImageSet.of(pixels, identity=identity, camera=camera, fold=fold)


def test_unseen_identities_are_found_far_better_after_learning_than_before():
    data, learner = bodies(), Reidentifier(batch_size=16)
    rows = fold(data, None, 0, repeats=1, seed=0)
    view, test = training_view(data, rows.train), data.select(rows.test)
    from ganaug.core.loop import Budget
    from ganaug.study.source import source_for

    torch.manual_seed(0)
    untrained = learner.network(view.spec).eval()
    trained = learner.fit(source_for(learner, view, [], [], 120, 0), Budget(120), 0)
    assert learner.score(trained, test).main > learner.score(untrained, test).main + 0.1
    assert learner.score(trained, test).main > 0.7


def test_shares_are_the_average_precision_of_queries_and_nothing_elsewhere():
    data, learner = bodies(), Reidentifier()
    test = data.select(data.in_fold("test"))
    torch.manual_seed(1)
    scored = learner.score(learner.network(data.spec, 12).eval(), test)
    asks = queries(test)
    assert np.array_equal(~np.isnan(scored.shares), asks)
    assert scored.main == pytest.approx(np.nanmean(scored.shares))
    assert scored.reduce(scored.units) == pytest.approx(scored.main)
    assert scored.table["mAP_trapezoid"] <= scored.table["mAP_rectangle"]


def test_one_query_for_each_identity_and_camera_unless_the_set_says():
    test = bodies().select(bodies().in_fold("test"))
    asks = queries(test)
    pairs = np.stack([test.identity, test.camera], 1)
    assert asks.sum() == len(np.unique(pairs, axis=0))
    assert len(np.unique(pairs[asks], axis=0)) == asks.sum()
    said = np.zeros(len(test), bool)
    said[[0, 3]] = True
    assert np.array_equal(queries(test.but(query=said)), said)


def test_embedding_is_flip_invariant_after_summing_and_parts_have_heads_of_their_own():
    torch.manual_seed(0)
    learner = Reidentifier(parts=3)
    model = learner.network(bodies().spec, 7).eval()
    assert isinstance(model, Embedder)
    image = bodies().images([0, 1])
    assert model(image).shape == (2, 3, 7)
    some, mirrored = bodies().select([0]), bodies().select([0])
    mirrored = mirrored.but(image=mirrored.image[np.arange(1)][:, :, ::-1].copy())
    assert np.allclose(embedded(model, some), embedded(model, mirrored), atol=1e-5)


def test_generated_rows_stay_out_of_the_triplet_and_are_not_smoothed():
    from ganaug.data.batch import Batch
    from ganaug.tasks.reidentification import real_identity

    batch = Batch(image=torch.zeros(3, 3, 8, 8), label=torch.tensor([1, 2, 0]), row=torch.tensor([5, -1, -2]))
    assert real_identity(batch).tolist() == [1, -1, -1]
    soft = torch.eye(4)[[1, 2, 0]]
    made = Reidentifier(smoothing=0.2).smoothed(soft, batch)
    assert torch.allclose(made[0], torch.tensor([0.05, 0.85, 0.05, 0.05]))
    assert torch.equal(made[1:], soft[1:])


# --- folds -------------------------------------------------------------------------------------------------------


def test_new_splits_and_inner_splits_never_share_an_identity():
    data = bodies(folds=False)
    for repeat in range(3):
        rows = fold(data, None, repeat, repeats=3, seed=0)
        train, test = data.identity[rows.train], data.identity[rows.test]
        assert not np.intersect1d(train, test).size
        inner = inner_fold(rows, data, 0)
        assert not np.intersect1d(data.identity[inner.train], data.identity[inner.test]).size
        assert not np.isin(inner.test, rows.test).any()


def test_training_view_has_a_class_for_each_of_its_identities_and_no_others():
    data = bodies()
    view = training_view(data, data.in_fold("train")[6:])
    assert view.classes == tuple(f"id {i}" for i in range(1, 12))
    assert np.array_equal(view.label + 1, view.identity)


def test_shots_are_images_an_identity():
    rows = fold(bodies(), 2, 0, repeats=1, seed=0)
    assert np.bincount(bodies().identity[rows.train]).tolist() == [2] * 12


def test_junk_is_part_of_the_gallery_and_never_trains():
    data = bodies()
    junk = data.identity.copy()
    junk[[0, -1]] = -1
    rows = fold(data.but(identity=junk), None, 0, repeats=1, seed=0)
    assert 0 not in rows.train
    assert len(data) - 1 in rows.test


# --- whole studies -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    study = Study(
        arms=["lsro", "mprl", "dg_net"], task=Reidentifier(batch_size=8), repeats=2, steps=4, generator_steps=4
    )
    out = tmp_path_factory.mktemp("identities") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "JUDGE_STEPS", 5)
        return study.run(bodies(), out)


def test_every_arm_is_judged_by_map_at_equal_updates(finished):
    results = finished.results
    assert {c["arm"] for c in results["cells"]} == {"none", "rules", "duplicate", "lsro", "mprl", "dg_net"}
    assert {c["updates"] for c in results["cells"]} == {4}
    assert all(c["status"] == "ok" for c in results["cells"]), [c["note"] for c in results["cells"]]
    assert results["manifest"]["score"] == "mAP"
    assert {"mAP_rectangle", "mAP_trapezoid", "rank_1", "mINP"} <= set(results["cells"][0]["scores"])
    json.dumps(results)


def test_unlabelled_images_have_no_placebo_and_the_joint_arm_has_a_picture(finished):
    assert finished.results["placebos"] == []
    grids = {grid["arm"]: grid["file"] for grid in finished.results["grids"]}
    assert {"lsro", "dg_net"} <= set(grids)
    assert (finished.folder / grids["dg_net"]).is_file()


def test_report_of_identities_is_written(finished):
    page = ganaug.write_report(finished.folder).read_text(encoding="utf-8")
    assert "mAP" in page


@pytest.mark.parametrize(
    ("arms", "given", "asked"),
    [
        (["dg_net"], {}, ("half", 600)),
        (["dg_net"], {"generator_steps": 50}, ("half", 50)),
        (["dg_net"], {"steps": 30}, ("search", 30)),
        (["lsro"], {"generator_steps": 50}, ("search", None)),
    ],
)
def test_the_length_is_set_and_judged_beside_a_joint_arm_and_found_otherwise(monkeypatch, arms, given, asked):
    data = bodies()
    study = Study(arms=arms, task=Reidentifier(), repeats=1, **given)
    monkeypatch.setattr(saturate, "saturate", lambda folds, run, margin, steps: ("search", steps))
    monkeypatch.setattr(saturate, "judged_by_half", lambda folds, run, margin, steps: ("half", steps))
    assert study.saturated(data, study.plan(data), lambda *job: []) == asked


@pytest.mark.parametrize(("rise", "saturated"), [(0.02, False), (0.004, True), (-0.1, True)])
def test_a_set_length_is_judged_by_what_its_second_half_brings(rise, saturated):
    asked = []

    def run(trials):
        asked.extend(trials)
        return [0.5 + rise * (t.steps == 40) + 0.1 * (t.strength == "strong") for t in trials]

    found = saturate.judged_by_half([fold(bodies(), 2, 0, repeats=1, seed=0)] * 2, run, 0.01, 40)
    assert {t.steps for t in asked} == {20, 40}
    assert (found["chosen"], found["strength"], found["saturated"]) == (40, "strong", saturated)
    assert f"by {max(100 * rise, 0):.1f} points" in found["sentence"]
    assert len(found["curve"]) == 5 + 3, "five strengths, one of them measured twice, and three points more"


def test_joint_cells_are_started_first():
    data = bodies()
    study = Study(arms=["dg_net", "rules"], task=Reidentifier(), repeats=2)
    jobs = study.learner_jobs(data, study.plan(data), {"chosen": 4, "rules": {}}, None)
    assert [bool(job.arm.joint) for job in jobs][:3] == [True, True, False]


# --- mistakes ----------------------------------------------------------------------------------------------------


def test_shared_identity_is_refused_by_name():
    data = bodies()
    shared = data.but(fold=np.where(np.arange(len(data)) % 3, 0, 2).astype(np.int8))
    with pytest.raises(InputError, match="in the training part and in the test part"):
        with_identities(shared)


def test_classes_become_identities():
    data = bodies(folds=False)
    labelled = data.but(identity=None, label=data.identity, classes=tuple(map(str, range(18))))
    assert np.array_equal(with_identities(labelled).identity, data.identity)
    with pytest.raises(InputError, match="neither identities nor classes"):
        with_identities(data.but(identity=None))


def test_one_camera_is_one_sentence():
    data = bodies()
    alone = data.select(data.in_fold("test")).but(camera=np.zeros(36, np.int64))
    with pytest.raises(InputError, match="camera"):
        Reidentifier().score(Reidentifier().network(data.spec, 3).eval(), alone)
    with pytest.raises(InputError, match="was seen by two cameras"):
        with_identities(data.but(camera=np.zeros(len(data), np.int64)))
    assert with_identities(data.but(camera=None)).camera is None


def test_joint_arm_of_another_task_is_refused_before_anything_runs(tmp_path):
    from ganaug.data.embedded import digits

    with pytest.raises(InputError, match="dg_net is for reid, and this study is of classification"):
        Study(arms=["dg_net"], repeats=1).run(digits(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_task_lists_the_tasks(tmp_path):
    with pytest.raises(InputError, match="there is no task 'counting': there are classification, reid"):
        Study(task="counting").run(bodies(), tmp_path / "out")


def test_folder_that_another_tool_made_holds_identities_of_the_training_fold(tmp_path):
    data = with_identities(bodies())
    rows = fold(data, None, 0, repeats=1, seed=0)
    view = training_view(data, rows.train)
    some = view.select(np.flatnonzero(view.label >= 10)).but(fold=None, others={})
    ganaug.write(some, tmp_path / "made" / "shots-all", "folder")
    arm = parse_arm(f"folder:{tmp_path}/made/shots-{{shots}}", view)
    made = folder_images(data, GeneratorJob(arm.name, arm.recipes[0][1], None, 0, None, rows))
    assert made.classes == view.classes and set(made.label) == {10, 11}

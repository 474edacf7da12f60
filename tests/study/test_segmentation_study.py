"""Studies of masks: folds by image, generated pairs, placebos, and what can't be an arm."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ganaug
from ganaug.core.card import Card, Recipe
from ganaug.core.loop import Budget
from ganaug.core.system import System
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study import generate, quality
from ganaug.study.arms import parse_arm, role_of
from ganaug.study.cells import permuted
from ganaug.study.folds import fold, learns_masks, training_view
from ganaug.study.saturate import inner_fold
from ganaug.study.source import Generated, source_for
from ganaug.study.study import Study
from ganaug.tasks.segmentation import Segmenter


def blocks(n=60, groups=12, seed=0):
    """A bright block (class 1) on dark ground, and a stripe (class 2), with noise; five tiles an image."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((n, 16, 16), np.uint8)
    for row in range(n):
        y, x = rng.integers(0, 9, 2)
        mask[row, y : y + 6, x : x + 6] = 1
        mask[row, :, rng.integers(0, 16)] = 2
    colours = np.array([[40, 40, 60], [200, 80, 60], [60, 180, 220]])
    pixels = np.clip(colours[mask] + rng.normal(0, 25, (n, 16, 16, 3)), 0, 255).astype(np.uint8)
    return ImageSet.of(pixels, mask=mask, mask_classes=("ground", "block", "stripe"), group=np.arange(n) % groups)


@pytest.fixture
def quick(monkeypatch):
    """Short quality measurements and saturation."""
    monkeypatch.setattr(quality, "JUDGE_STEPS", 20)


def prepared():
    return Segmenter().prepared(blocks())


def test_images_never_straddle_folds_and_shots_count_them():
    data = prepared()
    for repeat in range(3):
        rows = fold(data, 4, repeat, repeats=3, seed=0)
        assert len(np.unique(data.group[rows.train])) == 4
        parts = [set(data.group[part]) for part in (rows.train, rows.pool, rows.test)]
        assert not parts[0] & parts[2] and not parts[1] & parts[2] and not parts[0] & parts[1]
        fewer = fold(data, 2, repeat, repeats=3, seed=0)
        assert set(fewer.train) < set(rows.train)
    with pytest.raises(InputError, match="1 to 8, the number of training images"):
        fold(data, 9, 0, repeats=3, seed=0)


def test_the_baseline_is_validated_on_other_images():
    data = prepared()
    for shots in (3, None):
        rows = fold(data, shots, 0, repeats=3, seed=0)
        inner = inner_fold(rows, data, 0)
        assert not set(data.group[inner.train]) & set(data.group[inner.test])
        assert not set(inner.test) & set(rows.test)


def test_a_training_view_shows_masks_and_a_pool_shows_none():
    data = prepared()
    rows = fold(data, 3, 0, repeats=3, seed=0)
    view = training_view(data, rows.train, rows.pool)
    assert view.mask is not None and view.classes == ("image",) and set(view.label) == {0}
    pool = view.others["unlabelled"]
    assert len(pool) == len(rows.pool)
    assert pool.spec.fields == frozenset()


def test_batches_hold_masks_for_a_segmenter_and_none_for_a_classifier():
    data = blocks().but(label=np.arange(60) % 2, classes=("a", "b"))
    view = training_view(prepared(), np.arange(20))
    assert source_for(Segmenter(), view, [], [], 5, 0).batch(0).mask.shape == (16, 16, 16)
    assert source_for(ganaug.Classifier(), training_view(data, np.arange(20)), [], [], 5, 0).batch(0).mask is None


def test_transforms_move_masks_with_their_images():
    view = training_view(prepared(), np.arange(20))
    rules = ganaug.make("basic_ops", rotate=0.0, scale=0.0, shift=0.3, brightness=0.0, contrast=0.0)
    batch = source_for(Segmenter(), view, [], [rules.fit(view, budget=0)], 5, 0).batch(0)
    bright = batch.image[:, 0] > 0.2  # the block is the only red thing
    known = batch.mask != 255
    assert ((batch.mask == 1) == bright)[known].float().mean() > 0.93
    assert (~known).any()  # what came in from outside has no class


def test_generated_pairs_take_part_and_permuted_masks_teach_nothing():
    data, learner = prepared(), Segmenter(width=8)
    rows = fold(data, None, 0, repeats=3, seed=0)
    view, test = training_view(data, rows.train), data.select(rows.test)
    made = view.select(np.arange(len(view)))
    recipe = Recipe(system="duplicate", share=1.0)

    def score(images):
        source = source_for(learner, view, [Generated(images, recipe)], [], 60, 0)
        return learner.score(learner.fit(source, Budget(60), 0), test).main

    assert score(made) > score(permuted(made, 0)) + 0.1


def test_a_study_of_masks_from_start_to_end(quick, tmp_path):
    study = Study(task=Segmenter(width=4), arms=["rules+duplicate"], shots=4, repeats=2, steps=6, seed=1)
    results = study.run(blocks(), tmp_path / "out").results
    assert {c["status"] for c in results["cells"]} == {"ok"}
    assert results["manifest"]["data"]["classes"] == ["ground", "block", "stripe"]
    assert results["manifest"]["score"] == "mean IoU"
    placebo = next(c for c in results["cells"] if c["arm"].startswith("placebo"))
    assert placebo["generated"] > 0
    files = {grid["file"] for grid in results["grids"]}
    assert "grids/found-none-4.png" in files
    assert all((tmp_path / "out" / file).is_file() for file in files)
    page = ganaug.write_report(tmp_path / "out").read_text()
    assert "4 training images" in page and "IoU in percent" in page
    made = next(m for m in results["generators"] if m["quality"])
    assert {"agreement", "agreement_of_real"} <= set(made["quality"])
    json.dumps(results, allow_nan=False)


def test_one_training_image_is_enough_for_a_study(quick, tmp_path):
    one_tile = blocks(n=24, groups=24)
    study = Study(task=Segmenter(width=4), arms=["rules+duplicate"], shots=1, repeats=2, steps=4, seed=1)
    results = study.run(one_tile, tmp_path / "out").results
    assert {c["status"] for c in results["cells"]} == {"ok"}


def test_agreement_falls_when_masks_are_exchanged(monkeypatch):
    monkeypatch.setattr(quality, "JUDGE_STEPS", 100)
    data = prepared()
    rows = fold(data, None, 0, repeats=3, seed=0)
    view = training_view(data, rows.train)
    true, exchanged = view, permuted(view, 0)
    found = [
        quality.measure_quality(data, rows, made, made.batch(), view.batch())["agreement"] for made in (true, exchanged)
    ]
    assert found[0] > found[1] + 0.15


def test_arms_that_lose_masks_are_refused_beforehand(tmp_path):
    for arm, why in (("acgan", "makes images without masks"), ("mixup", "can't move masks along")):
        with pytest.raises(InputError, match=why):
            Study(task="segmentation", arms=[arm]).plan(blocks())
    with pytest.raises(InputError, match="--task segmentation learns its masks"):
        Study(arms=["cutout"]).plan(blocks())
    with pytest.raises(InputError, match="has no masks"):
        Study(task="segmentation").plan(ganaug.load("digits"))


def test_what_an_id_does_in_an_arm():
    roles = {"rules": "transform", "cutout": "transform", "acgan": "recipe", "lsro": "recipe", "dg_net": "joint"}
    assert {part: role_of(part) for part in roles} == roles
    assert role_of("colour_match") == "recipe" == role_of("folder:x")
    with pytest.raises(InputError, match="is a task and can't be an arm"):
        role_of("segmentation")
    view = training_view(prepared(), np.arange(20))
    assert parse_arm("colour_match", view).recipes[0][1].plan == "x1"


def test_what_suits_a_set_of_masks_comes_with_its_reason():
    found = ganaug.inspect(blocks())
    assert found["task"] == "segmentation" and sum(found["mask_classes"].values()) == pytest.approx(1, abs=1e-3)
    assert found["suits"][0] == {"id": "dualgan_med", "why": "makes images with their masks"}
    assert "acgan" not in {one["id"] for one in found["suits"]}


class Shade(System):
    """Darkens images: a system that only makes variants of given ones."""

    CARD = Card(id="shade", title="Shade", task=("segmentation",), needs=("mask",), can=("augment",), moves=("mask",))

    def vary(self, batch):
        return batch.but(image=batch.image * 0.5 - 0.5)


class Painter(System):
    """Paints a given mask."""

    CARD = Card(id="painter", title="Painter", task=("segmentation",), needs=("mask",), can=("sample",))

    def generate(self, want):
        return want.but(image=want.mask[:, None].float().repeat(1, 3, 1, 1).clamp_max(2) - 1)


def test_variants_keep_the_masks_of_their_images_and_maps_are_followed_mirrored():
    view = training_view(prepared(), np.arange(20))
    varied = generate.asked_for(Shade().fit(view, budget=0), view, {"image": 30}, 0)
    assert len(varied) == 30
    assert np.array_equal(varied.mask[:20], view.mask) and np.array_equal(varied.mask[20:], view.mask[:10])
    painted = generate.asked_for(Painter().fit(view, budget=0), view, {"image": 40}, 0)
    mirrored = [np.array_equal(m, view.mask[row % 20]) for row, m in enumerate(painted.mask)]
    assert 0 < sum(mirrored) < 40
    assert all(
        np.array_equal(m, view.mask[r % 20]) or np.array_equal(m, view.mask[r % 20][:, ::-1])
        for r, m in enumerate(painted.mask)
    )
    assert torch.equal(painted.images().add(1).round()[:, 0].long(), torch.from_numpy(painted.mask).long())


def test_a_folder_of_pairs_competes_and_one_without_masks_is_refused(tmp_path):
    data = blocks()
    ganaug.write(data.select(np.arange(10)).but(group=None), tmp_path / "pairs")
    ganaug.write(data.select(np.arange(10)).but(group=None, mask=None, mask_classes=()), tmp_path / "bare")
    job = SimpleNamespace(recipe=SimpleNamespace(params={"path": tmp_path / "pairs"}), shots=None, repeat=0)
    made = generate.folder_images(prepared(), job)
    assert learns_masks(prepared()) and np.array_equal(made.mask, data.mask[:10]) and set(made.label) == {0}
    job.recipe.params["path"] = tmp_path / "bare"
    with pytest.raises(InputError, match="has no masks"):
        generate.folder_images(prepared(), job)


def test_pictures_of_pairs_and_of_what_is_found():
    data, learner = prepared(), Segmenter(width=4)
    torch.manual_seed(0)
    picture = learner.picture(learner.network(data.spec).eval(), data)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 5

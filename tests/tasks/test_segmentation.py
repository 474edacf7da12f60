# SPDX-License-Identifier: Apache-2.0
"""The segmentation task: it learns from masks, scores by one table, and says in a sentence what it can't do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from ganaug.core.loop import Budget
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView
from ganaug.metrics.overlap import confusion, overlap
from ganaug.study.folds import with_labels
from ganaug.study.source import source_for
from ganaug.tasks.segmentation import Segmenter, TorchvisionMaps

NAMES = ("ground", "disc", "bar")


@cache
def shapes(n: int = 40, seed: int = 0, channels: int = 3, size: tuple[int, int] = (16, 20)) -> ImageSet:
    """A disc and a bar on noisy ground, told apart by their shape: both are equally bright."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    mask = np.zeros((n, *size), np.uint8)
    for row in mask:
        cy, cx, at = rng.uniform(4, size[0] - 4), rng.uniform(4, size[1] - 4), rng.integers(0, size[0] - 2)
        row[at : at + 2] = 2
        row[(y - cy) ** 2 + (x - cx) ** 2 < 12] = 1
    images = np.where(mask[..., None] > 0, 190, 60) + rng.normal(0, 12, (*mask.shape, channels))
    images = images.clip(0, 255).astype(np.uint8)
    return ImageSet.of(images, mask=mask, mask_classes=NAMES)


def fitted(data: ImageSet, steps: int = 50, **params: object) -> tuple[Segmenter, object]:
    """A small segmenter and its model."""
    learner = Segmenter(**{"width": 8, "batch_size": 8, **params})
    view = TrainView.of(with_labels(data))
    return learner, learner.fit(source_for(learner, view, [], [], steps, 0), Budget(steps), 0)


def test_unseen_masks_are_overlapped_far_better_than_after_learning_shuffled_ones():
    data, test = shapes(), shapes(20, seed=1)
    order = np.roll(np.arange(len(data)), 7)
    learner, model = fitted(data)
    true, shuffled = (learner.score(m, test) for m in (model, fitted(data.but(mask=data.mask[order]))[1]))
    assert true.main > 0.75 and shuffled.main < 0.5
    assert true.per_class["disc"] > shuffled.per_class["disc"] + 0.3


def test_scores_are_those_of_one_table_and_units_can_be_resampled():
    learner, model = fitted(shapes(), steps=20)
    test = shapes(12, seed=2)
    test = test.but(mask=np.where(np.arange(20) < 3, 255, np.where(test.mask == 2, 0, test.mask)).astype(np.uint8))
    scored, found = learner.score(model, test), learner.predict(model, test)
    assert found.dtype == np.uint8 and found.shape == test.mask.shape
    whole = overlap(confusion(test.mask, found, 3).sum(0))
    assert scored.main == scored.table["mean_iou"] == whole.mean_iou
    assert scored.table["pixel_accuracy"] == np.mean((found == test.mask)[test.mask != 255])
    assert scored.reduce(scored.units) == pytest.approx(scored.main) and len(scored.units) == len(test)
    assert scored.shares.mean() == pytest.approx(scored.main, abs=1e-12) and scored.shares.shape == (12,)
    some = np.array([0, 3, 3, 5])
    assert scored.reduce(scored.units[some]) == pytest.approx(learner.score(model, test.select(some)).main)


def test_a_class_that_nobody_sees_is_left_out_and_named():
    learner, model = fitted(shapes(), steps=10)
    test = shapes(6, seed=3).but(mask_classes=(*NAMES, "moon"))
    wider = torch.nn.Sequential(model, Padded())
    scored = learner.score(wider, test)
    seen = learner.score(model, shapes(6, seed=3))
    assert "moon" in scored.note and "moon" not in scored.per_class and seen.note == ""
    assert scored.main == pytest.approx(seen.main)


class Padded(torch.nn.Module):
    """One class more, never chosen."""

    def forward(self, logits):
        return torch.cat([logits, torch.full_like(logits[:, :1], -1e9)], 1)


def test_training_is_reproducible_and_images_of_unknown_masks_do_not_move_the_losses():
    data = shapes(8)
    nothing = np.full_like(data.mask, 255)
    one, other, without = (fitted(d, steps=3, weight_decay=0.0)[1] for d in (data, data, data.but(mask=nothing)))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    fresh = fitted(data, steps=0)[1]
    assert all(torch.equal(a, b) for a, b in zip(without.parameters(), fresh.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), fresh.parameters(), strict=True))


@pytest.mark.parametrize(("channels", "size"), [(1, (8, 8)), (3, (33, 17)), (13, (9, 40))])
def test_any_channels_and_sizes(channels, size):
    data = shapes(6, 0, channels, size)
    learner, model = fitted(data, steps=2)
    assert learner.predict(model, data).shape == (6, *size)


@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "fcn_resnet50"])
@pytest.mark.parametrize("channels", [1, 3])
def test_torchvision_networks(name, channels):
    torch.manual_seed(0)
    net = TorchvisionMaps(name, channels, 4).eval()
    x = torch.randn(2, channels, 32, 40)
    assert net(x).shape == (2, 4, 32, 40)
    features = net.features(x)
    assert features.ndim == 2 and len(features) == 2 and features.shape[1] >= 128


def test_a_torchvision_network_is_trained_by_the_same_recipe():
    data = shapes(8, size=(32, 32))
    learner, model = fitted(data, steps=2, backbone="lraspp_mobilenet_v3_large", batch_size=4)
    assert learner.name == "lraspp_mobilenet_v3_large" and not model.training
    scored = learner.score(model, data)
    assert 0 <= scored.main <= 1 and scored.shares.mean() == pytest.approx(scored.main)


def test_a_picture_shows_images_true_and_predicted_masks():
    learner, model = fitted(shapes(8), steps=1)
    few = learner.picture(model, shapes(8), rows=3)
    assert few.dtype == np.uint8 and few.shape[2] == 3
    assert few.shape[0] >= 3 * 16 and few.shape[1] >= 3 * 20
    assert learner.picture(model, shapes(8)).shape[0] > few.shape[0]
    unknown = shapes(8).but(mask=np.full_like(shapes(8).mask, 255))
    assert not np.array_equal(learner.picture(model, unknown, rows=3), few)


# --- what is refused ----------------------------------------------------------------------------------------------


def test_a_network_that_is_none():
    with pytest.raises(InputError, match=r"'unett'.*lraspp_mobilenet_v3_large"):
        Segmenter(backbone="unett").network(shapes(4).spec)


def test_sets_that_no_masks_can_be_learnt_from():
    data, learner = shapes(6), Segmenter()
    nothing = np.full_like(data.mask, 255)
    almost = np.concatenate([data.mask[:1], nothing[1:]])
    fold = np.array([0, 2, 2, 2, 2, 2], np.int8)
    for bad, words in (
        (data.but(mask=None, name="walks"), r"walks has no masks"),
        (data.but(mask_classes=("all",)), "one class"),
        (data.but(mask=nothing, mask_classes=()), "one class"),
        (data.but(mask=almost), "1 training images"),
        (data.but(fold=fold), "1 training images"),
    ):
        with pytest.raises(InputError, match=words):
            learner.prepared(bad)


def test_classes_and_identities_are_no_part_of_the_task():
    data = shapes(6).but(label=np.zeros(6, np.int64), classes=("a",), identity=np.arange(6))
    made = Segmenter().prepared(data)
    assert made.label is None and made.classes == () and made.identity is None and made.mask_classes == NAMES
    assert Segmenter().prepared(data.but(mask_classes=())).mask_classes == ("0", "1", "2")

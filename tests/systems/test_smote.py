"""SMOTE: exact statements of the paper."""

import numpy as np
import torch

import ganaug
from ganaug.core.device import on_device
from ganaug.data.embedded import digits
from ganaug.data.image_set import ImageSet
from ganaug.data.splits import few_shot
from ganaug.data.view import TrainView
from ganaug.parts.neighbours import same_class_neighbours
from ganaug.systems.transforms import smote


def skewed():
    data = digits()
    view = TrainView.of(data, data.in_fold("train"))
    return view.select(few_shot(view, {**{str(k): 20 for k in range(10)}, "8": 5}, 0))


def test_every_point_lies_between_two_images_of_its_class():
    train = skewed()
    made = ganaug.make("smote").fit(train).sample(per_class={"8": 40, "3": 10}, seed=1)
    x = made.batch(slice(None)).image.flatten(1)
    at = {int(i): row for row, i in enumerate(train.index)}
    pixels = train.batch(slice(None)).image.flatten(1)
    for row, (a, b) in enumerate(made.parents):
        start, end = pixels[at[int(a)]], pixels[at[int(b)]]
        assert train.label[at[int(a)]] == train.label[at[int(b)]] == made.label[row]
        u = torch.dot(x[row] - start, end - start) / (end - start).square().sum()
        assert -0.01 <= u <= 1.01
        assert (start + u * (end - start) - x[row]).abs().max() < 1 / 127  # 8-bit rounding


def test_neighbours_are_the_nearest_of_the_same_class_by_brute_force():
    train = skewed()
    x, y = train.batch(slice(None)).image.flatten(1), torch.as_tensor(train.label)
    table = same_class_neighbours(x, y, 4)
    for row in (0, 17, 90, len(x) - 1):
        own = [j for j in range(len(x)) if j != row and y[j] == y[row]]
        nearest = sorted(own, key=lambda j: float((x[j] - x[row]).norm()))[:4]
        assert table[row].tolist() == nearest


def test_class_of_one_image_repeats_it_and_small_classes_repeat_their_neighbours():
    x, y = torch.randn(4, 3), torch.tensor([0, 1, 1, 1])
    table = same_class_neighbours(x, y, 5)
    assert table[0].tolist() == [0] * 5
    assert set(table[1].tolist()) == {2, 3}


def test_shares_are_uniform_along_the_segment():
    train = skewed()
    made = ganaug.make("smote").fit(train).sample(per_class={"8": 600}, seed=2)
    counts = np.unique(made.parents[:, 0], return_counts=True)[1]
    assert len(counts) == 5
    assert counts.min() > 80  # expectation 120 a start
    pixels = train.batch(slice(None)).image.flatten(1)
    start, end = (pixels[np.searchsorted(train.index, made.parents[:, side])] for side in (0, 1))
    x = made.batch().image.flatten(1)
    u = ((x - start) * (end - start)).sum(1) / (end - start).square().sum(1)
    assert 0.45 < u.mean() < 0.55
    assert abs(u.var() - 1 / 12) < 0.02


def test_a_class_of_equal_images_is_no_obstacle():
    pixels = np.repeat(np.array([20, 220], np.uint8), 8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    train = ImageSet.of(pixels, [0] * 8 + [1] * 8)
    made = ganaug.make("smote", k=3).fit(train).sample(per_class=20)
    assert (made.parents[:, 0] != made.parents[:, 1]).all()
    assert np.array_equal(made.batch().image[:, 0, 0, 0] > 0, made.batch().label == 1)


def test_images_are_kept_where_they_are_asked_for(monkeypatch):
    """The neighbours themselves can't be found without numbers."""
    monkeypatch.setattr(smote, "same_class_neighbours", lambda x, label, k: label[:, None].expand(-1, k))
    monkeypatch.setenv("GANAUG_DEVICE", "meta")
    system = ganaug.make("smote", k=2)
    with on_device():
        system.prepare(skewed())
    assert {value.device.type for value in (system.images, system.labels, system.ids)} == {"meta"}


def test_balance_plan_makes_the_classes_equal():
    from ganaug.study.arms import numbers

    train = skewed()
    wanted = numbers("balance", train.counts())
    assert wanted == {"8": 15}
    made = ganaug.make("smote").fit(train).sample(per_class=wanted)
    assert made.counts()["8"] + train.counts()["8"] == max(train.counts().values())

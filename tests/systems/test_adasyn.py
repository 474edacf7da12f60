"""ADASYN: exact statements of the paper."""

import numpy as np
import torch

import ganaug
from ganaug.core.device import on_device
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView
from ganaug.systems.transforms import adasyn


def border_set():
    """Class 0 on a line far from class 1, but for two of its points, which stand among class 1."""
    rng = np.random.default_rng(0)
    far = rng.normal(0, 3, (12, 64))
    crowd = rng.normal(120, 3, (30, 64))
    border = rng.normal(120, 3, (2, 64))
    pixels = np.clip(np.concatenate([far, border, crowd]) + 60, 0, 255).astype(np.uint8).reshape(-1, 8, 8, 1)
    return ImageSet.of(pixels, [0] * 14 + [1] * 30)


def test_r_is_the_share_of_foreign_neighbours_by_brute_force():
    train = border_set()
    system = ganaug.make("adasyn").fit(train)
    x = train.batch(slice(None)).image.flatten(1)
    r = system.foreign_share(x)
    for row in range(len(x)):
        order = (x - x[row]).norm(dim=1).argsort()
        nearest = [int(j) for j in order if j != row][:5]
        assert r[row] == np.mean([train.label[j] != train.label[row] for j in nearest]).astype(np.float32)
    assert r[12:14].min() > 0.5
    assert r[:12].max() == 0.0


def test_allocation_is_proportional_to_r_within_rounding_for_any_number():
    train = border_set()
    system = ganaug.make("adasyn").fit(train)
    r = system.foreign_share(train.batch(slice(None)).image.flatten(1))[:14]
    for n in (7, 50, 333):
        made = system.sample(per_class={"0": n}, seed=3)
        found = np.bincount(made.parents[:, 0], minlength=14)[:14]
        assert found.sum() == n
        assert np.abs(found - n * (r / r.sum()).numpy()).max() <= 2


def test_images_lie_between_two_images_of_the_class():
    train = border_set()
    made = ganaug.make("adasyn").fit(train).sample(per_class=20, seed=4)
    x, pixels = made.batch(slice(None)).image.flatten(1), train.batch(slice(None)).image.flatten(1)
    for row, (a, b) in enumerate(made.parents):
        assert train.label[a] == train.label[b] == made.label[row]
        d = pixels[b] - pixels[a]
        u = torch.dot(x[row] - pixels[a], d) / d.square().sum().clamp_min(1e-9)
        assert (pixels[a] + u * d - x[row]).abs().max() < 1 / 100


def test_shares_are_uniform_along_the_segment():
    train = border_set()
    made = ganaug.make("adasyn").fit(train).sample(per_class={"1": 600}, seed=2)
    pixels, x = train.batch(slice(None)).image.flatten(1), made.batch().image.flatten(1)
    start, end = (pixels[made.parents[:, side]] for side in (0, 1))
    u = ((x - start) * (end - start)).sum(1) / (end - start).square().sum(1)
    assert 0.45 < u.mean() < 0.55
    assert abs(u.var() - 1 / 12) < 0.02


def test_a_twin_of_another_class_is_the_nearest_neighbour_and_not_the_image_itself():
    pixels = np.random.default_rng(0).integers(0, 255, (20, 8, 8, 1)).astype(np.uint8)
    train = ImageSet.of(np.concatenate([pixels, pixels]), [0] * 20 + [1] * 20)
    system = ganaug.make("adasyn", k=1).fit(train)
    assert (system.foreign_share(train.batch(slice(None)).image.flatten(1)) == 1).all()


def test_without_foreign_neighbours_every_image_starts_equally_often():
    pixels = np.concatenate([np.full((6, 8, 8, 1), 20), np.full((6, 8, 8, 1), 220)]).astype(np.uint8)
    pixels += np.random.default_rng(0).integers(0, 9, pixels.shape).astype(np.uint8)
    system = ganaug.make("adasyn", k=3).fit(ImageSet.of(pixels, [0] * 6 + [1] * 6))
    made = system.sample(per_class={"0": 60}, seed=1)
    found = np.bincount(made.parents[:, 0], minlength=6)[:6]
    assert found.min() >= 8
    assert found.max() <= 12


def test_images_are_kept_where_they_are_asked_for(monkeypatch):
    """Neighbours and shares themselves can't be found without numbers."""
    monkeypatch.setattr(adasyn, "same_class_neighbours", lambda x, label, k: label[:, None].expand(-1, k))
    monkeypatch.setenv("GANAUG_DEVICE", "meta")
    system = ganaug.make("adasyn", k=2)
    monkeypatch.setattr(system, "foreign_share", lambda flat: flat[:, 0], raising=False)
    monkeypatch.setattr(system, "cumulated", lambda r: r, raising=False)
    with on_device():
        system.prepare(TrainView.of(border_set()))
    assert {value.device.type for value in (system.images, system.labels, system.ids, system.ends)} == {"meta"}

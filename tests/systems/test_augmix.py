# SPDX-License-Identifier: Apache-2.0
"""AugMix: chains of one to three operations, mixed by weights that sum to 1."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.parts.ops.policy_ops import OPS, apply_op
from ganaug.systems.transforms import augmix


def smooth(n: int, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    """Random smooth images in [-1, 1]."""
    with seeded(0, "test images"):
        coarse = torch.rand(n, channels, 4, 4) * 2 - 1
    return F.interpolate(coarse, (height, width), mode="bilinear")


def test_the_result_is_a_convex_mixture_of_the_image_and_its_chains(monkeypatch):
    """Chains that give 1, 2 and 4 times a unit reveal the weights: uniform on the simplex, times 1 - Beta(1, 1)."""
    system = ganaug.make("augmix").fit(None)
    units = torch.tensor([1.0, 2.0, 4.0])[None, :, None, None, None]
    monkeypatch.setattr(system, "chains", lambda image: units.expand(len(image), 3, 1, 2, 2), raising=False)
    mixed = system.augment(Batch(image=torch.ones(8000, 1, 2, 2))).image[:, 0, 0, 0]
    assert mixed.min() >= 1 and mixed.max() <= 4  # between the smallest and the largest of the parts
    # E = 1/2 * 1 + 1/2 * mean(1, 2, 4)
    assert abs(mixed.mean() - (0.5 + 0.5 * 7 / 3)) < 0.03
    monkeypatch.setattr(system, "chains", lambda image: torch.full((len(image), 3, 1, 2, 2), 0.5), raising=False)
    own = system.augment(Batch(image=torch.zeros(8000, 1, 2, 2))).image[:, 0, 0, 0] / 0.5  # 1 - Beta(1, 1)
    assert abs(own.mean() - 0.5) < 0.02 and abs(own.var() - 1 / 12) < 0.01
    assert len(own.unique()) > 7000  # a weight an image


def test_chains_are_one_to_three_operations_without_those_of_corruption_benchmarks(monkeypatch):
    passes = []

    def recorded(batch, op, magnitude):
        passes.append(op)
        return apply_op(batch, op, magnitude)

    monkeypatch.setattr(augmix, "apply_op", recorded)
    ganaug.make("augmix", width=2).fit(None).augment(Batch(image=smooth(1500, 1, 4, 4)))
    assert [len(op) for op in passes] == [3000] * 3
    active = torch.stack(passes) != 0
    assert torch.allclose(active.float().mean(1), torch.tensor([1, 2 / 3, 1 / 3]), atol=0.03)
    used = {OPS[i] for i in torch.cat(passes).unique().tolist()}
    assert used == {"Identity", *augmix.CHAIN_OPS}
    assert not used & {"Brightness", "Color", "Contrast", "Sharpness"}


@pytest.mark.parametrize(("channels", "inverts"), [(1, True), (3, True), (4, False), (13, False)])
def test_only_photographs_are_solarized(monkeypatch, channels, inverts):
    monkeypatch.setattr(augmix, "CHAIN_OPS", ("Solarize",))
    image = smooth(20, channels)
    chained = ganaug.make("augmix").fit(None).chains(image)
    assert torch.allclose(chained, image[:, None].expand_as(chained), atol=1e-6) != inverts


def test_magnitudes_are_those_of_the_authors():
    system, op = ganaug.make("augmix", severity=3.0), torch.arange(14).repeat_interleave(500)
    with seeded(0, "strengths"):
        found = dict(zip(OPS, system.strengths(op, 60, 90).view(14, 500), strict=True))
    assert 0.085 < found["ShearX"].max() <= 0.09 and -0.09 <= found["ShearY"].min() < -0.085
    assert 8.5 < found["TranslateX"].max() <= 9 and 5.5 < found["TranslateY"].max() <= 6
    assert found["Rotate"].abs().max() == 8 and not (found["Rotate"] % 1).any()
    assert set(found["Posterize"].tolist()) == {3.0, 4.0}
    assert found["Solarize"].min() == 256 - 76 and found["Solarize"].max() <= 254


def test_the_change_grows_with_the_severity():
    batch = Batch(image=smooth(100))
    change = []
    for severity in (1.0, 4.0, 10.0):
        found = ganaug.make("augmix", severity=severity).fit(None).augment(batch)
        change.append(float((found.image - batch.image).abs().mean()))
    assert change == sorted(change) and change[2] > 1.3 * change[0]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 32), (13, 32, 20)])
def test_any_channels_and_sizes_same_seed_same_bits_and_nothing_in_place(shape):
    batch = Batch(image=smooth(32, *shape), label=torch.arange(32))
    kept = batch.image.clone()
    system = ganaug.make("augmix", preset="tiny").fit(None)
    found = system.augment(batch, seed=3)
    assert found.image.shape == batch.image.shape and found.image.abs().max() <= 1 + 1e-6
    assert torch.equal(found.image, system.augment(batch, seed=3).image)
    assert not torch.equal(found.image, system.augment(batch, seed=4).image)
    assert torch.equal(batch.image, kept) and torch.equal(found.label, batch.label)


@pytest.mark.parametrize("field", ["mask", "boxes", "keypoints"])
def test_positions_are_refused(field):
    with pytest.raises(InputError, match=field):
        ganaug.make("augmix").fit(None).augment(Batch(image=smooth(4, 1, 8, 8), **{field: torch.zeros(4, 8, 8)}))


@pytest.mark.parametrize("params", [{"severity": 0.0}, {"severity": 11.0}, {"width": 0}])
def test_impossible_parameters_are_refused(params):
    with pytest.raises(InputError, match=r"severity|width"):
        ganaug.make("augmix", **params).fit(None)

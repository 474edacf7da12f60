# SPDX-License-Identifier: Apache-2.0
"""AutoAugment: the published tables, one sub-policy an image, each operation at its own rate."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms import AutoAugmentPolicy, InterpolationMode, v2

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.parts.ops import policy_ops
from ganaug.parts.ops.photometric import grey_levels
from ganaug.parts.ops.policy_ops import POLICY_OPS, apply_op
from ganaug.systems.transforms.autoaugment import POLICIES


def smooth(n: int, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    """Random smooth images of grey levels 0..254, as [-1, 1]."""
    with seeded(0, "test images"):
        coarse = torch.rand(n, channels, 4, 4)
    return (F.interpolate(coarse, (height, width), mode="bilinear") * 254).round() / 127.5 - 1


@pytest.fixture
def calls(monkeypatch):
    """The (operation, magnitude) of every application."""
    seen = []

    def recorded(batch, op, magnitude):
        seen.append((op, magnitude))
        return apply_op(batch, op, magnitude)

    monkeypatch.setattr(policy_ops, "apply_op", recorded)
    return seen


def test_the_tables_are_the_published_ones():
    assert set(POLICIES) == {"cifar10", "imagenet", "svhn"}
    for policy in POLICIES.values():
        assert len(policy) == 25 and all(len(sub) == 2 for sub in policy)
        assert all(name in POLICY_OPS[1:15] and 0 <= p <= 1 and 0 <= at <= 9 for sub in policy for name, p, at in sub)
    assert POLICIES["cifar10"][:2] == [
        [("Invert", 0.1, 0), ("Contrast", 0.2, 6)],
        [("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)],
    ]
    assert POLICIES["imagenet"][0] == [("Posterize", 0.4, 8), ("Rotate", 0.6, 9)]
    assert POLICIES["svhn"][1] == [("ShearY", 0.9, 8), ("Invert", 0.7, 0)]


@pytest.mark.parametrize("policy", POLICIES)
def test_operations_come_at_the_rates_of_the_table(calls, policy):
    n = 20000
    ganaug.make("autoaugment", policy=policy).fit(None).augment(Batch(image=smooth(1, 3, 4, 4).expand(n, 3, 4, 4)))
    assert len(calls) == 2
    for j, (op, _) in enumerate(calls):
        for i, name in enumerate(POLICY_OPS[1:], 1):
            wanted = sum(sub[j][1] * (sub[j][0] == name) for sub in POLICIES[policy]) / 25
            found = float((op == i).float().mean())
            assert abs(found - wanted) <= 4 * math.sqrt(wanted * (1 - wanted) / n), (name, j)  # 30 rates are looked at


def test_magnitudes_are_torchvisions(calls):
    """Ten bins: posterize keeps 8 to 4 bits, enhancers are signed, translations reach 150/331 of the side."""
    ganaug.make("autoaugment").fit(None).augment(Batch(image=smooth(3000)))
    values = {name: set() for name in POLICY_OPS}
    for op, magnitude in calls:
        for i, m in zip(op.tolist(), magnitude.tolist(), strict=True):
            values[POLICY_OPS[i]].add(round(m, 3))
    assert values["Posterize"] == {5.0}  # bin 7 of 9
    assert values["Rotate"] == {-6.667, 6.667}  # bin 2
    assert values["Brightness"] == {sign * at for sign in (-1, 1) for at in (0.3, 0.6, 0.7, 0.9)}
    assert max(values["TranslateY"]) == round(150 / 331 * 32, 3)
    assert values["Solarize"] == {28.333, 113.333, 170.0, 198.333}
    assert values["Invert"] == values["Equalize"] == {0.0}


@pytest.mark.parametrize("policy", POLICIES)
def test_it_does_on_average_what_torchvision_does(policy):
    """The mean and the spread of every pixel over many draws of one image; another policy's are elsewhere."""
    image, n = smooth(1, 3, 12, 12), 800
    theirs = v2.AutoAugment(AutoAugmentPolicy(policy), interpolation=InterpolationMode.BILINEAR, fill=127)
    levels = grey_levels(image[0]).to(torch.uint8)
    with seeded(1, "torchvision"):
        wanted = torch.stack([theirs(levels) for _ in range(n)]).float()
    found = {
        name: grey_levels(
            ganaug.make("autoaugment", policy=name).fit(None).augment(Batch(image=image.expand(n, -1, -1, -1))).image
        )
        for name in POLICIES
    }
    gap = {name: float((made.mean(0) - wanted.mean(0)).abs().mean()) for name, made in found.items()}
    wide = {name: float((made.std(0) - wanted.std(0)).abs().mean()) for name, made in found.items()}
    assert gap[policy] < 5 and wide[policy] < 5
    assert all(gap[name] + wide[name] > 1.5 * (gap[policy] + wide[policy]) for name in POLICIES if name != policy)


def test_thirteen_bands_are_never_inverted(monkeypatch):
    used = set()

    def watched(name, change):
        return lambda image, magnitude: (used.add(name), change(image, magnitude))[1]

    for name, change in policy_ops.PIXELS.items():
        monkeypatch.setitem(policy_ops.PIXELS, name, watched(name, change))
    for channels, wanted in ((13, set()), (3, {"Invert", "Solarize", "Color"})):
        used.clear()
        batch = Batch(image=smooth(2000, channels, 8, 12))
        for policy in POLICIES:
            found = ganaug.make("autoaugment", policy=policy).fit(None).augment(batch)
            assert found.image.shape == batch.image.shape
        assert {"Equalize", "AutoContrast"} <= used
        assert used & {"Invert", "Solarize", "Color"} == wanted


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 32)])
def test_same_seed_same_bits_and_nothing_in_place(shape):
    batch = Batch(image=smooth(64, *shape), label=torch.arange(64))
    kept = batch.image.clone()
    system = ganaug.make("autoaugment", preset="tiny").fit(None)
    found = system.augment(batch, seed=3)
    assert found.image.abs().max() <= 1 and torch.equal(found.label, batch.label)
    assert torch.equal(found.image, system.augment(batch, seed=3).image)
    assert not torch.equal(found.image, system.augment(batch, seed=4).image)
    assert torch.equal(batch.image, kept)


def test_a_policy_in_words_and_an_unknown_one():
    words = ganaug.make("autoaugment").fit(None).words()
    assert len(words) == 25
    assert (
        words[0] == "Invert its values (in 10 % of cases), then raise or lower its contrast by 60 % (in 20 % of cases)."
    )
    with pytest.raises(InputError, match="policy must be one of imagenet, cifar10, svhn, found 'mnist'"):
        ganaug.make("autoaugment", policy="mnist").fit(None)

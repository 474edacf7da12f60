# SPDX-License-Identifier: Apache-2.0
"""A collapsed generator is called collapsed, in all or in a class, and a varied one is not."""

from __future__ import annotations

import json

import pytest
import torch

from ganaug.audit import collapse as module
from ganaug.audit.collapse import collapse
from ganaug.data.errors import InputError


@pytest.fixture
def sets():
    """Generated and real images of three classes with the same distribution."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(40)
    means = 2 * torch.randn(3, 3, 8, 10, generator=generator)
    draw = lambda: means[labels] + 0.3 * torch.randn(120, 3, 8, 10, generator=generator)  # noqa: E731
    return draw(), draw(), labels


def test_equal_distributions_have_ratio_one(sets):
    fake, real, labels = sets
    found = collapse(fake, real, labels, labels)
    assert found["ratio"] == pytest.approx(1, abs=0.05)
    assert found["per_class"] == pytest.approx({"0": 1, "1": 1, "2": 1}, abs=0.05)
    assert not found["collapsed"] and "no collapse" in found["sentence"]
    assert json.loads(json.dumps(found)) == found


def test_one_image_for_all_is_a_collapse(sets):
    fake, real, _ = sets
    found = collapse(fake[:1] + 0.01 * torch.randn(50, 3, 8, 10), real)
    assert found["collapsed"] and found["ratio"] < 0.05 and found["per_class"] == {}
    assert "has collapsed" in found["sentence"]


def test_one_image_in_one_class_is_a_collapse_that_the_overall_ratio_hides(sets):
    fake, real, labels = sets
    fake[labels == 1] = fake[labels == 1][:1]
    found = collapse(fake, real, labels, labels)
    assert found["ratio"] > 0.8
    assert found["per_class"]["1"] == pytest.approx(0, abs=1e-3) and found["per_class"]["0"] > 0.9
    assert found["collapsed"] and "class 1 " in found["sentence"]


def test_large_sets_are_thinned(sets, monkeypatch):
    fake, real, labels = sets
    whole = collapse(fake, real, labels, labels)
    monkeypatch.setattr(module, "SAMPLE", 20)
    thinned = collapse(fake, real, labels, labels)
    assert thinned["ratio"] != whole["ratio"]
    assert thinned["ratio"] == pytest.approx(whole["ratio"], abs=0.1)
    assert thinned["per_class"] == pytest.approx(whole["per_class"], abs=0.1)


def test_mistakes_are_named(sets):
    fake, real, labels = sets
    with pytest.raises(InputError, match="at least 2"):
        collapse(fake[:1], real)
    with pytest.raises(InputError, match="same one"):
        collapse(fake, real[:1].repeat(5, 1, 1, 1))
    with pytest.raises(InputError, match="both"):
        collapse(fake, real, labels)


def test_a_class_of_which_few_images_were_made_is_not_judged(sets):
    """Two copies of one of five real images are no rarity, and no collapse."""
    fake, real, labels = sets
    fake = torch.cat([fake[:80], real[80:81].expand(9, -1, -1, -1)])
    found = collapse(fake, real, torch.cat([labels[:80], torch.full((9,), 2)]), labels)
    assert set(found["per_class"]) == {"0", "1"} and not found["collapsed"]

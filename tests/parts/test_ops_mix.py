# SPDX-License-Identifier: Apache-2.0
"""Soft labels of mixtures."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.parts.ops.mix import mixed, mixed_labels, refuse_positions, soft_labels


def test_labels_become_one_hot_rows():
    assert torch.equal(soft_labels(Batch(label=torch.tensor([2, 0])), 3), torch.tensor([[0.0, 0, 1], [1, 0, 0]]))


def test_soft_labels_of_any_width_are_kept():
    soft = torch.tensor([[0.25, 0.25, 0.25, 0.25]])
    assert soft_labels(Batch(label=torch.tensor([1]), soft_label=soft), 3) is soft


@pytest.mark.parametrize("label", [torch.tensor([0, -1]), torch.tensor([0, 3]), None])
def test_unknown_labels_are_refused(label):
    with pytest.raises(InputError, match="label"):
        soft_labels(Batch(image=torch.zeros(2, 1, 4, 4), label=label), 3)


def test_cross_entropy_against_a_mixture_is_the_mixture_of_cross_entropies():
    generator = torch.Generator().manual_seed(0)
    labels, logits = torch.randint(5, (8,), generator=generator), torch.randn(8, 5, generator=generator)
    orders, shares = [torch.randperm(8, generator=generator) for _ in range(3)], [0.5, 0.3, 0.2]
    soft = mixed_labels(F.one_hot(labels, 5).float(), orders, shares)
    parts = [w * F.cross_entropy(logits, labels[o]) for o, w in zip(orders, shares, strict=True)]
    assert abs(F.cross_entropy(logits, soft) - sum(parts)) < 1e-6


@pytest.mark.parametrize("field", ["mask", "boxes", "keypoints", "instances"])
def test_positions_are_refused_by_name(field):
    with pytest.raises(InputError, match=f"mixer .* {field}"):
        refuse_positions(Batch(image=torch.zeros(1, 1, 4, 4), **{field: torch.zeros(1, 4, 4)}), "mixer")


def test_views_are_refused_and_labels_are_not():
    image = torch.zeros(1, 1, 4, 4)
    refuse_positions(Batch(image=image, label=torch.zeros(1).long()), "mixer")
    with pytest.raises(InputError, match="low"):
        refuse_positions(Batch(image=image, views={"low": Batch(image=image)}), "mixer")


def test_mixed_names_the_parents_and_drops_what_describes_one_source():
    batch = Batch(
        image=torch.zeros(3, 1, 4, 4),
        label=torch.tensor([0, 1, 2]),
        identity=torch.tensor([5, 6, 7]),
        index=torch.tensor([30, 10, 20]),
    )
    own, other = torch.arange(3), torch.tensor([1, 2, 0])
    found = mixed(batch, batch.image, (own, other), (0.75, 0.25), 3)
    assert found.parents.tolist() == [[30, 10], [10, 20], [20, 30]]
    assert found.label is None and found.identity is None
    assert found.soft_label.tolist() == [[0.75, 0.25, 0], [0, 0.75, 0.25], [0.25, 0, 0.75]]
    assert torch.equal(mixed(batch.but(index=None), batch.image, (own, other), (0.75, 0.25), 3).parents[:, 1], other)

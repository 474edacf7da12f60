# SPDX-License-Identifier: Apache-2.0
"""MpRL: images as in LSRO, labels by the rank of each identity's likelihood, late and of a tenth of the weight."""

from __future__ import annotations

from dataclasses import replace

import torch

from ganaug.data.batch import Batch
from ganaug.parts.labels.policies import label_policy
from ganaug.systems.identity import lsro, mprl

POLICY = label_policy(mprl.RECIPE.labels)


def labels(*probabilities):
    logits = torch.tensor(probabilities)[None].log()
    return POLICY.target(Batch(image=torch.zeros(1, 1, 2, 2)), len(probabilities), logits)[0]


def test_all_but_the_label_is_lsro():
    assert replace(mprl.RECIPE, labels="uniform") == lsro.RECIPE
    assert mprl.CARD.labels == mprl.RECIPE.labels == "rank_late"
    assert any("one step for each of its critic's" in said for said in mprl.CARD.deviations)


def test_an_identity_gets_two_r_over_k_times_k_plus_one():
    expected = torch.tensor([2.0, 4.0, 3.0, 1.0]) * 2 / (4 * 5)
    torch.testing.assert_close(labels(0.1, 0.7, 0.15, 0.05), expected)
    assert float(expected.sum()) == 1.0


def test_of_equal_likelihoods_it_is_lsros_label_but_for_the_order():
    found = labels(*[0.2] * 5).sort().values
    torch.testing.assert_close(found, torch.arange(1.0, 6.0) / 15)
    torch.testing.assert_close(found.mean(), torch.tensor(1 / 5))


def test_ranks_are_those_of_the_network_in_training_from_epoch_21_of_50_on_with_a_tenth_of_the_weight():
    assert POLICY.asks == "learner"
    assert [POLICY.weight_at(epoch / 50) for epoch in (0, 20, 21, 49)] == [0.0, 0.0, 0.1, 0.1]

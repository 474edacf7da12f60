# SPDX-License-Identifier: Apache-2.0
"""LSRO: images of one unconditional DCGAN, twice as many as real ones, all with the label 1/K from the first update."""

from __future__ import annotations

import torch
from judges import few_digits
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.parts.labels.policies import label_policy
from ganaug.study.arms import numbers
from ganaug.systems.identity.lsro import CARD, RECIPE


def test_generated_images_join_the_real_ones_in_one_list_and_are_twice_as_many():
    assert RECIPE.share is None
    assert RECIPE.keep == 1.0
    assert RECIPE.plan == "x2"
    assert numbers(RECIPE.plan, {"a": 7, "b": 30}) == {"a": 14, "b": 60}


def test_gradient_of_a_generated_image_is_softmax_minus_one_over_k():
    assert CARD.labels == RECIPE.labels == "uniform"
    policy = label_policy(RECIPE.labels)
    logits = torch.linspace(-2, 3, 15).view(3, 5).requires_grad_(True)
    soft = policy.target(Batch(image=torch.zeros(3, 1, 2, 2)), 5, None)
    F.cross_entropy(logits, soft, reduction="sum").backward()
    torch.testing.assert_close(logits.grad, logits.detach().softmax(1) - 1 / 5)
    assert [policy.weight_at(progress) for progress in (0.0, 1.0)] == [1.0, 1.0]
    assert not policy.needs_label and not policy.extra and not policy.asks


def test_the_generator_knows_no_identity_and_takes_one_step_for_each_of_its_critics():
    """The second is what the card calls a deviation."""
    assert any("one step for each of its critic's" in said for said in CARD.deviations)
    system, given = ganaug.make(RECIPE.system, preset="tiny", **RECIPE.params).fit(few_digits(50), budget=1), []
    assert not system.conditional and not system.needs
    system.update = lambda loss, optimiser: given.append(optimiser)
    with seeded(0, "step"):
        system.step(few_digits(50).batch(range(8)), 0)
    assert given == [system.opt_critic, system.opt_gen]

# SPDX-License-Identifier: Apache-2.0
"""Seeds: other for every purpose, the same on every machine, and without a trace outside."""

from __future__ import annotations

import itertools

import pytest
import torch
from toys import Toy, grey_levels

from ganaug.core.seeding import derive, generator, seeded


def test_every_purpose_has_its_own_seed():
    asked = [
        (s, *p) for s in range(30) for p in (("step", 1), ("step", 2), ("step", 1, 1), ("build",), ("sample", "all", 1))
    ]
    assert len({derive(*purpose) for purpose in asked}) == len(asked)
    assert all(0 <= derive(*purpose) < 2**63 for purpose in asked)


def test_seeds_are_the_same_everywhere():
    assert derive(0, "step", 1) == 8378330571340851119


def test_seeded_leaves_the_global_state():
    torch.manual_seed(4)
    before = torch.get_rng_state()
    with seeded(1, "a"):
        first = torch.rand(3)
        with seeded(1, "b"):
            other = torch.rand(3)
        rest = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    with seeded(1, "a"):
        whole = torch.rand(6)
    assert torch.equal(whole[:3], first)
    assert torch.equal(whole[3:], rest), "an inner context does not disturb the outer one"
    assert not torch.equal(first, other)


def test_seeded_leaves_the_global_state_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="x"), seeded(1):
        torch.rand(1)
        raise ValueError("x")
    assert torch.equal(torch.get_rng_state(), before)


def test_generator_is_its_own():
    before = torch.get_rng_state()
    a, b = generator(3, "a"), generator(3, "b")
    assert not torch.equal(torch.rand(4, generator=a), torch.rand(4, generator=b))
    assert torch.equal(torch.get_rng_state(), before)


def test_numpy_rng_follows_the_seed_of_its_step():
    class Drawing(Toy):
        def step(self, batch, t):
            self.rows_.append([float(self.numpy_rng().random()), float(self.numpy_rng().random())])
            return {}

    a, b, c = (Drawing().fit(grey_levels(), budget=3, seed=seed).rows_ for seed in (1, 1, 2))
    assert a == b != c
    assert len(set(itertools.chain(*a))) == 6

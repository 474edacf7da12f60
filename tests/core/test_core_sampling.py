# SPDX-License-Identifier: Apache-2.0
"""Images from noise alone: the rows that ask for them say how many, and nothing else."""

from __future__ import annotations

import pytest
import torch
from toys import Toy, grey_levels

import ganaug
from ganaug.core.card import Card


class Noise(Toy):
    """Each image is its place in the chunk as a share of the chunk's length."""

    CARD = Card(id="toy", title="Toy", can=("sample",), shows="nothing.")
    chunk = 10

    def generate(self, want):
        self.asked_for.append([name for name, _ in want.tensors()])
        return want.but(image=torch.linspace(0, 1, len(want))[:, None, None, None].expand(-1, 1, 8, 8))


class Maps(Noise):
    """It needs masks, and makes its own."""

    CARD = Card(id="toy", title="Toy", needs=("label",), makes=("label",), can=("sample",), shows="nothing.")
    conditional = False


@pytest.mark.parametrize("kind", [Noise, Maps])
def test_an_image_does_not_depend_on_how_many_are_asked_for(kind):
    system = kind().fit(grey_levels(), budget=0)
    system.asked_for = []
    many = system.sample(like=grey_levels())
    assert len(many) == 24
    for n in (1, 3, 13):
        few = system.sample(like=grey_levels().select(range(n)))
        assert torch.equal(few.images(), many.images(range(n)))
        assert few.index.tolist() == list(range(n))
    assert all(names == ["index"] for names in system.asked_for)


def test_neither_does_one_of_a_network_that_normalises_by_the_batch():
    system = ganaug.make("dcgan", preset="tiny").fit(grey_levels(60), budget=2)
    many = system.sample(like=grey_levels()).images()
    assert torch.equal(system.sample(like=grey_levels(1)).images(), many[:3])

# SPDX-License-Identifier: Apache-2.0
"""What a set lacks for a system is said before anything is built."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from toys import Toy, grey_levels

from ganaug.core.card import Card
from ganaug.core.requirements import few, missing
from ganaug.data.image_set import ImageSet
from ganaug.data.pixels import RaggedPixels


def with_card(**facts):
    kind = type("Carded", (Toy,), {"CARD": Card(**{"id": "carded", "title": "Carded", "can": ("sample",), **facts})})
    return kind()


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"needs": ("mask",)}, "carded needs the field 'mask', and this set has label."),
        ({"needs": ("views.low",)}, "carded needs the field 'views.low'"),
        ({"sets": ("b",)}, "carded needs a second set 'b'"),
        ({"channels": "1, 3"}, "carded works on images of 1, 3 channels, these have 2"),
        ({"sizes": (16, 64)}, "carded works from 16 to 64 pixels, these are 8x8"),
        ({"sizes": (2, 4)}, "carded works from 2 to 4 pixels, these are 8x8"),
    ],
)
def test_each_lack_is_one_sentence(facts, sentence):
    (said,) = missing(with_card(**facts), grey_levels(channels=2))
    assert said.startswith(sentence)


def test_nothing_is_missing():
    data = grey_levels(channels=3)
    card = with_card(needs=("label", "views.low"), sets=("b",), channels="1, 3", sizes=(8, 8))
    assert missing(card, data.but(views={"low": data}, others={"b": data})) == []


def test_mixed_sizes_and_empty_sets_are_told():
    ragged = ImageSet(image=RaggedPixels([np.zeros((s, s, 1), np.uint8) for s in (8, 9)]))
    assert "images of one size" in missing(with_card(), ragged)[0]
    assert "needs training images" in missing(with_card(), grey_levels().select([]))[0]


def test_few_images_are_counted_by_class_or_as_a_whole():
    data = grey_levels(5)
    some = data.select(np.arange(12))
    assert few(with_card(min_rows=5), data) == []
    assert few(with_card(min_rows=5), some) == ["carded is advised from 5 images a class on; fewer: bright (2)."]
    assert "all images (12)" in few(with_card(min_rows=13), some.but(label=None))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_card(min_rows=5).fit(data, budget=0)
    with pytest.warns(UserWarning, match="advised from 6") as caught:
        with_card(min_rows=6).fit(data, budget=0)
    assert caught[0].filename == __file__, "the warning points at the caller of fit"

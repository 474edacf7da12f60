# SPDX-License-Identifier: Apache-2.0
"""Images from noise alone: the rows that ask for them say how many, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import Toy, grey_levels

import ganaug
from ganaug.core.card import Card
from ganaug.data.geo import Place, place_of, with_place
from ganaug.data.image_set import ImageSet


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


class Mirror(Toy):
    """It has learnt from the images, and gives them back, or their view."""

    CARD = Card(id="toy", title="Toy", needs=("views.b",), can=("sample", "augment"), shows="nothing.")

    def generate(self, want):
        return want.but(image=want.views["b"].image, views={})

    def vary(self, batch):
        return batch


def heights(low, high):
    """Two images of 16 bit numbers from low to high; the view holds the same as float."""
    pixels = np.linspace(low, high, 128).reshape(2, 8, 8, 1)
    return ImageSet.of(pixels.astype(np.uint16), views={"b": ImageSet.of(pixels.astype(np.float32))})


def test_a_number_of_another_set_means_what_it_meant_in_training():
    train, other = heights(100, 1100), heights(600, 1100)
    system = Mirror().fit(train, budget=0)
    made = system.augment(other)
    assert made.scaling == train.scaling
    np.testing.assert_allclose(made.image[:].astype(float), other.image[:], atol=1)
    np.testing.assert_allclose(system.sample(like=other).image[:].astype(float), other.image[:], atol=1)


def test_images_of_a_view_alone_are_taken_as_that_view_and_made_where_they_lie():
    train, place = heights(100, 1100), Place("EPSG:32630", (10.0, 0.0, 5e5, 0.0, -10.0, 4e6), -9999.0)
    view = train.views["b"].but(origin=np.array([with_place("{}", place.window(0, 8 * k)) for k in range(2)]))
    made = Mirror().fit(train, budget=0).sample(like=view)
    assert torch.equal(made.images(), Mirror().fit(train, budget=0).sample(like=train).images())
    assert [place_of(text).transform[2] for text in made.origin] == [5e5, 5e5 + 80]
    assert place_of(made.origin[0]).nodata is None, "it is a value of other numbers"
    assert '"system": "toy"' in made.origin[0]


class Labels(Toy):
    """Each image is as bright as its label's number."""

    def generate(self, want):
        return want.but(image=(want.label / 2 - 1)[:, None, None, None].expand(-1, 1, 8, 8))


def test_classes_of_another_set_are_known_by_their_names():
    images = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 1), np.uint8)
    system = Labels().fit(ImageSet.of(images, [0, 1, 2, 0, 1, 2], ("bird", "cat", "dog")), budget=0)
    like = ImageSet.of(images, [0, 1, 0, 1, 1, 1], ("cat", "dog"))
    made = system.sample(like=like)
    assert made.classes == ("bird", "cat", "dog") and made.label.tolist() == [1, 2, 1, 2, 2, 2]
    assert made.images()[:, 0, 0, 0].round(decimals=1).tolist() == [-0.5, 0, -0.5, 0, 0, 0]
    numbered = system.sample(like=ImageSet.of(images, [0, 1, 0, 1, 1, 1]))
    assert numbered.label.tolist() == [0, 1, 0, 1, 1, 1], "numbers without names are the numbers of the training set"
    with pytest.raises(ganaug.InputError, match="the given set has class 'eel'"):
        system.sample(like=ImageSet.of(images, [0] * 6, ("eel",)))


def test_variants_keep_the_classes_of_the_given_set_where_the_look_is_another():
    """As a translator of grey images into colours that was fitted without labels."""

    class Painter(Mirror):
        CARD = Card(id="toy", title="Toy", can=("augment",), shows="nothing.")

        @property
        def out_spec(self):
            return self.spec.but(channels=3, bands=("r", "g", "b"))

        def vary(self, batch):
            return batch.but(image=batch.image.expand(-1, 3, -1, -1))

    system = Painter().fit(grey_levels(8).but(label=None, classes=()), budget=1)
    mask = np.zeros((24, 8, 8), np.uint8)
    made = system.augment(grey_levels(8).but(mask=mask, mask_classes=("x", "y")))
    assert made.classes == grey_levels().classes and made.mask_classes == ("x", "y")
    assert made.bands == ("r", "g", "b") and made.image.shape[2] == 3
    with pytest.raises(ganaug.InputError, match="has learnt images of 1 channel, the given ones have 3: convert"):
        system.augment(ImageSet.of(np.zeros((2, 8, 8, 3), np.uint8)))

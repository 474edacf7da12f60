# SPDX-License-Identifier: Apache-2.0
"""Texture synthesis: the exemplar's statistics without its layout, at any size, under its class."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage

import ganaug
from ganaug.core.combine import PerImage
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.metrics.wavelets import wavelet_distance
from ganaug.parts.textures.colours import Palette
from ganaug.parts.textures.losses import gram

SIDE = 32
CLASSES = ("bricks", "gravel")


def bricks(side=SIDE, seed=0):
    """Courses of stones of 9x14 px with soft joints, each second one shifted by half, uint8 [side, side, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] + rng.integers(0, 90, 2)[:, None, None]
    joint = (y % 9 < 2) | ((x + 7 * (y // 9 % 2)) % 14 < 2)
    joint = ndimage.gaussian_filter(joint.astype(float), 0.7)[..., None]
    tint = 1 + 0.1 * ndimage.gaussian_filter(rng.normal(size=(side, side, 1)), (0.7, 0.7, 0))
    return ((joint * (190, 185, 170) + (1 - joint) * (150, 70, 50)) * tint).clip(0, 255).astype(np.uint8)


def gravel(side=SIDE, seed=0):
    """Grey grains of 3 px with dark gaps, uint8 [side, side, 3]."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 1, mode="wrap")
    grey = 120 + 90 * np.tanh(6 * field)
    return (grey[..., None] * (1, 0.95, 0.85)).clip(0, 255).astype(np.uint8)


def surfaces(n=2, side=SIDE):
    """n images of each class."""
    images = [paint(side, k) for paint in (bricks, gravel) for k in range(n)]
    return ImageSet.of(np.stack(images), np.repeat([0, 1], n), CLASSES)


def fitted(data=None, preset="tiny", **params):
    return ganaug.make("gatys_texture", preset=preset, **params).fit(surfaces() if data is None else data)


@cache
def learnt(loss):
    """A brick wall and a gravel bed (sliced: gravel), the exemplars [2, 3, 64, 64], and a texture of each."""
    iterations = {"gram": 80, "sliced": 50}[loss]
    data = surfaces(1, 64) if loss == "gram" else surfaces(1, 64).select([1])
    system = fitted(data, "small", loss=loss, filters=16, iterations=iterations)
    made = torch.cat([system.random(1, label=k, seed=0) for k in data.label])
    return system, data.images(), made


def shuffled(images):
    order = torch.from_numpy(np.random.default_rng(0).permutation(images[0, 0].numel()))
    return images.flatten(2)[..., order].view_as(images)


def rmse(a, b):
    return (a - b).square().mean((1, 2, 3)).sqrt()


# --- the mechanism -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["gram", "sliced"])
def test_an_independent_judge_finds_textures_half_as_far_as_shuffled_pixels_and_none_is_a_copy(loss):
    _, exemplars, made = learnt(loss)
    assert (wavelet_distance(made, exemplars) < 0.5 * wavelet_distance(shuffled(exemplars), exemplars)).all()
    assert (rmse(made, exemplars) > 0.5 * exemplars.std((1, 2, 3))).all()


def test_its_own_loss_falls_to_a_twentieth_of_that_of_noise_with_the_colours_of_the_exemplar():
    system, exemplars, made = learnt("gram")
    palette = Palette(exemplars)
    distance = gram(system.maps(palette.apart(exemplars), palette))
    own, noise = (distance(system.maps(palette.apart(x), palette, "circular")) for x in (made, shuffled(exemplars)))
    assert (own < noise / 20).all()


def test_textures_have_exactly_the_colours_of_the_exemplar():
    """In its uncorrelated channels; then they are nowhere far from a colour that it has."""
    _, exemplars, made = learnt("gram")
    palette = Palette(exemplars)
    found, wanted = (palette.apart(x).flatten(2).sort(2).values for x in (made, exemplars))
    assert float((found - wanted).abs().mean()) < 0.01
    for image, own in zip(made.flatten(2).mT, exemplars.flatten(2).mT, strict=True):
        assert float(torch.cdist(image, own).amin(1).quantile(0.99)) < 0.15


def test_courses_of_bricks_come_at_their_distance():
    """The correlation of the rows with themselves 9 px further is the highest of all from 5 to 13 px."""

    def along(image):
        line = image.mean((0, 2))  # brightness of each row
        line = line - line.mean()
        return [float((line * line.roll(k)).sum() / line.square().sum()) for k in range(5, 14)]

    _, exemplars, made = learnt("gram")
    assert int(np.argmax(along(exemplars[0]))) + 5 == 9
    assert int(np.argmax(along(made[0]))) + 5 == 9
    assert max(along(made[0])) > 0.4 > max(along(shuffled(exemplars)[0]))


def test_a_texture_goes_on_beyond_its_borders():
    """Opposite borders meet as neighbours inside do; those of the exemplar of gravel are made to, its own control."""
    system, _, _ = learnt("gram")
    image = system.random(1, size=(64, 48), label=1, seed=3)
    assert image.shape == (1, 3, 64, 48)
    inside = [float(image.diff(dim=k).abs().mean()) for k in (2, 3)]
    seam = [float((image.select(k, 0) - image.select(k, -1)).abs().mean()) for k in (2, 3)]
    control = float((image - image.roll((13, 17), (2, 3))).abs().mean())  # places that are no neighbours
    assert max(s / i for s, i in zip(seam, inside, strict=True)) < 1.3 < control / max(inside)


def test_larger_textures_have_the_same_grain():
    system, exemplars, _ = learnt("gram")
    large = system.random(1, size=(96, 112), label=0, seed=1)
    assert large.shape == (1, 3, 96, 112)
    bar = 0.5 * wavelet_distance(shuffled(exemplars), exemplars)[0]
    assert float(wavelet_distance(large, exemplars[:1])) < bar < float(wavelet_distance(large, exemplars[1:]))


# --- classes, exemplars, seeds -----------------------------------------------------------------------------------


def test_samples_have_the_class_and_the_colours_of_an_exemplar_of_it():
    data = surfaces(3)
    made = fitted(data).sample(per_class=6)
    assert made.counts() == {"bricks": 6, "gravel": 6}
    parents = made.parents[:, 0]
    assert (data.label[parents] == made.label).all()
    assert all(len(set(parents[made.label == k].tolist())) > 1 for k in range(2))
    torch.testing.assert_close(made.images().mean((2, 3)), data.images(parents).mean((2, 3)), atol=0.01, rtol=0)


def test_a_set_without_labels_will_do():
    data = surfaces().but(label=None, classes=())
    system = fitted(data)
    assert not system.conditional and system.sample(3).label is None
    one = PerImage(ganaug.make("gatys_texture", preset="tiny")).fit(surfaces(1))
    made = one.sample(per_class=2)
    assert (made.parents[:, 0] == made.label).all()


def test_images_of_unknown_class_are_exemplars_of_no_class():
    data = surfaces().but(label=np.array([0, -1, 1, -1]))
    system = fitted(data)
    assert set(system.sample(per_class=8).parents[:, 0].tolist()) == {0, 2}


def test_no_more_exemplars_of_a_class_are_kept_than_asked_for():
    data = surfaces(5)
    system = fitted(data, exemplars=2)
    assert np.bincount(data.label[system.kept_id.numpy()]).tolist() == [2, 2]
    torch.testing.assert_close(system.kept, data.images(system.kept_id.numpy()))


@pytest.mark.parametrize("channels", [1, 13])
def test_any_number_of_channels_and_both_losses(channels):
    rng = np.random.default_rng(0)
    data = ImageSet.of(rng.integers(0, 256, (2, 20, 30, channels), dtype=np.uint8))
    for loss in ("gram", "sliced"):
        made = fitted(data, loss=loss).random(2, seed=1)
        assert made.shape == (2, channels, 20, 30) and made.abs().max() <= 1


def made_of(system, label):
    """The exemplars of a class."""
    return system.kept_label == label


class Steep(torch.nn.Module):
    """Features of a user: the image, and its slopes."""

    def forward(self, images):
        return [images, images.diff(dim=3), images.diff(dim=2)]


def test_given_features_take_the_place_of_random_filters_and_are_asked_for_again(tmp_path):
    system = fitted(features=Steep(), iterations=60)
    made = system.random(1, label=0)
    assert not torch.equal(made, fitted(iterations=60).random(1, label=0))
    distance = gram(Steep()(system.kept[made_of(system, 0)]))
    assert float(distance(Steep()(made)).min()) < float(distance(Steep()(shuffled(made))).min()) / 5
    system.save(tmp_path / "run")
    again = ganaug.restore(tmp_path / "run")
    with pytest.raises(InputError, match="was fitted with the features 'Steep', found 'random pyramid'"):
        again.random(1)
    assert torch.equal(again.set_params(features=Steep()).random(1, label=0), made)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: fitted(loss="adain"), "one of gram, sliced, found 'adain'"),
        (lambda: fitted().random(1, size=(15, 64)), "sides of 16 pixels or more are needed, found 3 of 15x64"),
        (lambda: fitted().random(1, label=2), "of the classes 0, 1, found 2"),
        (lambda: fitted(ImageSet.of(np.zeros((2, 7, 9, 3), np.uint8))), "works from 8 to 512 pixels"),
        (lambda: ganaug.make("gatys_texture").fit(None), "needs training images"),
    ],
)
def test_what_can_not_work_is_one_sentence(act, message):
    with pytest.raises(InputError, match=message):
        act()

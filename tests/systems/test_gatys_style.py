# SPDX-License-Identifier: Apache-2.0
"""Style transfer: the statistics of the style, the shapes of the content, and everything known about it."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch

import ganaug
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.parts.textures.losses import gram
from ganaug.systems.single_image.gatys_style import content_distance

SIDE = 32


def scene(seed=0):
    """A disk before a slope, uint8 [SIDE, SIDE, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    cy, cx = rng.uniform(11, 21, 2)
    disk = (y - cy) ** 2 + (x - cx) ** 2 < 64
    ground = np.stack([40 + 2 * y, 60 + y, 90 + 0 * x], -1)
    return np.where(disk[..., None], (220, 190, 60), ground).astype(np.uint8)


def stripes(seed=0, side=SIDE):
    """Fine slanted stripes in red and cyan."""
    y, x = np.mgrid[:side, :side]
    share = (np.sin((x + y) * 2 * np.pi / 3 + seed) + 1)[..., None] / 2
    return (share * (210, 40, 50) + (1 - share) * (40, 190, 200)).astype(np.uint8)


def scenes(n=4, **columns):
    return ImageSet.of(np.stack([scene(k) for k in range(n)]), np.arange(n) % 2, ("a", "b"), **columns)


def styles(n=2, side=SIDE):
    return ImageSet.of(np.stack([stripes(k, side) for k in range(n)]))


def fitted(data=None, preset="tiny", **params):
    return ganaug.make("gatys_style", preset=preset, **params).fit(scenes() if data is None else data)


def edges(images):
    """How steep the brightness is at half the resolution, [n, places], centred."""
    grey = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 2)[:, 0]
    steep = (grey.diff(dim=1)[:, :, :-1].square() + grey.diff(dim=2)[:, :-1].square()).sqrt().flatten(1)
    return steep - steep.mean(1, keepdim=True)


def same_edges(a, b):
    """Correlation of the edge maps of two images."""
    return float(torch.nn.functional.cosine_similarity(edges(a), edges(b)).mean())


def striped(images):
    """Power at the frequency of the stripes, 1/3 a pixel both ways, and at that of stripes across them."""
    power = torch.fft.fft2(images - images.mean((2, 3), keepdim=True)).abs().square().sum((0, 1))
    return float(power[10:12, 10:12].sum()), float(power[10:12, -11:-9].sum())


@cache
def painted(strength, loss):
    """A scene in stripes: (system, content, style, result)."""
    system = fitted(preset="small", strength=strength, loss=loss, filters=16, iterations=50)
    content, style = scenes(1).images(), styles(1).images()
    return system, content, style, system.stylise(content, style)


def share(system, content, style, made):
    """The style's distance as a share of the content image's."""
    distance = gram(system.parted(system.maps(style))[1])
    return float(distance(system.parted(system.maps(made))[1]) / distance(system.parted(system.maps(content))[1]))


# --- the mechanism -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["gram", "sliced"])
def test_the_style_arrives(loss):
    """The loss falls below a tenth of the content image's, and the image has stripes of the style's direction."""
    system, content, style, made = painted(1.0, loss)
    assert share(system, content, style, made) < 0.1
    along, across = striped(made)
    assert along > 10 * striped(content)[0]
    assert along > 2 * across


def test_more_strength_leaves_less_of_the_content_and_brings_more_of_the_style():
    found = [painted(strength, "gram") for strength in (0.003, 0.03, 0.3, 3.0)]
    kept = [same_edges(made, content) for _, content, _, made in found]
    missing = [share(*one) for one in found]
    assert all(a > b for a, b in pairwise(kept)) and kept[0] > 0.6
    assert all(a > b for a, b in pairwise(missing))


def test_without_the_content_s_loss_the_shapes_go():
    _, content, _, made = painted(1.0, "gram")
    _, _, _, alone = painted(1e6, "gram")
    assert same_edges(alone, content) < same_edges(made, content) - 0.2


def test_an_image_in_its_own_style_stays():
    system, content, _, _ = painted(1.0, "gram")
    assert float((system.stylise(content, content) - content).square().mean().sqrt()) < 0.05


def test_content_distance_by_hand():
    wanted, found = torch.full((2, 1, 2, 2), 2.0), torch.full((2, 1, 2, 2), 3.0)
    assert content_distance(found, wanted).tolist() == pytest.approx([1 / 8] * 2, rel=1e-5)
    assert not content_distance(wanted, wanted).any()


def test_the_content_is_kept_at_half_the_resolution_or_in_the_last_of_given_maps():
    """And it is not compared in the style."""
    assert fitted().parted([0, 1, 2, 3]) == (2, [0, 1, 3])
    assert fitted().parted([0, 1]) == (1, [0])
    assert fitted(features=lambda images: [images]).parted([0, 1, 2, 3]) == (3, [0, 1, 2])


# --- styles, labels, masks ---------------------------------------------------------------------------------------


def test_styles_are_other_training_images_and_stand_among_the_parents():
    data = scenes(6)
    made = fitted(data).augment(data, seed=1)
    content, style = made.parents.T
    assert content.tolist() == data.index.tolist()
    assert (style != content).all() and len(set(style.tolist())) > 2
    assert made.label.tolist() == data.label.tolist()


def test_a_further_set_of_any_size_gives_the_styles():
    data = scenes(others={"styles": styles(3, 40)})
    system = fitted(data, preset="small", iterations=30, filters=8)
    assert system.kept.shape == (3, 3, 40, 40)
    made = system.augment(data)
    assert made.parents.tolist() == data.index[:, None].tolist()
    red, cyan = (made.images()[:, k].mean() - data.images()[:, k].mean() for k in (0, 2))
    assert float(cyan) > 0.1 and float(red) > 0.1  # the scenes are darker in both


def test_masks_and_labels_stay_and_nothing_is_moved():
    mask = np.random.default_rng(0).integers(0, 2, (4, SIDE, SIDE)).astype(np.uint8)
    data = scenes(mask=mask)
    made = fitted(data).augment(data)
    assert np.array_equal(made.mask, mask) and np.array_equal(made.label, data.label)


def test_an_image_alone_is_its_own_style():
    data = scenes(2).select([1])
    with pytest.warns(UserWarning, match="advised from 2"):
        system = fitted(data)
    assert system.augment(data).parents.tolist() == [[1, 1]]


def test_images_of_a_batch_do_not_depend_on_each_other():
    system, content, style = fitted(iterations=10), scenes(3).images(), styles(1).images()
    whole = system.stylise(content, style)
    torch.testing.assert_close(system.stylise(content[1:2], style), whole[1:2], atol=1e-3, rtol=0)


def test_no_more_styles_are_kept_than_asked_for():
    assert len(fitted(scenes(6), styles=3).kept) == 3


@pytest.mark.parametrize("channels", [1, 13])
def test_any_number_of_channels_and_both_losses(channels):
    data = ImageSet.of(np.random.default_rng(0).integers(0, 256, (3, 20, 30, channels), dtype=np.uint8))
    for loss in ("gram", "sliced"):
        made = fitted(data, loss=loss).augment(data.batch())
        assert made.image.shape == (3, channels, 20, 30) and made.image.abs().max() <= 1


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: fitted(loss="adain"), "one of gram, sliced, found 'adain'"),
        (lambda: fitted(scenes(others={"styles": ImageSet.of(np.zeros((2, 32, 32), np.uint8))})), "with 3 channels"),
        (lambda: fitted().stylise(torch.zeros(3, 3, 32, 32), torch.zeros(2, 3, 32, 32)), "1 or 3, .* found 2"),
        (lambda: fitted().stylise(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 12, 32)), "found 3 of 12x32"),
    ],
)
def test_what_can_not_work_is_one_sentence(act, message):
    with pytest.raises(InputError, match=message):
        act()

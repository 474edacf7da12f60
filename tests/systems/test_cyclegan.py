# SPDX-License-Identifier: Apache-2.0
"""CycleGAN: its losses in closed form, who sees the pool, who learns what, the schedule, domains, and what it does."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView

pytestmark = pytest.mark.filterwarnings("ignore:cyclegan is advised from")
COLOURS = np.array([[40, 60, 110], [220, 190, 90]])  # of ground and square in domain A
COLOURS_B = np.roll(COLOURS, 1, axis=1)


def squares(n=40, size=(16, 16), channels=3, colours=COLOURS, seed=0):
    """A square somewhere on plain ground, with its mask."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((n, *size), np.uint8)
    for one in mask:
        y, x = rng.integers(0, size[0] - 7), rng.integers(0, size[1] - 7)
        one[y : y + 7, x : x + 7] = 1
    palette = np.stack([np.resize(colour, channels) for colour in colours]).astype(np.uint8)
    return ImageSet.of(palette[mask], mask=mask, mask_classes=("ground", "square"))


def domains(a=3, b=3, size=(16, 16), size_b=None, n=40):
    """A training fold of domain A with domain B as its second set."""
    other = squares(n, size_b or size, b, COLOURS_B, seed=1).but(mask=None, mask_classes=())
    return TrainView.of(squares(n, size, a).but(others={"b": other}))


def fitted(train=None, budget=2, **params):
    return ganaug.make("cyclegan", preset="tiny", **params).fit(train or domains(), budget=budget, seed=0)


def opened(train=None, total=100, **params):
    """A built system in the middle of its run, with a batch of its own."""
    train = train or domains()
    system = fitted(train, **params)
    system.total = total
    system.set_mode(training=True)
    with seeded(0, "draw"):
        return system, system.draw(train, torch.arange(4))


def losses_of(system, batch, t=0):
    """The loss that each optimiser is given in one step, with its graph."""
    found = {}
    names = {id(system.opt_g): "generators", id(system.opt_d): "critics"}
    system.update = lambda loss, optimiser: found.update({names[id(optimiser)]: loss})
    with seeded(1, "step"):
        system.step(batch, t)
    del system.update
    return found


def reached(loss, module):
    """Whether any parameter of a module gets a gradient from a loss."""
    gradients = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)
    return any(g is not None and bool(g.abs().sum() > 0) for g in gradients)


# --- losses in closed form ---------------------------------------------------------------------------------------


class Stub(nn.Module):
    """A network that is a plain function, and a list of what it was given."""

    def __init__(self, function):
        super().__init__()
        self.function, self.given = function, []

    def forward(self, images):
        self.given.append(images.detach().clone())
        return self.function(images)


def brightness(images):
    return images.mean((1, 2, 3), keepdim=True)


def stubbed(pool=lambda images: images.detach(), **params):
    """G(x) = x + 0.1 and F(x) = -x, critics that say the mean, on plain images: a = 0.2, b = -0.4."""
    system, _ = opened(**params)
    system.g_ab, system.g_ba = Stub(lambda images: images + 0.1), Stub(lambda images: -images)
    system.d_a, system.d_b = Stub(brightness), Stub(brightness)
    system.pool_a, system.pool_b = Stub(pool), Stub(pool)
    plain = torch.ones(2, 3, 16, 16)
    return system, Batch(image=0.2 * plain, pair={"b": Batch(image=-0.4 * plain)})


FOOLED = (0.3 - 1) ** 2 + (0.4 - 1) ** 2  # G(a) = 0.3, F(b) = 0.4
BACK = abs(-0.3 - 0.2) + abs(0.5 - -0.4)  # F(G(a)) against a, G(F(b)) against b
SAME = abs(-0.3 - -0.4) + abs(-0.2 - 0.2)  # G(b) against b, F(a) against a; on G(a) and F(b) it would be 0.9
CRITICS = 0.5 * ((-0.4 - 1) ** 2 + 0.3**2) + 0.5 * ((0.2 - 1) ** 2 + 0.4**2)


@pytest.mark.parametrize(("cycle", "identity"), [(10.0, 0.5), (0.0, 0.5), (4.0, 0.0), (3.0, 1.0)])
def test_losses_are_those_of_the_paper(cycle, identity):
    system, batch = stubbed(cycle=cycle, identity=identity)
    found = losses_of(system, batch)
    assert float(found["generators"]) == pytest.approx(FOOLED + cycle * (BACK + identity * SAME), rel=1e-5)
    assert float(found["critics"]) == pytest.approx(CRITICS, rel=1e-5)


def test_each_network_is_asked_no_more_often_than_it_must_be():
    """Each generator for a translation, a way back and an image of its target domain; each critic for three."""
    system, batch = stubbed()
    losses_of(system, batch)
    seen = [[round(float(given.mean()), 4) for given in net.given] for net in (system.g_ab, system.g_ba)]
    assert seen == [[0.2, 0.4, -0.4], [-0.4, 0.3, 0.2]]
    assert [len(net.given) for net in (system.d_a, system.d_b, system.pool_a, system.pool_b)] == [3, 3, 1, 1]


def test_generators_are_judged_on_fresh_images_and_critics_learn_from_the_pool():
    system, batch = stubbed(pool=lambda images: torch.full_like(images, 0.9).detach())
    found = losses_of(system, batch)
    assert float(found["generators"]) == pytest.approx(FOOLED + 10 * BACK + 5 * SAME, rel=1e-5)
    assert float(found["critics"]) == pytest.approx(0.5 * (1.4**2 + 0.9**2) + 0.5 * (0.8**2 + 0.9**2), rel=1e-5)
    for net, fresh, real in ((system.d_b, 0.3, -0.4), (system.d_a, 0.4, 0.2)):
        assert [round(float(given.mean()), 4) for given in net.given] == [fresh, real, 0.9]
    assert [round(float(pool.given[0].mean()), 4) for pool in (system.pool_b, system.pool_a)] == [0.3, 0.4]
    for net in (system.g_ab, system.g_ba):
        assert all(float(given.mean()) != pytest.approx(0.9) for given in net.given)


def test_identity_loss_is_of_images_of_the_target_domain():
    system, batch = opened()
    a, b = batch.image, batch.pair["b"].image
    with torch.no_grad():
        expected = (system.g_ab(b) - b).abs().mean() + (system.g_ba(a) - a).abs().mean()
        wrong = (system.g_ab(a) - a).abs().mean() + (system.g_ba(b) - b).abs().mean()
        assert float(system.identity_loss(a, b)) == pytest.approx(float(expected), rel=1e-5)
    assert float(expected) != pytest.approx(float(wrong), rel=1e-3)


# --- who learns from what ----------------------------------------------------------------------------------------


def test_generators_learn_nothing_from_the_critics_loss_and_critics_nothing_from_theirs():
    system, batch = opened()
    found = losses_of(system, batch)
    for net in (system.g_ab, system.g_ba):
        assert reached(found["generators"], net)
        assert not reached(found["critics"], net)
    for net in (system.d_a, system.d_b):
        assert reached(found["critics"], net)
        assert not reached(found["generators"], net)


def test_generators_step_first_and_each_step_moves_only_its_own():
    system, batch = opened()
    parts = {"generators": (system.g_ab, system.g_ba), "critics": (system.d_a, system.d_b)}
    honest, moved = system.update, []

    def spied(loss, optimiser):
        before = {name: [p.detach().clone() for net in nets for p in net.parameters()] for name, nets in parts.items()}
        honest(loss, optimiser)
        after = {name: [p.detach() for net in nets for p in net.parameters()] for name, nets in parts.items()}
        same = {n: all(torch.equal(a, b) for a, b in zip(before[n], after[n], strict=True)) for n in parts}
        moved.append([name for name in parts if not same[name]])

    system.update = spied
    with seeded(1, "step"):
        system.step(batch, 0)
    assert moved == [["generators"], ["critics"]]


def test_cycle_loss_alone_moves_both_generators():
    """The way back of each is through the other."""
    system, batch = opened()
    a = batch.image
    back = (system.g_ba(system.g_ab(a)) - a).abs().mean()
    assert reached(back, system.g_ab) and reached(back, system.g_ba)


# --- schedule ----------------------------------------------------------------------------------------------------


def test_learning_rate_is_constant_for_half_the_run_and_falls_linearly_to_0():
    system, batch = opened(total=1000, lr=4e-4)
    for t, share in ((999, 0.002), (0, 1.0), (500, 1.0), (750, 0.5)):
        losses_of(system, batch, t)
        for optimiser in (system.opt_g, system.opt_d):
            assert [group["lr"] for group in optimiser.param_groups] == [pytest.approx(share * 4e-4)]


def test_one_adam_for_both_generators_and_one_for_both_critics():
    system, _ = opened()
    for optimiser, nets in ((system.opt_g, (system.g_ab, system.g_ba)), (system.opt_d, (system.d_a, system.d_b))):
        held = {id(p) for group in optimiser.param_groups for p in group["params"]}
        assert held == {id(p) for net in nets for p in net.parameters()}
        assert optimiser.defaults["betas"] == (0.5, 0.999)


# --- domains -----------------------------------------------------------------------------------------------------


def test_partners_are_random_images_of_the_second_set_without_its_labels():
    train = domains(n=30)
    system = fitted(train)
    other = train.others["b"].images()
    drawn = []
    for seed in (0, 0, *range(1, 40)):
        with seeded(seed, "draw"):
            batch = system.draw(train, torch.arange(8))
        assert torch.equal(batch.image, train.images(np.arange(8)))
        assert [name for name, _ in batch.pair["b"].tensors()] == ["image"]
        same = (batch.pair["b"].image[:, None] == other[None]).flatten(2).all(2)
        drawn.append(same.int().argmax(1).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({row for rows in drawn for row in rows}) > 0.8 * len(torch.unique(other, dim=0))


def test_without_a_second_set_there_are_no_partners():
    system = fitted()
    data = squares(6)
    assert system.draw(data, torch.arange(6)).pair == {}
    assert system.augment(data).image.shape == data.image.shape


@pytest.mark.parametrize(("a", "b"), [(3, 1), (13, 3), (1, 3)])
def test_domains_of_unequal_channels(a, b):
    train = domains(a, b, size=(16, 20))
    system, batch = opened(train)
    with torch.no_grad():
        assert float(system.identity_loss(batch.image, batch.pair["b"].image)) == 0.0
    there = system.augment(batch)
    assert there.image.shape == (4, b, 16, 20)
    assert not there.pair
    assert system.g_ba(there.image).shape == (4, a, 16, 20)
    assert system.out_spec.channels == b
    assert system.out_spec.mask_classes == ("ground", "square")
    made = system.augment(train)
    assert made.image.shape == (16, 20, b)
    assert np.array_equal(made.mask, train.mask)


def test_domains_of_unequal_sizes():
    system, batch = opened(domains(size=(16, 23), size_b=(21, 18)))
    found = losses_of(system, batch)
    assert all(bool(torch.isfinite(loss)) for loss in found.values())
    assert tuple(system.pool_b.images.shape) == (4, 3, 16, 23)
    assert tuple(system.pool_a.images.shape) == (4, 3, 21, 18)


def test_whatever_is_known_of_an_image_is_known_of_its_translation():
    data = squares(10)
    label = np.arange(10) % 3
    boxes = np.tile(np.array([[2, 2, 9, 9]], np.float32), (10, 1, 1))
    data = data.but(label=label, classes=("x", "y", "z"), boxes=boxes, valid=np.ones((10, 16, 16), bool))
    train = TrainView.of(data.but(others={"b": squares(10, colours=COLOURS_B, seed=1)}))
    system = fitted(train)
    made = system.augment(data, seed=1)
    for name in ("label", "mask", "boxes", "valid"):
        assert np.array_equal(getattr(made, name), getattr(data, name))
    assert made.mask_classes == ("ground", "square")
    assert made.parents.ravel().tolist() == data.index.tolist()
    assert not np.array_equal(made.image[np.arange(10)], data.image[np.arange(10)])


@pytest.mark.parametrize(
    ("other", "params", "message"),
    [
        ({"size": (16, 11)}, {"critic_layers": 2}, "works from 12 pixels, the shortest side has 11"),
        ({}, {"critic_layers": 3}, "works from 24 pixels, the shortest side has 16"),
        ({"n": 0}, {}, "needs images in the second set 'b', and it has none"),
    ],
)
def test_what_can_not_work_is_one_sentence(other, params, message):
    train = TrainView.of(squares(60).but(others={"b": squares(**other)}))
    with pytest.raises(ganaug.InputError, match=message):
        ganaug.make("cyclegan", preset="tiny", **params).fit(train, budget=0)


# --- what it learns ----------------------------------------------------------------------------------------------


@cache
def trained(cycle):
    return fitted(domains(n=45), budget=150, batch_size=4, cycle=cycle)


@torch.no_grad()
def there_and_back(system):
    """L1 between held-out images and what comes back of them."""
    images = squares(30, seed=9).images()
    return float((system.g_ba(system.g_ab(images)) - images).abs().mean())


def distance_to_b(data):
    """L1 between the mean colours of ground and square, 0..255, where the source's masks say, and those of B."""
    pixels = data.image[np.arange(len(data))].astype(float)
    found = np.stack([pixels[data.mask == k].mean(0) for k in (0, 1)])
    return float(np.abs(found - COLOURS_B).mean())


def test_translations_have_the_colours_of_the_second_set_where_the_masks_say():
    data = squares(30, seed=9)
    assert distance_to_b(data) > 60
    assert distance_to_b(fitted(budget=0).augment(data)) > 40, "an untrained generator"
    assert distance_to_b(trained(10.0).augment(data)) < 15


def test_cycle_loss_brings_images_back():
    assert there_and_back(trained(10.0)) < 0.5 * there_and_back(trained(0.0))


def test_same_seed_same_system():
    first, second, other = (fitted(budget=3), fitted(budget=3), fitted(domains(n=41), budget=3))
    images = squares(4).batch()
    assert torch.equal(first.augment(images).image, second.augment(images).image)
    assert not torch.equal(first.augment(images).image, other.augment(images).image)

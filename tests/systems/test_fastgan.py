# SPDX-License-Identifier: Apache-2.0
"""FastGAN: which map excites which, routing, and what the decoders learn from real images alone."""

import numpy as np
import pytest
import torch
from judges import weights
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.drawn.scenes import scenes
from ganaug.parts.nets.fastgan import NoiseInjection
from ganaug.systems.low_data import fastgan
from ganaug.systems.low_data.fastgan import Critic, Generator, quadrant

SCENES = scenes(80, size=(32, 32), real=True).but(fold=None)
TRAIN, HELD_OUT = SCENES.select(np.arange(40)), SCENES.select(np.arange(40, 80))


def fitted(steps, train=TRAIN, **params):
    return ganaug.make("fastgan", preset="tiny", **params).fit(train, budget=steps, seed=1)


def one_step(system):
    """The generator's weights, and the critic's, after one more step of a fitted system."""
    system.set_mode(training=True)
    with seeded(0, "step"):
        system.step(TRAIN.batch(range(8)), 0)
    return weights(system.gen), weights(system.critic)


# --- the generator ------------------------------------------------------------------------------------------------


def excited(size):
    """Each excitation with the low and the high map that it is given, and what it makes of them."""
    with seeded(0, "excited"):
        gen, seen = Generator(8, 3, size, 4), []
        for layer in gen.excite:
            layer.register_forward_hook(lambda layer, given, out: seen.append((layer, *given, out)))
        with torch.no_grad():
            gen(torch.randn(2, 8))
    return list(seen)


@pytest.mark.parametrize(
    ("size", "pairs"),
    [
        ((32, 32), [(4, 16), (8, 32)]),
        ((64, 96), [(4, 32), (8, 64)]),
        ((128, 128), [(4, 64), (8, 128)]),
        ((256, 256), [(4, 64), (8, 128), (16, 256)]),
    ],
)
def test_low_maps_excite_high_ones_four_doublings_up_or_one_less_than_there_are(size, pairs):
    assert [(min(low.shape[-2:]), min(high.shape[-2:])) for _, low, high, _ in excited(size)] == pairs


def test_in_the_generator_a_scaled_low_map_changes_the_high_one_by_channel_factors_only():
    for layer, low, high, out in excited((64, 64)):
        with torch.no_grad():
            factor = layer(5 * low, high) / out
        assert (factor.amax((2, 3)) - factor.amin((2, 3))).max() < 1e-4
        assert (factor.mean((2, 3)) - 1).abs().max() > 1e-3


def test_every_other_stage_has_noise_and_it_makes_images_of_one_latent_differ():
    with seeded(0, "noise"):
        gen, z = Generator(8, 3, (64, 64), 4).eval(), torch.randn(4, 8)
        noises = [[part for part in up if isinstance(part, NoiseInjection)] for up in gen.ups]
        assert [len(found) for found in noises] == [2, 0, 2, 0]  # to 8, 16, 32 and 64 px
        with torch.no_grad():
            assert torch.equal(gen(z), gen(z))
            noises[2][1].weight.fill_(1.0)
            assert not torch.equal(gen(z), gen(z))


@pytest.mark.parametrize(("size", "channels"), [((32, 32), 1), ((100, 75), 13), ((128, 128), 3), ((256, 256), 1)])
def test_networks_fit_any_size_and_the_critic_gives_a_map_of_logits(size, channels):
    with seeded(0, "sizes"), torch.no_grad():
        images = Generator(8, channels, size, 4)(torch.randn(2, 8))
        critic = Critic(channels, size, 4)
        maps, logits = critic.maps(images), critic(images)
        whole, piece = critic.whole(maps[1]), critic.piece(quadrant(maps[0], 3))
    assert images.shape == (2, channels, *size)
    assert images.abs().max() <= 1
    assert 8 <= min(maps[1].shape[-2:]) < 16
    assert min(maps[0].shape[-2:]) // 2 == min(maps[1].shape[-2:])
    assert logits.shape[-1] == maps[1].shape[-1] - 3
    assert max(whole.shape[-2:]) <= 128
    assert whole.shape[1:] == piece.shape[1:] if size == (256, 256) else whole.shape[-1] > piece.shape[-1]


# --- the critic ---------------------------------------------------------------------------------------------------


def test_quadrants_of_images_and_of_maps_are_the_same_places():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    parts = [quadrant(image, part) for part in range(4)]
    assert torch.equal(torch.cat([torch.cat(parts[:2], 3), torch.cat(parts[2:], 3)], 2), image)
    coarse = F.avg_pool2d(image, 2)
    assert all(torch.equal(F.avg_pool2d(p, 2), quadrant(coarse, k)) for k, p in enumerate(parts))


def test_each_update_moves_its_own_network_only():
    system = fitted(1)
    update, before, seen = system.update, (weights(system.gen), weights(system.critic)), []

    def watched(loss, optimiser, **rest):
        update(loss, optimiser, **rest)
        seen.append(
            tuple(not torch.equal(weights(n), b) for n, b in zip((system.gen, system.critic), before, strict=True))
        )

    system.update = watched
    one_step(system)
    assert seen == [(False, True), (True, True)]


def test_reconstruction_sends_no_gradient_to_the_generator():
    """With the critic held in place, the generator's step is the same to the bit whatever the decoders cost."""
    still, moving = [], []
    for weight in (8.0, 0.0):
        system = fitted(1)
        system.reconstruction = weight
        moving.append(one_step(system)[0])
        system = fitted(1)
        system.reconstruction = weight
        system.opt_critic.param_groups[0]["lr"] = 0.0
        still.append(one_step(system)[0])
    assert torch.equal(*still)
    assert not torch.equal(*moving)  # through what the critic learns, it does matter


def test_only_augmented_real_images_are_rebuilt_and_all_that_the_critic_sees_is_augmented(monkeypatch):
    augmented, rebuilt, real = [], [], fastgan.diffaugment
    rebuilding, maps = Critic.rebuilding, Critic.maps
    judged = []

    def augment(images, policy):
        augmented.append(real(images, policy))
        return augmented[-1]

    monkeypatch.setattr(fastgan, "diffaugment", augment)
    monkeypatch.setattr(Critic, "maps", lambda self, x: judged.append(x) or maps(self, x))
    monkeypatch.setattr(
        Critic, "rebuilding", lambda self, m, x, part: rebuilt.append(x) or rebuilding(self, m, x, part)
    )
    fitted(1)
    assert len(augmented) == 2
    assert len(rebuilt) == 1 and torch.equal(rebuilt[0], augmented[0])
    assert all(torch.equal(a, b) for a, b in zip(judged, [augmented[0], augmented[1], augmented[1]], strict=True))


def unexplained(system, images):
    """Squared error of whole held-out images from the critic's last map, over their variance about the mean image."""
    critic = system.critic.eval()
    with torch.no_grad():
        made = critic.whole(critic.maps(images)[1])
    target = F.adaptive_avg_pool2d(images, made.shape[-2:])
    return float((made - target).square().mean() / target.var(0, unbiased=False).mean())


@pytest.fixture(scope="module")
def trained():
    return fitted(60, policy="translation", lr=2e-3)


def test_decoders_rebuild_images_that_they_have_not_seen(trained):
    assert unexplained(trained, HELD_OUT.images()) < 0.4
    assert unexplained(fitted(10, policy="translation", lr=2e-3, reconstruction=0.0), HELD_OUT.images()) > 1.0


# --- the system ---------------------------------------------------------------------------------------------------


def test_samples_come_from_the_average_and_not_from_the_generator_itself():
    system = fitted(3)
    first = system.sample(4, seed=1).images()
    with torch.no_grad():
        for p in system.gen.parameters():
            p.add_(1.0)
    assert torch.equal(first, system.sample(4, seed=1).images())
    with torch.no_grad():
        for p in system.average.module.parameters():
            p.add_(0.1)
    assert not torch.equal(first, system.sample(4, seed=1).images())


def miss(system):
    """Distance between the mean colours of the quadrants of generated and of training images."""
    made, real = (F.adaptive_avg_pool2d(x, 2).mean(0) for x in (system.sample(128, seed=2).images(), TRAIN.images()))
    return float((made - real).norm())


def test_a_short_run_brings_samples_nearer_to_the_training_images(trained):
    assert miss(trained) < 0.5 * miss(fitted(1, policy="translation", lr=2e-3))

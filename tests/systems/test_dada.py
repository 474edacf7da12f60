# SPDX-License-Identifier: Apache-2.0
"""DADA: pairs of logits, two phases, a class told by nothing but the choice of a pair, and the classifier."""

import numpy as np
import pytest
import torch
from judges import agreement, few_digits, weights
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.systems.low_data import dada
from ganaug.systems.low_data.dada import GENERATED, REAL, source_loss

PHASES = (0, 6)  # a step of either phase, of 7


def fitted(steps, train=None, **params):
    return ganaug.make("dada", preset="tiny", **params).fit(train or few_digits(), budget=steps, seed=1)


def test_only_the_two_logits_of_the_class_are_compared():
    logits = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    labels = torch.tensor([2, 0, 2])
    loss = source_loss(logits, labels, REAL)
    own = logits[torch.arange(3), :, labels]
    torch.testing.assert_close(loss, F.softplus(own[:, 1] - own[:, 0]).mean())
    torch.testing.assert_close(source_loss(logits, labels, GENERATED), F.softplus(own[:, 0] - own[:, 1]).mean())
    loss.backward()
    assert (logits.grad.abs().sum(1) > 0).nonzero().tolist() == [[0, 2], [1, 0], [2, 2]]


def test_exchanging_the_two_logits_of_every_class_keeps_the_classes_and_turns_the_sources():
    system, batch = fitted(7), few_digits().batch(range(0, 100, 9))
    critic, model = system.average.module, system.model().eval()
    with torch.no_grad():
        logits, named = critic(batch.image), model(batch.image)
        assert logits.shape == (len(batch), 2, 10)
        torch.testing.assert_close(named, logits[:, 0] + logits[:, 1])
        exchanged = [p.roll(10, 0) for p in critic.head.parameters()]
        for p, new in zip(critic.head.parameters(), exchanged, strict=True):
            p.copy_(new)
        torch.testing.assert_close(model(batch.image), named)
        turned = source_loss(critic(batch.image), batch.label, REAL)
    torch.testing.assert_close(turned, source_loss(logits, batch.label, GENERATED))
    assert (turned - source_loss(logits, batch.label, REAL)).abs() > 1e-5


@pytest.mark.parametrize(("t", "moved"), [(PHASES[0], ["critic", "gen", "gen"]), (PHASES[1], ["critic"])])
def test_the_generator_moves_in_the_first_phase_only_and_each_update_its_own_network(t, moved):
    system, seen = fitted(7), []
    assert system.recogniser_updates_ == 5
    update = system.update

    def watched(loss, optimiser, **rest):
        before = {name: weights(getattr(system, name)) for name in ("critic", "gen")}
        update(loss, optimiser, **rest)
        seen.extend(name for name in before if not torch.equal(weights(getattr(system, name)), before[name]))

    system.update = watched
    system.set_mode(training=True)
    with seeded(0, "step"):
        system.step(few_digits().batch(range(8)), t)
    assert seen == moved


def test_generated_images_have_any_class_for_the_critic_and_the_real_ones_classes_for_the_generator():
    system, seen = fitted(7), []
    train = few_digits()
    batch = train.batch(np.flatnonzero(train.label == 3)[:8])
    system.gen.register_forward_hook(lambda module, given, made: seen.append(given[1].unique().tolist()))
    for t in PHASES:
        with seeded(1, "step"):
            system.step(batch, t)
    for_critic, first, second, for_classifier = seen
    assert first == second == [3]
    assert len(for_critic) > 3
    assert len(for_classifier) > 3


def test_the_classifier_learns_from_real_images_as_the_arm_gives_them_and_from_generated_ones(monkeypatch):
    system, seen = fitted(7), []
    batch = few_digits().batch(range(0, 64, 8))
    real = dada.F.cross_entropy
    monkeypatch.setattr(dada.F, "cross_entropy", lambda x, y: seen.append((x.shape, y)) or real(x, y))
    soft = torch.full((8, 10), 0.1)
    for change in (lambda b: b, lambda b: b.but(label=None, soft_label=soft)):
        system.transform = change
        with seeded(0, "step"):
            system.step(batch, PHASES[1])
    (shape, hard), _, (_, mixed), (generated_shape, generated) = seen
    assert shape == generated_shape == (8, 10)
    assert torch.equal(hard, batch.label)
    assert torch.equal(mixed, soft)
    assert not torch.equal(generated, batch.label)


def test_generator_losses_by_hand():
    """The source of the pair of each image's class, and the distance of the mean features."""
    system, batch = fitted(7), few_digits().batch(range(0, 100, 13))
    critic = system.critic.eval()
    with seeded(2, "z"):
        fooled, matched = system.generator_losses(batch)
    with seeded(2, "z"), torch.no_grad():
        real, made = critic.features(batch.image), critic.features(system.gen(system.asked(8)[0], batch.label))
        own = critic.table(made)[torch.arange(8), :, batch.label]
    torch.testing.assert_close(fooled, F.softplus(own[:, 1] - own[:, 0]).mean())
    torch.testing.assert_close(matched, (made.mean(0) - real.mean(0)).abs().mean())


def test_the_generator_learns_from_the_source_and_half_the_distance_of_the_features():
    system, given = fitted(7), []
    system.generator_losses = lambda batch: (torch.tensor(3.0), torch.tensor(5.0))
    system.update = lambda loss, optimiser: given.append((optimiser, float(loss.detach())))
    with seeded(0, "step"):
        system.step(few_digits().batch(range(8)), PHASES[0])
    assert [optimiser is system.opt_gen for optimiser, _ in given] == [False, True, True]
    assert [loss for _, loss in given[1:]] == [5.5, 5.5]


def test_the_label_joins_in_at_every_layer():
    generator = fitted(1).gen
    labels = torch.tensor([0, 1, 2, 3])
    layers = [generator.first.weight[:, -10:], *(up.weight[-10:] for up in generator.ups)]
    kept = [part.detach().clone() for part in layers]
    with torch.no_grad(), seeded(0, "z"):
        z = torch.rand(4, 16)
        for only in range(len(layers)):
            for i, part in enumerate(layers):
                part.copy_(kept[i] if i == only else torch.zeros_like(part))
            assert (generator(z, labels) - generator(z, labels.roll(1))).abs().amax((1, 2, 3)).min() > 1e-3
        layers[only].zero_()
        assert torch.equal(generator(z, labels), generator(z, labels.roll(1)))


def test_layers_start_with_outputs_of_mean_0_and_deviation_1_on_training_images():
    train = few_digits()
    critic, found = fitted(0, train).critic, []
    layers = [part for part in (*critic.trunk, critic.head) if hasattr(part, "parametrizations")]
    for part in layers:
        part.register_forward_hook(lambda module, given, made: found.append(made.transpose(0, 1).flatten(1)))
    with torch.no_grad():
        critic.eval()(train.images())
    assert len(found) == len(layers)
    for made, deviation in zip(found, [1.0] * (len(layers) - 1) + [0.1], strict=True):
        torch.testing.assert_close(made.mean(1), torch.zeros(len(made)), atol=1e-3, rtol=0)
        torch.testing.assert_close(made.std(1), torch.full((len(made),), deviation), atol=0.01, rtol=0.02)


def asked_and_made(steps=120):
    """Agreement of a judge with the class asked for, after a first phase alone; it is 0.25 by chance."""
    system = ganaug.make("dada", preset="tiny", width=16, critic_width=16, batch_size=16, lr=2e-3)
    system.stages = (1.0,)
    return agreement(system.fit(few_digits(n=20, classes=4), budget=steps, seed=1).sample(per_class=50, seed=2))


def test_the_choice_of_a_pair_of_logits_is_enough_to_make_the_asked_class():
    assert asked_and_made() > 0.6


def test_without_that_choice_nothing_tells_the_generator_its_class(monkeypatch):
    monkeypatch.setattr(dada, "source_loss", lambda x, labels, source: source_loss(x, torch.zeros_like(labels), source))
    assert asked_and_made() < 0.4

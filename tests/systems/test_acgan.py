"""AC-GAN: gradient routing, label use, and what the class term does."""

import pytest
import torch
from judges import agreement, few_digits, weights
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded


def fitted(steps=1, train=None, **params):
    return ganaug.make("acgan", preset="tiny", **params).fit(train or few_digits(), budget=steps, seed=1)


def test_each_update_moves_its_own_network_only():
    system = fitted()
    system.train, system.recogniser_updates_ = few_digits(), 0
    before = weights(system.gen), weights(system.critic)
    update = system.update
    seen = []

    def watched(loss, optimiser, **rest):
        update(loss, optimiser, **rest)
        seen.append(
            (not torch.equal(weights(system.gen), before[0]), not torch.equal(weights(system.critic), before[1]))
        )

    system.update = watched
    system.set_mode(training=True)
    with seeded(0, "test"):
        system.step(system.train.batch(range(8)), 0)
    assert seen == [(False, True), (True, True)]
    critic = weights(system.critic)
    assert torch.isfinite(critic).all()


def test_class_loss_is_cross_entropy_of_real_and_generated_images():
    system = fitted(dropout=0.0)
    batch = few_digits().batch(range(6))
    with seeded(0, "a"):
        _, named = system.critic_losses(batch)
    with seeded(0, "a"):
        z, labels = system.asked(6)
        with torch.no_grad():
            fake = system.gen(z, labels)
        expected = F.cross_entropy(system.critic(batch.image)[1], batch.label)
        expected = expected + F.cross_entropy(system.critic(fake)[1], labels)
    torch.testing.assert_close(named, expected)


def test_generator_reads_the_label():
    system = fitted()
    z = torch.rand(4, 16) * 2 - 1
    system.set_mode(training=False)
    with torch.no_grad():
        one, other = (system.gen(z, torch.full((4,), k)) for k in (0, 1))
    assert (one - other).abs().max() > 1e-4


@pytest.fixture(scope="module")
def trained():
    train = few_digits(n=20, classes=4)
    params = {"width": 16, "critic_width": 16, "batch_size": 16, "lr": 3e-3}
    return {
        weight: fitted(500, train, class_weight=weight, **params).sample(per_class=50, seed=2) for weight in (1.0, 0.0)
    }


def test_class_term_makes_the_asked_class(trained):
    with_term, without = agreement(trained[1.0]), agreement(trained[0.0])
    assert with_term > without + 0.2
    assert with_term > 0.5

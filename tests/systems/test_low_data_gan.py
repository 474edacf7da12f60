"""Small-set GAN: routing, the average generator, and that it learns its classes."""

import torch
from judges import agreement, few_digits, weights

import ganaug
from ganaug.core.seeding import seeded


def fitted(steps, train=None, **params):
    return ganaug.make("low_data_gan", preset="tiny", **params).fit(train or few_digits(), budget=steps, seed=1)


def test_each_update_moves_its_own_network_only():
    system = fitted(1)
    train, seen = few_digits(), []
    update, before = system.update, (weights(system.gen), weights(system.critic))

    def watched(loss, optimiser, **rest):
        update(loss, optimiser, **rest)
        seen.append(
            (not torch.equal(weights(system.gen), before[0]), not torch.equal(weights(system.critic), before[1]))
        )

    system.update = watched
    system.set_mode(training=True)
    with seeded(0, "step"):
        system.step(train.batch(range(8)), 0)
    assert seen == [(False, True), (True, True)]


def test_samples_come_from_the_average_and_not_from_the_generator_itself():
    system = fitted(20)
    first = system.sample(per_class=2, seed=1).images()
    with torch.no_grad():
        for p in system.gen.parameters():
            p.add_(1.0)
    assert torch.equal(first, system.sample(per_class=2, seed=1).images())
    with torch.no_grad():
        for p in system.average.module.parameters():
            p.mul_(0.5)
    assert not torch.equal(first, system.sample(per_class=2, seed=1).images())


def test_critic_sees_real_and_generated_images_through_the_same_augmentation(monkeypatch):
    from ganaug.systems.low_data import low_data_gan

    seen = []
    real = low_data_gan.diffaugment

    def watched(images, policy, **rest):
        seen.append((len(images), policy))
        return real(images, policy, **rest)

    monkeypatch.setattr(low_data_gan, "diffaugment", watched)
    fitted(1, policy="translation")
    assert seen == [(8, "translation")] * 3  # real and generated for the critic, generated for the generator


def test_a_short_run_learns_the_classes():
    train = few_digits(n=20, classes=4)
    params = {"width": 16, "batch_size": 16, "lr_generator": 2e-3, "lr_critic": 4e-3}
    before = agreement(fitted(1, train, **params).sample(per_class=50, seed=2))
    after = agreement(fitted(400, train, **params).sample(per_class=50, seed=2))
    assert before < 0.4
    assert after > before + 0.3

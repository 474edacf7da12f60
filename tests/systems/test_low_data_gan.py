"""Small-set GAN: routing, penalties in closed form, the average generator, and that it learns its classes."""

import numpy as np
import pytest
import torch
from judges import agreement, few_digits, weights
from torch import nn
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.parts.losses.lecam import LeCam
from ganaug.systems.low_data.low_data_gan import PairCritic, class_pairs


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


class Weighted(nn.Module):
    """D(x) = <w, x>, whatever the class."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 64).view(1, 8, 8) / 10)

    def forward(self, images, labels):
        return (images * self.weight).sum((1, 2, 3))


def weighted(**params):
    """A system with a linear critic and without augmentation, a batch, generated images, and the logits of both."""
    system, batch = fitted(1, policy="", **params), few_digits().batch(range(8))
    system.critic, system.anchors = Weighted(), LeCam()
    fake = batch.image.roll(3, 0).flip(3) / 2
    real, made = (system.critic(images, batch.label).detach() for images in (batch.image, fake))
    return system, batch, fake, real, made, F.relu(1 - real).mean() + F.relu(1 + made).mean()


def test_r1_by_hand_every_sixteenth_step():
    system, batch, fake, *_, hinge = weighted(gamma=3.0)
    plain, penalised = (system.critic_loss(batch, fake, batch.label, t) for t in (17, 32))
    weight = system.critic.weight
    torch.testing.assert_close(plain, hinge)
    torch.testing.assert_close(penalised - plain, 16 * 3.0 / 2 * weight.square().sum())
    (gradient,) = torch.autograd.grad(penalised - plain, weight)
    torch.testing.assert_close(gradient, 16 * 3.0 * weight.detach())


def test_lecam_by_hand():
    """Anchors of a first batch are its own means, and cross over."""
    system, batch, fake, real, made, hinge = weighted(lecam=0.3)
    loss = system.critic_loss(batch, fake, batch.label, 0)
    apart = F.relu(real - made.mean()).square().mean() + F.relu(real.mean() - made).square().mean()
    assert apart > 0.01
    torch.testing.assert_close(loss, hinge + 0.3 * apart)


def test_adam_of_the_critic_allows_for_a_penalty_every_sixteenth_step():
    plain, lazy = (fitted(0, gamma=gamma, lr_critic=3e-3).opt_critic.defaults for gamma in (0.0, 1.0))
    assert (plain["lr"], plain["betas"]) == (3e-3, (0.0, 0.9))
    assert lazy["lr"] == pytest.approx(3e-3 * 16 / 17)
    assert lazy["betas"] == (0.0, pytest.approx(0.9 ** (16 / 17)))


@pytest.mark.parametrize(("t", "critic"), [(0, torch.float32), (1, torch.bfloat16)])
def test_the_critic_learns_in_float32_where_there_is_a_penalty(t, critic):
    system, seen = fitted(1, gamma=1.0), []
    system.critic.trunk.register_forward_hook(lambda module, given, made: seen.append(made.dtype))
    update = system.update

    def watched(loss, optimiser):
        seen.append((torch.ones(1, 1) @ torch.ones(1, 1)).dtype)
        update(loss, optimiser)

    system.update = watched
    system.set_mode(training=True)
    with seeded(0, "step"), torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
        losses = system.step(few_digits().batch(range(8)), t)
    assert seen == [critic] * 3 + [torch.bfloat16] * 2  # real, generated and update of the critic, then the generator
    assert all(torch.isfinite(loss) for loss in losses.values())


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


def test_rows_come_in_pairs_of_two_images_of_one_class_and_classes_equally_often():
    train = few_digits(n=6, classes=3)
    skewed = train.select(np.concatenate([np.flatnonzero(train.label != 2), np.flatnonzero(train.label == 2)[:1]]))
    rows = torch.cat([class_pairs(skewed, 30, 0, t) for t in range(40)]).view(-1, 2).numpy()
    label = skewed.label[rows]
    assert (label[:, 0] == label[:, 1]).all()
    assert (rows[:, 0] == rows[:, 1]).tolist() == (label[:, 0] == 2).tolist()  # only a class of one repeats its image
    assert np.bincount(label[:, 0]).min() > 150  # of 600 pairs


def test_critic_tells_pairs_by_the_spread_of_their_features():
    train = few_digits(n=6, classes=3)
    with seeded(0, "critic"):
        critic = PairCritic(train.spec, 8).eval()
    one, other = train.images([0, 6]), train.images([1, 7])
    labels = torch.zeros(4, dtype=torch.long)
    with torch.no_grad():
        pairs = critic(torch.stack([one[0], other[0], one[1], other[1]]), labels)
        same = critic(torch.stack([one[0], one[0], one[1], one[1]]), labels)
        swapped = critic(torch.stack([other[0], one[0], one[1], other[1]]), labels)
    assert (pairs[[0, 2]] - same[[0, 2]]).abs().min() > 1e-5  # the same image, in other company
    torch.testing.assert_close(swapped[:2], pairs[:2].flip(0))
    torch.testing.assert_close(swapped[2:], pairs[2:])


def test_pairs_keep_a_class_from_shrinking_to_one_image(monkeypatch):
    train = few_digits(n=10, classes=3)
    params = {"width": 16, "batch_size": 16}
    with_pairs = spread(fitted(300, train, **params))
    monkeypatch.setattr(PairCritic, "forward", lambda self, x, y: self.head(self.trunk(x).repeat(1, 2), y))
    assert with_pairs > 1.5 * spread(fitted(300, train, **params))


def spread(system):
    """Mean distance of generated images of one class."""
    made = system.sample(per_class=30, seed=2)
    return np.mean([torch.pdist(made.images(made.label == k).flatten(1)).mean() for k in range(3)])

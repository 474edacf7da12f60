"""Small-set GAN: routing, the average generator, and that it learns its classes."""

import numpy as np
import torch
from judges import agreement, few_digits, weights

import ganaug
from ganaug.core.seeding import seeded
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

"""DCGAN: routing, sizes, and that generated images come nearer to real ones."""

import pytest
import torch
from judges import few_digits, weights
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import ganaug
from ganaug.core.seeding import seeded
from ganaug.parts.nets.dcgan import DCGenerator, DCTrunk, pyramid


def fitted(steps, train=None, **params):
    return ganaug.make("dcgan", preset="tiny", **params).fit(train or few_digits(), budget=steps, seed=1)


def test_each_update_moves_its_own_network_only():
    system = fitted(1)
    update, before, seen = system.update, (weights(system.gen), weights(system.critic)), []

    def watched(loss, optimiser, **rest):
        update(loss, optimiser, **rest)
        seen.append(
            (not torch.equal(weights(system.gen), before[0]), not torch.equal(weights(system.critic), before[1]))
        )

    system.update = watched
    system.set_mode(training=True)
    with seeded(0, "step"):
        system.step(few_digits().batch(range(8)), 0)
    assert seen == [(False, True), (True, True)]


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (30, 50), (64, 64), (9, 13)])
def test_networks_fit_any_size(size):
    sizes = pyramid(*size)
    assert sizes[-1] == size
    assert len(sizes) >= 3
    z = torch.rand(2, 10)
    image = DCGenerator(10, 3, *size, width=4)(z)
    assert image.shape == (2, 3, *size)
    assert image.abs().max() <= 1
    trunk = DCTrunk(3, *size, width=4)
    assert trunk(image).shape == (2, trunk.out)


def told_apart(made, real):
    """Cross-validated accuracy of a 3-nearest-neighbour test between generated and real images."""
    x = torch.cat([made, real]).flatten(1).numpy()
    y = [0] * len(made) + [1] * len(real)
    return cross_val_score(KNeighborsClassifier(3), x, y, cv=4).mean()


def test_training_makes_generated_images_harder_to_tell_from_real_ones():
    train = few_digits(n=30)
    params = {"width": 16, "batch_size": 32, "latent": 32, "lr": 1e-3}
    before, after = (fitted(t, train, **params).sample(300, seed=2).images() for t in (1, 500))
    assert told_apart(before, train.images()) > 0.97
    assert told_apart(after, train.images()) < 0.95
    spread = after.flatten(1).std(0).mean() / train.images().flatten(1).std(0).mean()
    assert spread > 0.4  # not a single image over and over

"""BAGAN: autoencoder, switch, class Gaussians, one head of K + 1 classes."""

import numpy as np
import pytest
import torch
from judges import agreement, few_digits, weights

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.splits import few_shot

NETWORKS = ("encoder", "to_latent", "gen", "critic", "head")


def skewed():
    train = few_digits(30, classes=4)
    return train.select(few_shot(train, {"3": 5}, 0))


def fitted(steps, train=None, **params):
    return ganaug.make("bagan", preset="tiny", **params).fit(train or skewed(), budget=steps, seed=1)


def test_first_stage_moves_the_autoencoder_only_and_uses_no_labels():
    def first_stage(train, steps):
        system = ganaug.make("bagan", preset="tiny")
        system.stages = (1.0,)
        return system.fit(train, budget=steps, seed=1)

    train = skewed()
    start, end = first_stage(train, 0), first_stage(train, 10)
    moved = {name: not torch.equal(weights(getattr(start, name)), weights(getattr(end, name))) for name in NETWORKS}
    assert moved == {"encoder": True, "to_latent": True, "gen": True, "critic": False, "head": False}
    other = first_stage(train.but(label=np.roll(train.label, 7)), 10)
    assert torch.equal(weights(end.gen), weights(other.gen))


def test_critic_equals_the_encoder_at_the_switch_and_the_decoder_stays_the_generator():
    system = fitted(2, dropout=0.0)
    system.train = skewed()
    encoder, generator = weights(system.encoder), weights(system.gen)
    system.switch()
    assert torch.equal(weights(system.critic), encoder)
    assert torch.equal(weights(system.gen), generator)


def test_class_gaussians_are_those_of_the_encoder_and_of_any_rank():
    system = fitted(2, dropout=0.0)
    system.train = skewed()
    system.switch()
    rows = system.train.label == 3
    with torch.no_grad():
        latents = system.to_latent(system.encoder(system.train.images(rows)))
    torch.testing.assert_close(system.prior.mean[3], latents.mean(0), rtol=1e-4, atol=1e-5)
    covariance = system.prior.factor[3] @ system.prior.factor[3].T
    torch.testing.assert_close(covariance, torch.cov(latents.T), rtol=1e-3, atol=1e-5)
    assert torch.linalg.matrix_rank(covariance, rtol=1e-4) <= 4
    with seeded(0, "draw"):
        assert torch.isfinite(system.prior(torch.full((50,), 3))).all()


def test_generated_images_are_class_k_for_the_critic_and_their_own_class_for_the_generator(monkeypatch):
    from ganaug.systems.low_data import bagan

    system = fitted(4)
    system.train, seen = skewed(), []
    real = bagan.F.cross_entropy
    monkeypatch.setattr(bagan.F, "cross_entropy", lambda x, y: seen.append((x.shape, y.clone())) or real(x, y))
    system.set_mode(training=True)
    with seeded(0, "step"):
        system.step(system.train.batch(range(8)), 3)
    (critic_shape, critic_labels), (generator_shape, generator_labels) = seen
    assert critic_shape == (8 + 2, 5)
    assert critic_labels[:8].tolist() == system.train.label[:8].tolist()
    assert critic_labels[8:].tolist() == [4, 4]
    assert generator_shape == (10, 5)
    assert int(generator_labels.max()) < 4


def test_second_stage_moves_the_critic_and_then_the_generator():
    system, seen = fitted(4), []
    update = system.update

    def watched(loss, optimiser):
        before = {name: weights(getattr(system, name)) for name in NETWORKS}
        update(loss, optimiser)
        seen.append([name for name in NETWORKS if not torch.equal(weights(getattr(system, name)), before[name])])

    system.update = watched
    system.set_mode(training=True)
    with seeded(0, "step"):
        system.step(skewed().batch(range(8)), 3)
    assert seen == [["critic", "head"], ["gen"]]


def test_the_generator_learns_to_be_named_by_a_critic_that_rests():
    """Both get cross-entropy; each alone brings its own down."""
    system, train = fitted(4, dropout=0.0, lr=2e-3), skewed()
    update = system.update

    def alone(learning, steps=30):
        system.update = lambda loss, optimiser: update(loss, optimiser) if optimiser is learning else None
        with seeded(0, "steps"):
            made = [system.step(train.batch(range(i % 5, 95, 5)), 3) for i in range(steps)]
        return [float(losses["generator"].detach()) for losses in made]

    alone(system.opt_critic)
    losses = alone(system.opt_gen)
    assert losses[0] > 2
    assert np.mean(losses[-5:]) < 0.7 * losses[0]


def test_classes_without_a_training_image_are_never_asked_for():
    train = few_digits()
    system = fitted(4, train.select(np.isin(train.label, (0, 2, 5))))
    assert len(system.spec.classes) == 10
    labels = system.any_class(300)
    assert (torch.bincount(labels) > 60).nonzero().flatten().tolist() == labels.unique().tolist() == [0, 2, 5]
    assert system.fakes(train.batch(range(8))) == 3  # of three classes, and not of ten


def test_pool_rows_are_drawn_on_the_cpu_whatever_the_default_device_is():
    train = skewed().but(others={"unlabelled": skewed().but(label=None, others={})})
    drawn = []
    for device in ("cpu", "meta"):
        with torch.device(device), seeded(0, "draw"):
            drawn.append(fitted(0).draw(train, torch.arange(5, device="cpu")).pair["unlabelled"].row)
    assert torch.equal(*(torch.as_tensor(rows, device="cpu") for rows in drawn))


def test_unlabelled_images_serve_the_autoencoder_only():
    train = skewed()
    system = fitted(6, train.but(label=np.where(np.arange(len(train)) % 2, train.label, -1)))
    assert torch.isfinite(weights(system.critic)).all()
    assert torch.isfinite(system.sample(per_class=2).images()).all()


def test_pool_beside_the_training_set_reaches_the_autoencoder_and_nothing_else():
    pool = skewed().but(label=None, others={})
    system = fitted(6, skewed().but(others={"unlabelled": pool}))
    system.train = skewed().but(others={"unlabelled": pool})
    with seeded(0, "draw"):
        batch = system.draw(system.train, torch.arange(5))
    assert batch.pair["unlabelled"].image.shape == batch.image.shape
    seen = []
    system.encoder.register_forward_hook(lambda module, given, made: seen.append(len(given[0])))
    system.critic.register_forward_hook(lambda module, given, made: seen.append(-len(given[0])))
    with seeded(0, "step"):
        system.step(batch, 0)
        system.step(batch, 5)
    assert seen[0] == 10  # the batch and as many of the pool
    assert all(n < 0 for n in seen[1:])
    assert abs(seen[1]) == 5 + system.fakes(batch)  # the critic sees labelled images and generated ones


@pytest.fixture(scope="module")
def trained():
    return fitted(500, width=32, trunk_width=8, batch_size=16, lr_autoencoder=2e-3, latent=32, dropout=0.1)


def test_latents_of_a_class_decode_to_it_and_permuted_means_do_not(trained):
    made = trained.sample(per_class=60, seed=3)
    own = agreement(made)
    mean, factor = trained.prior.mean.clone(), trained.prior.factor.clone()
    order = torch.tensor([1, 2, 3, 0])
    trained.prior.mean.copy_(mean[order]), trained.prior.factor.copy_(factor[order])
    permuted = agreement(trained.sample(per_class=60, seed=3))
    trained.prior.mean.copy_(mean), trained.prior.factor.copy_(factor)
    assert own > 0.75
    assert permuted < 0.35


def test_small_class_is_not_copied(trained):
    made = trained.sample(per_class={"3": 40}, seed=4).images().flatten(1)
    real = skewed().images(skewed().label == 3).flatten(1)
    assert torch.cdist(made, real).min(1).values.median() > 0.1

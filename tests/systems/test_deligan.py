# SPDX-License-Identifier: Apache-2.0
"""DeLiGAN: the mixture learns, components stay wide and apart, and the critic sees images in company."""

import pytest
import torch
from judges import few_digits, weights

import ganaug
from ganaug.core.seeding import seeded
from ganaug.parts.priors import normal
from ganaug.systems.low_data import deligan
from ganaug.systems.low_data.deligan import MixturePrior


def fitted(steps, train=None, **params):
    return ganaug.make("deligan", preset="tiny", **params).fit(train or few_digits(), budget=steps, seed=1)


def prior(components=5, latent=3, sigma=0.2):
    with seeded(0, "prior"):
        return MixturePrior(components, latent, sigma)


def test_a_latent_is_mean_plus_deviation_times_noise():
    mixture, component = prior(), torch.tensor([4, 0, 4])
    assert mixture.mean.abs().max() <= 1
    with seeded(1, "draw"):
        z = mixture(component)
    with seeded(1, "draw"):
        noise = torch.randn(3, 3)
    torch.testing.assert_close(z, mixture.mean[component] + 0.2 * noise)
    z.sum().backward()
    assert mixture.mean.grad.sum(1).tolist() == [3, 0, 0, 0, 6]
    torch.testing.assert_close(mixture.sigma.grad[4], noise[0] + noise[2])


def test_the_term_draws_deviations_to_one_from_both_sides():
    mixture = prior(2, 1)
    mixture.sigma.data = torch.tensor([[0.5], [3.0]])
    loss = mixture.narrowness()
    torch.testing.assert_close(loss, torch.tensor((0.25 + 4) / 2))
    loss.backward()
    assert mixture.sigma.grad.flatten().tolist() == [-0.5, 2.0]


def test_a_stratified_batch_has_every_component_equally_often():
    system = fitted(0)
    with seeded(0, "chosen"):
        whole, more = system.chosen(8), system.chosen(19)
    assert whole.sort().values.tolist() == list(range(8))
    assert sorted(more.bincount(minlength=8).tolist()) == [2] * 5 + [3] * 3
    with seeded(0, "chosen"):
        loose = fitted(0, stratified=False).chosen(8000).bincount(minlength=8)
    assert len(loose.unique()) > 1
    assert (loose - 1000).abs().max() < 150


def test_each_update_moves_its_own_networks_and_the_adversarial_loss_alone_reaches_means_and_deviations():
    system = fitted(1, sigma_weight=0.0)
    parts = {"gen": system.gen, "critic": system.critic}
    parts |= {name: torch.nn.ParameterList([getattr(system.prior, name)]) for name in ("mean", "sigma")}
    before, seen, update = {name: weights(part) for name, part in parts.items()}, [], system.update

    def watched(loss, optimiser, **rest):
        update(loss, optimiser, **rest)
        seen.append([name for name, part in parts.items() if not torch.equal(weights(part), before[name])])

    system.update = watched
    system.set_mode(training=True)
    with seeded(0, "step"):
        system.step(few_digits().batch(range(8)), 0)
    assert seen == [["critic"], ["gen", "critic", "mean", "sigma"]]


def test_the_critic_sees_each_image_in_its_company():
    critic = fitted(1).critic.eval()
    images = few_digits().images(range(0, 16, 2))
    with torch.no_grad():
        together, again = critic(images), critic(images[[0] * 8])
        alone = torch.cat([critic(one[None]) for one in images])
    assert (together - alone).abs().min() > 1e-5
    assert (again[0] - together[0]).abs() > 1e-5  # in the company of its copies
    torch.testing.assert_close(again, again[:1].expand(8))


@pytest.fixture(scope="module")
def trained():
    params = {"components": 16, "batch_size": 16, "lr": 4e-3}
    return {weight: fitted(150, sigma_weight=weight, **params) for weight in (1 / 3, 0.0)}


def test_deviations_end_smaller_without_the_term(trained):
    with_term, without = (trained[weight].prior.sigma.detach().abs().mean() for weight in (1 / 3, 0.0))
    assert without < with_term


def shares(system, draws=20):
    """Variance of images between and within components: of the conditional means, and mean over components."""
    n = system.components
    with torch.no_grad(), seeded(0, "shares"):
        made = torch.stack([system.gen(system.prior(torch.arange(n))).flatten(1) for _ in range(draws)])
    return float(made.mean(0).var(0).mean()), float(made.var(0).mean())


def test_images_of_different_components_differ_more_than_images_of_one(trained, monkeypatch):
    between, within = shares(trained[1 / 3])
    assert between > within
    monkeypatch.setattr(deligan.MixturePrior, "forward", lambda self, c: normal(len(c), self.mean.shape[1]))
    between, within = shares(trained[1 / 3])
    assert between < 0.2 * within  # of a plain latent, components say nothing

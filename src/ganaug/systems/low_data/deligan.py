# SPDX-License-Identifier: Apache-2.0
"""DeLiGAN: diverse images from few, by a generator that starts from a learned mixture of Gaussians.

Swaminathan Gurumurthy, Ravi Kiran Sarvadevabhatla, R. Venkatesh Babu, "DeLiGAN: Generative Adversarial Networks for
Diverse and Limited Data", CVPR 2017, arXiv 1706.02071.

A latent is mu_i + sigma_i * noise, where the component i is uniform and all means and deviations learn from the
generator's loss, which reaches them through this sum. That loss alone would narrow every component to a point, so the
generator also pays for deviations that are not 1. The critic judges each image in the company of its batch (minibatch
discrimination), which gives away a generator that repeats itself.

Labels: none. One clone a class (`PerClass`) makes labelled images. The authors' CIFAR-10 critic, which learns from
labels too, is left out.
Deviations: DCGAN's networks for any size from 8 px, with the authors' maximum over each channel before the minibatch
discrimination; one update of each network in turn, where the authors choose by a threshold on the generator's loss
(MNIST) or give the generator three of four (CIFAR-10); rates constant for half of the run, not for a quarter (MNIST)
or two thirds (CIFAR-10); minibatch discrimination as published first, not divided by its sum over the batch.
Cost: see the card.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.spec import Spec
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import logistic_critic, nonsaturating_generator
from ganaug.parts.nets.dcgan import DCGenerator, DCTrunk, pyramid
from ganaug.parts.nets.minibatch import MinibatchDiscrimination
from ganaug.parts.priors import normal, uniform
from ganaug.parts.schedules import falling


class MixturePrior(nn.Module):
    """N equally likely Gaussians with learned means and learned diagonal deviations.

    Means start uniform in [-1, 1], deviations at `sigma`. A deviation may turn negative, which changes nothing.
    """

    def __init__(self, components: int, latent: int, sigma: float):
        super().__init__()
        self.mean = nn.Parameter(uniform(components, latent))
        self.sigma = nn.Parameter(torch.full((components, latent), sigma))

    def forward(self, component: Int[Tensor, " n"]) -> Float[Tensor, "n z"]:
        """One latent of each component, with gradients to its mean and deviation."""
        return self.mean[component] + self.sigma[component] * normal(len(component), self.mean.shape[1])

    def narrowness(self) -> Float[Tensor, ""]:
        """mean (1 - sigma)^2: what keeps the components from shrinking to points."""
        return (1 - self.sigma).square().mean()


class Critic(nn.Module):
    """Images [B, C, H, W], all real or all generated -> logits [B], each seen in the company of its batch."""

    def __init__(self, width: int, kernels: int, spec: Spec):
        super().__init__()
        self.trunk = DCTrunk(spec.channels, *spec.size, width=width)
        height, width_px = pyramid(*spec.size)[0]
        self.area = height * width_px
        self.company = MinibatchDiscrimination(self.trunk.out // self.area, kernels)
        self.head = nn.Linear(self.company.out, 1)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        strongest = self.trunk(images).unflatten(1, (-1, self.area)).amax(2)
        return self.head(self.company(strongest))[:, 0]


class DeLiGAN(System):
    """DeLiGAN (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    components : Gaussians of the mixture (paper: 50 for MNIST, 100 for CIFAR-10).
    latent : dimensions of the latents (paper: 30 for MNIST, 100 for CIFAR-10).
    sigma : what all deviations start at (paper: 0.2).
    sigma_weight : of the term that draws the deviations to 1 (paper: 1/3 for MNIST, 0.05 for sketches).
    stratified : whether a batch has every component equally often, as in the authors' code, or components at random.
    width : channels of the last generator and first critic stage (paper: 16).
    kernels : of the minibatch discrimination, each of 5 dimensions (paper: 64).
    batch_size : images a step (paper: as many as components).
    lr : Adam's learning rate, beta1 0.5, falling to 0 (paper: 5e-4 for MNIST).
    """

    CARD = Card(
        id="deligan",
        title="DeLiGAN",
        paper="DeLiGAN: Generative Adversarial Networks for Diverse and Limited Data",
        arxiv="1706.02071",
        year=2017,
        lists=("000", "002"),
        can=("sample",),
        labels="none",
        min_rows=10,
        cost="42 ms a step at 28 px, batch 50, preset small, one core",
        deviations=(
            "DCGAN's networks for any size from 8 px, with a maximum over each channel at the end of the critic",
            "one update of each network in turn instead of a threshold on the generator's loss",
            "rates are constant for half of the run, then fall to 0",
            "minibatch discrimination is not divided by its sum over the batch",
            "no critic that learns from labels",
        ),
        shows="the components' deviations end smaller without the term that draws them to 1 than with it.",
    )
    PRESETS = {
        "paper": {"latent": 30, "components": 50, "width": 16, "batch_size": 50, "lr": 5e-4},
        "small": {"lr": 2e-3},
        "tiny": {"latent": 16, "components": 8, "batch_size": 8, "width": 8, "kernels": 8},
    }

    def __init__(
        self,
        *,
        components: int = 50,
        latent: int = 30,
        sigma: float = 0.2,
        sigma_weight: float = 1 / 3,
        stratified: bool = True,
        width: int = 16,
        kernels: int = 64,
        batch_size: int = 50,
        lr: float = 5e-4,
    ):
        self.components = components
        self.latent = latent
        self.sigma = sigma
        self.sigma_weight = sigma_weight
        self.stratified = stratified
        self.width = width
        self.kernels = kernels
        self.batch_size = batch_size
        self.lr = lr

    def build(self, spec: Spec) -> None:
        self.prior = MixturePrior(self.components, self.latent, self.sigma)
        self.gen = DCGenerator(self.latent, spec.channels, *spec.size, width=self.width)
        self.critic = Critic(self.width, self.kernels, spec)
        painters = [*self.prior.parameters(), *self.gen.parameters()]
        self.opt_gen = Adam(painters, lr=self.lr, betas=(0.5, 0.999))
        self.opt_critic = Adam(self.critic.parameters(), lr=self.lr, betas=(0.5, 0.999))

    def chosen(self, n: int) -> Int[Tensor, " n"]:
        """Components [n]: orders of all of them one after the other, or each one at random."""
        if not self.stratified:
            return torch.randint(self.components, (n,))
        orders = torch.rand(-(-n // self.components), self.components).argsort(1)
        return orders.flatten()[:n]

    def step(self, batch: Batch, t: int) -> Losses:
        falling(self.stage(t)[1], self.lr, self.opt_gen, self.opt_critic)
        fake = self.gen(self.prior(self.chosen(len(batch))))
        critic = logistic_critic(self.critic(batch.image), self.critic(fake.detach()))
        self.update(critic, self.opt_critic)
        with frozen(self.critic):
            generator = nonsaturating_generator(self.critic(fake))
        narrow = self.prior.narrowness()
        self.update(generator + self.sigma_weight * narrow, self.opt_gen)
        return {"critic": critic, "generator": generator, "narrow": narrow}

    def generate(self, want: Batch) -> Batch:
        return want.but(image=self.gen(self.prior(self.chosen(len(want)))))

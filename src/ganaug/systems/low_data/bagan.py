# SPDX-License-Identifier: Apache-2.0
"""BAGAN: fill up small classes with a GAN that starts from an autoencoder of all classes.

Giovanni Mariani, Florian Scheidegger, Roxana Istrate, Costas Bekas, Cristiano Malossi, "BAGAN: Data Augmentation with
Balancing GAN", 2018, arXiv 1803.09655.

An autoencoder learns from all images, labels unused, so a pool of unlabelled images serves it too. Its decoder then
becomes the generator and its encoder the critic; latents of each class are drawn from a Gaussian fitted once to the
encoder's outputs of that class. The critic has one head of K + 1 outputs, the classes and "generated", so that naming
a class and seeing through a fake never pull in different directions, which is what starves small classes in AC-GAN.

Labels: hard, the class that was asked for.
Deviations: a class covariance of any rank is sampled through its eigenvectors, so classes of a few images work; preset
small has narrower networks and larger learning rates than the paper, because its runs are a hundred times shorter.
Cost: preset small at 28 px, batch 32: 43 ms (autoencoder) and 57 ms (GAN) a step on one core.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.parts.freeze import frozen
from ganaug.parts.nets.conditional import StridedTrunk
from ganaug.parts.nets.dcgan import pyramid
from ganaug.parts.priors import ClassGaussian, any_of
from ganaug.parts.samplers import beside_pool


class Decoder(nn.Module):
    """Latents [B, z] -> images [B, C, H, W] in [-1, 1]; no bias and no norm anywhere (authors' code).

    Two linear layers, then nearest up-sampling and a 5x5 convolution for each doubling, and a 2x2 convolution.
    """

    def __init__(self, latent: int, spec: Spec, width: int):
        super().__init__()
        self.sizes = pyramid(*spec.size, least=8)
        stages = len(self.sizes) - 1
        widths = [width // 2, *[width] * (stages - 1), width // 2]
        self.first = nn.Linear(latent, 4 * width, bias=False)
        self.second = nn.Linear(4 * width, widths[0] * self.sizes[0][0] * self.sizes[0][1], bias=False)
        self.convs = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 5, padding=2, bias=False) for i in range(stages))
        self.last = nn.Conv2d(widths[-1], spec.channels, 2, bias=False)
        for layer in (self.first, self.second, *self.convs, self.last):
            nn.init.xavier_normal_(layer.weight)

    def forward(self, z: Tensor) -> Tensor:
        x = F.relu(self.second(F.relu(self.first(z)))).view(len(z), -1, *self.sizes[0])
        for conv, size in zip(self.convs, self.sizes[1:], strict=True):
            x = F.relu(conv(F.interpolate(x, size=size)))
        return torch.tanh(self.last(F.pad(x, (0, 1, 0, 1))))


class BAGAN(System):
    """BAGAN (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    latent : size of the latent (paper: 100).
    width : channels of the decoder's convolutions (paper: 256).
    trunk_width : channels of the first convolution of encoder and critic; they double up to eight times (paper: 32).
    dropout : after each of these (paper: 0.3).
    batch_size : real images a step (paper: 128).
    lr_autoencoder, lr : Adam's learning rates before and after the switch, beta1 0.5 (paper: 5e-5 both).
    """

    CARD = Card(
        id="bagan",
        title="BAGAN",
        paper="BAGAN: Data Augmentation with Balancing GAN",
        arxiv="1803.09655",
        year=2018,
        lists=("000",),
        needs=("label",),
        may_use=("unlabelled",),
        can=("sample",),
        min_rows=5,
        cost="43 and 57 ms a step (autoencoder, GAN) at 28 px, batch 32, preset small, one core",
        deviations=("class covariances of any rank", "preset small: narrower networks, larger learning rates"),
        shows="at the switch the critic's layers equal the encoder's, and latents of a class already decode to it.",
    )
    PRESETS = {
        "paper": {"width": 256, "batch_size": 128, "lr_autoencoder": 5e-5, "lr": 5e-5},
        "small": {"width": 48, "trunk_width": 8, "batch_size": 32},
        "tiny": {"width": 16, "trunk_width": 4, "batch_size": 8, "latent": 16},
    }
    stages = (0.5, 0.5)

    def __init__(
        self,
        *,
        latent: int = 100,
        width: int = 128,
        trunk_width: int = 32,
        dropout: float = 0.3,
        batch_size: int = 64,
        lr_autoencoder: float = 3e-4,
        lr: float = 2e-4,
    ):
        self.latent = latent
        self.width = width
        self.trunk_width = trunk_width
        self.dropout = dropout
        self.batch_size = batch_size
        self.lr_autoencoder = lr_autoencoder
        self.lr = lr

    def build(self, spec: Spec) -> None:
        self.encoder = self.trunk(spec)
        self.to_latent = nn.Linear(self.encoder.out, self.latent)
        self.gen = Decoder(self.latent, spec, self.width)
        self.critic = self.trunk(spec)
        self.head = nn.Linear(self.critic.out, len(spec.classes) + 1)
        self.prior = ClassGaussian(len(spec.classes), self.latent)
        self.switched_ = False
        autoencoder = [*self.encoder.parameters(), *self.to_latent.parameters(), *self.gen.parameters()]
        self.opt_auto = Adam(autoencoder, lr=self.lr_autoencoder, betas=(0.5, 0.999))
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr, betas=(0.5, 0.999))
        critic = [*self.critic.parameters(), *self.head.parameters()]
        self.opt_critic = Adam(critic, lr=self.lr, betas=(0.5, 0.999))

    def trunk(self, spec: Spec) -> StridedTrunk:
        """The layers that encoder and critic share."""
        return StridedTrunk(
            spec.channels, *spec.size, width=self.trunk_width, most=8, least=8, slope=0.3, dropout=self.dropout
        )

    def draw(self, data: ImageSet, rows: Tensor) -> Batch:
        """The rows, and as many of the unlabelled pool where there is one: the autoencoder needs no labels."""
        return beside_pool(data, rows)

    def step(self, batch: Batch, t: int) -> Losses:
        if self.stage(t)[0] == 0:
            images = torch.cat([batch.image, *(more.image for more in batch.pair.values())])
            reconstruction = F.mse_loss(self.gen(self.to_latent(self.encoder(images))), images)
            self.update(reconstruction, self.opt_auto)
            return {"reconstruction": reconstruction}
        if not self.switched_:
            self.switch()
        critic = self.critic_loss(batch)
        self.update(critic, self.opt_critic)
        labels = self.any_class(len(batch) + self.fakes(batch))
        with frozen(self.critic, self.head):
            generator = F.cross_entropy(self.head(self.critic(self.gen(self.prior(labels)))), labels)
        self.update(generator, self.opt_gen)
        return {"critic": critic, "generator": generator}

    def switch(self) -> None:
        """Encoder weights into the critic, class Gaussians from the encoder; both once (paper, section 3)."""
        self.critic.load_state_dict(self.encoder.state_dict())
        self.encoder.eval()
        with torch.no_grad():
            known = self.train.label >= 0
            images, labels = self.train.images(known), torch.as_tensor(self.train.label[known])
            latents = [self.to_latent(self.encoder(part.to(self.head.weight.device))) for part in images.split(256)]
        self.encoder.train()
        self.prior.fit(torch.cat(latents), labels.to(self.head.weight.device))
        self.switched_ = True

    def fakes(self, batch: Batch) -> int:
        """Generated images beside a real batch: ceil(B / K), so that "generated" is one class among others."""
        return -(-len(batch) // len(self.seen_classes()))

    def any_class(self, n: int) -> Tensor:
        """Labels [n], every class of the training set equally likely."""
        return any_of(self.seen_classes(), n)

    def critic_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of K + 1 classes on labelled real images and on generated ones, which are class K."""
        n = self.fakes(batch)
        with torch.no_grad():
            fake = self.gen(self.prior(self.any_class(n)))
        known = batch.label >= 0
        logits = self.head(self.critic(torch.cat([batch.image[known], fake])))
        generated = torch.full((n,), len(self.spec.classes))
        return F.cross_entropy(logits, torch.cat([batch.label[known], generated]))

    def generate(self, want: Batch) -> Batch:
        return want.but(image=self.gen(self.prior(want.label)))

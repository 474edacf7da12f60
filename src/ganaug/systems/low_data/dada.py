# SPDX-License-Identifier: Apache-2.0
"""DADA: a classifier from a few images a class, which first plays against a generator and then learns from it.

Xiaofeng Zhang, Zhangyang Wang, Dong Liu, Qing Ling, "DADA: Deep Adversarial Data Augmentation for Extremely Low Data
Regime Classification", ICASSP 2019, arXiv 1809.00981.

Critic and classifier are one network with two logits a class, "real" and "generated". First, generator and critic play:
of each image only the two logits of its class are compared, and nothing else tells the generator a class. Then the
generator rests, and the network learns to name the classes of real and of fresh generated images alike, where the logit
of a class is the sum of its two.

Labels: hard, the class that was asked for; drawn uniformly for generated images.
Gradients: the generator's steps leave the critic alone, and nothing moves the generator in the second phase.
Deviations: the critic halves the sides down to about 8 px, as it does at the paper's 32, and all of its convolutions
are padded, so that any size from 8 px works; the generator's batch norm learns a scale, its last layer has no weight
norm, and samples are made with the statistics of a batch of all classes; classes are balanced in every batch; rotation,
shift and flip of real images are left to a study's arms. Preset small is narrower and learns faster.
Cost: see the card.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView
from ganaug.parts.ema import EMA
from ganaug.parts.freeze import frozen
from ganaug.parts.nets.conditional import standing_statistics
from ganaug.parts.nets.dcgan import pyramid
from ganaug.parts.priors import any_of
from ganaug.parts.samplers import class_balanced

REAL, GENERATED = 0, 1  # rows of the critic's table of logits
FEATURES = 0.5  # weight of feature matching in the generator's loss
STANDING = 256  # images whose batch statistics samples are made with
CALIBRATION = 500  # training images that set the scales of the critic's layers before the first step


class Generator(nn.Module):
    """Latents [B, z] and labels [B] -> images [B, C, H, W] in [-1, 1]; the one-hot label joins in at every layer.

    Linear, then 5x5 transposed convolutions of stride 2 with batch norm and ReLU, tanh.
    """

    def __init__(self, latent: int, width: int, spec: Spec):
        super().__init__()
        self.sizes, self.classes = pyramid(*spec.size), len(spec.classes)
        widths = [width * 2 ** min(i, 3) for i in reversed(range(len(self.sizes) - 1))]
        self.first = nn.Linear(latent + self.classes, widths[0] * self.sizes[0][0] * self.sizes[0][1], bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(a, track_running_stats=False) for a in widths)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a + self.classes, b, 5, stride=2, padding=2)
            for a, b in pairwise([*widths, spec.channels])
        )
        for layer in (self.first, *self.ups):
            nn.init.normal_(layer.weight, 0.0, 0.05)

    def forward(self, z: Float[Tensor, "b z"], labels: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        asked = F.one_hot(labels, self.classes).to(z.dtype)
        x = self.first(torch.cat([z, asked], 1)).view(len(z), -1, *self.sizes[0])
        for norm, up, size in zip(self.norms, self.ups, self.sizes[1:], strict=True):
            maps = asked[..., None, None].expand(-1, -1, *x.shape[-2:])
            x = up(torch.cat([F.relu(norm(x)), maps], 1), output_size=size)
        return torch.tanh(x)


class Critic(nn.Module):
    """Images [B, C, H, W] -> logits [B, 2, K], in row 0 "real" and in row 1 "generated" of each class.

    Noise of deviation 0.2 on the images; for each halving two 3x3 convolutions, one of stride 2 and dropout; one 3x3
    and two 1x1 convolutions; the mean over all pixels; a linear head. LeakyReLU 0.2, weight norm.
    """

    def __init__(self, width: int, spec: Spec):
        super().__init__()
        layers: list[nn.Module] = []
        before = spec.channels
        for i in range(len(pyramid(*spec.size, least=8)) - 1):
            after = width * min(i + 1, 2)
            layers += [*painted(before, after), *painted(after, after), *painted(after, after, stride=2)]
            layers += [nn.Dropout(0.5)]
            before = after
        layers += [*painted(before, before), *painted(before, before, 1), *painted(before, before, 1)]
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = weight_norm(nn.Linear(before, 2 * len(spec.classes)))

    def features(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """What the head reads."""
        return self.trunk(images + 0.2 * torch.randn_like(images) if self.training else images)

    def table(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b 2 k"]:
        """The logits that features give."""
        return self.head(features).unflatten(1, (2, -1))

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2 k"]:
        return self.table(self.features(images))

    @torch.no_grad()
    def calibrate(self, images: Float[Tensor, "b c h w"]) -> None:
        """Scale and bias of every layer, so that its outputs on these images have mean 0 and deviation 1 (head 0.1)."""
        for layer in (*self.trunk, self.head):
            made = layer(images)
            if hasattr(layer, "parametrizations"):
                rest = [axis for axis in range(made.ndim) if axis != 1]
                scale = (0.1 if layer is self.head else 1.0) / made.std(rest, correction=0).clamp_min(1e-3)
                gain = layer.parametrizations.weight.original0
                gain.mul_(scale.view(-1, *[1] * (gain.ndim - 1)))
                layer.bias.copy_((layer.bias - made.mean(rest)) * scale)
                made = layer(images)
            images = made


def painted(a: int, b: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """A weight-normed convolution that keeps the size, or halves it, and LeakyReLU 0.2."""
    return [weight_norm(nn.Conv2d(a, b, kernel, stride, kernel // 2)), nn.LeakyReLU(0.2)]


def source_loss(logits: Float[Tensor, "b 2 k"], labels: Int[Tensor, " b"], source: int) -> Float[Tensor, ""]:
    """Cross-entropy of REAL or GENERATED between the two logits of each image's class."""
    own = logits[torch.arange(len(labels)), :, labels]
    return F.cross_entropy(own, torch.full_like(labels, source))


def class_logits(logits: Float[Tensor, "b 2 k"]) -> Float[Tensor, "b k"]:
    """The two logits of each class, added (not the logarithm of their summed exponentials)."""
    return logits.sum(1)


class Classifier(nn.Module):
    """Images [B, C, H, W] -> logits [B, K] of a critic's classes, as the paper tests."""

    def __init__(self, critic: nn.Module):
        super().__init__()
        self.critic = critic

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        return class_logits(self.critic(images))


class DADA(System):
    """DADA (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    latent : size of the noise vector, uniform in [0, 1) (paper: 100).
    width : channels of the generator's last stage but one (paper: 128).
    critic_width : channels of the critic's first stage, doubled from the second on (paper: 96).
    batch_size : real images a step, and as many generated ones (paper: 100).
    lr : Adam's learning rate, beta1 0.5 (paper: 3e-4).
    half_life : of the moving average that is the classifier, in images; at most a twentieth of those seen (paper: 0.999
        a step, which is about 70,000).
    """

    CARD = Card(
        id="dada",
        title="DADA",
        paper="DADA: Deep Adversarial Data Augmentation for Extremely Low Data Regime Classification",
        arxiv="1809.00981",
        year=2019,
        lists=("002",),
        needs=("label",),
        can=("sample", "model"),
        min_rows=5,
        cost="120 ms a step of the first phase, 50 ms of the second, at 28 px, batch 32, preset small, one core",
        deviations=(
            "the critic halves the sides down to about 8 px, and all of its convolutions are padded",
            "the generator's batch norm learns a scale, and its last layer has no weight norm",
            "samples are made with the statistics of a batch of all classes",
            "classes are balanced in every batch",
            "rotation, shift and flip of real images are left to a study's arms",
        ),
        shows="a judge names the class that was asked for, though only the choice of a pair of logits tells it.",
    )
    PRESETS = {
        "paper": {"latent": 100, "width": 128, "critic_width": 96, "batch_size": 100, "lr": 3e-4},
        "small": {"width": 32, "critic_width": 16, "batch_size": 32, "lr": 1e-3},
        "tiny": {"latent": 16, "width": 8, "critic_width": 8, "batch_size": 8},
    }
    sampler = staticmethod(class_balanced)
    stages = (2.0, 5.0)  # of 700 epochs, the paper's generator learns for the first 200

    def __init__(
        self,
        *,
        latent: int = 100,
        width: int = 64,
        critic_width: int = 48,
        batch_size: int = 64,
        lr: float = 3e-4,
        half_life: float = 70_000,
    ):
        self.latent = latent
        self.width = width
        self.critic_width = critic_width
        self.batch_size = batch_size
        self.lr = lr
        self.half_life = half_life

    def build(self, spec: Spec) -> None:
        self.gen = Generator(self.latent, self.width, spec)
        self.critic = Critic(self.critic_width, spec)
        self.average = EMA(self.critic, self.half_life)
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr, betas=(0.5, 0.999))
        self.opt_critic = Adam(self.critic.parameters(), lr=self.lr, betas=(0.5, 0.999))

    def prepare(self, train: TrainView) -> None:
        """The scales of the critic's layers from training images, in place of a normalisation."""
        rows = torch.randperm(len(train), device="cpu")[:CALIBRATION]
        self.critic.eval()
        self.critic.calibrate(train.images(rows).to(self.critic.head.bias.device))

    def asked(self, n: int) -> tuple[Float[Tensor, "n z"], Int[Tensor, " n"]]:
        """Latents and labels, every class of the training set equally likely."""
        return torch.rand(n, self.latent), any_of(self.seen_classes(), n)

    def step(self, batch: Batch, t: int) -> Losses:
        if self.stage(t)[0] == 1:
            real, generated = self.class_losses(batch)
            self.update(real + generated, self.opt_critic, recogniser=True)
            self.average.update(self.critic, len(batch))
            return {"real": real, "generated": generated}
        critic = self.critic_loss(batch)
        self.update(critic, self.opt_critic)
        self.average.update(self.critic, len(batch))
        for _ in range(2):
            fooled, matched = self.generator_losses(batch)
            self.update(fooled + FEATURES * matched, self.opt_gen)
        return {"critic": critic, "fooled": fooled, "matched": matched}

    def critic_loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Real images are real ones of their class, generated ones generated ones of theirs."""
        z, labels = self.asked(len(batch))
        with torch.no_grad():
            fake = self.gen(z, labels)
        on_real = source_loss(self.critic(batch.image), batch.label, REAL)
        return on_real + source_loss(self.critic(fake), labels, GENERATED)

    def generator_losses(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Images of the classes of the real batch: how little they pass for real, how far their mean features are."""
        with torch.no_grad():
            aim = self.critic.features(batch.image).mean(0)
        z, _ = self.asked(len(batch))
        with frozen(self.critic):
            features = self.critic.features(self.gen(z, batch.label))
            fooled = source_loss(self.critic.table(features), batch.label, REAL)
        return fooled, (features.mean(0) - aim).abs().mean()

    def class_losses(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Cross-entropy of the classes of real images, which an arm's transforms may change, and of generated ones."""
        given = self.transform(batch)
        z, labels = self.asked(len(batch))
        with torch.no_grad():
            fake = self.gen(z, labels)
        target = given.label if given.soft_label is None else given.soft_label
        on_real = F.cross_entropy(class_logits(self.critic(given.image)), target)
        return on_real, F.cross_entropy(class_logits(self.critic(fake)), labels)

    def generate(self, want: Batch) -> Batch:
        with standing_statistics(self.gen, *self.asked(STANDING)):
            return want.but(image=self.gen(self.asked(len(want))[0], want.label))

    def model(self) -> nn.Module:
        """Images [B, C, H, W] -> logits [B, K], by the moving average of the weights."""
        return Classifier(self.average.module)

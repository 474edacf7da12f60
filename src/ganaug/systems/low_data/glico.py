# SPDX-License-Identifier: Apache-2.0
"""GLICO: no critic; one learned latent an image, and new images between two latents of a class.

Idan Azuri, Daphna Weinshall, "Generative Latent Implicit Conditional Optimization when Learning from Small Sample",
ICPR 2020, arXiv 2003.14297.

Every training image owns a point on the unit sphere. Points and generator learn together to paint the images back,
while a classifier, which learns from the painted images, asks for their classes. A new image of a class is painted
from a point on the arc between two of its images' points, nearer to the first; its label is hard.

Labels: hard, the class of both parents.
Deviations: the perceptual loss is L1 on the levels of a Laplacian pyramid, not on features of a network trained on
other images, so no further data enter; the last layer is tanh, for images in [-1, 1]; Adam's moments are kept between
epochs; no noise beside the latent (the authors' default too); only training images have points.
Cost: preset small at 28 px, batch 32: about 20 ms a step on one core.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView
from ganaug.parts.nets.dcgan import DCTrunk, pyramid

HALVED = 70 / 202  # both rates, each time this share of the run has passed (authors' code: 70 of 202 epochs)


def slerp(a: Float[Tensor, "n z"], b: Float[Tensor, "n z"], t: Float[Tensor, "n 1"]) -> Float[Tensor, "n z"]:
    """The points at share t of the arcs from a to b on the unit sphere; a where both are one point."""
    angle = (a * b).sum(1, keepdim=True).clamp(-1, 1).acos()
    near = angle < 1e-3  # where the arc is its chord, and sin(angle) no longer divides
    safe = torch.where(near, 1.0, angle)
    arc = ((1 - t) * safe).sin() * a + (t * safe).sin() * b
    return F.normalize(torch.where(near, torch.lerp(a, b, t), arc))


def laplacian_l1(x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """L1 of the pixels plus L1 of each level of their Laplacian pyramids, down to 4 px."""
    rest = x - y  # the pyramid is linear, so that of the difference is enough
    loss = rest.abs().mean()
    while min(rest.shape[-2:]) > 4:
        small = F.avg_pool2d(rest, 2, ceil_mode=True, count_include_pad=False)
        loss = loss + (rest - F.interpolate(small, size=rest.shape[-2:], mode="bilinear")).abs().mean()
        rest = small
    return loss + rest.abs().mean()


class Painter(nn.Module):
    """Points [B, z] -> images [B, C, H, W]: two linear layers, then 4x4 transposed convolutions; no norm."""

    def __init__(self, latent: int, width: int, spec: Spec):
        super().__init__()
        self.sizes = pyramid(*spec.size, least=8)
        widths = [2 * width, *[width] * (len(self.sizes) - 2), spec.channels]
        self.first = nn.Linear(latent, 16 * width)
        self.second = nn.Linear(16 * width, widths[0] * self.sizes[0][0] * self.sizes[0][1])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))

    def forward(self, z: Float[Tensor, "b z"]) -> Float[Tensor, "b c h w"]:
        x = self.second(F.leaky_relu(self.first(z), 0.2)).view(len(z), -1, *self.sizes[0])
        for up, (h, w) in zip(self.ups, self.sizes[1:], strict=True):
            x = up(F.leaky_relu(x, 0.2))[..., :h, :w]
        return torch.tanh(x)


class GLICO(System):
    """GLICO (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    latent : dimensions of the sphere's space (paper: 512).
    width : channels of the generator's last stage but one (paper: 64).
    batch_size : images a step (paper: 128).
    lr_latent, lr : Adam's learning rates of points and generator, beta1 0.5 (paper: 1e-3 and 7e-4).
    lr_classifier : of SGD with momentum 0.9.
    gamma : weight of the classifier's loss (paper: 0.5).
    """

    CARD = Card(
        id="glico",
        title="GLICO",
        paper="Generative Latent Implicit Conditional Optimization when Learning from Small Sample",
        arxiv="2003.14297",
        year=2020,
        needs=("label",),
        can=("sample",),
        parents=("nearer", "farther"),
        min_rows=2,
        cost="20 ms a step at 28 px, batch 32, preset small, one core",
        deviations=(
            "perceptual loss on a Laplacian pyramid instead of pretrained features",
            "tanh instead of sigmoid, Adam's moments kept between epochs",
        ),
        shows="a judge names the class of arcs within a class more often than of arcs between classes.",
    )
    PRESETS = {
        "paper": {"latent": 512, "width": 64, "batch_size": 128},
        "small": {"width": 32, "batch_size": 32, "lr_latent": 1e-2, "lr": 2e-3},
        "tiny": {"latent": 16, "width": 8, "batch_size": 8},
    }

    def __init__(
        self,
        *,
        latent: int = 128,
        width: int = 64,
        batch_size: int = 64,
        lr_latent: float = 1e-3,
        lr: float = 7e-4,
        lr_classifier: float = 0.02,
        gamma: float = 0.5,
    ):
        self.latent = latent
        self.width = width
        self.batch_size = batch_size
        self.lr_latent = lr_latent
        self.lr = lr
        self.lr_classifier = lr_classifier
        self.gamma = gamma

    def build(self, spec: Spec) -> None:
        self.points = nn.Embedding(spec.rows, self.latent)
        self.project()
        self.gen = Painter(self.latent, self.width, spec)
        trunk = DCTrunk(spec.channels, *spec.size, width=self.width)
        self.classifier = nn.Sequential(trunk, nn.Linear(trunk.out, len(spec.classes)))
        self.opt_points = Adam(self.points.parameters(), lr=self.lr_latent, betas=(0.5, 0.999))
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr, betas=(0.5, 0.999))
        self.opt_classifier = SGD(self.classifier.parameters(), lr=self.lr_classifier, momentum=0.9)

    @torch.no_grad()
    def project(self) -> None:
        """Every point back onto the unit sphere."""
        self.points.weight.copy_(F.normalize(self.points.weight))

    def prepare(self, train: TrainView) -> None:
        """Class and lasting id of the image that owns each point."""
        self.owner_label, self.owner_id = torch.as_tensor(train.label), torch.as_tensor(train.index)

    def step(self, batch: Batch, t: int) -> Losses:
        share = 0.5 ** int(self.stage(t)[1] / HALVED)
        for optimiser, rate in ((self.opt_points, self.lr_latent), (self.opt_gen, self.lr)):
            optimiser.param_groups[0]["lr"] = share * rate
        made = self.gen(self.points(batch.row))
        reconstruction = laplacian_l1(made, batch.image)
        named = F.cross_entropy(self.classifier(made), batch.label, ignore_index=-1, reduction="sum") / len(batch)
        loss = reconstruction + self.gamma * named
        self.update(loss, [self.opt_points, self.opt_gen, self.opt_classifier])
        self.project()
        return {"reconstruction": reconstruction, "named": named}

    def parents(self, labels: Int[Tensor, " n"]) -> Int[Tensor, "n 2"]:
        """Two rows of each wanted class, drawn with replacement (as the paper does)."""
        return torch.multinomial((labels[:, None] == self.owner_label).float(), 2, replacement=True)

    def generate(self, want: Batch) -> Batch:
        rows = self.parents(want.label)
        t = torch.randint(1, 5, (len(want), 1)) / 10
        points = slerp(self.points(rows[:, 0]), self.points(rows[:, 1]), t)
        return want.but(image=self.gen(points), parents=self.owner_id[rows])

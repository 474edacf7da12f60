# SPDX-License-Identifier: Apache-2.0
"""pix2pix: images from masks, or from another picture of the same place, learned from pairs.

Phillip Isola, Jun-Yan Zhu, Tinghui Zhou, Alexei A. Efros, "Image-to-Image Translation with Conditional Adversarial
Networks", CVPR 2017, arXiv 1611.07004.

A U-Net paints what it is given; L1 to the true image sets the coarse colours, and a patch critic, which sees the image
beside what it was made from, asks for texture that belongs there. There is no latent: dropout, on while images are
made too, is all that tells two images of one mask apart.

Labels: the mask that an image was made from. With `given` a view's name, the images follow that view, and the rows'
masks are carried.
Gradients: the generator's step leaves the critic alone, and the critic's step the generator.
Deviations: instance norm instead of batch norm, which at the paper's batch size of 1 does the same; the learning rate
falls to 0 over the second half, as in the authors' later code, not in their first; no resizing, cropping and mirroring
at random; the generator is judged by the critic after its step; the U-Net's bottom has 2 px instead of 1. Preset small
has narrow networks, a 34 px critic, batches of 4 and twice the rate.
Cost: see the card.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import logistic_critic, nonsaturating_generator
from ganaug.parts.nets.patch import PatchGAN, refuse_small
from ganaug.parts.nets.unet_generator import UNetGenerator, one_hot_mask
from ganaug.parts.schedules import falling


class Pix2Pix(System):
    """pix2pix (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    given : what images are made from: "mask", or the name of a view, such as "s1" for radar of the same place.
    width : channels of the generator's first layer (paper: 64).
    critic_width : channels of the critic's first layer (paper: 64).
    critic_layers : the critic's layers of stride 2: 1, 2, 3 see patches of 16, 34, 70 px (paper: 3).
    batch_size : pairs a step (paper: 1).
    lr : Adam's learning rate, betas 0.5 and 0.999 (paper: 2e-4).
    l1 : weight of the L1 loss (paper: 100).
    """

    CARD = Card(
        id="pix2pix",
        title="pix2pix",
        paper="Image-to-Image Translation with Conditional Adversarial Networks",
        arxiv="1611.07004",
        year=2017,
        lists=("004", "002"),
        task=("segmentation",),
        needs=("mask",),
        can=("sample",),
        sizes=(16, 512),
        min_rows=10,
        labels="condition",
        deviations=(
            "instance norm, which at the paper's batch size of 1 does what its batch norm does",
            "the learning rate falls over the second half of the budget",
            "no resizing, cropping and mirroring at random",
            "the generator is judged by the critic after its step",
            "the U-Net's bottom has 2 px instead of 1",
            "preset small: narrow networks, a 34 px critic, batches of 4, twice the rate",
        ),
        cost="36 ms a step at 64 px, 3 channels, batch 4, preset small, one core",
        shows="an image made from a mask is nearer to that mask's true image than one made from another mask.",
    )
    PRESETS = {
        "paper": {"width": 64, "critic_width": 64, "critic_layers": 3, "batch_size": 1, "lr": 2e-4},
        "small": {},
        "tiny": {"width": 8, "critic_width": 8, "critic_layers": 1, "batch_size": 2, "lr": 2e-3},
    }

    def __init__(
        self,
        *,
        given: str = "mask",
        width: int = 24,
        critic_width: int = 16,
        critic_layers: int = 2,
        batch_size: int = 4,
        lr: float = 4e-4,
        l1: float = 100.0,
    ):
        self.given = given
        self.width = width
        self.critic_width = critic_width
        self.critic_layers = critic_layers
        self.batch_size = batch_size
        self.lr = lr
        self.l1 = l1

    @property
    def needs(self) -> tuple[str, ...]:
        """The field that images are made from."""
        return self.CARD.needs if self.given == "mask" else (f"views.{self.given}",)

    # --- before the first step ------------------------------------------------------------------------------------

    def build(self, spec: Spec) -> None:
        self.refuse_unfit(spec)
        planes = len(spec.mask_classes) if self.given == "mask" else spec.views[self.given].channels
        self.gen = UNetGenerator(planes, spec.channels, spec.size, self.width)
        self.critic = PatchGAN(planes + spec.channels, self.critic_width, self.critic_layers)
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr, betas=(0.5, 0.999))
        self.opt_critic = Adam(self.critic.parameters(), lr=self.lr, betas=(0.5, 0.999))

    def refuse_unfit(self, spec: Spec) -> None:
        """InputError where the view has another size than the images, or a side is too short for the critic."""
        refuse_small(self.CARD.id, spec.size, self.critic_layers)
        view = None if self.given == "mask" else spec.views[self.given]
        if view is not None and (view.height, view.width) != spec.size:
            raise InputError(
                f"pix2pix needs the view '{self.given}' in the size of the images, {spec.height}x{spec.width}, and it "
                f"has {view.height}x{view.width}: resize it."
            )

    # --- one step -------------------------------------------------------------------------------------------------

    def condition(self, batch: Batch) -> Float[Tensor, "b k h w"]:
        """What images are made from: a plane a mask class, all 0 where the class is unknown, or the view's image."""
        if self.given == "mask":
            return one_hot_mask(batch.mask, len(self.spec.mask_classes))
        return batch.views[self.given].image

    def judged(self, given: Tensor, image: Tensor) -> Float[Tensor, "b 1 _ _"]:
        """The critic's logits of images beside what they were made from: the only place that joins the two."""
        return self.critic(torch.cat([given, image], 1))

    def step(self, batch: Batch, t: int) -> Losses:
        """The critic, then the generator."""
        falling(self.stage(t)[1], self.lr, self.opt_gen, self.opt_critic)
        given, real = self.condition(batch), batch.image
        fake = self.gen(given)
        critic = 0.5 * logistic_critic(self.judged(given, real), self.judged(given, fake.detach()))
        self.update(critic, self.opt_critic)
        with frozen(self.critic):
            fooled = nonsaturating_generator(self.judged(given, fake))
        near = F.l1_loss(fake, real)
        self.update(fooled + self.l1 * near, self.opt_gen)
        return {"critic": critic, "fooled": fooled, "l1": near}

    def generate(self, want: Batch) -> Batch:
        return want.but(image=self.gen(self.condition(want)), views={})

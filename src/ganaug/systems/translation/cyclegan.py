# SPDX-License-Identifier: Apache-2.0
"""CycleGAN: images of one domain in the looks of another, learned from two sets without pairs.

Jun-Yan Zhu, Taesung Park, Phillip Isola, Alexei A. Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", ICCV 2017, arXiv 1703.10593.

Two generators translate A to B and B to A; a patch critic a domain compares their images with real ones. What is
translated there and back must be the image again, so a translation may change the looks but must keep what is needed
to undo it; and a generator must leave an image alone that is in its target domain already. Critics learn from a pool
of older translations, generators are judged on fresh ones.

Labels: carried. Geometry is meant to stay, so label, mask, boxes and key points of an image are those of its
translation. The second set is the training set's further set "b"; its labels are never read.
Gradients: the generators' step leaves the critics alone, and the critics' step the generators.
Deviations: steps count as the budget says, with the learning rate constant for the first half and falling to 0 over
the second; no resizing and cropping at random; the identity loss is on (as released; in the paper for two data sets
only) where both domains have the same number of channels. Preset small has narrow networks, one halving of the size,
a 34 px critic, batches of 4 and twice the rate.
Cost: preset small, 3 channels, 4 + 4 images: about 60 ms a step at 32 px and 170 ms at 64 px, on one core. The pools
hold 50 images a direction.
"""

from __future__ import annotations

from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import least_squares_critic, least_squares_generator
from ganaug.parts.nets.patch import PatchGAN, refuse_small
from ganaug.parts.nets.translators import ResnetGenerator
from ganaug.parts.pools import ImagePool
from ganaug.parts.schedules import falling


class CycleGAN(System):
    """CycleGAN (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    width : channels of the generators' first layer (paper: 64).
    blocks : residual blocks of the generators (paper: 6 up to 128 px, 9 from 256 px).
    downs : how often the generators halve the size (paper: 2).
    critic_width : channels of the critics' first layer (paper: 64).
    critic_layers : the critics' layers of stride 2: 1, 2, 3 see patches of 16, 34, 70 px (paper: 3).
    batch_size : images of each domain a step (paper: 1).
    lr : Adam's learning rate, betas 0.5 and 0.999 (paper: 2e-4).
    cycle : weight of the cycle loss, lambda (paper: 10).
    identity : weight of the identity loss as a share of `cycle` (paper: 0.5, or 0 where colours must change).
    pool : translations of each direction that are kept for the critics; 0 keeps none (paper: 50).
    """

    CARD = Card(
        id="cyclegan",
        title="CycleGAN",
        paper="Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
        arxiv="1703.10593",
        year=2017,
        lists=("000", "004"),
        task=("classification", "segmentation"),
        sets=("b",),
        can=("augment",),
        sizes=(16, 512),
        min_rows=50,
        labels="carry",
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        deviations=(
            "the learning rate falls over the second half of the budget, not over 100 epochs",
            "no resizing and cropping at random",
            "identity loss only where both domains have the same number of channels",
            "preset small: narrow networks, a 34 px critic, batches of 4",
        ),
        cost="60 ms a step at 32 px, 170 ms at 64 px, batch 4, preset small, one core",
        shows="images translated there and back are nearer to themselves with the cycle loss than without it.",
    )
    PRESETS = {
        "paper": {
            "width": 64,
            "blocks": 6,
            "downs": 2,
            "critic_width": 64,
            "critic_layers": 3,
            "batch_size": 1,
            "lr": 2e-4,
        },
        "small": {},
        "tiny": {
            "width": 8,
            "blocks": 1,
            "critic_width": 8,
            "critic_layers": 1,
            "batch_size": 2,
            "lr": 2e-3,
            "pool": 4,
        },
    }

    def __init__(
        self,
        *,
        width: int = 16,
        blocks: int = 3,
        downs: int = 1,
        critic_width: int = 16,
        critic_layers: int = 2,
        batch_size: int = 4,
        lr: float = 4e-4,
        cycle: float = 10.0,
        identity: float = 0.5,
        pool: int = 50,
    ):
        self.width = width
        self.blocks = blocks
        self.downs = downs
        self.critic_width = critic_width
        self.critic_layers = critic_layers
        self.batch_size = batch_size
        self.lr = lr
        self.cycle = cycle
        self.identity = identity
        self.pool = pool

    # --- before the first step ------------------------------------------------------------------------------------

    def build(self, spec: Spec) -> None:
        other = spec.others["b"]
        self.refuse_unfit(spec, other)
        generator = {"width": self.width, "blocks": self.blocks, "downs": self.downs}
        critic = {"width": self.critic_width, "layers": self.critic_layers}
        self.g_ab = ResnetGenerator(spec.channels, other.channels, **generator)
        self.g_ba = ResnetGenerator(other.channels, spec.channels, **generator)
        self.d_a, self.d_b = PatchGAN(spec.channels, **critic), PatchGAN(other.channels, **critic)
        self.pool_a = ImagePool(self.pool, spec.channels, *other.size)  # what comes from B has the size of B
        self.pool_b = ImagePool(self.pool, other.channels, *spec.size)
        adam = {"lr": self.lr, "betas": (0.5, 0.999)}
        self.opt_g = torch.optim.Adam(chain(self.g_ab.parameters(), self.g_ba.parameters()), **adam)
        self.opt_d = torch.optim.Adam(chain(self.d_a.parameters(), self.d_b.parameters()), **adam)

    def refuse_unfit(self, spec: Spec, other: Spec) -> None:
        """InputError where the second set has no images or mixed sizes, or where a side is too short for a network."""
        if not other.rows:
            raise InputError("cyclegan needs images in the second set 'b', and it has none.")
        if other.height is None or other.width is None:
            raise InputError("cyclegan needs images of one size in the second set 'b', and these differ: pass --size.")
        short = min(*spec.size, *other.size)
        refuse_small(self.CARD.id, (short, short), self.critic_layers)
        if short < 2 ** (self.downs + 1):
            raise InputError(
                f"cyclegan with downs={self.downs} works from {2 ** (self.downs + 1)} pixels, the shortest side has "
                f"{short}: pass --size, or fewer halvings (--set downs=1)."
            )

    @property
    def out_spec(self) -> Spec:
        """Translations: channels, bands and numbers of the second set, all else as in the first."""
        return self.spec.looking_like(self.spec.others["b"])

    def draw(self, data: ImageSet, rows: Tensor) -> Batch:
        """The rows, and in `pair["b"]` as many random images of the second set where `data` has one."""
        batch, other = data.batch(rows), data.others.get("b")
        if not other:
            return batch
        partners = self.numpy_rng().integers(len(other), size=len(rows))
        return batch.but(pair={"b": Batch(image=other.images(partners))})

    # --- one step -------------------------------------------------------------------------------------------------

    def step(self, batch: Batch, t: int) -> Losses:
        """Both generators, then both critics."""
        falling(self.stage(t)[1], self.lr, self.opt_g, self.opt_d)
        a, b = batch.image, batch.pair["b"].image
        fake_b, fake_a = self.g_ab(a), self.g_ba(b)
        with frozen(self.d_a, self.d_b):  # the paper's generator loss has no 1/2
            fooled = 2 * (least_squares_generator(self.d_b(fake_b)) + least_squares_generator(self.d_a(fake_a)))
        back = F.l1_loss(self.g_ba(fake_b), a) + F.l1_loss(self.g_ab(fake_a), b)
        same = self.identity_loss(a, b)
        self.update(fooled + self.cycle * (back + self.identity * same), self.opt_g)
        critic = least_squares_critic(self.d_b(b), self.d_b(self.pool_b(fake_b)))
        critic = critic + least_squares_critic(self.d_a(a), self.d_a(self.pool_a(fake_a)))
        self.update(critic, self.opt_d)
        return {"fooled": fooled, "cycle": back, "identity": same, "critic": critic}

    def identity_loss(self, a: Tensor, b: Tensor) -> Float[Tensor, ""]:
        """L1 of what each generator makes of images of its own target domain: G(b) against b, F(a) against a.

        0 where it has no weight, and between domains of unequal channels, whose images can't be compared.
        """
        if not self.identity or a.shape[1] != b.shape[1]:
            return a.new_zeros(())
        return F.l1_loss(self.g_ab(b), b) + F.l1_loss(self.g_ba(a), a)

    # --- what it yields -------------------------------------------------------------------------------------------

    def vary(self, batch: Batch) -> Batch:
        """Images of A as images of B; everything that is known about them stays."""
        return batch.but(image=self.g_ab(batch.image), pair={})

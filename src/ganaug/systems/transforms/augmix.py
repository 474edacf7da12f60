# SPDX-License-Identifier: Apache-2.0
"""AugMix: each image mixed with several differently changed versions of itself.

Dan Hendrycks, Norman Mu, Ekin D. Cubuk, Barret Zoph, Justin Gilmer, Balaji Lakshminarayanan, "AugMix: A Simple Data
Processing Method to Improve Robustness and Uncertainty", ICLR 2020, arXiv 1912.02781.

An image goes through `width` chains of one to three random operations; the results are averaged with Dirichlet
weights, and the average is mixed with the image itself by a Beta weight. The operations leave out those that overlap
with the usual corruption benchmarks (brightness, colour, contrast, sharpness).

Labels: hard, unchanged. Masks, boxes, keypoints and views are refused: the chains move the image differently.
Deviations: the augmentation only; the Jensen-Shannon consistency loss over three versions belongs to the training of
the classifier and is left out. Solarize changes images of 1 and 3 channels only, the rest acts band by band.
Cost: about 9,000 images of 32 px a second on one core.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Beta, Dirichlet

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops.mix import refuse_positions
from ganaug.parts.ops.policy_ops import OPS, apply_op

CHAIN_OPS = (
    *("AutoContrast", "Equalize", "Posterize", "Rotate", "Solarize"),
    *("ShearX", "ShearY", "TranslateX", "TranslateY"),
)
DEPTH = 3


class AugMix(System):
    """AugMix (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    severity : strength 1..10 of the operations; each draws its level uniformly in 0.1..severity (paper: 3).
    width : number of chains (paper: 3).
    """

    CARD = Card(
        id="augmix",
        kind="transform",
        title="AugMix",
        paper="AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
        arxiv="1912.02781",
        year=2019,
        task=("classification", "reid"),
        can=("augment",),
        sizes=(1, 16384),
        online=True,
        deviations=(
            "no Jensen-Shannon consistency loss: the augmentation only",
            "Solarize is the identity unless there are 1 or 3 channels",
        ),
        cost="9,000 images of 32 px a second on one core",
        shows="the result is a weighted mean of the image and its changed versions, and stays in [-1, 1].",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, severity: float = 3.0, width: int = 3):
        self.severity = severity
        self.width = width

    def build(self, spec: Spec) -> None:
        if not 0.1 <= self.severity <= 10 or self.width < 1:
            raise InputError(f"severity must be 0.1..10 and width at least 1, found {self.severity} and {self.width}.")

    def vary(self, batch: Batch) -> Batch:
        refuse_positions(batch, self.CARD.id)
        weights = Dirichlet(torch.ones(self.width)).sample((len(batch),))
        chained = self.chains(batch.image)
        average = (weights[:, :, None, None, None] * chained).sum(1)
        own = Beta(1.0, 1.0).sample((len(batch), 1, 1, 1))
        return batch.but(image=torch.lerp(average, batch.image, own))

    def chains(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b width c h w"]:
        """The results of `width` chains an image, each of 1..3 operations."""
        several = Batch(image=image.repeat_interleave(self.width, 0))
        n = len(several)
        depth = 1 + torch.randint(DEPTH, (n,))
        usable = torch.tensor([OPS.index(name) for name in CHAIN_OPS])
        for d in range(DEPTH):
            op = usable[torch.randint(len(usable), (n,))] * (d < depth)  # operation 0 is the identity
            several = apply_op(several, op, self.strengths(op, *image.shape[-2:]))
        return several.image.unflatten(0, (-1, self.width))

    def strengths(self, op: Int[Tensor, " n"], height: int, width: int) -> Float[Tensor, " n"]:
        """The authors' magnitudes: a tenth of the level of 30 degrees, shear 0.3, a third of the side, 4 bits."""
        tenth = (0.1 + (self.severity - 0.1) * torch.rand(len(op))) / 10
        sign = 1 - 2 * torch.randint(2, (len(op),))
        values = torch.zeros(len(OPS), len(op))
        for name, most in (("ShearX", 0.3), ("ShearY", 0.3), ("TranslateX", width / 3), ("TranslateY", height / 3)):
            values[OPS.index(name)] = sign * tenth * most
        values[OPS.index("Rotate")] = sign * (tenth * 30).trunc()
        values[OPS.index("Posterize")] = 4 - (tenth * 4).trunc()
        values[OPS.index("Solarize")] = 256 - (tenth * 256).trunc()
        return values[op, torch.arange(len(op))]

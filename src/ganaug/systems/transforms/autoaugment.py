# SPDX-License-Identifier: Apache-2.0
"""AutoAugment: the published policies that a reinforcement learner found for CIFAR-10, ImageNet and SVHN.

Ekin D. Cubuk, Barret Zoph, Dandelion Mane, Vijay Vasudevan, Quoc V. Le, "AutoAugment: Learning Augmentation Strategies
from Data", CVPR 2019, arXiv 1805.09501.

A policy is 25 sub-policies of two operations, each with a probability and a magnitude. Every image goes through one of
the 25, drawn uniformly; each of its operations happens with its own probability. Policies of one set are used as they
are on others; `fast_autoaugment` searches one for the images at hand.

Labels: hard, unchanged. Masks, boxes, keypoints and views move with the image.
Deviations: the search (thousands of trained networks) is left out, the policies are torchvision's tables; enhancers are
signed and posterize keeps 8 to 4 bits, as there (in the original code half of the magnitudes changes nothing, and 4 to
0 bits are kept); resampling is bilinear and what it uncovers is mid grey; many bands: Color changes RGB only, Invert
and Solarize only grey and RGB images, the rest acts band by band. Flip, crop and Cutout, which the paper adds, are left
to the arm.
Cost: about 20,000 images of 32 px a second on one core.
"""

from __future__ import annotations

from torchvision.transforms import AutoAugment as Published
from torchvision.transforms import AutoAugmentPolicy

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops.policy_ops import SubPolicy, apply_policy
from ganaug.parts.ops.policy_words import in_words

BINS = 10  # magnitudes of an operation


def published(policy: AutoAugmentPolicy) -> list[SubPolicy]:
    """The 25 sub-policies of a published policy; operations without a magnitude get bin 0."""
    return [[(name, p, level or 0) for name, p, level in sub] for sub in Published(policy).policies]


POLICIES = {policy.value: published(policy) for policy in AutoAugmentPolicy}


class AutoAugment(System):
    """AutoAugment's published policies (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    policy : the set that it was found for: cifar10, imagenet or svhn.
    """

    CARD = Card(
        id="autoaugment",
        kind="transform",
        title="AutoAugment",
        paper="AutoAugment: Learning Augmentation Strategies from Data",
        arxiv="1805.09501",
        year=2018,
        lists=("001",),
        task=("classification", "segmentation", "reid"),
        can=("augment",),
        sizes=(1, 16384),
        online=True,
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        deviations=(
            "the published policies only, without the search",
            "torchvision's signed enhancers, posterize keeps 8 to 4 bits",
            "bilinear resampling over mid grey",
            "Color for 3 channels only, Invert and Solarize for 1 and 3",
        ),
        cost="20,000 images of 32 px a second on one core",
        shows="each of 25 sub-policies meets a twenty-fifth of the images, and each operation happens at its own rate.",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, policy: str = "cifar10"):
        self.policy = policy

    def build(self, spec: Spec) -> None:
        if self.policy not in POLICIES:
            raise InputError(f"policy must be one of {', '.join(POLICIES)}, found '{self.policy}'.")

    def vary(self, batch: Batch) -> Batch:
        return apply_policy(batch, POLICIES[self.policy], BINS)

    def words(self) -> list[str]:
        """The policy in plain English, one sentence a sub-policy."""
        return in_words(POLICIES[self.policy], BINS, self.spec.channels)

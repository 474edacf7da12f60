# SPDX-License-Identifier: Apache-2.0
"""Learning rates as pure functions of how far a run has come."""

from __future__ import annotations

import math

from torch.optim import Optimizer

WARM_UP = 0.1  # of one cycle


def falling(progress: float, rate: float, *optimisers: Optimizer) -> None:
    """The rate of a progress 0..1 for all optimisers: constant for the first half, then linearly to 0.

    The schedule of CycleGAN (arXiv 1703.10593, section 4) and of pix2pix's later code, on the budget's own length.
    """
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, 2.0 * (1.0 - progress))


def one_cycle(progress: float, rate: float, *optimisers: Optimizer) -> None:
    """The rate of a progress 0..1 for all optimisers: a cosine from rate / 25 up to it in a tenth, and down to 0.

    As torch's OneCycleLR, which the study's classifiers are trained with (Smith and Topin 2018, arXiv 1708.07120).
    """
    rising = progress < WARM_UP
    part = progress / WARM_UP if rising else 1 - (progress - WARM_UP) / (1 - WARM_UP)
    least = 1 / 25 if rising else 0.0
    share = least + (1 - least) * (1 - math.cos(math.pi * part)) / 2
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate * share

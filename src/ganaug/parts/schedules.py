# SPDX-License-Identifier: Apache-2.0
"""Learning rates as pure functions of how far a run has come."""

from __future__ import annotations

from torch.optim import Optimizer


def falling(progress: float, rate: float, *optimisers: Optimizer) -> None:
    """The rate of a progress 0..1 for all optimisers: constant for the first half, then linearly to 0.

    The schedule of CycleGAN (arXiv 1703.10593, section 4) and of pix2pix's later code, on the budget's own length.
    """
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, 2.0 * (1.0 - progress))

# SPDX-License-Identifier: Apache-2.0
"""Keep gradients out of networks that are only looked through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Inside, the parameters of these networks need no gradient; gradients still flow through to their inputs."""
    changed = [p for module in modules for p in module.parameters() if p.requires_grad]
    for p in changed:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in changed:
            p.requires_grad_(True)


@contextmanager
def unremembered(module: nn.Module) -> Iterator[None]:
    """Inside, batch norms in training mode normalise by the batch without remembering it."""
    norms = batch_norms(module)
    tracked = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, tracks in zip(norms, tracked, strict=True):
            norm.track_running_stats = tracks


@contextmanager
def looked_through(module: nn.Module) -> Iterator[None]:
    """As `frozen` and `unremembered`, and inside the network drops nothing out.

    What a deep copy in evaluation mode with batch statistics does, without the copy.
    """
    was = [(part, part.training) for part in module.modules()]
    module.eval()
    for norm in batch_norms(module):
        norm.train()
    try:
        with frozen(module), unremembered(module):
            yield
    finally:
        for part, training in was:
            part.training = training


def batch_norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Every batch norm in a network."""
    return [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]

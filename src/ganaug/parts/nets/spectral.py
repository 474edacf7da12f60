# SPDX-License-Identifier: Apache-2.0
"""Spectral normalisation of whole networks (Miyato et al. 2018, arXiv 1802.05957)."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """The same network, each convolution, linear layer and embedding divided by its largest singular value.

    One power iteration a forward pass in training mode, none in evaluation mode. Its vectors are buffers, so they
    are saved with the weights. Make the optimiser after this call: it replaces the parameters.
    """
    for layer in list(network.modules()):
        if isinstance(layer, LAYERS):
            spectral_norm(layer)
    return network

# SPDX-License-Identifier: Apache-2.0
"""Heads that turn pooled features into an embedding for retrieval and logits for its training."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class BNNeck(nn.Module):
    """Pooled features [B, D] -> logits [B, K]; the embedding is what a batch norm without bias makes of them.

    Metric losses act on the features before the norm, cross-entropy after it, so that the two do not pull on one
    space (Luo et al. 2019, arXiv 1903.07071).
    """

    def __init__(self, width: int, outputs: int):
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(width), nn.Linear(width, outputs, bias=False)
        self.norm.bias.requires_grad_(False)
        nn.init.normal_(self.head.weight, 0.0, 0.001)

    def embed(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return self.norm(x)

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        return self.head(self.norm(x))


class ClassBlock(nn.Module):
    """Pooled features [B, D] -> logits [B, K]; the embedding is a linear layer and a batch norm, without ReLU.

    The head of the LSRO line of work and of DG-Net: 512 wide, dropout before the classifier.
    """

    def __init__(self, width: int, outputs: int, *, embedding: int = 512, dropout: float = 0.5):
        super().__init__()
        self.bottleneck, self.norm = nn.Linear(width, embedding), nn.BatchNorm1d(embedding)
        self.drop, self.head = nn.Dropout(dropout), nn.Linear(embedding, outputs)
        nn.init.kaiming_normal_(self.bottleneck.weight, mode="fan_out")
        nn.init.zeros_(self.bottleneck.bias)
        nn.init.normal_(self.head.weight, 0.0, 0.001)
        nn.init.zeros_(self.head.bias)

    def embed(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b e"]:
        return self.norm(self.bottleneck(x))

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        return self.head(self.drop(self.embed(x)))

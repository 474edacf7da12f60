# SPDX-License-Identifier: Apache-2.0
"""What generators start from: latent vectors without and with a class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def uniform(n: int, size: int) -> Float[Tensor, "n z"]:
    """Uniform in [-1, 1]."""
    return torch.rand(n, size) * 2 - 1


def normal(n: int, size: int) -> Float[Tensor, "n z"]:
    """Standard normal."""
    return torch.randn(n, size)


def any_of(classes: Sequence[int], n: int) -> Int[Tensor, " n"]:
    """n of the given class numbers, every one equally likely."""
    return torch.tensor(classes)[torch.randint(len(classes), (n,))]


class ClassGaussian(nn.Module):
    """One Gaussian a class, with full covariance, fitted to latents of real images (BAGAN, arXiv 1803.09655).

    The covariance is kept as a factor F with F F' = S from its eigenvectors, so that it may have any rank: n images
    give rank n - 1 at most, one image a point. Before `fit`, and for a class without images, it is standard normal.
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, classes: int, size: int, shrinkage: float = 0.0):
        super().__init__()
        self.shrinkage = shrinkage
        self.register_buffer("mean", torch.zeros(classes, size))
        self.register_buffer("factor", torch.eye(size).repeat(classes, 1, 1))

    @torch.no_grad()
    def fit(self, latents: Float[Tensor, "n z"], labels: Int[Tensor, " n"]) -> None:
        """Means and covariances of each class; `shrinkage` in [0, 1] mixes in the pooled within-class covariance."""
        found = {k: latents[labels == k].double() for k in labels.unique().tolist() if k >= 0}
        centred = {k: z - z.mean(0) for k, z in found.items()}
        everything = torch.cat(list(centred.values()))
        pooled = everything.T @ everything / max(len(everything) - len(found), 1)
        for k, z in centred.items():
            own = z.T @ z / max(len(z) - 1, 1)
            self.mean[k] = found[k].mean(0)
            self.factor[k] = root(torch.lerp(own, pooled, self.shrinkage))

    def forward(self, labels: Int[Tensor, " n"]) -> Float[Tensor, "n z"]:
        """One draw for each label."""
        noise = torch.randn(len(labels), self.mean.shape[1], 1, device=self.mean.device)
        return self.mean[labels] + (self.factor[labels] @ noise)[..., 0]


def root(covariance: Float[Tensor, "z z"]) -> Float[Tensor, "z z"]:
    """F with F F' = S for a positive semi-definite S of any rank; directions without variance become 0."""
    values, vectors = torch.linalg.eigh(covariance)
    floor = values[-1] * len(values) * torch.finfo(values.dtype).eps
    return vectors * torch.where(values > floor, values, 0.0).sqrt()

# SPDX-License-Identifier: Apache-2.0
"""Metric losses on embeddings."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def batch_hard_triplet(
    features: Float[Tensor, "b d"], identity: Int[Tensor, " b"], margin: float = 0.3
) -> Float[Tensor, ""]:
    """Mean over anchors of [margin + farthest own - nearest other]_+, Euclidean (Hermans et al. 2017, eq. 5).

    An anchor counts as its own positive at distance 0; identity -1 neither anchors nor is a negative, and a batch of
    one identity gives 0. arXiv 1703.07737.
    """
    known = identity >= 0
    features, identity = features[known], identity[known]
    if not len(features):
        return features.sum()
    distance = (features[:, None] - features).square().sum(2).clamp_min(1e-12).sqrt()
    same = identity[:, None] == identity
    farthest = distance.where(same, torch.zeros(())).amax(1)
    nearest = distance.where(~same, torch.full((), torch.inf)).amin(1)
    return F.relu(margin + farthest - nearest).sum() / len(features)

# SPDX-License-Identifier: Apache-2.0
"""How much vectors differ from each other."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def mean_distance(x: Float[Tensor, "n d"]) -> float:
    """Mean Euclidean distance of all pairs of different rows; 0 for fewer than two rows."""
    return float(torch.nn.functional.pdist(x.float()).mean()) if len(x) > 1 else 0.0

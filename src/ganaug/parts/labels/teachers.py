# SPDX-License-Identifier: Apache-2.0
"""Labels for an image that two donors share, one for its appearance and one for its structure.

Each style maps a teacher's probabilities [B, K] and both donors' identities [B] to a distribution [B, K]. They are the
five styles of DG-Net (Zheng et al. 2019, arXiv 1904.07223).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

Soft = Float[Tensor, "b k"]
Identity = Int[Tensor, " b"]


def soft(teacher: Soft, appearance: Identity, structure: Identity) -> Soft:
    """What the teacher says; the paper's."""
    return teacher


def hard(teacher: Soft, appearance: Identity, structure: Identity) -> Soft:
    """The teacher's likeliest identity."""
    return F.one_hot(teacher.argmax(1), teacher.shape[1]).to(teacher)


def donor(teacher: Soft, appearance: Identity, structure: Identity) -> Soft:
    """The appearance donor's identity."""
    return F.one_hot(appearance, teacher.shape[1]).to(teacher)


def uniform(teacher: Soft, appearance: Identity, structure: Identity) -> Soft:
    """1/K for every identity, as LSRO."""
    return torch.full_like(teacher, 1.0 / teacher.shape[1])


def two_donors(teacher: Soft, appearance: Identity, structure: Identity) -> Soft:
    """The teacher's distribution over the two donors alone."""
    k = teacher.shape[1]
    allowed = F.one_hot(appearance, k) + F.one_hot(structure, k) > 0
    kept = teacher * allowed
    return kept / kept.sum(1, keepdim=True).clamp_min(1e-12)


TEACHERS = {style.__name__: style for style in (soft, hard, donor, uniform, two_donors)}

# SPDX-License-Identifier: Apache-2.0
"""Distances between two sets of feature vectors, and scores of a set of class probabilities.

Pure functions on tensors: which features and which images they are computed on is the business of `metrics`.
The forms are exact (no low-rank or random approximation) and none holds an n x n matrix of a large set.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganaug.data.errors import InputError
from ganaug.parts import discrepancy

ROWS = 512  # rows of a pairwise matrix that are held at a time


def moments(features: Float[Tensor, "n d"]) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """Mean and unbiased covariance (divided by n - 1) in float64, on the CPU; needs two rows or more."""
    _check("features", features)
    array = features.detach().cpu().double().numpy()
    covariance = np.cov(array, rowvar=False)  # numpy does half of the symmetric product, torch all of it
    return torch.from_numpy(array.mean(0)), torch.from_numpy(np.atleast_2d(covariance))


def frechet(
    mean1: Float[Tensor, " d"],
    cov1: Float[Tensor, "d d"],
    mean2: Float[Tensor, " d"],
    cov2: Float[Tensor, "d d"],
) -> float:
    """Squared Frechet distance of two Gaussians (Heusel et al. 2017, arXiv 1706.08500, equation 6).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). No matrix square root is formed, so nothing turns complex.
    """
    s1, s2 = (cov.detach().cpu().double().numpy() for cov in (cov1, cov2))
    trace = float(s1.trace() + s2.trace()) - 2 * _trace_of_root(s1, s2)
    return max(0.0, float((mean1 - mean2).double().square().sum()) + trace)


def frechet_features(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> float:
    """`frechet` of the moments of two feature sets; raises `InputError` on fewer than two rows.

    With fewer rows than dimensions both covariances are singular, and the cross term is the nuclear norm of
    the n x m product of the centred sets over sqrt((n - 1)(m - 1)): exact, and cheaper than d x d matrices.
    """
    _check_pair(a, b)
    if max(len(a), len(b)) >= a.shape[1]:
        return frechet(*moments(a), *moments(b))
    (x, mean1), (y, mean2) = _centred(a), _centred(b)
    x, y = x / (len(x) - 1) ** 0.5, y / (len(y) - 1) ** 0.5
    cross = torch.linalg.svdvals(x @ y.T).sum()
    trace = x.square().sum() + y.square().sum() - 2 * cross
    return max(0.0, float((mean1 - mean2).square().sum() + trace))


def kernel_distance(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "m d"],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3, and its standard error.

    Binkowski et al. 2018, arXiv 1801.01401: the mean over random subsets. They are drawn without replacement
    and overlap, so their spread shrinks as they near the whole set. Hence they are cut to half of the smaller
    set, and the error is that of the delete-d jackknife (Shao and Wu 1989) plus the noise of finitely many
    subsets. The distance can be negative. Raises `InputError` on fewer than four rows.
    """
    _check_pair(a, b, least=4)
    b = b.to(a)
    smaller = min(len(a), len(b))
    size = min(subset_size, smaller // 2)
    generator = torch.Generator().manual_seed(seed)
    rows_a, rows_b = (discrepancy.draw(len(x), subsets, size, generator).to(a.device) for x in (a, b))
    # both forms give the same numbers; the counts of multiplications say which is cheaper
    one_pass = max(len(a), len(b)) ** 2 * (a.shape[1] + subsets) <= subsets * size**2 * a.shape[1]
    values = (discrepancy.by_indicators if one_pass else discrepancy.by_subsets)(a, b, rows_a, rows_b)
    spread = values.var().item() * (size / (smaller - size) + 1 / subsets)
    return values.mean().item(), spread**0.5


def prdc(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 5) -> dict[str, float]:
    """Precision, recall (arXiv 1904.06991), density and coverage (Naeem et al. 2020, arXiv 2002.09797).

    The ball of a row is open and reaches to its k-th nearest other row of the same set. Float32, memory
    linear in the rows. Density can exceed 1. Raises `InputError` where a set has k rows or fewer.
    """
    _check_pair(real, fake, least=k + 1)
    centre = real.float().mean(0)  # distances are unchanged, and float32 keeps more of their digits
    real, fake = real.float() - centre, fake.float() - centre
    real_sides, fake_sides = _sides(real), _sides(fake)
    real_radii, fake_radii = _radii(*real_sides, k), _radii(*fake_sides, k)
    held = torch.zeros(len(fake), dtype=torch.long, device=fake.device)  # real balls that hold each fake
    recalled, covered = [], []
    for rows, radii in zip(real_sides[0].split(ROWS), real_radii.split(ROWS), strict=True):
        distances = _squared_distances(rows, fake_sides[1])
        inside = distances < radii[:, None]
        held += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((distances < fake_radii).any(1))
    return {
        "precision": (held > 0).float().mean().item(),
        "recall": torch.cat(recalled).float().mean().item(),
        "density": held.double().mean().item() / k,
        "coverage": torch.cat(covered).float().mean().item(),
    }


def inception_score(log_probs: Float[Tensor, "n k"]) -> tuple[float, float]:
    """Inception Score of the whole set (Salimans et al. 2016, arXiv 1606.03498) and its logarithm.

    The logarithm is the mutual information of image and predicted class, between 0 and ln k. No splits: their
    spread is not a confidence interval (Barratt and Sharma 2018). Takes log-softmax outputs; -inf is legal.
    """
    probs = _probabilities(log_probs)
    information = torch.special.entr(probs.mean(0)).sum() - torch.special.entr(probs).sum(1).mean()
    information = max(0.0, information.item())
    return math.exp(information), information


def modified_inception_score(log_probs: Float[Tensor, "n k"]) -> float:
    """m-IS of DeLiGAN (Gurumurthy et al. 2017, arXiv 1706.02071): diversity inside each predicted class.

    exp of the mean divergence KL(p_i || p_j) over all pairs of images that share the predicted class,
    averaged over the predicted classes. 1 means that all images of a class look the same to the classifier.
    The logarithms are floored at ln 1e-12: one impossible class would otherwise make the score infinite.
    """
    probs = _probabilities(log_probs)
    logs = probs.clamp_min(1e-12).log()
    predicted = probs.argmax(1)
    scores = []
    for one in predicted.unique():
        p, log_p = probs[predicted == one], logs[predicted == one]
        own, cross = (p * log_p).sum(1).mean(), p.mean(0) @ log_p.mean(0)
        scores.append((own - cross).clamp_min(0).exp())
    return torch.stack(scores).mean().item()


def mean_pairwise_distance(x: Float[Tensor, "n ..."]) -> float:
    """Mean Euclidean distance over the pairs of different rows, flattened; needs two rows or more."""
    x = x.flatten(1).float()
    x = x - x.mean(0)  # a collapsed set lies far from the origin; its small distances need the digits
    left, right = _sides(x)
    total = sum(_squared_distances(rows, right).sqrt().sum(dtype=torch.float64) for rows in left.split(ROWS))
    return float(total) / (len(x) * (len(x) - 1))


def intra_class_diversity(x: Float[Tensor, "n ..."], labels: Int[Tensor, " n"]) -> dict[int, float]:
    """Mean pairwise Euclidean distance inside each class, of images or features.

    Classes with a single row have no pair and are left out; rows with label -1 (unknown) are skipped.
    """
    if len(x) != len(labels):
        raise InputError(f"labels: expected one label for each of {len(x)} rows, found {len(labels)}.")
    classes, counts = labels[labels >= 0].unique(return_counts=True)
    return {int(c): mean_pairwise_distance(x[labels == c]) for c in classes[counts > 1]}


def _centred(features: Tensor) -> tuple[Tensor, Tensor]:
    features = features.double()
    mean = features.mean(0)
    return features - mean, mean


def _trace_of_root(cov1: np.ndarray, cov2: np.ndarray) -> float:
    """tr (S1 S2)^(1/2): the sum of the roots of the eigenvalues of S2 S1, found by the Cholesky root of S1."""
    try:
        values = scipy.linalg.eigh(cov2, cov1, type=2, eigvals_only=True, driver="gv")
    except np.linalg.LinAlgError:  # S1 has no full rank; its root by eigenvectors serves every rank
        values, vectors = scipy.linalg.eigh(cov1)
        root = vectors * np.sqrt(values.clip(0))
        values = scipy.linalg.eigvalsh(root.T @ cov2 @ root)
    return float(np.sqrt(values.clip(0)).sum())


def _check(name: str, x: Tensor, least: int = 2) -> None:
    if x.ndim != 2 or len(x) < least:
        found = f"found {tuple(x.shape)}; give more images"
        raise InputError(f"{name}: expected {least} rows or more of [rows, dimensions], {found}.")
    if not x.isfinite().all():
        raise InputError(f"{name}: expected finite numbers, found NaN or infinity; check the network.")


def _check_pair(a: Tensor, b: Tensor, least: int = 2) -> None:
    _check("first features", a, least)
    _check("second features", b, least)
    if a.shape[1] != b.shape[1]:
        found = f"found {a.shape[1]} and {b.shape[1]}; use one extractor for both"
        raise InputError(f"features: expected equal dimensions, {found}.")


def _sides(x: Tensor) -> tuple[Float[Tensor, "n d+2"], Float[Tensor, "n d+2"]]:
    """Left and right factors: the product of a left and a right row is |x|^2 + |y|^2 - 2 x.y.

    As much as these terms may be rounded by is taken off, so that equal rows end at or below zero.
    """
    squares = (1 - 8 * torch.finfo(x.dtype).eps) * x.square().sum(1, keepdim=True)
    ones = torch.ones_like(squares)
    return torch.cat([-2 * x, squares, ones], 1), torch.cat([x, ones, squares], 1)


def _squared_distances(left: Tensor, right: Tensor) -> Float[Tensor, "n m"]:
    return (left @ right.T).clamp_(min=0)


def _radii(left: Tensor, right: Tensor, k: int) -> Float[Tensor, " n"]:
    """Squared distance of each row to its k-th nearest other row; the row itself is the first of k + 1.

    Distances are symmetric: each block above the diagonal serves its rows and its columns.
    """
    nearest = left.new_full((len(left), k + 1), torch.inf)
    for start in range(0, len(left), ROWS):
        here, after = slice(start, start + ROWS), slice(start + ROWS, None)
        block = _squared_distances(left[here], right[start:])
        for rows, distances in ((here, block), (after, block[:, ROWS:].T)):
            nearest[rows] = torch.cat([nearest[rows], distances], 1).topk(k + 1, largest=False).values
    return nearest[:, -1]


def _probabilities(log_probs: Tensor) -> Float[Tensor, "n k"]:
    probs = log_probs.double().exp()
    if probs.ndim == 2 and len(probs) and torch.allclose(probs.sum(1), probs.new_ones(1), atol=1e-3):
        return probs
    raise InputError(
        "log_probs: expected [images, classes] logarithms of probabilities that sum to one in each row, "
        f"found shape {tuple(log_probs.shape)} or other sums; apply log_softmax to the logits."
    )

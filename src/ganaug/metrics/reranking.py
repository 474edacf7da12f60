# SPDX-License-Identifier: Apache-2.0
"""Re-ranking by k-reciprocal neighbours (Zhong et al. 2017, arXiv 1701.08398).

Two images are alike where they have the same neighbours, and a neighbour counts only if it is one both ways. Each
image has few of them, so the neighbourhoods are rows of sparse matrices; no matrix of all pairs is held.
"""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float, Int

from ganaug.data.errors import InputError
from ganaug.metrics.features import Array, check_same_width, unit_rows

LARGEST = 30_000  # images
ROWS = 256  # rows of a pairwise matrix that are held at a time


def k_reciprocal(
    query: Float[Array, "q d"],
    gallery: Float[Array, "g d"],
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
) -> Float[np.ndarray, "q g"]:
    """Distances of queries to gallery images after re-ranking, float32, for `ranking_scores_from_distances`.

    (1 - weight) times the Jaccard distance of the neighbourhoods plus `weight` times the squared Euclidean
    distance of unit features over the largest of the query; weight 1 keeps the original order. k1: neighbours of
    an image; k2: images whose neighbourhoods are averaged. All images take part as
    neighbours: leave out those of identity -1 first. Choose k1 below the number of images of an identity in query
    and gallery, else neighbourhoods mix identities; k1 and k2 above the number of all images are cut, with a
    warning. Raises `InputError` on k below 1, a weight outside [0, 1], unequal dimensions, features that are not
    finite, and more than 30,000 images: all pairs are compared, which takes a minute or two there and four times
    as long for twice the images.
    """
    _check_settings(k1, k2, weight)
    query, gallery = unit_rows("query", query), unit_rows("gallery", gallery)
    check_same_width(query, gallery)
    images = np.concatenate([query, gallery])
    k1, k2 = _check_images(len(images), k1, k2)
    nearest, furthest, original = _neighbours(images, len(query), max(k1 + 1, k2))
    weights = _averaged(_weights(images, _expanded(nearest, k1), furthest), nearest[:, :k2])
    distances = _jaccard(weights[: len(query)], weights[len(query) :])
    distances *= 1 - weight
    original *= weight
    distances += original
    return distances


def _neighbours(
    x: np.ndarray, queries: int, k: int
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, " n"], Float[np.ndarray, "q g"]]:
    """The k nearest images of each, itself first; the largest distance of each; query to gallery over largest."""
    nearest, furthest = np.empty((len(x), k), np.int64), np.empty(len(x), np.float32)
    original = np.empty((queries, len(x) - queries), np.float32)
    for start in range(0, len(x), ROWS):
        distances = _squared(x[start : start + ROWS] @ x.T)
        rows = np.arange(start, start + len(distances))
        furthest[rows] = np.maximum(distances.max(1), np.finfo(np.float32).tiny)
        asking = distances[: max(0, queries - start), queries:]
        original[start : start + len(asking)] = asking / furthest[rows[: len(asking)], None]
        distances[rows - start, rows] = -1  # an image is its own nearest, whatever the rounding and its copies
        nearest[rows] = torch.from_numpy(distances).topk(k, largest=False).indices.numpy()
    return nearest, furthest, original


def _expanded(nearest: np.ndarray, k1: int) -> sp.csr_matrix:
    """The set R* of the paper: reciprocal neighbours, and the closer ones of those that share two thirds of theirs."""
    wide, narrow = _reciprocal(nearest[:, : k1 + 1]), _reciprocal(nearest[:, : round(k1 / 2) + 1])
    shared = wide.multiply(wide @ narrow.T).tocoo()  # how many of narrow[j] are in wide[i], for j in wide[i]
    sizes = np.asarray(narrow.sum(1)).ravel()
    joins = 3 * shared.data > 2 * sizes[shared.col]
    candidates = sp.csr_matrix((shared.data[joins], (shared.row[joins], shared.col[joins])), shape=wide.shape)
    return (wide + candidates @ narrow).tocsr()


def _reciprocal(nearest: np.ndarray) -> sp.csr_matrix:
    """1 where each of two images is among the nearest of the other."""
    table = _rows(nearest, np.int32)
    return table.multiply(table.T).tocsr()


def _weights(x: np.ndarray, pairs: sp.csr_matrix, furthest: np.ndarray) -> sp.csr_matrix:
    """exp(-distance) on the given pairs, each row with sum 1."""
    coo = pairs.tocoo()
    values = np.empty(coo.nnz, np.float32)
    for start in range(0, coo.nnz, 8 * ROWS):
        part = slice(start, start + 8 * ROWS)
        values[part] = _squared(np.einsum("pd,pd->p", x[coo.row[part]], x[coo.col[part]]))
    found = sp.csr_matrix((np.exp(-values / furthest[coo.row]), (coo.row, coo.col)), shape=pairs.shape)
    return sp.diags(1 / np.asarray(found.sum(1)).ravel()) @ found


def _averaged(weights: sp.csr_matrix, nearest: np.ndarray) -> sp.csr_matrix:
    """Mean of the weights of the nearest images: the local query expansion."""
    return ((_rows(nearest, np.float32) @ weights) / nearest.shape[1]).tocsr()


def _jaccard(query: sp.csr_matrix, gallery: sp.csr_matrix) -> Float[np.ndarray, "q g"]:
    """1 - sum of minima over sum of maxima; rows have sum 1, so the maxima have 2 - minima."""
    holders = gallery.T.tocsr()  # a row for each neighbour: the gallery images that have it
    shared = np.zeros((query.shape[0], gallery.shape[0]), np.float32)
    for row in range(query.shape[0]):
        own = slice(query.indptr[row], query.indptr[row + 1])
        held = holders[query.indices[own]]
        minima = np.minimum(held.data, np.repeat(query.data[own], np.diff(held.indptr)))
        shared[row] = np.bincount(held.indices, minima, gallery.shape[0])
    return 1 - shared / (2 - shared)


def _rows(columns: np.ndarray, kind: type) -> sp.csr_matrix:
    """Square matrix with ones in the given columns of each row."""
    count, k = columns.shape
    ones = np.ones(columns.size, kind)
    return sp.csr_matrix((ones, columns.ravel(), np.arange(0, columns.size + 1, k)), shape=(count, count))


def _squared(cosines: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of rows of length one."""
    return np.maximum(2 - 2 * cosines, 0)


def _check_settings(k1: int, k2: int, weight: float) -> None:
    if min(k1, k2) < 1:
        raise InputError(f"k1, k2: expected 1 or more, found {k1} and {k2}; the paper has 20 and 6.")
    if not 0 <= weight <= 1:
        raise InputError(f"weight: expected a number from 0 to 1, found {weight}; the paper has 0.3.")


def _check_images(count: int, k1: int, k2: int) -> tuple[int, int]:
    if count > LARGEST:
        raise InputError(
            f"query, gallery: expected at most {LARGEST} images in all, found {count}, and the time grows with the "
            "square of their number; re-rank a part of the queries and gallery."
        )
    cut = min(k1, count - 1), min(k2, count)
    if cut != (k1, k2):
        warnings.warn(f"re-ranking of {count} images: k1, k2 cut from {k1}, {k2} to {cut[0]}, {cut[1]}", stacklevel=3)
    return cut

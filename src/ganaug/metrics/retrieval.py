# SPDX-License-Identifier: Apache-2.0
"""Retrieval of persons and vehicles: which of the gallery images nearest to a query show the same one?

The protocol of Market-1501 (Zheng et al. 2015, "Scalable Person Re-identification: A Benchmark"): junk is taken
out of the ranking of each query before anything is counted. Junk are the gallery images of the query's identity
by its own camera, and all of identity -1. Distractors carry an identity that no query has (0 in Market-1501):
they stay in the ranking and are misses. Images of other identities by the same camera stay as well.

All scores follow from the ranks of the matches alone, so the gallery is never sorted (`ranks`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int

from ganaug.data.errors import InputError
from ganaug.metrics.features import Array, check_same_width, matrix_of, unit_rows, whole_numbers
from ganaug.metrics.ranks import UNKNOWN, pairs_of_identity, stable_ranks

ENTRIES = 1 << 21  # of the distance matrix that are held at a time


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Scores of each query, and their means over the queries that have a match.

    valid: the gallery holds a match. first_rank: place of the first match, 1 is the best; 0 where not valid.
    ap_rectangle, ap_trapezoid: average precision in [0, 1]. inp: inverse negative penalty, the number of matches
    over the rank of the last (Ye et al. 2020, arXiv 2001.04193). NaN where not valid.
    """

    valid: Bool[np.ndarray, " q"]
    first_rank: Int[np.ndarray, " q"]
    ap_rectangle: Float[np.ndarray, " q"]
    ap_trapezoid: Float[np.ndarray, " q"]
    inp: Float[np.ndarray, " q"]

    @property
    def dropped(self) -> int:
        """Queries without a match; they are in no mean."""
        return int((~self.valid).sum())

    @property
    def mINP(self) -> float:
        """Mean inverse negative penalty: low where the hardest match comes late."""
        return float(self.inp[self.valid].mean())

    def cmc(self, k: int) -> float:
        """Share of queries with a match among the first k images (cumulative matching characteristic); k >= 1."""
        return float((self.first_rank[self.valid] <= k).mean())

    def mAP(self, formula: str) -> float:
        """Mean average precision by "rectangle" or "trapezoid"; name the one that the compared paper uses.

        "rectangle": mean precision at the ranks of the matches (torchreid, scikit-learn). "trapezoid": each
        precision is averaged with the one just before the match (the code of Market-1501, LSRO, DG-Net). A query
        whose only match is second has 0.5 by the first and 0.25 by the second. Raises `InputError` on other names.
        """
        values = {"rectangle": self.ap_rectangle, "trapezoid": self.ap_trapezoid}
        if formula not in values:
            raise InputError(f"formula: expected rectangle or trapezoid, found {formula!r}; name one of the two.")
        return float(values[formula][self.valid].mean())


@dataclass(frozen=True, eq=False)
class _Labels:
    identity: np.ndarray
    camera: np.ndarray | None

    def __getitem__(self, rows: slice | np.ndarray) -> _Labels:
        return _Labels(self.identity[rows], None if self.camera is None else self.camera[rows])


def ranking_scores(
    query: Float[Array, "q d"],
    gallery: Float[Array, "g d"],
    query_id: Int[Array, " q"],
    gallery_id: Int[Array, " g"],
    query_camera: Int[Array, " q"] | None = None,
    gallery_camera: Int[Array, " g"] | None = None,
) -> Retrieval:
    """Ranks the gallery for each query by the cosine of their features; equal ones keep the gallery's order.

    Without cameras junk is identity -1 alone. Float32, by chunks of queries. Raises `InputError` where lengths or
    dimensions disagree, a feature is not finite, or no query has a match.
    """
    query, gallery = unit_rows("query", query), unit_rows("gallery", gallery)
    check_same_width(query, gallery)
    asked, held = _labels(len(query), len(gallery), query_id, gallery_id, query_camera, gallery_camera)
    known = held.identity != UNKNOWN
    searched = gallery[known]
    np.negative(query, out=query)  # the order of cosine distances, 1 - cosine, with all digits of the cosine
    return _scores(lambda rows: query[rows] @ searched.T, asked, held[known])


def ranking_scores_from_distances(
    distances: Float[Array, "q g"],
    query_id: Int[Array, " q"],
    gallery_id: Int[Array, " g"],
    query_camera: Int[Array, " q"] | None = None,
    gallery_camera: Int[Array, " g"] | None = None,
) -> Retrieval:
    """`ranking_scores` of given distances, as those of `reranking.k_reciprocal`; small is near."""
    matrix = matrix_of("distances", distances)
    asked, held = _labels(*matrix.shape, query_id, gallery_id, query_camera, gallery_camera)
    return _scores(lambda rows: matrix[rows], asked, held)


def multi_query(
    features: Float[Array, "n d"], identity: Int[Array, " n"], camera: Int[Array, " n"]
) -> tuple[Float[np.ndarray, "p d"], Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """One query for each pair of identity and camera: the mean feature of its images, its identity, its camera.

    Pairs are in ascending order; images of identity -1 are left out. Rows weigh by their length: pass rows of
    length one for equal weights.
    """
    rows = matrix_of("features", features)
    labels = np.stack([whole_numbers("identity", identity, len(rows)), whole_numbers("camera", camera, len(rows))], 1)
    known = labels[:, 0] != UNKNOWN
    pairs, pair, counts = np.unique(labels[known], axis=0, return_inverse=True, return_counts=True)
    total = np.zeros((len(pairs), rows.shape[1]), np.float32)
    np.add.at(total, pair.reshape(-1), rows[known])
    return total / counts[:, None].astype(np.float32), pairs[:, 0], pairs[:, 1]


def single_shot(
    query: Float[Array, "q d"],
    gallery: Float[Array, "g d"],
    query_id: Int[Array, " q"],
    gallery_id: Int[Array, " g"],
    *,
    repeats: int = 10,
    seed: int = 0,
) -> Retrieval:
    """One random gallery image of each identity, `repeats` times: CUHK03's first protocol, images of one camera
    against those of another. The rows of the repeats follow one another, so means are over all repeats.
    """
    query, gallery = matrix_of("query", query), matrix_of("gallery", gallery)
    query_id, gallery_id = (
        whole_numbers("query_id", query_id, len(query)),
        whole_numbers("gallery_id", gallery_id, len(gallery)),
    )
    drawn = _draws(gallery_id, repeats, seed)
    return _joined([ranking_scores(query, gallery[rows], query_id, gallery_id[rows]) for rows in drawn])


def single_shot_split(
    features: Float[Array, "n d"], identity: Int[Array, " n"], *, repeats: int = 10, seed: int = 0
) -> Retrieval:
    """`single_shot` where all images that are not drawn into the gallery are queries: VehicleID's protocol."""
    features = matrix_of("features", features)
    identity = whole_numbers("identity", identity, len(features))
    features, identity = features[identity != UNKNOWN], identity[identity != UNKNOWN]
    parts = []
    for rows in _draws(identity, repeats, seed):
        asking = np.ones(len(identity), bool)
        asking[rows] = False
        parts.append(ranking_scores(features[asking], features[rows], identity[asking], identity[rows]))
    return _joined(parts)


def _scores(distances: Callable[[slice], np.ndarray], asked: _Labels, held: _Labels) -> Retrieval:
    """Chunk by chunk of queries; `distances` gives rows of the matrix."""
    order, counted = held.identity.argsort(kind="stable"), held.identity != UNKNOWN
    size = max(1, ENTRIES // max(1, len(order)))
    parts = []
    for start in range(0, len(asked.identity), size):
        rows = slice(start, start + size)
        matrix, labels = distances(rows), asked[rows]
        query, column = pairs_of_identity(labels.identity, held.identity, order)
        hit = np.ones(len(query), bool) if held.camera is None else labels.camera[query] != held.camera[column]
        match, junk = (query[hit], column[hit]), (query[~hit], column[~hit])
        parts.append(_of_ranks(match[0], stable_ranks(matrix, counted, match, junk), len(matrix)))
    found = _joined(parts) if parts else None
    if found is None or not found.valid.any():
        raise InputError(_no_match(asked, held))
    return found


def _of_ranks(query: np.ndarray, ranks: np.ndarray, queries: int) -> Retrieval:
    """Scores from the ranks of all matches, which ascend within each query."""
    counts = np.bincount(query, minlength=queries)
    valid, start = counts > 0, counts.cumsum() - counts
    matches = np.arange(len(ranks)) - np.repeat(start, counts) + 1  # this one and those before it
    precision = matches / ranks
    before = np.where(ranks > 1, (matches - 1) / np.maximum(ranks - 1, 1), 1.0)
    first, inp = np.zeros(queries, np.int64), np.full(queries, np.nan)
    first[valid] = ranks[start[valid]]
    inp[valid] = counts[valid] / ranks[(start + counts - 1)[valid]]
    with np.errstate(invalid="ignore"):
        rectangle = np.bincount(query, precision, queries) / counts
        trapezoid = np.bincount(query, (before + precision) / 2, queries) / counts
    return Retrieval(valid, first, rectangle, trapezoid, inp)


def _joined(parts: list[Retrieval]) -> Retrieval:
    columns = [field.name for field in fields(Retrieval)]
    return Retrieval(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


def _draws(identity: np.ndarray, repeats: int, seed: int) -> list[np.ndarray]:
    """Rows of one random image of each known identity, for each repeat."""
    if repeats < 1:
        raise InputError(f"repeats: expected 1 or more, found {repeats}; the protocol has 10.")
    rng, known = np.random.default_rng(seed), np.flatnonzero(identity != UNKNOWN)
    orders = [rng.permutation(known) for _ in range(repeats)]
    return [rows[np.unique(identity[rows], return_index=True)[1]] for rows in orders]


def _no_match(asked: _Labels, held: _Labels) -> str:
    shared = np.isin(asked.identity[asked.identity != UNKNOWN], held.identity).any()
    if not shared:
        return "query_id: expected queries with an identity of the gallery, found none; check the split."
    cameras = len(np.unique(held.camera))
    return (
        "query_camera: expected a gallery image of a query's identity by another camera, found none "
        f"(cameras in the gallery: {cameras}); leave the cameras out to count matches of the same camera."
    )


def _labels(queries: int, images: int, query_id, gallery_id, query_camera, gallery_camera) -> tuple[_Labels, _Labels]:
    if (query_camera is None) != (gallery_camera is None):
        raise InputError("cameras: expected those of queries and gallery or none, found one; give both or leave out.")
    asked = whole_numbers("query_id", query_id, queries)
    held = whole_numbers("gallery_id", gallery_id, images)
    if query_camera is None:
        return _Labels(asked, None), _Labels(held, None)
    cameras = (
        whole_numbers("query_camera", query_camera, queries),
        whole_numbers("gallery_camera", gallery_camera, images),
    )
    return _Labels(asked, cameras[0]), _Labels(held, cameras[1])

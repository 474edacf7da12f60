# SPDX-License-Identifier: Apache-2.0
"""Times retrieval scores at the size of Market-1501 against plain rankings query by query, and compares the values.

    python benchmarks/retrieval.py [--queries 3368] [--gallery 19732] [--dimensions 2048] [--sample 100] [--rounds 3]

One JSON line for features with clusters and one for features that are pure noise, where nothing can be skipped:
processor seconds (the best round) and peak memory of ours, from a distance matrix and from features; seconds of the
rivals, measured on `sample` queries and multiplied up; ratios of the ranking alone, and of the whole evaluation from
features. The rivals are written here from the protocol: a stable sort of each row as it demands, numpy's default sort
(which may order ties otherwise), and the default sort with precisions in a Python list, the form of much public
evaluation code. From features the plain form takes the distances of one query at a time, by differences or by a
product, before it sorts stably. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ganaug.metrics.retrieval import Retrieval, ranking_scores, ranking_scores_from_distances
from metrics import circumstances, timed


def plain(matrix, query_id, gallery_id, query_camera, gallery_camera, precisions, kind=None):
    """Rank-1 and mean average precision, one query after the other."""
    first, values = [], []
    for row, identity, camera in zip(matrix, query_id, query_camera, strict=True):
        order = np.argsort(row, kind=kind)
        junk = (gallery_id == -1) | ((gallery_id == identity) & (gallery_camera == camera))
        hits = (gallery_id == identity)[order][~junk[order]]
        if hits.any():
            first.append(hits[0])
            values.append(precisions(hits)[hits].mean())
    return float(np.mean(first)), float(np.mean(values))


def by_array(hits):
    return hits.cumsum() / np.arange(1, len(hits) + 1)


def by_list(hits):
    return np.array([count / rank for rank, count in enumerate(hits.cumsum(), 1)])


def by_differences(query, gallery):
    return ((gallery - query) ** 2).sum(1)


def by_product(query, gallery):
    return 1 - gallery @ query


def plain_from_features(distances, x, y, *labels):
    """The plain ranking with the distances of one query at a time."""
    return plain((distances(query, y) for query in x), *labels, by_array, "stable")


def labels_like_market(queries: int, images: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Identities and cameras: 750 persons, 6 cameras, a fifth of the gallery junk, a seventh distractors."""
    junk, distractors = images * 3819 // 19732, images * 2798 // 19732
    persons = rng.integers(1, 751, images - junk - distractors)
    gallery_id = rng.permutation(np.concatenate([persons, np.full(junk, -1), np.zeros(distractors, np.int64)]))
    cameras = rng.integers(1, 7, queries), rng.integers(1, 7, images)
    return rng.integers(1, 751, queries), gallery_id, *cameras


def features_of(identity: np.ndarray, centres: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """A centre for each person and noise; images without a person are all noise."""
    x = noise * rng.standard_normal((len(identity), centres.shape[1]), dtype=np.float32)
    x[identity > 0] += centres[identity[identity > 0]]
    return x


def peak_of(function: Callable[[], Any]) -> float:
    """Largest memory in MiB that numpy held for this call beyond its inputs."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round(peak / 2**20, 1)


def figures(x: np.ndarray, y: np.ndarray, labels: tuple[np.ndarray, ...], sample: int, rounds: int) -> dict[str, Any]:
    def seconds_of(function: Callable[[], Any]) -> float:
        return timed(function, rounds, time.process_time)[0]

    matrix = np.concatenate([1 - part @ y.T for part in np.split(x, range(256, len(x), 256))])
    ranking, whole = partial(ranking_scores_from_distances, matrix, *labels), partial(ranking_scores, x, y, *labels)
    few = labels[0][:sample], labels[1], labels[2][:sample], labels[3]
    rivals = {
        "stable sort": partial(plain, matrix[:sample], *few, by_array, "stable"),
        "default sort": partial(plain, matrix[:sample], *few, by_array),
        "default sort, precisions in a list": partial(plain, matrix[:sample], *few, by_list),
    }
    from_features = {
        "differences": partial(plain_from_features, by_differences, x[:sample], y, *few),
        "product": partial(plain_from_features, by_product, x[:sample], y, *few),
    }
    seconds, seconds_whole = seconds_of(ranking), seconds_of(whole)
    took, took_whole = (
        {name: seconds_of(rival) * len(x) / sample for name, rival in some.items()} for some in (rivals, from_features)
    )
    return {
        "ranking_seconds": round(seconds, 4),
        "ranking_peak_mib": peak_of(ranking),
        "with_product_seconds": round(seconds_whole, 3),
        "with_product_peak_mib": peak_of(whole),
        "rival_seconds_extrapolated": {name: round(one, 2) for name, one in {**took, **took_whole}.items()},
        "ratio_ranking_alone": {name: round(one / seconds, 1) for name, one in took.items()},
        "ratio_from_features": {name: round(one / seconds_whole, 1) for name, one in took_whole.items()},
        **values(ranking(), ranking_scores_from_distances(matrix[:sample], *few)),
        "rival_value_on_sample": rivals["stable sort"](),
        "rival_value_from_features": {name: rival() for name, rival in from_features.items()},
    }


def values(found: Retrieval, sampled: Retrieval) -> dict[str, Any]:
    return {
        "value": (found.cmc(1), found.mAP("rectangle")),
        "value_on_sample": (sampled.cmc(1), sampled.mAP("rectangle")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--queries", type=int, default=3368)
    parser.add_argument("--gallery", type=int, default=19732)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--sample", type=int, default=100, help="queries that the rivals rank")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng, where = np.random.default_rng(0), circumstances()
    labels = labels_like_market(options.queries, options.gallery, rng)
    centres = rng.standard_normal((751, options.dimensions), dtype=np.float32)
    for name, scale, noise in (("clusters", 1, 3.5), ("noise", 0, 1)):
        sides = [features_of(one, scale * centres, noise, rng) for one in labels[:2]]
        x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
        print(json.dumps({"features": name, **figures(x, y, labels, options.sample, options.rounds), **where}))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Re-ranking against dense matrices and Python sets, written from the definitions of the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganaug.data.errors import InputError
from ganaug.metrics import reranking
from ganaug.metrics.reranking import k_reciprocal
from ganaug.metrics.retrieval import ranking_scores_from_distances


def dense(query, gallery, k1, k2, weight):
    """The same in float64, image by image."""
    x = np.concatenate([query, gallery]).astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    count = len(x)
    distances = ((x[:, None] - x[None]) ** 2).sum(2)
    distances = (distances / distances.max(0)).T
    order = (distances - 9 * np.eye(count)).argsort(1, kind="stable")

    def reciprocal(i, k):
        return {j for j in order[i, : k + 1] if i in order[j, : k + 1]}

    weights = np.zeros((count, count))
    for i in range(count):
        own = reciprocal(i, k1)
        joined = set(own)
        for j in own:
            theirs = reciprocal(j, round(k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                joined |= theirs
        for j in joined:
            weights[i, j] = np.exp(-distances[i, j])
    weights /= weights.sum(1, keepdims=True)
    weights = np.stack([weights[order[i, :k2]].mean(0) for i in range(count)])
    minima = np.minimum(weights[:, None], weights[None]).sum(2)
    maxima = np.maximum(weights[:, None], weights[None]).sum(2)
    final = (1 - weight) * (1 - minima / maxima) + weight * distances
    return final[: len(query), len(query) :]


def clustered(queries, images, seed=0, spread=0.6):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(8, 16))
    identity = [rng.integers(0, 8, count) for count in (queries, images)]
    features = [(centres[i] + rng.normal(0, spread, (len(i), 16))).astype(np.float32) for i in identity]
    return features, identity


@pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (7, 3, 0.3), (5, 1, 0), (3, 6, 0.5), (1, 1, 0.3)])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_the_dense_form(k1, k2, weight, seed, monkeypatch):
    monkeypatch.setattr(reranking, "ROWS", 17)  # chunks that end within the queries and within the gallery
    (query, gallery), _ = clustered(20, 100, seed)
    found = k_reciprocal(query, gallery, k1, k2, weight)
    assert found.dtype == np.float32
    assert found.shape == (20, 100)
    assert np.abs(found - dense(query, gallery, k1, k2, weight)).max() < 1e-5


def test_features_without_clusters_equal_the_dense_form():
    rng = np.random.default_rng(0)
    query, gallery = (rng.normal(size=(count, 6)).astype(np.float32) for count in (15, 60))
    assert np.abs(k_reciprocal(query, gallery, 9) - dense(query, gallery, 9, 6, 0.3)).max() < 1e-5


def test_weight_one_keeps_the_original_order_and_a_smaller_one_does_not():
    (query, gallery), _ = clustered(30, 150)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, gallery)]
    order = (-unit[0] @ unit[1].T).argsort(1)
    assert np.array_equal(k_reciprocal(query, gallery, weight=1).argsort(1), order)
    assert not np.array_equal(k_reciprocal(query, gallery).argsort(1), order)


def test_neighbourhoods_raise_the_precision_of_clusters():
    (query, gallery), (query_id, gallery_id) = clustered(40, 300, spread=1.2)
    precision = [
        ranking_scores_from_distances(k_reciprocal(query, gallery, weight=weight), query_id, gallery_id)
        for weight in (1, 0.3)
    ]
    assert precision[1].mAP("rectangle") > precision[0].mAP("rectangle") + 0.03


def test_copies_of_an_image_are_at_distance_zero():
    query = np.eye(4, dtype=np.float32)
    found = k_reciprocal(torch.from_numpy(query), np.repeat(query, 3, 0), k1=3, k2=2)
    own = np.repeat(np.eye(4, dtype=bool), 3, 1)
    assert found[own].max() < 1e-6
    assert found[~own].min() > 0.9


def test_no_neighbourhood_is_empty_where_images_have_more_copies_than_neighbours():
    query = np.eye(4, dtype=np.float32)
    with np.errstate(all="raise"):
        found = k_reciprocal(query, np.repeat(query, 9, 0), k1=2, k2=1)
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6


def test_neighbours_are_cut_to_the_images_there_are():
    (query, gallery), _ = clustered(2, 6)
    with pytest.warns(UserWarning, match="cut from 20, 9 to 7, 8"):
        found = k_reciprocal(query, gallery, k2=9)
    assert np.allclose(found, dense(query, gallery, 7, 8, 0.3), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"k1": 0}, "k1, k2: expected 1"), ({"k2": 0}, "k1, k2: expected 1"), ({"weight": 1.5}, "from 0 to 1")],
)
def test_impossible_settings_are_told(settings, words):
    (query, gallery), _ = clustered(4, 20)
    with pytest.raises(InputError, match=words):
        k_reciprocal(query, gallery, **settings)


def test_too_many_images_are_refused_with_the_reason(monkeypatch):
    (query, gallery), _ = clustered(4, 20)
    monkeypatch.setattr(reranking, "LARGEST", 23)
    with pytest.raises(InputError, match=r"at most 23 images in all, found 24.*square"):
        k_reciprocal(query, gallery)


def test_unequal_dimensions_are_refused():
    (query, gallery), _ = clustered(4, 20)
    with pytest.raises(InputError, match="equal dimensions"):
        k_reciprocal(query[:, :3], gallery)

# SPDX-License-Identifier: Apache-2.0
"""Rankings against hand-worked cases and a plain loop over queries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaug.data.errors import InputError
from ganaug.metrics import retrieval
from ganaug.metrics.retrieval import (
    multi_query,
    ranking_scores,
    ranking_scores_from_distances,
    single_shot,
    single_shot_split,
)

FORMULAS = ("rectangle", "trapezoid")


def of_hits(hits):
    """Scores of one query whose gallery, nearest first, shows its identity where `hits` is 1."""
    distances = np.arange(len(hits), dtype=np.float32)[None]
    return ranking_scores_from_distances(distances, np.array([1]), np.where(hits, 1, 2))


def by_loop(distances, query_id, gallery_id, query_camera, gallery_camera):
    """Hit lists by a stable sort of each row; the scores from their definitions. None where nothing matches."""
    scores = []
    for row, one, camera in zip(distances, query_id, query_camera, strict=True):
        order = [int(i) for i in np.argsort(row, kind="stable")]
        junk = [gallery_id[i] == -1 or (gallery_id[i] == one and gallery_camera[i] == camera) for i in order]
        hits = [gallery_id[i] == one for i, drop in zip(order, junk, strict=True) if not drop]
        ranks = [place for place, hit in enumerate(hits, 1) if hit]
        if not ranks:
            scores.append(None)
            continue
        precisions = [n / rank for n, rank in enumerate(ranks, 1)]
        before = [1.0 if rank == 1 else (n - 1) / (rank - 1) for n, rank in enumerate(ranks, 1)]
        trapezoid = [(a + b) / 2 for a, b in zip(precisions, before, strict=True)]
        scores.append((ranks[0], np.mean(precisions), np.mean(trapezoid), len(ranks) / ranks[-1]))
    return scores


def assert_like_loop(found, expected):
    assert found.valid.tolist() == [one is not None for one in expected]
    assert found.dropped == sum(one is None for one in expected)
    rows = np.array([one for one in expected if one is not None])
    arrays = (found.first_rank, found.ap_rectangle, found.ap_trapezoid, found.inp)
    assert np.array_equal(found.first_rank[found.valid], rows[:, 0])
    assert np.allclose(np.stack([one[found.valid] for one in arrays], 1), rows, rtol=1e-12, atol=0)
    assert not found.first_rank[~found.valid].any()
    assert np.isnan(np.stack(arrays[1:])[:, ~found.valid]).all()
    assert found.mAP("rectangle") == pytest.approx(rows[:, 1].mean())
    assert found.mAP("trapezoid") == pytest.approx(rows[:, 2].mean())
    assert found.mINP == pytest.approx(rows[:, 3].mean())
    assert found.cmc(3) == pytest.approx((rows[:, 0] <= 3).mean())


@pytest.mark.parametrize(
    ("hits", "rectangle", "trapezoid"),
    [([0, 1, 0, 0], 0.50, 0.25), ([1, 0, 1, 0], 0.8333, 0.7917), ([1, 1, 0, 0, 1], 0.8667, 0.8500)],
)
def test_both_average_precisions_of_known_hit_lists(hits, rectangle, trapezoid):
    found = of_hits(hits)
    assert found.mAP("rectangle") == pytest.approx(rectangle, abs=5e-5)
    assert found.mAP("trapezoid") == pytest.approx(trapezoid, abs=5e-5)


def test_first_rank_cmc_and_minp_of_a_known_hit_list():
    found = of_hits([0, 1, 0, 1, 0])
    assert found.first_rank.tolist() == [2]
    assert [found.cmc(k) for k in (1, 2, 5)] == [0, 1, 1]
    assert found.mINP == 2 / 4


def one_hot_market():
    """Queries by camera 0 of five identities, their images by two other cameras in the gallery."""
    identity = np.arange(1, 6)
    eye = np.eye(5, dtype=np.float32)
    return eye, np.concatenate([eye, eye]), identity, np.tile(identity, 2), np.zeros(5, int), np.repeat([1, 2], 5)


def with_gallery(case, features, identity, camera):
    """The case with more gallery images, in front of the others."""
    query, gallery, query_id, gallery_id, query_camera, gallery_camera = case
    gallery, gallery_id = np.concatenate([features, gallery]), np.concatenate([identity, gallery_id])
    return query, gallery, query_id, gallery_id, query_camera, np.concatenate([camera, gallery_camera])


def all_scores(found):
    return [found.cmc(1), found.cmc(5), found.mINP, *(found.mAP(name) for name in FORMULAS)]


def test_features_that_tell_the_identity_score_one():
    assert all_scores(ranking_scores(*one_hot_market())) == [1] * 5


def scores_by_matrix(query, gallery, *labels):
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, gallery)]
    return ranking_scores_from_distances(1 - unit[0] @ unit[1].T, *labels)


@pytest.mark.parametrize("score", [ranking_scores, scores_by_matrix])
@pytest.mark.parametrize("asking", range(5))
def test_an_image_of_the_query_by_its_own_camera_changes_nothing(score, asking):
    query, gallery, query_id, gallery_id, query_camera, gallery_camera = one_hot_market()
    query = np.roll(query, 1, axis=1)[[asking]] + query[[asking]] / 2  # nearer to another identity
    labels = query_id[[asking]], gallery_id, query_camera[[asking]], gallery_camera
    case = (query, gallery, *labels)
    more = with_gallery(case, query, labels[0], labels[2])
    assert all_scores(score(*case)) == all_scores(score(*more))
    assert score(*case).cmc(1) == 0
    assert score(*more[:4]).cmc(1) == 1  # without cameras the copy counts


@pytest.mark.parametrize("score", [ranking_scores, scores_by_matrix])
def test_junk_is_no_miss_but_a_distractor_is(score):
    case = one_hot_market()
    junk = with_gallery(case, case[0], np.full(5, -1), np.full(5, 3))
    distractors = with_gallery(case, case[0], np.zeros(5, int), np.full(5, 3))
    assert all_scores(score(*junk)) == [1] * 5
    found = score(*distractors)
    assert found.cmc(1) == 0
    assert found.cmc(2) == 1
    assert found.mAP("rectangle") == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_images_of_other_identities_by_the_same_camera_stay():
    case = one_hot_market()
    others = with_gallery(case, case[0], np.roll(case[2], 1), np.zeros(5, int))
    assert ranking_scores(*others).cmc(1) == 0


def test_a_query_of_unknown_identity_is_dropped():
    query, gallery, query_id, *labels = one_hot_market()
    gallery_id = np.where(labels[0] == 5, -1, labels[0])
    found = ranking_scores(query, gallery, np.where(query_id == 5, -1, query_id), gallery_id, *labels[1:])
    assert found.dropped == 1
    by_matrix = scores_by_matrix(query, gallery, np.where(query_id == 5, -1, query_id), gallery_id, *labels[1:])
    assert by_matrix.valid.tolist() == [True] * 4 + [False]
    assert found.mAP("rectangle") == by_matrix.mAP("rectangle") == 1


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([1, 2, 5, 1000]), entries=st.sampled_from([1, 40, 10**6]))
def test_equal_to_a_loop_with_ties_junk_and_distractors(seed, levels, entries):
    rng = np.random.default_rng(seed)
    queries, images = rng.integers(1, 12), rng.integers(1, 40)
    distances = rng.integers(0, levels, (queries, images)).astype(rng.choice([np.float32, np.float64]))
    labels = [rng.integers(-1, 5, count) for count in (queries, images)]
    cameras = [rng.integers(0, 3, count) for count in (queries, images)]
    known = np.where(labels[0] == -1, 99, labels[0])  # a query of unknown identity matches nothing
    expected = by_loop(distances, known, labels[1], *cameras)
    kept = distances.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "ENTRIES", entries)
        if any(expected):
            assert_like_loop(ranking_scores_from_distances(distances, *labels, *cameras), expected)
        else:
            with pytest.raises(InputError):
                ranking_scores_from_distances(distances, *labels, *cameras)
    assert np.array_equal(distances, kept)


@pytest.mark.parametrize("seed", range(5))
def test_features_equal_a_loop_over_their_cosine_distances(seed):
    rng = np.random.default_rng(seed)
    features = [np.sign(rng.normal(size=(count, 4))).astype(np.float32) for count in (30, 200)]  # exact, many ties
    labels = [rng.integers(-1, 12, count) for count in (30, 200)]
    cameras = [rng.integers(0, 4, count) for count in (30, 200)]
    expected = by_loop(-features[0] @ features[1].T, np.where(labels[0] == -1, 99, labels[0]), labels[1], *cameras)
    lengths = [features[0] * 2, features[1] * 2.0 ** rng.integers(-3, 3, (200, 1))]  # cosine ignores lengths
    assert_like_loop(ranking_scores(*lengths, *labels, *cameras), expected)
    tensors = [torch.from_numpy(one) for one in (*features, *labels, *cameras)]
    assert_like_loop(ranking_scores(*tensors), expected)


def test_multi_query_averages_the_images_of_an_identity_and_camera():
    features = np.array([[1, 0], [3, 4], [5, 6], [7, 7], [0, 2]], np.float32)
    means, identity, camera = multi_query(features, np.array([4, 2, 4, -1, 4]), np.array([1, 0, 1, 1, 2]))
    assert list(zip(identity.tolist(), camera.tolist(), strict=True)) == [(2, 0), (4, 1), (4, 2)]
    assert means.tolist() == [[3, 4], [3, 3], [0, 2]]


def test_with_one_gallery_image_an_identity_precision_is_the_inverse_rank():
    rng = np.random.default_rng(0)
    features, identity = rng.normal(size=(60, 3)).astype(np.float32), np.repeat(np.arange(12), 5)
    gallery, gallery_id = rng.normal(size=(36, 3)).astype(np.float32), np.repeat(np.arange(12), 3)
    for found, rows in (
        (single_shot(features, gallery, identity, gallery_id, repeats=4, seed=1), 4 * 60),
        (single_shot_split(features, identity, repeats=4, seed=1), 4 * (60 - 12)),
    ):
        assert len(found.valid) == rows
        assert found.valid.all()
        assert 1 <= found.first_rank.min() < found.first_rank.max() <= 12
        assert np.allclose(found.ap_rectangle, 1 / found.first_rank)
        assert np.allclose(found.inp, 1 / found.first_rank)


def test_single_shots_differ_by_repeat_and_follow_the_seed():
    rng = np.random.default_rng(0)
    features, identity = rng.normal(size=(60, 3)).astype(np.float32), np.repeat(np.arange(12), 5)

    def ranks(seed):
        return single_shot(features[:5], features, identity[:5], identity, repeats=2, seed=seed).first_rank.tolist()

    assert ranks(0) == ranks(0) != ranks(1)
    assert ranks(0)[:5] != ranks(0)[5:]


def test_single_shot_leaves_unknown_identities_out():
    eye = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2, 2]]
    found = single_shot_split(eye, np.array([5, 5, 8, 8, -1, -1]), repeats=3)
    assert len(found.valid) == 3 * 2
    assert found.cmc(1) == 1


def mistakes():
    query, gallery, *labels = one_hot_market()
    bad = query.copy()
    bad[0, 0] = np.nan
    one_camera = [*labels[:2], labels[2], np.zeros(10, int)]
    yield "one camera", lambda: ranking_scores(query, gallery, *one_camera), "cameras in the gallery: 1"
    yield "no identity", lambda: ranking_scores(query, gallery, labels[0] + 50, *labels[1:]), "check the split"
    yield "cameras of one", lambda: ranking_scores(query, gallery, *labels[:3]), "give both or leave out"
    yield "lengths", lambda: ranking_scores(query, gallery, labels[0][:3], *labels[1:]), "query_id: expected 5"
    yield "dimensions", lambda: ranking_scores(query[:, :3], gallery, *labels), "one network for both"
    yield "not finite", lambda: ranking_scores(bad, gallery, *labels), "query: expected finite"
    yield "matrix", lambda: ranking_scores(query[0], gallery, *labels), "expected a matrix"
    yield "distances", lambda: ranking_scores_from_distances(bad, labels[0], labels[0]), "distances: expected finite"
    yield "formula", lambda: ranking_scores(query, gallery, *labels).mAP("area"), "rectangle or trapezoid"
    yield "repeats", lambda: single_shot_split(gallery, labels[1], repeats=0), "repeats: expected 1"


@pytest.mark.parametrize(("mistake", "words"), [pytest.param(m, w, id=name) for name, m, w in mistakes()])
def test_mistakes_are_told_in_a_sentence(mistake, words):
    with pytest.raises(InputError, match=words):
        mistake()

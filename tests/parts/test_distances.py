# SPDX-License-Identifier: Apache-2.0
"""Distances of feature sets against closed forms, scipy's matrix root and naive loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from ganaug.data.errors import InputError
from ganaug.parts import discrepancy, distances
from ganaug.parts.distances import (
    frechet,
    frechet_features,
    inception_score,
    intra_class_diversity,
    kernel_distance,
    mean_pairwise_distance,
    modified_inception_score,
    moments,
    prdc,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def with_sqrtm(mean1, cov1, mean2, cov2):
    root = np.real(scipy.linalg.sqrtm(cov1 @ cov2))
    return np.sum((mean1 - mean2) ** 2) + np.trace(cov1) + np.trace(cov2) - 2 * np.trace(root)


def test_moments_are_those_of_numpy_with_divisor_n_minus_one():
    x = normal(30, 5) + 3
    mean, cov = moments(x)
    assert cov.dtype == torch.float64
    np.testing.assert_allclose(mean, x.double().mean(0))
    np.testing.assert_allclose(cov, np.cov(x.double().numpy(), rowvar=False))


def test_frechet_equals_the_matrix_square_root_formula():
    a, b = normal(200, 24) @ normal(24, 24, seed=1), normal(150, 24, seed=2) * 2 + 0.5
    one, two = moments(a), moments(b)
    expected = with_sqrtm(*(value.numpy() for value in (*one, *two)))
    assert frechet(*one, *two) == pytest.approx(expected, rel=1e-6)
    assert frechet_features(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_of_two_normals_on_a_line():
    mean1, mean2 = torch.tensor([1.0]), torch.tensor([4.0])
    assert frechet(mean1, torch.tensor([[4.0]]), mean2, torch.tensor([[25.0]])) == pytest.approx(9 + 9)


def test_frechet_with_a_singular_covariance():
    v, cov2 = normal(6).double(), torch.diag(torch.arange(1.0, 7)).double()
    zero = torch.zeros(6)
    expected = v @ v + 21 - 2 * math.sqrt(v @ cov2 @ v)  # the root of v v' S2 has the trace sqrt(v' S2 v)
    assert frechet(zero, torch.outer(v, v), zero, cov2) == pytest.approx(float(expected), rel=1e-7)


@pytest.mark.parametrize("n", [20, 200])
def test_frechet_features_is_zero_to_itself_and_the_square_of_a_shift(n):
    a, v = normal(n, 48), normal(48, seed=1)
    assert frechet_features(a, a) == pytest.approx(0, abs=1e-5)
    assert frechet_features(a, a + v) == pytest.approx(float(v.square().sum()), rel=1e-5)


def test_fewer_rows_than_dimensions_give_the_same_distance_by_the_nuclear_norm(monkeypatch):
    a, b = normal(20, 48), normal(31, 48, seed=1) * 1.5 + 0.2
    expected = frechet(*moments(a), *moments(b))
    monkeypatch.setattr(distances, "moments", None)  # this form must not touch the 48 x 48 matrices
    assert frechet_features(a, b) == pytest.approx(expected, rel=1e-6)


def naive_discrepancy(x, y):
    def k(u, v):
        return (float(u @ v) / len(u) + 1) ** 3

    n = len(x)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return xx + yy - 2 * sum(k(u, v) for u in x for v in y) / n**2


@pytest.mark.parametrize("form", ["by_indicators", "by_subsets"])
def test_kernel_distance_forms_equal_a_naive_loop(form, monkeypatch):
    monkeypatch.setattr(discrepancy, "ROWS", 7)  # several chunks, the last one short
    a, b = normal(30, 5).double(), normal(25, 5, seed=1).double() + 0.3
    generator = torch.Generator().manual_seed(0)
    rows_a, rows_b = discrepancy.draw(30, 3, 10, generator), discrepancy.draw(25, 3, 10, generator)
    expected = [naive_discrepancy(a[i], b[j]) for i, j in zip(rows_a, rows_b, strict=True)]
    np.testing.assert_allclose(getattr(discrepancy, form)(a, b, rows_a, rows_b), expected, rtol=1e-9)


def test_the_form_does_not_change_the_kernel_distance(monkeypatch):
    a, b = normal(60, 200), normal(50, 200, seed=1) + 0.1
    one_pass = kernel_distance(a, b)
    monkeypatch.setattr(discrepancy, "by_indicators", discrepancy.by_subsets)
    assert kernel_distance(a, b) == pytest.approx(one_pass, rel=1e-3)


def test_kernel_distance_of_two_points():
    a, b = torch.tensor([1.0, 2.0]).repeat(8, 1), torch.tensor([3.0, -1.0]).repeat(9, 1)
    k = {"aa": (5 / 2 + 1) ** 3, "bb": (10 / 2 + 1) ** 3, "ab": (1 / 2 + 1) ** 3}
    mean, error = kernel_distance(a, b)
    assert mean == pytest.approx(k["aa"] + k["bb"] - 2 * k["ab"], rel=1e-6)
    assert error == pytest.approx(0, abs=1e-3)


def test_kernel_distance_sees_a_shift_but_none_between_halves():
    x = normal(2000, 32)
    mean, error = kernel_distance(x[:1000], x[1000:])
    assert abs(mean) < 2 * error
    shifted, error = kernel_distance(x[:1000], x[1000:] + 0.3)
    assert shifted > 5 * error


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_standard_error_is_that_of_repeated_draws(shift):
    draws = [
        kernel_distance(normal(120, 8, seed=s), normal(120, 8, seed=1000 + s) + shift, subsets=40) for s in range(60)
    ]
    means, errors = np.array(draws).T
    # where the sets agree the estimate is degenerate and the jackknife is known to err upwards
    assert 0.8 < errors.mean() / means.std(ddof=1) < 2.2


def test_kernel_distance_repeats_with_its_seed_and_leaves_torch_alone():
    a, b = normal(50, 4), normal(50, 4, seed=1)
    state = torch.get_rng_state()
    assert kernel_distance(a, b, seed=3) == kernel_distance(a, b, seed=3) != kernel_distance(a, b, seed=4)
    assert torch.equal(state, torch.get_rng_state())


def naive_prdc(real, fake, k):
    def distances_of(x, y):
        return np.linalg.norm(x[:, None] - y[None], axis=-1)

    real_radii = np.sort(distances_of(real, real), axis=1)[:, k]
    fake_radii = np.sort(distances_of(fake, fake), axis=1)[:, k]
    cross = distances_of(real, fake)
    inside = cross < real_radii[:, None]
    return {
        "precision": inside.any(0).mean(),
        "recall": (cross < fake_radii).any(1).mean(),
        "density": inside.sum() / (k * len(fake)),
        "coverage": (cross.min(1) < real_radii).mean(),
    }


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_prdc_equals_full_matrices(offset, monkeypatch):
    monkeypatch.setattr(distances, "ROWS", 64)
    real, fake = normal(150, 6) + offset, normal(170, 6, seed=1) * 0.8 + 0.3 + offset
    expected = naive_prdc(real.double().numpy(), fake.double().numpy(), 5)
    assert prdc(real, fake) == pytest.approx(expected, abs=1e-6)


def test_coverage_of_equal_distributions_is_one_minus_two_to_the_minus_k():
    scores = prdc(normal(1000, 16), normal(1000, 16, seed=1))
    assert 0.95 < scores["coverage"] < 0.985  # 1 - 2^-5 = 0.969
    assert scores["density"] == pytest.approx(1, abs=0.1)


def test_dropped_modes_keep_precision_and_lose_recall_and_coverage():
    modes = torch.tensor([[10.0] * 8, [-10.0] * 8])
    real = normal(400, 8) + modes.repeat(200, 1)
    whole, dropped = normal(400, 8, seed=1) + modes.repeat(200, 1), normal(400, 8, seed=1) + modes[0]
    good, bad = prdc(real, whole), prdc(real, dropped)
    assert bad["precision"] == pytest.approx(good["precision"], abs=0.05)
    assert bad["recall"] < 0.6 * good["recall"]
    assert bad["coverage"] < 0.6 * good["coverage"]


def test_balls_are_open_where_real_rows_repeat():
    real = normal(10, 300).repeat_interleave(7, 0) + 5  # six twins each: every radius is zero
    assert prdc(real, real.clone(), k=5)["density"] == 0
    assert prdc(real, real.clone(), k=7)["precision"] == 1


def test_inception_score_of_certain_and_of_equal_predictions():
    certain = torch.eye(4).repeat(5, 1).log()  # holds log 0
    assert inception_score(certain) == pytest.approx((4, math.log(4)))
    assert inception_score(normal(1, 4).log_softmax(1).expand(9, -1)) == pytest.approx((1, 0), abs=1e-9)


def test_log_inception_score_is_the_mutual_information():
    probs = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)
    joint = probs.numpy() / 2
    expected = np.sum(joint * np.log(joint / (joint.sum(0) * 0.5)))
    assert inception_score(probs.log())[1] == pytest.approx(expected)


def test_modified_inception_score_is_one_without_diversity_inside_classes():
    one_a_class = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.0, 0.0, 1.0]]).log()
    assert modified_inception_score(one_a_class.repeat(6, 1)) == pytest.approx(1, abs=1e-9)


def test_modified_inception_score_by_hand():
    p, q = torch.tensor([0.9, 0.1]), torch.tensor([0.6, 0.4])  # the same predicted class
    divergences = [float((a * (a / b).log()).sum()) for a in (p, q) for b in (p, q)]
    other = torch.tensor([0.3, 0.7])  # a class of one image: score 1
    expected = (math.exp(sum(divergences) / 4) + 1) / 2
    assert modified_inception_score(torch.stack([p, q, other]).log()) == pytest.approx(expected, rel=1e-6)


def test_intra_class_diversity_by_hand():
    images = torch.tensor([0.0, 3.0, 6.0, 1.0, 5.0, 9.0, 0.0]).view(7, 1, 1, 1)
    labels = torch.tensor([0, 0, 0, 2, 2, 4, -1])  # class 4 has no pair, -1 is unknown
    assert intra_class_diversity(images, labels) == pytest.approx({0: 4.0, 2: 4.0})


def test_mean_pairwise_distance_keeps_its_digits_far_from_the_origin(monkeypatch):
    monkeypatch.setattr(distances, "ROWS", 7)
    x = normal(40, 3) * 1e-3
    expected = torch.pdist(x.double()).mean().item()
    assert mean_pairwise_distance(x) == pytest.approx(expected, rel=1e-4)
    assert mean_pairwise_distance((x.double() + 1).float()) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: moments(torch.zeros(1, 3)), "2 rows"),
        (lambda: frechet_features(torch.zeros(5, 3), torch.zeros(5, 4)), "one extractor"),
        (lambda: kernel_distance(torch.zeros(3, 3), torch.zeros(9, 3)), "4 rows"),
        (lambda: prdc(torch.zeros(5, 3), torch.zeros(9, 3)), "6 rows"),
        (lambda: prdc(torch.full((9, 3), torch.nan), torch.zeros(9, 3)), "finite"),
        (lambda: inception_score(torch.zeros(4, 3)), "log_softmax"),
        (lambda: intra_class_diversity(torch.zeros(4, 3), torch.zeros(3)), "labels"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call()

# SPDX-License-Identifier: Apache-2.0
"""What the Inception Score sees and what it does not, judged by a classifier of digits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from ganaug.metrics.inception import class_scores


@pytest.fixture(scope="module")
def judged():
    """Log-probabilities of digits that the judge did not learn from, and their classes."""
    pixels, labels = load_digits(return_X_y=True)
    judge = LogisticRegression(C=0.01, max_iter=300).fit(pixels[:900] / 16, labels[:900])
    log_probs = judge.predict_log_proba(pixels[900:] / 16)
    return torch.tensor(log_probs), labels[900:]


def test_one_image_a_class_keeps_the_score_and_loses_the_modified_one(judged):
    log_probs, labels = judged
    real = class_scores(log_probs)
    typical = [np.argsort(log_probs.numpy()[labels == c, c])[(labels == c).sum() // 2] for c in range(10)]
    rows = [np.flatnonzero(labels == c)[i] for c, i in enumerate(typical)]
    repeated = class_scores(log_probs[rows].repeat(80, 1))
    assert repeated["inception_score"] == pytest.approx(real["inception_score"], rel=0.1)
    assert repeated["modified_inception_score"] == pytest.approx(1, abs=1e-9)
    assert real["modified_inception_score"] > 1.02


def test_one_image_for_all_classes_has_score_one(judged):
    scores = class_scores(judged[0][:1].repeat(50, 1))
    assert scores["inception_score"] == pytest.approx(1, abs=1e-9)
    assert scores["ln_inception_score"] == pytest.approx(0, abs=1e-9)

# SPDX-License-Identifier: Apache-2.0
"""Planted leaks between folds are named with their rows; clean folds are called clean."""

from __future__ import annotations

import json

import pytest
import torch
from sklearn.datasets import load_digits

from ganaug.audit.leaks import duplicates, leaks
from ganaug.data.errors import InputError


@pytest.fixture(scope="module")
def folds():
    images = torch.tensor(load_digits().images / 8 - 1, dtype=torch.float32)[:, None]
    return images[:1200], images[1200:]


def test_clean_folds_are_clean(folds):
    found = leaks(*folds)
    assert found["exact"] == [] and found["groups"] == [] and found["clean"]
    assert len(found["near"]) <= 0.02 * len(folds[1])


def test_planted_images_are_named(folds):
    train, test = folds
    planted = torch.cat([train[[3, 700]], train[[40, 41]].flip(-1), train[[9]] * 0.8])
    found = leaks(train, torch.cat([planted, test[:100]]))
    assert found["exact"] == [[0, 3], [1, 700]] and not found["clean"]
    assert found["near"][:3] == [[2, 40], [3, 41], [4, 9]]
    assert "2 of 105 test images" in found["sentence"]
    assert json.loads(json.dumps(found)) == found


def test_bytes_are_compared_for_integers_too():
    images = torch.randint(0, 255, (30, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert leaks(images[:20], images[19:])["exact"] == [[0, 19]]
    assert leaks(images[:20], images[20:])["clean"]


def test_shared_groups_are_named(folds):
    train, test = folds[0][:4], folds[1][:3]
    found = leaks(train, test, ["anna", "bert", "anna", "carl"], ["dora", "carl", "bert"])
    assert found["groups"] == ["bert", "carl"] and not found["clean"]
    assert leaks(train, test, torch.tensor([1, 2, 3, 4]), torch.tensor([5, 6, 7]))["clean"]


def test_groups_are_given_for_all_rows_of_both_folds(folds):
    with pytest.raises(InputError, match="test_groups"):
        leaks(folds[0][:4], folds[1][:3], [1, 2, 3, 4])
    with pytest.raises(InputError, match="train_groups"):
        leaks(folds[0][:4], folds[1][:3], [1, 2], [1, 2, 3])


def test_duplicates_are_grouped(folds):
    x = folds[0][[5, 6, 5, 7, 6, 5]]
    assert duplicates(x) == [[0, 2, 5], [1, 4]]
    assert duplicates(x[:2]) == []

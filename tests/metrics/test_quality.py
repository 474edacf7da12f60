# SPDX-License-Identifier: Apache-2.0
"""Realism with its floor, diversity, and the table that names its extractor."""

from __future__ import annotations

import json

import pytest
import torch

from ganaug.data.errors import InputError
from ganaug.metrics.diversity import diversity, intra_class_ratio
from ganaug.metrics.realism import realism
from ganaug.metrics.report import quality


def modes(n, classes=4, width=16, seed=0):
    """Features in well separated modes, sorted by mode, and their labels."""
    labels = torch.arange(classes).repeat_interleave(n // classes)
    features = torch.randn(n, width, generator=torch.Generator().manual_seed(seed))
    features[torch.arange(n), labels] += 8
    return features, labels


def test_images_as_good_as_real_lie_at_the_floor():
    found = realism(modes(400)[0], modes(400, seed=1)[0])
    assert found["frechet_matched"] == pytest.approx(found["frechet_floor"], rel=0.5)
    assert found["frechet_distance"] < found["frechet_floor"]  # more rows, less bias: not comparable
    assert abs(found["kernel_distance"]) < 2 * found["kernel_standard_error"]
    assert abs(found["kernel_floor"]) < 2 * found["kernel_floor_standard_error"]
    assert (found["rows_real"], found["rows_fake"], found["rows_floor"]) == (400, 400, 200)


def test_the_floor_has_the_size_of_the_generated_set_where_that_is_smaller():
    found = realism(modes(400)[0], modes(40, seed=1)[0])
    assert found["rows_floor"] == 40
    assert found["frechet_matched"] == pytest.approx(found["frechet_floor"], rel=0.5)


def test_dropped_modes_leave_the_floor_and_keep_precision():
    real, labels = modes(400)
    fake = modes(400, seed=1)[0]
    whole = quality(real, fake, extractor="judge")
    dropped = quality(real, fake[labels < 2].repeat(2, 1), extractor="judge")
    assert dropped["frechet_matched"] > 10 * dropped["frechet_floor"]
    assert dropped["kernel_distance"] > 5 * dropped["kernel_standard_error"]
    assert dropped["precision"] == pytest.approx(whole["precision"], abs=0.05)
    assert max(dropped["recall"], dropped["coverage"]) < 0.6


def test_the_table_names_its_extractor_and_keeps_the_name_fid_for_inception():
    real, fake = modes(80)[0], modes(80, seed=1)[0]
    judge = quality(real, fake, extractor="judge")
    assert judge["extractor"] == "judge" and judge["frechet_distance"] > 0
    assert not {"fid", "kid"} & set(judge)
    inception = quality(real, fake, extractor="inception")
    assert inception["fid"] == inception["frechet_distance"] == judge["frechet_distance"]
    assert inception["kid"] == inception["kernel_distance"]


def test_the_table_survives_json_with_everything_asked_for():
    real, labels = modes(80)
    fake = modes(80, seed=1)[0]
    log_probs = fake[:, :4].log_softmax(1)
    table = quality(real, fake, extractor="judge", real_labels=labels, fake_labels=labels, log_probs=log_probs)
    assert json.loads(json.dumps(table)) == table
    assert table["inception_score"] == pytest.approx(4, abs=0.1)
    assert table["intra_class_ratio"] == pytest.approx({str(c): 1 for c in range(4)}, abs=0.2)
    assert quality(real, fake, extractor="judge", seed=1) != quality(real, fake, extractor="judge")


def test_diversity_holds_only_what_was_given():
    real, labels = modes(80)
    assert set(diversity(real, real)) == {"precision", "recall", "density", "coverage"}
    with pytest.raises(InputError, match="both"):
        diversity(real, real, real_labels=labels)


def test_intra_class_ratio_by_hand():
    real = torch.tensor([[0.0], [4.0], [0.0], [1.0], [7.0]])
    fake = torch.tensor([[0.0], [1.0], [3.0], [3.0], [5.0], [6.0]])
    real_labels, fake_labels = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 0, 1, 1, 2, 2])
    ratio = intra_class_ratio(real, fake, real_labels, fake_labels)
    assert ratio == pytest.approx({"0": 0.25, "1": 0.0})  # a single real row of class 2: nothing to compare


def test_too_few_rows_are_named():
    with pytest.raises(InputError, match="8 real"):
        realism(torch.zeros(7, 3), torch.zeros(9, 3))

# SPDX-License-Identifier: Apache-2.0
"""Systems that draw classes in training: only those that have a training image."""

import numpy as np
import pytest
import torch

import ganaug


@pytest.mark.parametrize("id", ["acgan", "dada", "low_data_gan"])
def test_classes_without_a_training_image_are_never_asked_for(id):
    digits = ganaug.load("digits")
    train = digits.select(digits.in_fold("train"))
    some = train.select(np.isin(train.label, (0, 2, 5)))
    system = ganaug.make(id, preset="tiny").fit(some, budget=1, seed=1)
    assert len(system.spec.classes) == 10
    _, labels = system.asked(300)
    assert (torch.bincount(labels) > 60).nonzero().flatten().tolist() == labels.unique().tolist() == [0, 2, 5]

"""The downstream training of any length."""

import pytest
import torch

from ganaug.core.loop import Budget
from ganaug.data.embedded import digits
from ganaug.study.folds import fold, training_view
from ganaug.study.source import source_for
from ganaug.tasks.classification import Classifier


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 9, 10, 11, 19, 20, 21])
def test_every_number_of_updates_trains(steps):
    view = training_view(digits(), fold(digits(), 5, 0, repeats=1, seed=0).train)
    learner = Classifier(batch_size=4)
    model = learner.fit(source_for(learner, view, [], [], steps, 0), Budget(steps), 0)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert not model.training

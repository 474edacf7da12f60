"""A judge that knows the digits, and small training folds for mechanism tests."""

from functools import cache

import numpy as np
import torch
from sklearn.svm import SVC

from ganaug.data.embedded import digits
from ganaug.data.splits import few_shot
from ganaug.data.view import TrainView


@cache
def judge():
    data = digits()
    rows = data.in_fold("train")
    return SVC().fit(data.images(rows).flatten(1).numpy(), data.label[rows])


def few_digits(n=10, seed=0, classes=10):
    """n images of each of the first classes."""
    data = digits()
    view = TrainView.of(data, data.in_fold("train"))
    view = view.select(np.flatnonzero(view.label < classes))
    return view.select(few_shot(view.but(classes=view.classes[:classes]), n, seed)).but(classes=view.classes[:classes])


def agreement(made):
    """Share of images whose judged class is the one asked for."""
    batch = made.batch()
    return float((judge().predict(batch.image.flatten(1).numpy()) == batch.label.numpy()).mean())


def weights(module):
    """A copy of all parameters as one vector."""
    return torch.cat([p.detach().flatten().clone() for p in module.parameters()])

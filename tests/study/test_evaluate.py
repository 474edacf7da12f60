"""One call on two sets: real images and those that any tool has made."""

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

import ganaug
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError
from ganaug.study import evaluate as module
from ganaug.study.evaluate import evaluate
from ganaug.tasks.classification import Classifier


class Pixels:
    """Features without a network."""

    name = "pixels"

    def __call__(self, images):
        return images.flatten(1)


def quick(real, synthetic, **given):
    return evaluate(real, synthetic, learner=Classifier(backbone=NearestCentroid()), features=Pixels(), **given)


def train_rows(data, n=None):
    return data.select(data.in_fold("train")[:n]).but(fold=None)


def test_real_images_again_are_useful_and_copies():
    data = digits()
    found = quick(data, train_rows(data))
    assert found["copies"]["share"] > 0.99 and not found["collapse"]["collapsed"]
    scored = found["usefulness"]
    assert abs(scored["classification_accuracy_score"] - scored["real"]) < 0.05 and scored["missing"] == []


def test_wrong_labels_make_images_useless():
    data = digits()
    made = train_rows(data)
    shifted = quick(data, made.but(label=(made.label + 1) % 10))
    assert shifted["usefulness"]["classification_accuracy_score"] < 0.1 < shifted["usefulness"]["real"]


def test_synthetic_images_without_labels_are_measured_all_the_same():
    found = quick(digits(), train_rows(digits()).but(label=None, classes=()))
    assert found["usefulness"] == {} and found["copies"]["share"] > 0.99 and "precision" in found["quality"]


def test_foreign_classes_are_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(module, "trained", lambda *_: pytest.fail("trained"))
    data = digits()
    with pytest.raises(InputError, match="class 'dog'"):
        evaluate(data, train_rows(data).but(classes=("dog", *data.classes[1:])))


def test_both_trainings_tell_how_far_they_are():
    told = []
    some = train_rows(digits(), 60)
    evaluate(digits(), some, features=Pixels(), steps=3, log=lambda *facts: told.append(facts))
    assert [facts[:3] for facts in told] == [
        (t, 3, f"training on {kind} images") for kind in ("real", "synthetic") for t in range(3)
    ]
    assert all(np.isfinite(left) and left >= 0 for *_, left in told)


def test_real_images_need_labels():
    with pytest.raises(InputError, match="labels on the real images"):
        ganaug.evaluate(digits().but(label=None, classes=(), fold=None), digits())

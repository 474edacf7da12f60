"""Duplicate: the control makes real images again."""

import ganaug
from ganaug.core.device import on_device
from ganaug.data.embedded import digits
from ganaug.data.view import TrainView


def test_every_image_equals_a_training_image_of_its_class():
    data = digits()
    train = TrainView.of(data, data.in_fold("train")[:200])
    made = ganaug.make("duplicate").fit(train).sample(per_class=12, seed=5)
    rows = train.rows_of(made.parents[:, 0])
    assert (train.image[rows] == made.image[slice(None)]).all()
    assert (train.label[rows] == made.label).all()
    assert len(set(rows.tolist())) > 60


def test_images_are_kept_where_they_are_asked_for(monkeypatch):
    data = digits()
    monkeypatch.setenv("GANAUG_DEVICE", "meta")
    system = ganaug.make("duplicate")
    with on_device():
        system.prepare(TrainView.of(data, data.in_fold("train")[:50]))
    assert {value.device.type for value in (system.images, system.labels, system.ids)} == {"meta"}

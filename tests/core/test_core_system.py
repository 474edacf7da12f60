# SPDX-License-Identifier: Apache-2.0
"""What every system is given: conditions, chunks, augmentation, a clean slate for every fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from toys import Toy, grey_levels

import ganaug
from ganaug.core.card import Card
from ganaug.core.sampling import condition_table, working
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.view import TrainView


def test_conditions_follow_the_training_set():
    """Of 24 rows with a known label, classes are as frequent as in training; unknown labels are never asked for."""
    data = grey_levels()
    label = data.label.copy()
    label[8:16] = -1
    made = Toy().fit(data.but(label=label), budget=0).sample(2000)
    counts = made.counts()
    assert counts["grey"] == 0
    assert abs(counts["dark"] - 1000) < 120
    assert made.label.min() >= 0


def test_only_needed_conditions_are_kept():
    """An unconditional system's images must not get labels by lot."""
    assert set(condition_table(grey_levels(), ("label",))) == {"label"}
    assert condition_table(grey_levels(), ()) == {}
    system = ganaug.make("dcgan", preset="tiny").fit(grey_levels(60), budget=0)
    assert system.sample(3).label is None
    assert system.sample(like=grey_levels(1)).label is None


def test_an_unlabelled_system_samples_after_restore(tmp_path):
    """Its table of conditions is empty, and that is state too."""
    data = grey_levels(60).but(label=None, classes=())
    system = ganaug.make("dcgan", preset="tiny").fit(data, budget=1, run=tmp_path / "run")
    assert torch.equal(next(ganaug.restore(tmp_path / "run").stream(3)).image, next(system.stream(3)).image)


class Chunked(Toy):
    """Its images are one number a call of `generate`, plus their place in the chunk."""

    chunk = 10

    def generate(self, want):
        self.calls.append((len(want), sorted(set(want.label.tolist()))))
        place = torch.arange(len(want)) / 100
        return want.but(image=(torch.rand(()) / 10 + place)[:, None, None, None].expand(-1, 1, 8, 8))


@pytest.fixture
def chunked():
    system = Chunked().fit(grey_levels(), budget=0)
    system.calls = []
    return system


def test_any_range_is_cut_from_whole_chunks(chunked):
    images = torch.cat([b.image for b in chunked.stream(7, start=18)])
    assert [n for n, _ in chunked.calls] == [10, 10]
    whole = torch.cat([b.image for b in chunked.stream(40)])
    assert torch.equal(images, whole[18:25])
    assert len(whole[:, 0, 0, 0].unique()) == 40


def test_no_chunk_is_made_for_nothing(chunked):
    assert list(chunked.stream(0, start=15)) == []
    assert chunked.calls == []
    with pytest.raises(InputError, match="above 0"):
        chunked.sample(0)


def test_classes_have_chunks_of_their_own(chunked):
    made = chunked.sample(per_class={"bright": 3, "dark": 12})
    assert [labels for _, labels in chunked.calls] == [[2], [0], [0]]
    assert made.label.tolist() == [2] * 3 + [0] * 12
    again = chunked.sample(per_class={"dark": 12})
    np.testing.assert_array_equal(made.image[np.arange(3, 15)], again.image[np.arange(12)])
    assert (made.image[np.arange(3)] != made.image[np.arange(3, 6)]).any(), "nor do classes share random numbers"


def test_classes_that_can_not_be_made_are_refused(chunked):
    data = grey_levels()
    system = Chunked().fit(data.select(data.label < 2), budget=0)
    system.calls = []
    assert system.sample(per_class=1).label.tolist() == [0, 1]
    for wanted, message in [
        ({"bright": 1}, "class 'bright' had no training image"),
        ({"pink": 1}, "no class 'pink': the classes are dark, grey, bright"),
        ({"dark": -1}, "must be 0 or more, found -1"),
    ]:
        with pytest.raises(InputError, match=message):
            system.sample(per_class=wanted)


# --- fit ---------------------------------------------------------------------------------------------------------


class Searching(Toy):
    """As a search does: what was found shapes the next `build`."""

    def build(self, spec):
        super().build(spec)
        self.found_ = [*getattr(self, "found_", []), spec.rows]


def test_a_second_fit_knows_nothing_of_the_first():
    system = Searching()
    system.transform = lambda batch: batch
    system.fit(grey_levels(), budget=1)
    given = system.transform
    system.fit(grey_levels(4), budget=1)
    assert system.found_ == [12]
    assert system.transform is given, "what an arm sets stays"
    assert system.fitted_ == {"seed": 0, "steps": 1, "retry": 0}


def test_only_the_training_fold_is_seen():
    data = grey_levels()
    fold = np.where(np.arange(24) % 3 == 0, 2, 0).astype(np.int8)

    class Looking(Toy):
        def prepare(self, train):
            assert isinstance(train, TrainView)
            self.ids_ = train.index.tolist()

    system = Looking().fit(data.but(fold=fold), budget=0)
    assert system.ids_ == [i for i in range(24) if i % 3]
    assert not hasattr(system, "train"), "data is not kept"


def test_data_is_let_go_after_an_error_too():
    system = Toy()
    with pytest.raises(InputError, match="label"):
        system.fit(grey_levels().but(label=None), budget=0)
    assert not hasattr(system, "train")


@pytest.mark.parametrize("before", [False, True])
def test_after_a_refused_fit_a_system_is_not_fitted(before):
    system = Toy()
    if before:
        system.fit(grey_levels(), budget=0)
    with pytest.raises(InputError, match="label"):
        system.fit(grey_levels().but(label=None), budget=0)
    with pytest.raises(InputError, match="toy is not fitted yet: call fit first"):
        system.sample(1)


def test_given_networks_are_not_touched():
    """A hyperparameter that is a network is the user's: neither its mode nor its weights are the system's."""

    class Looks(Toy):
        def __init__(self, *, features=None):
            self.features = features
            self.batch_size = 4
            self.lr = 0.01

    features = nn.Dropout(0.5).eval()
    system = Looks(features=features).fit(grey_levels(), budget=2)
    assert not features.training
    features.train()
    system.sample(2)
    assert features.training
    assert features not in system.modules()


def test_networks_are_found_in_lists_and_dicts():
    system = Toy()
    system.a, system.b, system.c = nn.Linear(1, 1), [nn.Linear(1, 1)], {"x": [nn.Linear(1, 1)]}
    assert system.modules() == [system.a, system.b[0], system.c["x"][0]]


def test_making_images_gives_every_part_its_mode_back():
    system = Toy().fit(grey_levels(), budget=0)
    system.net = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(1))
    system.net[1].eval()
    with working(system, 0):
        assert not any(part.training for part in system.net.modules())
        assert not torch.is_grad_enabled()
    assert [part.training for part in system.net.modules()] == [True, True, False]


def test_updates_of_a_recogniser_are_counted():
    class Counting(Toy):
        def step(self, batch, t):
            for recogniser in (False, True, True):
                self.update(self.net(torch.randn(2, 3)).mean(), self.opt, recogniser=recogniser)
            return {}

    assert Counting().fit(grey_levels(), budget=3).recogniser_updates_ == 6


# --- augment -----------------------------------------------------------------------------------------------------


class Shifting(Toy):
    """Variants are brighter by one random number a call."""

    CARD = Card(id="shifting", title="Shifting", can=("augment",))
    chunk = 10

    def vary(self, batch):
        return batch.but(image=batch.image + torch.rand(()) / 3)


def test_a_set_is_augmented_in_chunks_and_in_order():
    data = grey_levels().but(index=np.arange(24) + 100)
    system = Shifting().fit(data, budget=0)
    made = system.augment(data, seed=1)
    assert made.parents[:, 0].tolist() == list(range(100, 124))
    np.testing.assert_array_equal(made.label, data.label)
    change = (made.batch().image - data.batch().image).mean((1, 2, 3))
    assert len(change.round(decimals=2).unique()) == 3, "one number for each of three chunks"
    assert "shifting" in made.origin[0]


def test_a_batch_is_augmented_as_one():
    system = Shifting().fit(grey_levels(), budget=0)
    batch = Batch(image=torch.zeros(4, 1, 8, 8))
    made = system.augment(batch, seed=1)
    assert len(made.image.unique()) == 1
    assert not torch.equal(made.image, system.augment(batch, seed=2).image)


def test_what_a_system_can_not_do_is_told():
    system = Shifting().fit(grey_levels(), budget=0)
    with pytest.raises(InputError, match="shifting trains no recogniser"):
        system.model()
    with pytest.raises(InputError, match="toy makes no variants"):
        Toy().fit(grey_levels(), budget=0).augment(grey_levels())

# SPDX-License-Identifier: Apache-2.0
"""Systems of systems: one clone a class or image, and systems as hyperparameters."""

from __future__ import annotations

import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from toys import Toy, equal, grey_levels

import ganaug
from ganaug.core import run_folder, state
from ganaug.core.card import Card
from ganaug.core.combine import PerClass, PerImage, resolve
from ganaug.core.loop import Budget
from ganaug.core.system import System
from ganaug.data.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*is advised from")


class Mean(System):
    """Unconditional: images are the mean of the training images and some noise; it notes which rows it saw."""

    CARD = Card(id="mean", title="Mean", can=("sample",))

    def __init__(self, *, batch_size: int = 2):
        self.batch_size = batch_size

    def build(self, spec):
        self.net = nn.BatchNorm2d(spec.channels)
        self.opt = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.total_ = 0

    def prepare(self, train):
        self.mean = train.batch(slice(None)).image.mean(0)
        self.ids_ = train.index.tolist()

    def step(self, batch, t):
        loss = self.net(batch.image + torch.randn_like(batch.image)).square().mean()
        self.update(loss, self.opt)
        self.total_ += 1
        return {"loss": loss}

    def generate(self, want):
        return want.but(image=(self.mean + 0.1 * torch.randn(len(want), *self.mean.shape)).clamp(-1, 1))


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """The toys can be made by id."""
    make, toys = ganaug.make, {"mean": Mean, "toy": Toy, "holder": Holder}
    monkeypatch.setattr(run_folder, "make", lambda id, **p: toys[id](**p) if id in toys else make(id, **p))


def per_class(budget=9, **how):
    return PerClass(Mean()).fit(grey_levels(), budget=budget, **how)


def levels(images):
    """The class that each image's brightness says."""
    real = grey_levels().batch().image.mean((1, 2, 3)).unflatten(0, (3, -1)).mean(1)
    return (images.batch().image.mean((1, 2, 3))[:, None] - real).abs().argmin(1).numpy()


# --- one clone a class -------------------------------------------------------------------------------------------


def test_each_clone_sees_its_class_and_its_share_of_the_budget():
    system = per_class(budget=10)
    assert [clone.ids_ for clone in system.clones.values()] == [list(range(k * 8, k * 8 + 8)) for k in range(3)]
    assert [clone.total_ for clone in system.clones.values()] == [3, 3, 3]
    assert system.fitted_ == {"seed": 0, "steps": 9, "retry": 0}
    seeds = [clone.fitted_["seed"] for clone in (*system.clones.values(), *per_class(seed=1).clones.values())]
    assert len(set(seeds)) == 6, "no clone shares its seed with another one of this or the next repeat"


def test_clones_without_steps_get_none():
    assert per_class(budget=0).fitted_["steps"] == 0
    assert per_class(budget=2).fitted_["steps"] == 3, "at least one step each"


def test_images_of_a_class_come_from_its_clone():
    made = per_class().sample(per_class={"bright": 70, "dark": 3})
    assert made.counts() == {"dark": 3, "grey": 0, "bright": 70}
    np.testing.assert_array_equal(levels(made), made.label)


@pytest.mark.parametrize("wrap", [PerClass, PerImage])
def test_a_number_of_images_is_spread_over_the_clones_in_turn(wrap):
    system = wrap(Mean()).fit(grey_levels(2), budget=0)
    turns = len(system.clones)
    whole = system.sample(100, seed=3)
    assert len(whole) == 100
    np.testing.assert_array_equal(whole.label, (np.arange(100) % turns) * 3 // turns)
    np.testing.assert_array_equal(levels(whole), whole.label)
    part = system.sample(10, start=70, seed=3)
    assert torch.equal(whole.batch(np.arange(70, 80)).image, part.batch().image)
    np.testing.assert_array_equal(whole.label[70:80], part.label)


def test_ranges_of_a_class_agree():
    system = per_class()
    whole, part = system.sample(per_class={"grey": 90}), system.sample(per_class={"grey": 5}, start=62)
    assert torch.equal(whole.batch(np.arange(62, 67)).image, part.batch().image)


def test_what_can_not_be_asked_for_is_refused():
    data = grey_levels()
    system = PerClass(Mean()).fit(data.select(data.label != 1), budget=0)
    assert system.sample(per_class=2).counts() == {"dark": 2, "grey": 0, "bright": 2}
    for wrong, message in [
        ({"per_class": {"grey": 1}}, "class 'grey' had no training image"),
        ({"per_class": {"pink": 1}}, "no class 'pink'"),
        ({"like": data}, "clones of mean are asked for a number"),
        ({}, "clones of mean are asked for a number"),
    ]:
        with pytest.raises(InputError, match=message):
            system.sample(**wrong)
    with pytest.raises(InputError, match="PerClass needs labels"):
        PerClass(Mean()).fit(data.but(label=None), budget=0)
    with pytest.raises(InputError, match="not fitted"):
        PerClass(Mean()).sample(3)


# --- one clone an image ------------------------------------------------------------------------------------------


def test_samples_carry_their_image():
    data = grey_levels(2).but(index=np.array([5, 9, 3, 30, 31, 40]))
    system = PerImage(Mean()).fit(data, budget=6)
    made = system.sample(12)
    assert made.parents[:, 0].tolist() == [5, 9, 3, 30, 31, 40] * 2
    bright = system.sample(per_class={"bright": 4})
    assert bright.parents[:, 0].tolist() == [31, 40] * 2
    assert bright.label.tolist() == [2] * 4
    unlabelled = PerImage(Mean()).fit(data.but(label=None, classes=()), budget=0)
    assert unlabelled.sample(3).label is None
    with pytest.raises(InputError, match="unconditional"):
        unlabelled.sample(per_class=1)


# --- folders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [PerClass, PerImage])
def test_a_wrapper_is_saved_and_restored(tmp_path, wrap):
    system = wrap(Mean(batch_size=1)).fit(grey_levels(2), budget=6, run=tmp_path / "run")
    system.save(tmp_path / "copy")
    for folder in (tmp_path / "run", tmp_path / "copy"):
        back = ganaug.restore(folder)
        assert type(back) is wrap
        assert back.system.batch_size == 1
        assert equal(state.snapshot(back), state.snapshot(system))
        assert torch.equal(back.sample(20).batch().image, system.sample(20).batch().image)


def test_a_wrapper_resumes_to_the_same_bits(tmp_path):
    """Ctrl-C while the second of three clones learns: the first stays, the second goes on, the third starts."""
    data, steps = grey_levels(), []

    class Interrupted(Mean):
        def step(self, batch, t):
            steps.append(t)
            if len(steps) == 13:
                signal.raise_signal(signal.SIGINT)
            return super().step(batch, t)

    with pytest.raises(KeyboardInterrupt):
        PerClass(Interrupted()).fit(data, budget=30, run=tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["part-0", "part-1", "run.json"]
    with pytest.raises(InputError, match="does not exist"):
        ganaug.restore(tmp_path / "run")
    resumed = PerClass(Mean()).fit(data, budget=30, run=tmp_path / "run", resume=True)
    assert equal(state.snapshot(resumed), state.snapshot(per_class(budget=30)))
    assert len(steps) == 13
    with pytest.raises(InputError, match="was started with wrapper per_class, now None"):
        Mean().fit(data, budget=30, run=tmp_path / "run", resume=True)


def test_a_real_system_one_clone_a_class(tmp_path):
    system = PerClass(ganaug.make("dcgan", preset="tiny"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        system.fit(grey_levels(), budget=6, run=tmp_path / "run")
    back = ganaug.restore(tmp_path / "run")
    assert torch.equal(back.sample(per_class=3).batch().image, system.sample(per_class=3).batch().image)


# --- systems as hyperparameters ----------------------------------------------------------------------------------


class Holder(System):
    """It learns from the images of another system, which is fitted on the same fold first."""

    CARD = Card(id="holder", title="Holder", needs=("label",), can=("sample",))

    def __init__(self, *, generator="dcgan", batch_size: int = 4):
        self.generator = generator
        self.batch_size = batch_size

    def build(self, spec):
        self.made = resolve(self.generator)
        self.scale = nn.Linear(1, 1)
        self.opt = torch.optim.Adam(self.scale.parameters())

    def prepare(self, train):
        self.made.fit(train, budget=3, seed=5)

    def step(self, batch, t):
        latents = torch.randn(len(batch), self.made.latent)
        loss = self.scale(self.made.gen(latents).mean((1, 2, 3))[:, None]).square().mean()
        self.update(loss, self.opt)
        return {"loss": loss}

    def generate(self, want):
        return want.but(image=self.made.gen(torch.randn(len(want), self.made.latent)))


def holder():
    return Holder(generator=ganaug.make("dcgan", preset="tiny"))


def test_a_held_system_is_state(tmp_path):
    given = holder()
    given.fit(grey_levels(), budget=4, run=tmp_path / "run")
    assert not hasattr(given.generator, "fitted_"), "the hyperparameter stays as it was"
    back = ganaug.restore(tmp_path / "run")
    assert isinstance(back.generator, type(given.generator))
    assert back.generator.get_params() == given.generator.get_params()
    assert torch.equal(back.sample(5).batch().image, given.sample(5).batch().image)
    assert torch.equal(back.made.sample(5).batch().image, given.made.sample(5).batch().image)


def test_a_held_system_resumes_to_the_same_bits(tmp_path):
    """The held generator has batch norm: its mode and statistics must be those of a run that was never stopped."""

    class Interrupted(Holder):
        def step(self, batch, t):
            if t == 2:
                signal.raise_signal(signal.SIGINT)
            return super().step(batch, t)

    with pytest.raises(KeyboardInterrupt):
        Interrupted(**holder().get_params(deep=False)).fit(grey_levels(), budget=6, run=tmp_path / "run")
    resumed = holder().fit(grey_levels(), budget=6, run=tmp_path / "run", resume=True)
    assert equal(state.snapshot(resumed), state.snapshot(holder().fit(grey_levels(), budget=6)))


def test_resolve():
    fitted = ganaug.make("dcgan", preset="tiny")
    clone = resolve(fitted)
    assert clone is not fitted
    assert clone.get_params() == fitted.get_params()
    assert resolve("smote").CARD.id == "smote"
    fitted.fit(grey_levels(), budget=0)
    assert resolve(fitted) is fitted
    with pytest.raises(InputError, match="found NoneType"):
        resolve(None)
    with pytest.raises(InputError, match="nearest"):
        resolve("smotte")


def test_resolve_reads_run_folders(tmp_path):
    Mean().fit(grey_levels(), budget=2, run=tmp_path / "run")
    for given in (tmp_path / "run", str(tmp_path / "run")):
        assert resolve(given).fitted_["steps"] == 2
    with pytest.raises(InputError, match="is not a run folder"):
        resolve(Path(tmp_path))


def test_a_budget_is_shared():
    from ganaug.core.combine import split

    assert split(Budget(10), 3, 2000) == Budget(3)
    assert split(Budget(), 4, 2000) == Budget(500)
    assert split(Budget(seconds=6.0), 3, 2000) == Budget(seconds=2.0)
    assert [split(Budget(n), 3, 9).steps for n in (0, 1, 2)] == [0, 1, 1]

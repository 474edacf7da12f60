# SPDX-License-Identifier: Apache-2.0
"""Run folders: what belongs to another run, or is damaged, is refused by name."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from toys import Toy, grey_levels

import ganaug
from ganaug.core import device, run_folder
from ganaug.core.combine import PerClass
from ganaug.core.run_folder import from_plain, plain
from ganaug.data.errors import InputError
from ganaug.data.scaling import Scaling


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of dcgan and one of low_data_gan; both have networks `gen` and `critic`."""
    folder = tmp_path_factory.mktemp("runs")
    for id in ("dcgan", "low_data_gan", "smote"):
        quietly(ganaug.make(id, preset="tiny").fit, grey_levels(), budget=1, run=folder / id)
    return folder


@pytest.fixture
def run(runs, tmp_path):
    """A copy that may be damaged."""
    shutil.copytree(runs / "dcgan", tmp_path / "dcgan")
    return tmp_path / "dcgan"


def quietly(call, *args, **how):
    """Without the advice that the set is small."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return call(*args, **how)


def fit(run, **params):
    """Go on with a run of dcgan."""
    data = params.pop("data", grey_levels())
    seed = params.pop("seed", 0)
    return quietly(ganaug.make("dcgan", preset="tiny", **params).fit, data, run=run, resume=True, seed=seed)


def test_restore_gives_equal_samples(run):
    a, b = ganaug.restore(run), ganaug.restore(str(run))
    assert torch.equal(next(a.stream(5)).image, next(b.stream(5)).image)
    assert a.fitted_ == {"seed": 0, "steps": 1, "retry": 0}


def test_a_checkpoint_cut_in_half_is_named(run):
    file = run / "state.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for use in (ganaug.restore, fit):
        with pytest.raises(InputError, match=r"dcgan/state\.safetensors is damaged"):
            use(run)


@pytest.mark.parametrize("other", ["low_data_gan", "smote"])
def test_a_checkpoint_of_another_system_is_named(run, runs, other):
    shutil.copy(runs / other / "state.safetensors", run / "state.safetensors")
    for use in (ganaug.restore, fit):
        with pytest.raises(InputError, match=r"dcgan/state\.safetensors does not fit dcgan"):
            use(run)


def test_a_checkpoint_of_other_parameters_is_named(run, tmp_path):
    quietly(ganaug.make("dcgan", preset="tiny", width=4).fit, grey_levels(), budget=0, run=tmp_path / "narrow")
    shutil.copy(tmp_path / "narrow" / "state.safetensors", run / "state.safetensors")
    with pytest.raises(InputError, match="does not fit dcgan with these parameters"):
        ganaug.restore(run)


def test_a_run_on_another_set_is_refused(run):
    with pytest.raises(InputError, match=r"dcgan was fitted on another data set"):
        fit(run, data=grey_levels(seed=1))


def test_a_run_of_another_system_is_refused(runs):
    with pytest.raises(InputError, match=r"low_data_gan is a run of low_data_gan, not of dcgan"):
        fit(runs / "low_data_gan")


@pytest.mark.parametrize(("name", "change"), [("params", {"width": 5}), ("seed", {"seed": 1})])
def test_a_run_with_other_settings_is_refused(run, name, change):
    with pytest.raises(InputError, match=f"was started with {name}"):
        fit(run, **change)


def test_a_used_folder_needs_resume(run):
    with pytest.raises(InputError, match=r"exists and is not empty.*--resume"):
        quietly(ganaug.make("dcgan", preset="tiny").fit, grey_levels(), budget=1, run=run)


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, "[1, 2]", "7", '{"system": "dcgan"}', '{"params": {}}', '{"system": 3, "params": 4}']
)
def test_a_damaged_run_json_is_named(run, text):
    (run / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.json"):
        ganaug.restore(run)


def test_a_folder_that_is_no_run_is_told(tmp_path):
    with pytest.raises(InputError, match=r"is not a run folder: it has no run\.json"):
        ganaug.restore(tmp_path)


def test_only_ids_of_the_catalogue_are_made(run):
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**facts, "system": "os.system"}), encoding="utf-8")
    with pytest.raises(InputError, match=r"no system 'os\.system'"):
        ganaug.restore(run)


def test_an_unfitted_system_is_not_saved(tmp_path):
    with pytest.raises(InputError, match="not fitted yet: call fit before save"):
        ganaug.make("dcgan").save(tmp_path)
    for ask in (lambda s: s.sample(1), lambda s: s.augment(grey_levels())):
        with pytest.raises(InputError, match="not fitted yet: call fit first"):
            ask(ganaug.make("dcgan"))


def test_a_folder_of_another_run_is_not_overwritten(run):
    ganaug.restore(run).save(run)  # itself: what a file holds as lists are tuples here
    before = (run / "state.safetensors").read_bytes()
    narrow = quietly(ganaug.make("dcgan", preset="tiny", width=4).fit, grey_levels(), budget=0)
    fewer = quietly(ganaug.make("dcgan", preset="tiny").fit, grey_levels(rows=7), budget=0)
    for other, words in ((narrow, r"\(params .*'width': 4"), (fewer, r"\(spec {'rows': 24}, here {'rows': 21}\)")):
        with pytest.raises(InputError, match=rf"dcgan holds another run {words}.*: save elsewhere"):
            other.save(run)
    assert (run / "state.safetensors").read_bytes() == before


def test_a_run_is_not_gone_on_with_under_another_scaling(tmp_path):
    data = grey_levels()
    Toy().fit(data, budget=1, run=tmp_path / "run")
    other = data.but(scaling=Scaling("uint8", 0.0, 250.0))
    with pytest.raises(InputError, match=r"was started with spec {'scaling': .*'high': 255.0}}, now .*'high': 250.0}}"):
        Toy().fit(other, budget=1, run=tmp_path / "run", resume=True)


def test_a_run_in_another_precision_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GANAUG_PRECISION", "float32")
    Toy().fit(grey_levels(), budget=1, run=tmp_path / "run")
    monkeypatch.setenv("GANAUG_PRECISION", "bfloat16")
    with pytest.raises(InputError, match=r"run was started in float32, now .* bfloat16: set GANAUG_PRECISION=float32"):
        Toy().fit(grey_levels(), budget=1, run=tmp_path / "run", resume=True)


def test_the_precision_of_clones_is_that_of_the_system_inside(tmp_path, monkeypatch):
    class Mixed(Toy):
        mixed_precision = True

    monkeypatch.delenv("GANAUG_PRECISION", raising=False)
    monkeypatch.setattr(device, "device", lambda: torch.device("cpu"))
    monkeypatch.setattr(run_folder, "device", lambda: torch.device("cpu"))
    monkeypatch.setattr(device, "bfloat16_units", lambda: True)
    PerClass(Mixed()).fit(grey_levels(), budget=0, run=tmp_path / "run")
    files = [tmp_path / "run" / "run.json", *(tmp_path / "run").glob("part-*/run.json")]
    assert [json.loads(file.read_text())["precision"] for file in files] == ["bfloat16"] * 4


def test_class_names_that_are_no_utf8_come_back(tmp_path):
    data = grey_levels().but(classes=("caf\udce9", "grey", "bright"))  # as Python reads such a folder's name
    quietly(ganaug.make("dcgan", preset="tiny").fit, data, budget=0, run=tmp_path / "run")
    assert ganaug.restore(tmp_path / "run").spec.classes == data.classes


def test_parameters_come_back_as_they_were():
    """numpy's numbers are numbers, tuples are lists, and a system or task is made again."""
    system = ganaug.make("dcgan", width=np.int64(5), lr=np.float32(0.5))
    assert from_plain(plain(system)).get_params() == system.get_params()
    erasing = ganaug.make("random_erasing", area=(0.1, 0.2))
    assert from_plain(plain(erasing)).area == [0.1, 0.2]


def test_a_task_comes_back(monkeypatch):
    from ganaug.tasks.classification import Classifier

    class Joint(Toy):
        def __init__(self, *, task=None, features=None):
            self.task = task
            self.features = features

    monkeypatch.setattr(run_folder, "make", lambda id, **p: {"toy": Joint, "classification": Classifier}[id](**p))
    back = from_plain(plain(Joint(task=Classifier(lr=0.25), features=torch.nn.Identity())))
    assert back.task.lr == 0.25
    assert back.features is None


def test_resuming_a_finished_run_leaves_the_file_as_it_was(tmp_path):
    import ganaug
    from ganaug.data.embedded import digits

    run = {"budget": 6, "seed": 3, "run": tmp_path / "run"}
    ganaug.make("low_data_gan", preset="tiny").fit(digits(), **run)
    before = (tmp_path / "run" / "state.safetensors").read_bytes()
    ganaug.make("low_data_gan", preset="tiny").fit(digits(), **run, resume=True)
    assert (tmp_path / "run" / "state.safetensors").read_bytes() == before

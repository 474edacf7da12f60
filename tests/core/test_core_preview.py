# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a run: pictures, losses, the collapse alarm. Looking changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from toys import Toy, equal, grey_levels

from ganaug.core import preview, state
from ganaug.core.card import Card


def test_eight_previews_a_run(tmp_path):
    Toy().fit(grey_levels(), budget=20, run=tmp_path / "run")
    names = sorted(file.name for file in (tmp_path / "run" / "previews").iterdir())
    assert names == [f"{t:07d}.png" for t in (2, 5, 7, 10, 12, 15, 17, 20)]
    assert Image.open(tmp_path / "run" / "previews" / names[0]).size == (8 * 34, 8 * 34)


def test_watching_changes_nothing(tmp_path):
    told = []
    watched = Toy().fit(grey_levels(), budget=20, run=tmp_path / "run", log=told.append)
    assert equal(state.snapshot(watched), state.snapshot(Toy().fit(grey_levels(), budget=20)))
    assert (told[-1].t, told[-1].total) == (20, 20)
    assert set(told[-1].losses) == {"loss"}
    assert np.isfinite([told[-1].losses["loss"], told[-1].images_per_second, told[-1].seconds_left]).all()


def test_a_preview_has_random_numbers_of_its_own(tmp_path):
    """Whatever a preview draws follows the seed and leaves the global state."""
    seen = []

    class Scribble(Toy):
        def preview(self):
            seen.append(float(torch.rand(())))

    before = torch.get_rng_state()
    for name in ("a", "b"):
        Scribble().fit(grey_levels(), budget=8, run=tmp_path / name)
    assert seen[:8] == seen[8:]
    assert len(set(seen)) == 8
    assert torch.equal(torch.get_rng_state(), before)


class Constant(Toy):
    """Every image is the same."""

    def generate(self, want):
        return want.but(image=torch.full((len(want), 1, 8, 8), 0.3))


@pytest.mark.parametrize(("kind", "alarmed"), [(Constant, True), (Toy, False)])
def test_collapse_is_told(tmp_path, kind, alarmed):
    told = []
    kind().fit(grey_levels(), budget=8, run=tmp_path / "run", log=told.append)
    assert told[-1].alarm.startswith("collapse: generated images differ from each other 0%") == alarmed
    assert bool(told[-1].alarm) == alarmed


class FromMasks(Toy):
    """Its images follow masks, which no table of conditions holds."""

    CARD = Card(id="from_masks", title="From masks", needs=("mask",), can=("sample",))

    def generate(self, want):
        return want.but(image=want.mask[:, None].float() * 2 - 1)


def test_a_system_that_needs_maps_is_previewed_on_training_rows(tmp_path):
    data = grey_levels()
    mask = np.indices((len(data), 8, 8)).sum(0).astype(np.uint8) % 2
    data = data.but(mask=mask, mask_classes=("ground", "ink"))
    FromMasks().fit(data, budget=8, run=tmp_path / "run")
    assert len(list((tmp_path / "run" / "previews").iterdir())) == 8


class Scalars:
    """Stands for TensorBoard's writer."""

    def __init__(self, folder):
        self.seen, self.closed = [], False

    def add_scalar(self, name, value, t):
        self.seen.append((name, t))

    def close(self):
        self.closed = True


@pytest.mark.parametrize("dies", [False, True])
def test_scalars_are_written_without_a_log_callback_and_closed(tmp_path, monkeypatch, dies):
    writer = Scalars(None)
    monkeypatch.setattr(preview, "scalar_writer", lambda run: writer)

    class Dies(Toy):
        def step(self, batch, t):
            if dies and t == 3:
                raise SystemExit
            return super().step(batch, t)

    try:
        Dies().fit(grey_levels(), budget=8, run=tmp_path / "run")
    except SystemExit:
        assert dies
    else:
        assert ("loss", 8) in writer.seen
    assert writer.closed

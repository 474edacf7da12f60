# SPDX-License-Identifier: Apache-2.0
"""What the contract tests share: the ids by kind, small drawn training sets, and one watched fit an id and size."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ganaug
from ganaug.core import sampling, state
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.image_set import ImageSet
from ganaug.tasks.classification import Classifier

NOT_SYSTEMS = ("audit", "metric", "protocol", "recipe", "task")
ENTRIES = ganaug.catalogue()
MISSING = [id for id in ("albumentations", "kornia") if find_spec(id) is None]  # optional libraries
SYSTEMS = [id for id, entry in ENTRIES.items() if entry.kind not in NOT_SYSTEMS and id not in MISSING]
STATIC = [id for id in ENTRIES if id not in SYSTEMS]
CLASSES = ("horizontal", "vertical", "diagonal")
ROWS = 10  # a class
STEPS = 6
SPATIAL = ("mask", "valid", "instances", "depth", "boxes", "keypoints", "views")


def able(what: str) -> list[str]:
    """The systems whose card says that they can."""
    return [id for id in SYSTEMS if what in ENTRIES[id].card["can"]]


# --- drawn training sets ----------------------------------------------------------------------------------------


def bars(label: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Masks [N, H, W] of 0 and 1: a bar whose direction is the class, at a random place."""
    y, x = np.mgrid[:height, :width]
    along = [y, x, (x * height / width + y) / 2]
    spots = rng.uniform(0.3, 0.7, len(label)) * np.array([height, width, height])[label]
    return np.stack([np.abs(along[k] - spot) < 2 for k, spot in zip(label, spots, strict=True)]).astype(np.uint8)


def coloured(mask: np.ndarray, channels: int, rng: np.random.Generator) -> np.ndarray:
    """Images uint8 [N, H, W, C]: bright where the mask is, of a slightly other colour in each image and channel."""
    bright = rng.uniform(170, 230, (len(mask), 1, 1, channels))
    dark = rng.uniform(20, 60, (len(mask), 1, 1, channels))
    noise = rng.normal(0, 6, (*mask.shape, channels))
    return np.clip(np.where(mask[..., None] > 0, bright, dark) + noise, 0, 255).astype(np.uint8)


def column(name: str, mask: np.ndarray, label: np.ndarray) -> np.ndarray:
    """One further column for drawn bars."""
    number = np.arange(len(mask))
    if name in ("mask", "instances"):
        return mask
    if name == "valid":
        return np.ones(mask.shape, bool)
    if name == "depth":
        return np.where(mask > 0, 1.0, 5.0).astype(np.float32)
    if name == "attributes":
        return np.stack([label == 0, number % 2], 1).astype(np.float32)
    if name in ("boxes", "keypoints"):
        return np.stack([corners(m) for m in mask])[:, None].reshape(len(mask), -1, 4 if name == "boxes" else 2)
    return {"identity": number // 3, "camera": number % 2, "domain": number % 2}[name].astype(np.int64)


def corners(mask: np.ndarray) -> np.ndarray:
    """x0, y0, x1, y1 around a mask, float32."""
    y, x = np.nonzero(mask)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float32)


def drawn(
    channels: int = 1,
    size: tuple[int, int] = (16, 16),
    needs: tuple[str, ...] = ("label",),
    sets: tuple[str, ...] = (),
    rows: int = ROWS,
    seed: int = 0,
) -> ImageSet:
    """A set of bars with the fields, views and further sets that a card asks for; always with labels."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(CLASSES)), rows)
    mask = bars(label, *size, rng)
    fields = [name for name in needs if "." not in name and name != "label"]
    views = [name.partition(".")[2] for name in needs if name.startswith("views.")]
    return ImageSet.of(
        coloured(mask, channels, rng),
        label,
        CLASSES,
        attribute_names=("across", "odd") if "attributes" in needs else (),
        views={name: ImageSet.of(coloured(1 - mask, channels, rng)) for name in views},
        others={name: drawn(channels, size, needs, rows=rows, seed=seed + 1 + i) for i, name in enumerate(sets)},
        **{name: column(name, mask, label) for name in fields},
    )


def training_set(id: str, channels: int, size: tuple[int, int], rows: int = ROWS) -> ImageSet:
    """A set as the card of the id asks for it."""
    card = ENTRIES[id].card
    return drawn(channels, size, tuple(card["needs"]), tuple(card["sets"]), rows)


def sizes(id: str) -> list[tuple[int, tuple[int, int]]]:
    """(channels, size) that the card says are possible: 1, 3 and 13 channels, the last one not square."""
    card = ENTRIES[id].card
    channels = [1, 3, 13] if card["channels"] == "any" else [int(c) for c in card["channels"].split(",")]
    small, large = card.get("sizes", (8, 128))
    side = max(16, small)
    oblong = (side, min(side + side // 2, large))
    return [*((c, (side, side)) for c in channels[:-1]), (channels[-1], oblong)]


# --- one watched fit an id and size ------------------------------------------------------------------------------


def made(id: str, **params: Any) -> System:
    """An unfitted system with preset tiny, and a task where it takes one."""
    system = ganaug.make(id, preset="tiny", **params)
    if "task" in system.get_params(deep=False):
        system.set_params(task=Classifier())
    return system


def steps(system: System) -> int:
    """Few, but enough for every stage; none for a system without steps."""
    return max(STEPS, 2 * len(system.stages)) if system.default_steps() else 0


def trains(id: str) -> bool:
    """Whether a system has steps; True for one that can't be made, so that its own tests say so."""
    try:
        return steps(made(id)) > 0
    except Exception:
        return True


def global_state() -> list[Any]:
    """The global random state of torch, numpy and Python."""
    return [torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()]  # noqa: NPY002


def disturb(seed: int) -> None:
    """Another global random state; nothing that a system does may depend on it."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


@dataclass(frozen=True)
class Fitted:
    """A fitted system, what it was fitted on, and what was seen on the way."""

    system: System
    data: ImageSet
    params_before: dict
    params_after: dict
    random_before: list
    random_after: list
    built: dict
    losses: list


@cache
def fitted(id: str, channels: int, size: tuple[int, int]) -> Fitted:
    """Fitted once a session; tests may sample from it, but not change it."""
    system, data = made(id), training_set(id, channels, size)
    built, losses = {}, []
    watch(system, built, losses)
    disturb(7)
    before, params = global_state(), plain(system)
    quietly_fit(system, data, budget=steps(system))
    del system.prepare, system.step
    return Fitted(system, data, params, plain(system), before, global_state(), built, losses)


def watch(system: System, built: dict, losses: list) -> None:
    """Note the weights that `build` left and the losses of every step."""
    prepare, step = system.prepare, system.step

    def prepared(train):
        built.update(copy.deepcopy(weights(system)))
        prepare(train)

    def stepped(batch, t):
        found = step(batch, t)
        losses.append({name: float(torch.as_tensor(value).detach().mean()) for name, value in found.items()})
        return found

    system.prepare, system.step = prepared, stepped


def quietly_fit(system: System, data: ImageSet, **how: Any) -> System:
    """Fit without the warning that the set is small, which it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is advised from")
        return system.fit(data, **how)


def plain(system: System) -> dict:
    """Hyperparameters as text, to compare them before and after."""
    return {name: repr(value) for name, value in system.get_params(deep=False).items()}


def weights(system: System) -> dict[str, list[Tensor]]:
    """The parameters of each network by attribute."""
    return {
        name: [p.detach() for p in value.parameters()]
        for name, value in state.stateful(system).items()
        if isinstance(value, torch.nn.Module)
    }


def optimised(value: Any) -> Iterator[Tensor]:
    """The parameters that some optimiser in a value, or in nested lists and dicts, moves."""
    if isinstance(value, torch.optim.Optimizer):
        yield from (p for group in value.param_groups for p in group["params"])
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from optimised(part)


# --- asking for images -------------------------------------------------------------------------------------------


def needs_like(found: Fitted) -> bool:
    """Whether samples need whole images or maps as conditions."""
    return bool(sampling.unseen(found.system))


def batches(found: Fitted, n: int, **how: Any) -> list[Batch]:
    """n generated images as batches."""
    if needs_like(found):
        return list(found.system.stream(like=found.data.select(np.arange(n) % len(found.data)), **how))
    return list(found.system.stream(n, **how))


def images(found: Fitted, n: int, **how: Any) -> Tensor:
    """n generated images [n, C, H, W]."""
    return torch.cat([batch.image for batch in batches(found, n, **how)])


def equal(a: Any, b: Any) -> bool:
    """Bit equality of nested states; NaN equals NaN."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and (a == b or a != a)

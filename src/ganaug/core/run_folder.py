# SPDX-License-Identifier: Apache-2.0
"""A run folder: `run.json` says what was fitted on what, `state.safetensors` holds the weights. No code in either."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.core import loop, state
from ganaug.core.catalogue import make
from ganaug.core.device import device, on_device, precision
from ganaug.data.atomic import atomic_file
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec

if TYPE_CHECKING:
    from ganaug.core.system import System


def describe(system: System, fingerprint: str, seed: int) -> dict:
    """What `run.json` holds."""
    from ganaug import __version__

    return {
        "ganaug": __version__,
        **plain(system),
        "spec": system.spec.to_json(),
        "data": fingerprint,
        "seed": seed,
    }


def plain(system: Any) -> dict:
    """Id and hyperparameters as JSON; a wrapper is its inner system and its own name.

    A system or task among the hyperparameters becomes such a dict. Other objects that are no JSON become text.
    """
    if hasattr(system, "wrapper"):
        return {**plain(system.inner()), "wrapper": system.wrapper}
    values = {}
    params = system.plain_params if hasattr(system, "plain_params") else partial(system.get_params, deep=False)
    for name, value in params().items():
        value = plain(value) if hasattr(value, "CARD") else value
        if name not in ("task", "features") or isinstance(value, (str, dict, type(None))):
            values[name] = value
    return {"system": system.CARD.id, "params": json.loads(json.dumps(values, default=as_json))}


def as_json(value: Any) -> Any:
    """numpy's numbers as numbers, anything else as text."""
    return value.item() if isinstance(value, np.generic) else str(value)


def from_plain(facts: Mapping[str, Any]) -> System:
    """The inverse of `plain`: only ids of the catalogue are made."""
    from ganaug.core.combine import WRAPPERS

    values = {}
    for name, value in facts["params"].items():
        nested = isinstance(value, dict) and {"system", "params"} <= set(value)
        values[name] = from_plain(value) if nested else value
    system = make(facts["system"], **values)
    return WRAPPERS[facts["wrapper"]](system) if "wrapper" in facts else system


def open_run(system: System, folder: Path, resume: bool, seed: int) -> None:
    """Claim a run folder. A folder of another system, other parameters or other data is refused."""
    own = {**describe(system, system.train.fingerprint(), seed), "precision": precision_of(system)}
    stored = claimed(folder, "run.json", "run", resume)
    if stored is not None:
        compare(stored, own, folder)
    else:
        write_json(folder / "run.json", own)


def claimed(folder: Path, file: str, kind: str, resume: bool) -> dict | None:
    """What the file of a folder that goes on says; None for a new or empty folder.

    InputError for a folder that holds anything else, or where `resume` was not given.
    """
    if resume and (folder / file).is_file():
        return read_json(folder / file)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} exists and is not empty: choose another output folder, or go on with that {kind} by --resume."
        )
    return None


def precision_of(system: System) -> str:
    """What the steps of a fit multiply in here."""
    inner = system.inner() if hasattr(system, "wrapper") else system
    return precision(device(), inner.mixed_precision)


def compare(stored: Mapping[str, Any], own: Mapping[str, Any], folder: Path) -> None:
    """InputError that names what differs between a stored run and the one asked for."""
    if stored.get("system") != own["system"]:
        raise InputError(f"{folder} is a run of {stored.get('system')}, not of {own['system']}: give its own folder.")
    if stored.get("data") != own["data"]:
        raise InputError(
            f"{folder} was fitted on another data set (fingerprint {stored.get('data')}, now {own['data']}): "
            "give the data it was started with, or another folder."
        )
    found = difference(stored, own, ("wrapper", "params", "seed", "spec"))
    if found:
        raise InputError(f"{folder} was started with {found[0]} {found[1]}, now {found[2]}: keep them equal.")
    was, now = stored.get("precision", own["precision"]), own["precision"]
    if was != now:
        raise InputError(f"{folder} was started in {was}, now it would go on in {now}: set GANAUG_PRECISION={was}.")


def difference(stored: Mapping[str, Any], own: Mapping[str, Any], names: Sequence[str]) -> tuple[str, Any, Any] | None:
    """(name, was, now) of the first fact that differs; of specs, which are long, only the parts that do."""
    own = json.loads(json.dumps(own))  # tuples are lists in a file
    for name in names:
        was: Any = stored.get(name)
        now: Any = own.get(name)
        if was != now and name == "spec" and isinstance(was, dict):
            parts = [part for part in now if was.get(part) != now[part]]
            was, now = ({part: spec.get(part) for part in parts} for spec in (was, now))
        if was != now:
            return name, was, now
    return None


def save(system: System, folder: Path) -> None:
    """Write a fitted system into a folder; InputError before it is fitted, and for a folder that holds another run."""
    if not hasattr(system, "fitted_"):
        raise InputError(f"{system.CARD.id} is not fitted yet: call fit before save.")
    own, file = describe(system, "", system.fitted_["seed"]), folder / "run.json"
    if file.is_file():
        found = difference(read_json(file), own, ("system", "wrapper", "params", "seed", "spec"))
        if found:
            raise InputError(f"{folder} holds another run ({found[0]} {found[1]}, here {found[2]}): save elsewhere.")
    else:
        write_json(file, own)
    done = system.fitted_
    at = loop.Progress(done["seed"], system.total, done["steps"], done["retry"])
    loop.checkpoint(state.snapshot(system), at, folder)


def restore(folder: str | Path) -> System:
    """A fitted system from a folder; InputError when the folder is no run or is damaged."""
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise InputError(f"{folder} is not a run folder: it has no run.json (make one with `ganaug fit`).")
    facts = read_json(folder / "run.json")
    try:
        system = from_plain(facts)
        system.spec = Spec.from_json(facts["spec"])
        seed = facts["seed"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / 'run.json'} is damaged ({error!r}): fit again.") from None
    stored, progress = state.read(folder / "state.safetensors")
    put(system, stored, progress.get("total", 0), seed, folder)
    return system


def portable(system: System) -> dict:
    """A fitted system as nested plain values: its spec and its state."""
    return {"spec": json.dumps(system.spec.to_json()), "total": system.total, "state": state.snapshot(system)}


def put(system: System, stored: Any, total: int | None = None, seed: int = 0, folder: Path = Path()) -> None:
    """Build a system and load a state into it."""
    if total is None:
        system.spec, total, stored = (
            Spec.from_json(json.loads(stored["spec"])),
            stored["total"],
            stored["state"],
        )
    system.total = total
    with on_device():
        state.put_values(system, stored)
        loop.build(system, seed)
        state.put_values(system, stored)
        loop.put_checked(system, stored, folder)
    system.set_mode(training=False)


def read_json(file: Path) -> dict:
    """A JSON file; InputError when it is damaged."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise InputError(f"{file} can't be read as JSON facts ({error}): restore it or fit again.") from None


def write_json(file: Path, content: Any) -> None:
    """A JSON file, atomically; its folder is created."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as part:
        part.write_text(json.dumps(content, indent=1), encoding="ascii")  # names that are no UTF-8 too

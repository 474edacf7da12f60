# SPDX-License-Identifier: Apache-2.0
"""A system's state as tensors and JSON: what is stored, and how it goes to a file and comes back.

Stored are attributes with a `state_dict` (networks, optimisers, pools), tensors, nested systems, lists and dicts
of these, and JSON values whose name ends in `_`. One safetensors file holds the tensors, and in its header the
JSON. Loading never executes code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganaug.data.atomic import atomic_file
from ganaug.data.errors import InputError

PLAIN = (bool, int, float, str, type(None))
GIVEN = ("spec", "train", "total", "transform", "task", "features")
Packed = tuple[dict[str, Tensor], Any]


def stateful(system: Any) -> dict[str, Any]:
    """The attributes that are state, sorted by name: everything learned, no hyperparameters, no data.

    Sorted, because a resumed system got its attributes in another order and its file must be the same.
    """
    skipped = {*system.get_params(deep=False), *GIVEN}
    return {k: v for k, v in sorted(vars(system).items()) if k not in skipped and is_state(k, v)}


def is_state(name: str, value: Any) -> bool:
    """Whether an attribute is stored."""
    if isinstance(value, Tensor) or hasattr(value, "load_state_dict") or hasattr(value, "get_state"):
        return True
    if isinstance(value, (list, tuple)):
        return all(is_state("", v) for v in value) or name.endswith("_")
    if isinstance(value, dict):
        return all(is_state("", v) for v in value.values()) or name.endswith("_")
    return name.endswith("_")


# --- packing: any nesting of dicts, lists, tensors and plain values ---------------------------------------------


def pack(value: Any, at: str = "") -> Packed:
    """A nested value -> (tensors by path, JSON skeleton that says where each tensor stands)."""
    if isinstance(value, Tensor):
        return {at: value.detach()}, {"tensor": at}
    if isinstance(value, PLAIN):
        return {}, {"value": value}
    if hasattr(value, "get_state"):
        value = value.get_state()
    elif hasattr(value, "state_dict"):
        value = value.state_dict()
    if isinstance(value, Mapping):
        parts = [(key, pack(part, f"{at}/{key!r}")) for key, part in value.items()]  # {1: ..., "1": ...} are two
        return merge(parts), {"dict": [[key, skeleton] for key, (_, skeleton) in parts]}
    if isinstance(value, (list, tuple)):
        parts = [(i, pack(part, f"{at}/{i}")) for i, part in enumerate(value)]
        return merge(parts), {"list": [skeleton for _, (_, skeleton) in parts]}
    raise TypeError(f"state at '{at}' is a {type(value).__name__}: only tensors and JSON values can be stored")


def merge(parts: list[tuple[Any, Packed]]) -> dict[str, Tensor]:
    """The tensors of all parts."""
    return {path: tensor for _, (tensors, _) in parts for path, tensor in tensors.items()}


def unpack(tensors: Mapping[str, Tensor], skeleton: Any) -> Any:
    """The inverse of `pack` (tuples come back as lists)."""
    if "tensor" in skeleton:
        return tensors[skeleton["tensor"]]
    if "value" in skeleton:
        return skeleton["value"]
    if "dict" in skeleton:
        return {key: unpack(tensors, part) for key, part in skeleton["dict"]}
    return [unpack(tensors, part) for part in skeleton["list"]]


# --- systems ----------------------------------------------------------------------------------------------------


def snapshot(system: Any) -> Any:
    """A copy of the state in memory, as nested plain values."""
    tensors, skeleton = pack(stateful(system))
    return unpack({path: tensor.clone() for path, tensor in tensors.items()}, skeleton)


def put_values(system: Any, state: Mapping[str, Any]) -> None:
    """Set the JSON values: before `build`, because some of them shape networks."""
    for name, value in state.items():
        if name.endswith("_") and not holds_tensors(value):
            setattr(system, name, value)


def put_tensors(system: Any, state: Mapping[str, Any], device: torch.device) -> None:
    """Load networks, optimisers and tensors: after `build`. The state is copied, so it can be loaded again."""
    for name, value in state.items():
        if not name.endswith("_") or holds_tensors(value):
            setattr(system, name, loaded(getattr(system, name, None), value, device))


def loaded(target: Any, value: Any, device: torch.device) -> Any:
    """`value` loaded into `target` where that can load, else a copy of it on the device."""
    if hasattr(target, "set_state"):
        target.set_state(value)
        return target
    if hasattr(target, "load_state_dict"):
        target.load_state_dict(deepcopy(value))  # optimisers keep what they are given
        return target
    if isinstance(value, Tensor):
        return value.clone().to(device)
    if isinstance(value, list):
        fits = isinstance(target, (list, tuple)) and len(target) == len(value)
        targets = target if fits else [None] * len(value)
        return [loaded(t, v, device) for t, v in zip(targets, value, strict=True)]
    if isinstance(value, dict):
        targets = target if isinstance(target, dict) else {}
        return {k: loaded(targets.get(k), v, device) for k, v in value.items()}
    return value


def holds_tensors(value: Any) -> bool:
    """Whether a tensor stands anywhere inside."""
    if isinstance(value, dict):
        return any(holds_tensors(part) for part in value.values())
    if isinstance(value, list):
        return any(holds_tensors(part) for part in value)
    return isinstance(value, Tensor)


# --- files ------------------------------------------------------------------------------------------------------


def write(path: Path, state: Any, facts: Mapping[str, Any]) -> None:
    """State and facts (JSON) into one safetensors file, atomically."""
    tensors, skeleton = pack(state)
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_file(path) as part:
        save_file(own, part, {"ganaug": json.dumps({"state": skeleton, "facts": facts})})


def read(path: Path) -> tuple[Any, dict]:
    """(state, facts) of a file; InputError when it is missing, damaged or something else."""
    if not path.is_file():
        raise InputError(f"{path} does not exist: a fitted run folder holds this file; give the folder of a run.")
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})["ganaug"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return unpack(tensors, header["state"]), header["facts"]
    except (SafetensorError, KeyError, ValueError, TypeError, OSError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged or is not a ganaug state (expected a whole safetensors file): "
            f"delete it and fit again. ({type(error).__name__})"
        ) from None

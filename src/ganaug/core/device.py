# SPDX-License-Identifier: Apache-2.0
"""Where the work runs, and what makes it fast there without changing the arithmetic."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

import torch
from torch import nn

from ganaug.data.errors import InputError


def device() -> torch.device:
    """The GPU when there is one, else the CPU; the environment variable GANAUG_DEVICE decides otherwise.

    Raises InputError where it names no device, or a GPU that is not there.
    """
    asked = os.environ.get("GANAUG_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(asked)
    except RuntimeError:
        raise InputError(f"GANAUG_DEVICE must be a device such as cpu, cuda or cuda:1, found '{asked}'.") from None
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(f"GANAUG_DEVICE is {asked}, and torch finds {torch.cuda.device_count()} GPUs: set another.")
    return chosen


@contextmanager
def on_device() -> Iterator[torch.device]:
    """Inside, new tensors and networks live on `device()`, so that systems need not name it."""
    chosen = device()
    with nullcontext() if chosen.type == "cpu" else chosen:
        yield chosen


def precision(chosen: torch.device, mixed: bool) -> str:
    """What a training step multiplies in: bfloat16 on a GPU that has it, and on such a CPU for `mixed` systems.

    The variable GANAUG_PRECISION decides otherwise; InputError for another value than float32 or bfloat16.
    """
    asked = os.environ.get("GANAUG_PRECISION") or ""
    if asked not in ("", "float32", "bfloat16"):
        raise InputError(f"GANAUG_PRECISION must be float32 or bfloat16, found '{asked}'.")
    there = torch.cuda.is_bf16_supported() if chosen.type == "cuda" else mixed and bfloat16_units()
    return asked or ("bfloat16" if there else "float32")


def bfloat16_units() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AMX or AVX512_BF16); without, it is slower than float32."""
    known = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(has is not None and has() for has in known)


def autocast(chosen: torch.device, mixed: bool = False) -> torch.autocast:
    """Inside, products and convolutions are computed in what `precision` says; weights and their updates stay float32.

    Rounded weights are not kept for the next use: `step` changes weights between its updates.
    """
    half = precision(chosen, mixed) == "bfloat16"
    return torch.autocast(chosen.type, dtype=torch.bfloat16, enabled=half, cache_enabled=False)


def channels_last(modules: Iterable[nn.Module]) -> None:
    """Store weights channels last where it pays: batch-norm convolution networks gain, instance-norm ones lose."""
    for module in modules:
        kinds = {type(part) for part in module.modules()}
        if nn.BatchNorm2d in kinds and nn.InstanceNorm2d not in kinds:
            module.to(memory_format=torch.channels_last)


@cache
def keep_heap() -> None:
    """Ask glibc to keep freed memory: each large activation otherwise comes as fresh zeroed pages.

    A fifth of the processor time of a training step went into page faults; costs a larger resident heap.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(ctypes.c_int(-4), ctypes.c_int(0))  # M_MMAP_MAX: no mapping of its own for a large block
        libc.mallopt(ctypes.c_int(-1), ctypes.c_int(2**31 - 1))  # M_TRIM_THRESHOLD: never hand the heap's top back
    except (OSError, AttributeError):
        return  # another C library: nothing to gain, nothing lost

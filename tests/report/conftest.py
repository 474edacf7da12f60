# SPDX-License-Identifier: Apache-2.0
"""A small study with awkward names, written by hand."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ARMS = [
    ("none", "control", None, 0.70),
    ("rules", "rules", "none", 0.80),
    ("rules+acgan", "generated", "rules", 0.84),
    ("rules+folder:/tmp/x y", "folder", "rules", 0.80),
]
CLASSES = ["<script>alert(1)</script>", "a/b\\c", 'Größe "猫" & $x_1$']


@pytest.fixture
def png() -> bytes:
    """A grey PNG 6 wide and 4 high, put together from its chunks."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + bytes([128] * 6) for _ in range(4)))
    head = struct.pack(">IIBBBBB", 6, 4, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def cell(arm: str, base: float, shots: int | None, repeat: int) -> dict[str, Any]:
    score = base + 0.01 * repeat + (0.1 if shots is None else 0.0)
    recalls = {name: score - 0.05 * i for i, name in enumerate(CLASSES)}
    scores = {"accuracy": score, "macro_f1": score - 0.01}
    found = {"arm": arm, "shots": shots, "repeat": repeat, "score": score, "scores": scores, "per_class": recalls}
    return found | {"updates": 100, "seconds": 2.0, "status": "ok", "note": None, "generated": 0}


def verdict(arm: str, word: str, effect: float, shots: int | None = 10) -> dict[str, Any]:
    return {
        "arm": arm,
        "against": "rules",
        "shots": shots,
        "verdict": word,
        "effect": effect,
        "low": effect - 0.015,
        "high": effect + 0.015,
        "p": 0.0004,
        "p_raw": 0.0002,
        "repeats": 2,
        "repeats_needed": 14 if word == "inconclusive" else None,
        "regime": "fixed test fold",
        "sentence": f"{arm}: {word}.",
    }


def generator(repeat: int) -> dict[str, Any]:
    return {
        "arm": "rules+acgan",
        "system": "acgan",
        "shots": 10,
        "repeat": repeat,
        "seconds": 30.0 + 20.0 * repeat,
        "status": "ok",
        "quality": {"extractor": "random pyramid", "frechet_distance": 3.0 + repeat, "frechet_floor": 0.5},
        "copies": {"share": 0.02, "n": 50, "planted": {"exact": 1.0, "flipped": 0.5}, "false_alarms": 0.0},
        "collapse": {"collapsed": repeat == 1, "ratio": 0.1, "sentence": "Hardly any variety <b>left</b>."},
    }


@pytest.fixture
def results() -> dict[str, Any]:
    """A complete results.json: four arms, two training sizes, two repeats, one failed run."""
    cells = [cell(arm, base, n, r) for n in (10, None) for r in (0, 1) for arm, _, _, base in ARMS]
    failed = next(c for c in cells if c["arm"] == "rules+folder:/tmp/x y" and c["repeat"] == 1)
    failed |= {"status": "failed", "note": "no image <img src=x> could be read"}
    curve = [{"arm": "rules", "strength": "medium", "steps": n, "scores": [0.5 + n / 1000]} for n in (50, 100, 200)]
    data = {"name": "tiny <set>", "fingerprint": "sha256:abc", "rows": 1234, "train_rows": 1000, "test_rows": 234}
    return {
        "manifest": {
            "version": "0.1.0",
            "command": "ganaug study tiny --arm acgan && echo <done>",
            "data": data | {"classes": CLASSES, "counts": {CLASSES[0]: 400}, "channels": 3, "height": 8, "width": 9},
            "task": "classification",
            "learner": "small network",
            "regime": "fixed test fold",
            "steps": 100,
            "shots": [10, None],
            "repeats": 2,
            "margin": 0.01,
            "alpha": 0.05,
            "seeds": [7, 8],
            "machine": {"cpu": "some processor", "cores": 2, "system": "Linux", "python": "3.10"},
            "versions": {"torch": "2.9", "numpy": "2.3"},
        },
        "summary": {"headline": "acgan helps <really>.", "why_arms": "Because.", "advice": "Use rules+acgan."},
        "arms": [{"arm": a, "kind": k, "baseline": b, "title": f"Arm {a}", "why": None} for a, k, b, _ in ARMS],
        "saturation": {"chosen": 100, "strength": "medium", "saturated": False, "curve": curve},
        "cells": cells,
        "verdicts": [
            verdict("rules+acgan", "no material difference", 0.001, None),
            verdict("rules+acgan", "helps", 0.04),
            verdict("rules+folder:/tmp/x y", "inconclusive", 0.0),
        ],
        "generators": [generator(0), generator(1)],
        "audit": {"leaks": {"exact": 1, "near": 2, "groups": 0, "sentence": "One copy.", "names": ["a/<i>1</i>.png"]}},
        "placebos": [{"arm": "rules+acgan", "sentence": "The placebo does not help."}],
        "grids": [{"arm": "rules+acgan", "file": "grids/acgan.png", "caption": "Real | generated | nearest"}],
    }


@pytest.fixture
def study(tmp_path: Path, png: bytes) -> Callable[[dict[str, Any]], Path]:
    """Writes results into a study's folder with one picture grid and returns the folder."""

    def write(results: dict[str, Any]) -> Path:
        (tmp_path / "grids").mkdir(exist_ok=True)
        (tmp_path / "grids" / "acgan.png").write_bytes(png)
        (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
        return tmp_path

    return write

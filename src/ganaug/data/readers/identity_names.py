# SPDX-License-Identifier: Apache-2.0
"""What a re-identification set says about an image: its identity and camera by its name, its part, and the checks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ganaug.data.errors import InputError

UNKNOWN, DISTRACTOR = -1, 0  # identities with a meaning: junk or not known; background and passers-by
FOLD = {"train": 0, "val": 1, "query": 2, "gallery": 2}


class Found(NamedTuple):
    """One image: its name relative to the set's folder, identity (-1 junk), camera (None: no cameras) and part."""

    name: str
    identity: int
    camera: int | None
    part: str  # a key of FOLD


class Names(NamedTuple):
    """How a layout names its images; the groups are identity and camera, or the camera alone."""

    pattern: re.Pattern[str]
    example: str


# The tools of Market-1501 read one digit of the camera; all digits are read here, or camera 12 would become camera 1.
MARKET = Names(re.compile(r"(-?\d+)_c(\d+)", re.ASCII), "0002_c1s1_000451_03.jpg (identity, camera)")
VERI = Names(re.compile(r"(\d+)_c(\d{3})_", re.ASCII), "0001_c001_00016450_0.jpg (identity, three-digit camera)")
MSMT17 = Names(re.compile(r"\d+_\d+_(\d+)_", re.ASCII), "0000_000_01_0303morning_0015_0.jpg (camera in third place)")
PYTORCH = Names(re.compile(r"[^c]*c(\d+)", re.ASCII), "0002_c1s1_000451_03.jpg (camera after the first c)")


def identity_and_camera(file: Path, names: Names) -> tuple[int, int]:
    """Both from the name of an image; InputError when it does not parse."""
    identity, camera = numbers(file, names)
    return identity, camera


def camera_of(file: Path, names: Names) -> int:
    """The camera from the name of an image, where the identity stands elsewhere; InputError when it does not parse."""
    return numbers(file, names)[0]


def numbers(file: Path, names: Names) -> list[int]:
    """What the groups of the pattern hold; InputError that names the file and an example when it does not match."""
    found = names.pattern.match(file.name)
    if found is None:
        raise InputError(
            f"the name of {file} does not tell its camera or identity: expected a name like {names.example}; "
            "rename or remove it."
        )
    return [int(text) for text in found.groups()]


def refuse_shared(identity: np.ndarray, fold: np.ndarray, query: np.ndarray, where: object) -> None:
    """InputError when an identity has training and test images; all columns are [N].

    Junk (-1) may lie anywhere, and so may identity 0 as long as no query asks for it: then it is the distractors.
    """
    exempt = {UNKNOWN} if DISTRACTOR in identity[query] else {UNKNOWN, DISTRACTOR}
    shared = sorted(set(identity[fold != 2].tolist()) & set(identity[fold == 2].tolist()) - exempt)
    if shared:
        raise InputError(
            f"identity {shared[0]} of {where} is in the training part and in the test part: re-identification is "
            "tested on identities that training never saw, so move or remove its images in one of the two."
        )

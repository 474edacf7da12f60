# SPDX-License-Identifier: Apache-2.0
"""Re-identification of real objects: COIL-100, 40 objects to learn from and 20 unseen ones, the viewpoint as camera.

A quarter of the turn is a camera; the first quarter's images of unseen objects ask, the others are searched.

    python -m claims.coil set COIL coil                            # COIL holds train.npz and test.npz
    ganaug study coil --task reid --size 48 --arm lsro --arm dg_net --repeats 3 -o out
    python -m claims.coil table out coil                           # with and without objects that look alike all round
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean

import numpy as np

import ganaug
from ganaug.data.image_set import ImageSet

ALIKE = 0.5  # objects whose views differ by less than this share of the median difference


def coil(folder: Path) -> ImageSet:
    """Both folds as one set with identities, cameras and queries."""
    parts = [np.load(folder / f"{fold}.npz") for fold in ("train", "test")]
    identity = np.concatenate(
        [np.array([int(str(c).removeprefix("obj")) for c in z["classes"]])[z["labels"]] for z in parts]
    )
    camera = np.concatenate([z["angles"] // 90 for z in parts]).astype(np.int64)
    fold = np.repeat([0, 2], [len(z["labels"]) for z in parts]).astype(np.int8)
    images = np.concatenate([z["images"] for z in parts])
    return ImageSet.of(
        images, identity=identity, camera=camera, fold=fold, query=(fold == 2) & (camera == 0), name="coil"
    )


def turning(data: ImageSet) -> np.ndarray:
    """Which rows show an object whose views differ, bool [N]: mugs and fruit look alike all round."""
    images = data.images()
    change = {
        i: float((images[data.identity == i] - images[data.identity == i].mean(0)).abs().mean())
        for i in np.unique(data.identity)
    }
    least = ALIKE * float(np.median(list(change.values())))
    return np.array([change[i] >= least for i in data.identity])


def table(study: Path, data: ImageSet) -> None:
    """mAP of every arm over all queries and over those of turning objects."""
    test = data.select(data.in_fold("test"))
    turns = turning(test)
    asked = len(np.unique(test.identity)), len(np.unique(test.identity[turns]))
    print(f"{asked[0]} unseen objects, {asked[1]} of them look different from different sides.\n")
    print("| arm | mAP | mAP of objects that look different all round |\n|---|---|---|")
    cells = [json.loads(file.read_text()) for file in sorted((study / "cells").glob("learner-*.json"))]
    for arm in dict.fromkeys(cell["arm"] for cell in cells):
        shares = [np.array(c["units"], float) for c in cells if c["arm"] == arm and c["status"] == "ok"]
        both = [(100 * mean(np.nanmean(s[rows]) for s in shares)) for rows in (slice(None), turns)]
        print(f"| {arm} | {both[0]:.1f} | {both[1]:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("set", "table"))
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    asked = parser.parse_args()
    if asked.what == "set":
        ganaug.write(coil(asked.first), asked.second, "npz")
    else:
        table(asked.first, ganaug.load(asked.second))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Claims of texture synthesis, on the textures of a folder at 64 px.

The judge is `metrics.wavelets`, which no loss uses: how far an image is from the exemplar. The synthesis stands between
two controls. The exemplar's shuffled pixels have its colours and nothing else; at most half as far as they are is what
is claimed. A corner of 32 px, repeated to four tiles, is the way to any size that costs nothing: it is near to the
exemplar because it is copied from it, so two columns say what the judge does not see. "Copied" is the share of patches
of 8 px that are found in the exemplar almost as they are, "repeated" how far the image is the same after a shift by
half of its side (1 for tiles).

    python -m claims.textures FOLDER
    python -m claims.textures FOLDER --loss sliced
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from claims.judging import SEEDS, print_table
from torch import Tensor
from torch.nn import functional as F

import ganaug
from ganaug.core.combine import PerImage
from ganaug.data.image_set import ImageSet
from ganaug.metrics.wavelets import wavelet_distance

SIDE = 64
PATCH, STRIDE = 8, 4
SHOWN = ("synthesis", "tiled")
SAME = 0.1  # of the exemplar's deviation: so near to a patch of it is a copy


def shuffled(images: Tensor, seed: int) -> Tensor:
    """The pixels of each image at other places."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(SIDE**2))
    return images.flatten(2)[..., order].view_as(images)


def tiled(images: Tensor, seed: int) -> Tensor:
    """A random piece of half the side, four times."""
    y, x = np.random.default_rng(seed).integers(0, SIDE // 2, 2)
    return images[..., y : y + SIDE // 2, x : x + SIDE // 2].repeat(1, 1, 2, 2)


def apart(image: Tensor, exemplar: Tensor) -> float:
    """Root mean squared difference of the pixels, as a share of the exemplar's deviation."""
    return float((image - exemplar).square().mean().sqrt() / exemplar.std())


def copied(image: Tensor, exemplar: Tensor) -> float:
    """The share of the patches [C, 8, 8] of an image that lie within SAME of one of the exemplar."""
    found, known = (F.unfold(x[None], PATCH, stride=s)[0].T for x, s in ((image, STRIDE), (exemplar, 1)))
    nearest = torch.cdist(found, known).amin(1) / found.shape[1] ** 0.5
    varied = found.std(1) > SAME * exemplar.std()  # even ground is everywhere the same
    return float((nearest[varied] < SAME * exemplar.std()).float().mean())


def repeated(image: Tensor) -> float:
    """The highest correlation of an image with itself after a shift by half of its side."""
    flat = image - image.mean((1, 2), keepdim=True)
    shifts = ((SIDE // 2, 0), (0, SIDE // 2), (SIDE // 2, SIDE // 2))
    return max(float((flat * flat.roll(s, (1, 2))).sum() / flat.square().sum()) for s in shifts)


def textures(data: ImageSet, loss: str, seed: int) -> Tensor:
    """One texture of each image."""
    system = PerImage(ganaug.make("gatys_texture", preset="small", loss=loss)).fit(data, seed=seed)
    return torch.cat([clone.random(1, seed=seed) for clone in system.clones.values()])


def rows(folder: Path, loss: str) -> Iterator[dict[str, object]]:
    """One row an exemplar, means over the seeds."""
    data = ganaug.load(folder, size=SIDE).but(label=None, classes=())
    real = data.images()
    made = [textures(data, loss, seed) for seed in SEEDS]
    for i, name in enumerate(names(folder, len(data))):
        own = real[i : i + 1]
        kinds = {
            "synthesis": [images[i : i + 1] for images in made],
            "shuffled": [shuffled(own, seed) for seed in SEEDS],
            "tiled": [tiled(own, seed) for seed in SEEDS],
        }
        far = {kind: float(np.mean([wavelet_distance(x, own) for x in them])) for kind, them in kinds.items()}
        yield {
            "exemplar": name,
            **{f"judge: {kind}": value for kind, value in far.items()},
            "ratio to shuffled": far["synthesis"] / far["shuffled"],
            "RMSE / deviation": float(
                np.mean([(x - own).square().mean().sqrt() / own.std() for x in kinds["synthesis"]])
            ),
            **{f"copied: {kind}": float(np.mean([copied(x[0], own[0]) for x in kinds[kind]])) for kind in SHOWN},
            **{f"repeated: {kind}": float(np.mean([repeated(x[0]) for x in kinds[kind]])) for kind in SHOWN},
        }


def names(folder: Path, count: int) -> list[str]:
    """File names where a folder holds as many pictures as were read, numbers otherwise."""
    found = sorted(file.stem for file in folder.glob("*.png"))
    return found if len(found) == count else [str(i) for i in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--loss", default="gram", choices=("gram", "sliced"))
    asked = parser.parse_args()
    print_table(rows(asked.folder, asked.loss))


if __name__ == "__main__":
    main()

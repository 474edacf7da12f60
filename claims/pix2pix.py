# SPDX-License-Identifier: Apache-2.0
"""Claims of pix2pix on real images: nuclei from their masks, and thirteen optical bands from radar of the same place.

Both are compared with a blurred mean: every pixel gets the mean of the training pixels with its mask class (or within
its step of radar brightness), and the result is blurred as strongly as suits the training images best.

    python -m claims.pix2pix nuclei NUCLEI                         # the folder with images/ and masks/
    python -m claims.pix2pix radar scene.npz                       # s1 [H, W, 2] in dB, s2 [H, W, 13], bands
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from claims.judging import SEEDS, print_table
from scipy.ndimage import gaussian_filter
from scipy.stats import wasserstein_distance

import ganaug
from ganaug.core.loop import Budget
from ganaug.data.image_set import ImageSet
from ganaug.data.scaling import Scaling
from ganaug.data.view import TrainView
from ganaug.metrics.spectral import band_correlation, ndvi
from ganaug.study.folds import training_view
from ganaug.study.source import source_for
from ganaug.tasks.segmentation import Segmenter

STEPS = 2000
BLURS = (0.0, 1.0, 2.0, 4.0, 8.0)  # pixels
SEGMENTER_STEPS = 400
TILE, TRAIN_COLUMNS, TEST_COLUMNS = 32, slice(0, 384), slice(400, 512)  # 16 columns between the two are left out
RADAR = (-30.0, 5.0)  # dB that the scaling keeps: noise floor to bright targets
REFLECTANCE = Scaling("uint16", 0.0, 6000.0)
LEVELS = 32


# --- the control -------------------------------------------------------------------------------------------------


def means(keys: np.ndarray, images: np.ndarray, count: int) -> np.ndarray:
    """Mean pixel [count, C] of each key in the training images [N, H, W, C]; the overall mean where a key is absent."""
    flat = images.reshape(-1, images.shape[-1])
    inside = [flat[(keys == key).ravel()] for key in range(count)]
    return np.stack([(pixels if len(pixels) else flat).mean(0) for pixels in inside])


def blurred_mean(keys: np.ndarray, table: np.ndarray, sigma: float) -> np.ndarray:
    """Every pixel the mean of its key, then blurred: [N, H, W, C]."""
    return gaussian_filter(table[keys], (0, sigma, sigma, 0)) if sigma else table[keys]


def control(keys: np.ndarray, images: np.ndarray, asked: np.ndarray, count: int) -> np.ndarray:
    """The blurred mean for other keys, with the blur that suits the training images best."""
    table = means(keys, images, count)
    best = min(BLURS, key=lambda sigma: np.abs(blurred_mean(keys, table, sigma) - images).mean())
    return blurred_mean(asked, table, best)


def last(images: torch.Tensor) -> np.ndarray:
    """[N, C, H, W] -> [N, H, W, C]."""
    return images.permute(0, 2, 3, 1).numpy()


# --- nuclei ------------------------------------------------------------------------------------------------------


def nuclei(folder: Path) -> Iterator[dict[str, object]]:
    """Test images from their masks: L1 in [-1, 1], and mean IoU of the masks that a segmenter of real images finds."""
    data = ganaug.load(folder, tiles=64)
    train, test = training_view(data, data.in_fold("train")), data.select(data.in_fold("test"))
    keys, asked = ((part.mask != 0).astype(int) for part in (train, test))
    real, truth = last(train.images()), last(test.images())
    mean = control(keys, real, asked, 2)
    learner = Segmenter()
    for seed in SEEDS:
        made = ganaug.make("pix2pix", preset="small").fit(train, budget=STEPS, seed=seed).sample(like=test, seed=seed)
        source = source_for(learner, train, [], [], SEGMENTER_STEPS, seed)
        judge = learner.fit(source, Budget(SEGMENTER_STEPS), seed)
        yield {
            "seed": seed,
            "L1": float(np.abs(last(made.images()) - truth).mean()),
            "L1 of the blurred mean": float(np.abs(mean - truth).mean()),
            "mean IoU found in generated images": learner.score(judge, made.but(fold=None)).main,
            "in real ones": learner.score(judge, test).main,
        }


# --- radar -------------------------------------------------------------------------------------------------------


def tiles(scene: np.ndarray, columns: slice) -> np.ndarray:
    """Squares [N, TILE, TILE, C] of a part of a scene."""
    part = scene[:, columns]
    high, wide = (side // TILE for side in part.shape[:2])
    part = part[: high * TILE, : wide * TILE].reshape(high, TILE, wide, TILE, -1)
    return np.ascontiguousarray(part.swapaxes(1, 2).reshape(-1, TILE, TILE, part.shape[-1]))


def flood(file: Path, columns: slice) -> ImageSet:
    """Optical tiles with the view "s1", the radar of the same place."""
    held = np.load(file)
    radar = ImageSet.of(tiles(held["s1"].astype(np.float32), columns), scaling=Scaling("float32", *RADAR))
    optical = tiles(held["s2"], columns)
    return ImageSet.of(
        optical, views={"s1": radar}, scaling=REFLECTANCE, bands=tuple(map(str, held["bands"])), name="flood"
    )


def brightness(data: ImageSet) -> np.ndarray:
    """The step of VV brightness of each pixel, 0..LEVELS - 1."""
    vv = data.views["s1"].images()[:, 0].numpy()
    return ((vv + 1) / 2 * (LEVELS - 1)).round().astype(int)


def reflectances(data: ImageSet) -> np.ndarray:
    """[N, H, W, C] in 0..1."""
    return data.image[np.arange(len(data))].astype(np.float64) / 10_000


def radar(file: Path) -> Iterator[dict[str, object]]:
    """The right of the scene from its radar: L1 in reflectance, and whether spectra look like those of the truth."""
    train, test = TrainView.of(flood(file, TRAIN_COLUMNS)), flood(file, TEST_COLUMNS)
    truth, bands = reflectances(test), test.bands
    mean = control(brightness(train), reflectances(train), brightness(test), LEVELS)
    real = band_correlation(truth)
    for seed in SEEDS:
        system = ganaug.make("pix2pix", preset="small", given="s1").fit(train, budget=STEPS, seed=seed)
        made = reflectances(system.sample(like=test, seed=seed))
        mixed = np.stack([np.roll(made[..., band], 7 * band, 0) for band in range(len(bands))], -1)
        green, halves = ndvi(truth, bands), np.random.default_rng(seed).permutation(len(truth))
        half = [ndvi(truth[rows], bands).ravel() for rows in np.array_split(halves, 2)]
        yield {
            "seed": seed,
            "L1": float(np.abs(made - truth).mean()),
            "L1 of the blurred mean": float(np.abs(mean - truth).mean()),
            "NDVI distance": wasserstein_distance(ndvi(made, bands).ravel(), green.ravel()),
            "of two real halves": wasserstein_distance(*half),
            "band correlations, relative error": relative(band_correlation(made), real),
            "bands of different images": relative(band_correlation(mixed), real),
            "B8 to B8A": float(band_correlation(made)[bands.index("B8"), bands.index("B8A")]),
        }


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    """Frobenius norm of the difference as a share of the wanted matrix's."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("nuclei", "radar"))
    parser.add_argument("path", type=Path)
    asked = parser.parse_args()
    print_table((nuclei if asked.what == "nuclei" else radar)(asked.path))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""A scene of twelve or thirteen bands with a mask, from numbers to georeferenced files and back into its place.

python -m claims.geodata scene scene.npz flood                 # flood/images/scene.tif and flood/masks/scene.tif
ganaug inspect flood --tiles 32
ganaug study flood --task segmentation --tiles 32 --arm rules+dualgan_med --repeats 3 -o out
python -m claims.geodata back flood painted.tif                # test tiles from their masks, in the scene

The flooded scene has 13 bands and a mask of water; the one of the Amazon 12 bands and polygons of four land covers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import rasterio

import ganaug

CRS, CORNER, PIXEL = "EPSG:32630", (500_000.0, 4_400_000.0), 10.0  # the set names no place: one in its zone
NODATA = 0
TILE, STEPS = 32, 1000


def bands_and_mask(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, band names, and the mask with classes from 0 and 255 unknown, of either scene."""
    held = np.load(file)
    if "water" in held:
        return held["s2"], held["bands"], np.where(held["water"] < 0, 255, held["water"]).astype(np.uint8)
    return held["image"], held["bands"], np.where(held["label"] == 0, 255, held["label"] - 1).astype(np.uint8)


def write_scene(file: Path, folder: Path) -> None:
    """The optical bands as uint16, where 0 is no data, and the mask as uint8, 255 unknown."""
    optical, bands, mask = bands_and_mask(file)
    for part, pixels, names in (("images", optical, bands), ("masks", mask[..., None], ("class",))):
        (folder / part).mkdir(parents=True)
        height, width, count = pixels.shape
        shape = {"height": height, "width": width, "count": count, "dtype": pixels.dtype}
        where = {"crs": CRS, "transform": rasterio.transform.from_origin(*CORNER, PIXEL, PIXEL)}
        known = {"nodata": NODATA} if part == "images" else {}
        with rasterio.open(folder / part / "scene.tif", "w", driver="GTiff", **shape, **where, **known) as out:
            out.write(pixels.transpose(2, 0, 1))
            out.descriptions = tuple(map(str, names))


def paint(folder: Path, out: Path) -> None:
    """Test tiles made from their masks and written into a copy of the scene; prints what rasterio finds there."""
    data = ganaug.load(folder, tiles=TILE)
    train, test = (data.select(data.in_fold(fold)) for fold in ("train", "test"))
    system = ganaug.make("pix2pix", preset="small").fit(train, budget=STEPS, seed=0)
    made = system.sample(like=test, seed=0)
    scene = folder / "images" / "scene.tif"
    ganaug.write_back(test.but(image=made.image), scene, out)
    print(f"{len(data)} tiles: {len(train)} train, {len(test)} test, {data.image.shape}")
    with rasterio.open(scene) as before, rasterio.open(out) as after:
        for fact in ("crs", "transform", "nodata", "descriptions", "dtypes", "shape"):
            print(f"{fact}: {getattr(after, fact)}, as before: {getattr(after, fact) == getattr(before, fact)}")
        changed = (before.read() != after.read()).any(0)
        print(f"pixels changed: {changed.mean():.1%}, the test tiles cover {len(test) * TILE**2 / changed.size:.1%}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("scene", "back"))
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    (write_scene if asked.what == "scene" else paint)(asked.source, asked.out)


if __name__ == "__main__":
    main()

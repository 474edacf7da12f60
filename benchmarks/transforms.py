# SPDX-License-Identifier: Apache-2.0
"""Times `ganaug.Pipeline` against Albumentations, torchvision v2 and kornia, in one interleaved run.

    python benchmarks/transforms.py [--sides 32 64 224 512] [--rounds 3] [--threads 1] [--only geo]

One JSON line for each policy, side, batch of 64 (16 at 512 px) or single image: images a second of each library (the
best round), and ours over the fastest other. Images are bytes in and bytes out, parameters are drawn for each image.
Libraries that work on one image are called once an image; kornia gets the batch as floats, conversions counted, and
draws one operation a batch in RandAugment, so it does less.

Policies: flip; geo = flip, rotation 15 degrees, scale 10 %, shift 10 %, crop after a border of an eighth; colour =
geo, brightness, contrast, saturation 20 %, hue 5 %; full = colour, noise of 10 grey levels, a hole of a quarter of the
side; rand = RandAugment 2, 9; mask = geo with a mask.
With one thread processor time counts, with more wall time; then images of a batch are shared among Python threads.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
import cv2
import kornia.augmentation as K
import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

import ganaug
from metrics import circumstances

POLICIES = ("flip", "geo", "colour", "full", "rand", "mask")
GEO = "flip_h, rotate(15), scale(0.1), shift(0.1), crop(pad={pad})"
COLOUR = "brightness(0.2), contrast(0.2), saturation(0.2), hue(0.05)"
OURS = {
    "flip": "flip_h",
    "geo": GEO,
    "mask": GEO,
    "colour": f"{GEO}, {COLOUR}",
    "full": f"{GEO}, {COLOUR}, noise(0.039), cutout(0.25)",
    "rand": "randaugment(2, 9)",
}
Run = Callable[[np.ndarray, np.ndarray | None], Any]  # images [N, H, W, 3], masks [N, H, W]


def ours(policy: str, side: int, threads: int) -> Run:
    pipe = ganaug.Pipeline(OURS[policy].format(pad=side // 8), threads=threads)

    def run(images: np.ndarray, masks: np.ndarray | None) -> Any:
        more = {} if masks is None else {"mask": masks}
        if len(images) == 1:
            return pipe(image=images[0], index=next(count), **{name: value[0] for name, value in more.items()})
        return pipe(image=images, index=np.arange(len(images)), **more)

    count = iter(range(10**9))
    return run


def shared(one: Callable[[int], Any], n: int, threads: int) -> list:
    """One call an image, shared among threads."""
    if threads == 1 or n == 1:
        return [one(i) for i in range(n)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(n)))


def albumentations(policy: str, side: int, threads: int) -> Run:
    jitter = A.ColorJitter(brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.05, 0.05), p=1)
    geo = [
        A.HorizontalFlip(p=0.5),
        A.Affine(
            rotate=(-15, 15), scale=(0.9, 1.1), translate_percent=(-0.1, 0.1), border_mode=cv2.BORDER_REFLECT, p=1
        ),
        A.PadIfNeeded(side + side // 4, side + side // 4),
        A.RandomCrop(side, side),
    ]
    hole = {"num_holes_range": (1, 1), "hole_height_range": (0.25, 0.25), "hole_width_range": (0.25, 0.25), "p": 1}
    spoilt = [A.GaussNoise(std_range=(0.039, 0.039), p=1), A.CoarseDropout(**hole)]
    pipes = {"flip": geo[:1], "geo": geo, "mask": geo, "colour": [*geo, jitter], "full": [*geo, jitter, *spoilt]}
    if policy == "rand":
        pipes["rand"] = [A.SomeOf(rand_operations(side), n=2, replace=True, p=1)]
    pipe = A.Compose(pipes[policy])

    def run(images: np.ndarray, masks: np.ndarray | None) -> Any:
        given = [{"image": x} if masks is None else {"image": x, "mask": masks[i]} for i, x in enumerate(images)]
        return shared(lambda i: pipe(**given[i]), len(images), threads)

    return run


def rand_operations(side: int) -> list:
    """RandAugment's operations at level 9 of 30, as Albumentations names them."""
    share, move = 9 / 30, round(9 / 30 * 150 / 331 * side)
    one = {"p": 1}
    return [
        A.NoOp(),
        A.Affine(shear={"x": (-5, 5), "y": 0}, **one),
        A.Affine(shear={"x": 0, "y": (-5, 5)}, **one),
        A.Affine(translate_px={"x": (-move, move), "y": 0}, **one),
        A.Affine(translate_px={"x": 0, "y": (-move, move)}, **one),
        A.Rotate((-30 * share, 30 * share), **one),
        A.ColorJitter((1 - 0.9 * share, 1 + 0.9 * share), (1, 1), (1, 1), (0, 0), **one),
        A.ColorJitter((1, 1), (1 - 0.9 * share, 1 + 0.9 * share), (1, 1), (0, 0), **one),
        A.ColorJitter((1, 1), (1, 1), (1 - 0.9 * share, 1 + 0.9 * share), (0, 0), **one),
        A.Sharpen(**one),
        A.Posterize(7, **one),
        A.Solarize((0.7, 0.7), **one),
        A.AutoContrast(**one),
        A.Equalize(**one),
    ]


def torchvision(policy: str, side: int, threads: int) -> Run:
    geo = [
        v2.RandomHorizontalFlip(),
        v2.RandomAffine(15, (0.1, 0.1), (0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR),
        v2.RandomCrop(side, padding=side // 8),
    ]
    jitter = v2.ColorJitter(0.2, 0.2, 0.2, 0.05)
    spoilt = [v2.ToDtype(torch.float32, scale=True), v2.GaussianNoise(0, 0.039), v2.ToDtype(torch.uint8, scale=True)]
    erase = v2.RandomErasing(1, (1 / 16, 1 / 16), (1, 1))
    pipes = {"flip": geo[:1], "geo": geo, "mask": geo, "colour": [*geo, jitter], "full": [*geo, jitter, *spoilt, erase]}
    pipe = v2.RandAugment(2, 9) if policy == "rand" else v2.Compose(pipes[policy])

    def one(image: np.ndarray, mask: np.ndarray | None) -> Any:
        given = tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1))
        made = pipe(given) if mask is None else pipe(given, tv_tensors.Mask(torch.from_numpy(mask)))
        return made.numpy() if mask is None else [part.numpy() for part in made]

    def run(images: np.ndarray, masks: np.ndarray | None) -> Any:
        return shared(lambda i: one(images[i], None if masks is None else masks[i]), len(images), threads)

    return run


def kornia(policy: str, side: int, threads: int) -> Run:
    geo = [
        K.RandomHorizontalFlip(p=0.5),
        K.RandomAffine(15, (0.1, 0.1), (0.9, 1.1), padding_mode="reflection", p=1),
        K.RandomCrop((side, side), padding=side // 8, p=1),
    ]
    jitter = K.ColorJitter(0.2, 0.2, 0.2, 0.05, p=1)
    spoilt = [K.RandomGaussianNoise(std=0.039, p=1), K.RandomErasing((1 / 16, 1 / 16), (1, 1), p=1)]
    pipes = {"flip": geo[:1], "geo": geo, "mask": geo, "colour": [*geo, jitter], "full": [*geo, jitter, *spoilt]}
    if policy == "rand":
        pipe = K.AugmentationSequential(K.auto.RandAugment(2, 9))
    else:
        pipe = K.AugmentationSequential(*pipes[policy], data_keys=["input", "mask"] if policy == "mask" else ["input"])

    def run(images: np.ndarray, masks: np.ndarray | None) -> Any:
        floats = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        made = pipe(floats) if masks is None else pipe(floats, torch.from_numpy(masks)[:, None].float())
        made, *mask = made if isinstance(made, (list, tuple)) else [made]
        return (made * 255).to(torch.uint8).permute(0, 2, 3, 1).numpy(), [m.to(torch.uint8).numpy() for m in mask]

    return run


LIBRARIES = {"ganaug": ours, "albumentations": albumentations, "torchvision": torchvision, "kornia": kornia}


def best(runs: dict[str, Callable[[], Any]], images: int, rounds: int, threads: int) -> dict[str, float]:
    """Images a second of each, the best of several rounds taken in turn; a round lasts about a fifth of a second."""
    clock = time.process_time if threads == 1 else time.perf_counter
    calls, found = {}, dict.fromkeys(runs, 0.0)
    for name, run in runs.items():
        run()
        started = clock()
        run()
        calls[name] = max(1, min(500, int(0.2 / max(clock() - started, 1e-6))))
    for _ in range(rounds):
        for name, run in runs.items():
            started = clock()
            for _ in range(calls[name]):
                run()
            found[name] = max(found[name], images * calls[name] / (clock() - started))
    return found


def row(policy: str, side: int, batch: int, rounds: int, threads: int) -> dict[str, Any]:
    """One line of the table."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    masks = rng.integers(0, 5, (batch, side, side), dtype=np.uint8) if policy == "mask" else None
    runs = {name: partial(make(policy, side, threads), images, masks) for name, make in LIBRARIES.items()}
    speed = best(runs, batch, rounds, threads)
    fastest = max((name for name in speed if name != "ganaug"), key=speed.get)
    ratio = round(speed["ganaug"] / speed[fastest], 2)
    rounded = {name: round(value) for name, value in speed.items()}
    return {
        "policy": policy,
        "side": side,
        "batch": batch,
        "images_a_second": rounded,
        "fastest_other": fastest,
        "ratio": ratio,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64, 224, 512])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=POLICIES, nargs="+", default=POLICIES)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(asked.threads)
    cv2.setNumThreads(asked.threads if asked.threads > 1 else 1)
    for side in asked.sides:
        for policy in asked.only:
            for batch in (1, 64 if side < 512 else 16):
                if batch > 1 or asked.threads == 1:
                    line = row(policy, side, batch, asked.rounds, asked.threads)
                    print(json.dumps({**line, "threads": asked.threads, **circumstances()}), flush=True)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Who is seen where: identities, cameras, folds and queries of a drawn set, and the set itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from ganaug.data.drawn.sightings import COLOURS, SHAPES, VISITS, Sighting, between, sightings, uniforms
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet

BATCH = 256  # images drawn at once, fewer above 64x64
SMALLEST = 16  # pixels a side
TRAIN, TEST = 0, 2
TRAIN_SHARE = 60 / 76  # the usual 60 training and 16 test identities


class Look(NamedTuple):
    """What an identity keeps in all its images: part colours 0..1 before light in the order of the part ids, shape."""

    colours: Float[ndarray, "b p 3"]
    shape: Mapping[str, Float[ndarray, " b"]]


class Drawing(NamedTuple):
    """A batch of images with part masks and keypoints (x, y in pixels)."""

    images: UInt8[ndarray, "b H W 3"]
    masks: UInt8[ndarray, "b H W"]
    keypoints: Float[ndarray, "b n 2"]


def colour_numbers(identity: Int[ndarray, " b"], count: int, look_alikes: bool, seed: int) -> Float[ndarray, "b count"]:
    """Uniform numbers for what look-alikes (identities 2k and 2k + 1) share."""
    return uniforms(seed, COLOURS, identity // 2 if look_alikes else identity, count)


def shape_numbers(
    identity: Int[ndarray, " b"], ranges: Mapping[str, tuple[float, float]], look_alikes: bool, seed: int
) -> dict[str, Float[ndarray, " b"]]:
    """A number in its range for every name of `ranges`; the first is kept apart between look-alikes.

    The first is the place of the logo or sticker, which must tell look-alikes apart at low resolution too.
    """
    u = uniforms(seed, SHAPES, identity, len(ranges))
    if look_alikes:
        u[:, 0] = (identity % 2 + 0.5 * u[:, 0]) / 1.5
    return {name: between(*span, u[:, k]) for k, (name, span) in enumerate(ranges.items())}


def roster(identities: int, images: int, cameras: int, look_alikes: bool, seed: int) -> dict[str, ndarray]:
    """The columns identity, camera, fold and query, [identities x images] each.

    An identity visits as many cameras as leave each two images or more, at least two cameras; so every query finds
    images of the other cameras in the gallery. The first image of a test identity in a camera is the query.
    """
    refuse(identities, images, cameras, look_alikes, seed)
    identity = np.repeat(np.arange(identities), images)
    camera = np.concatenate([visits(k, images, cameras, seed) for k in range(identities)])
    step = 2 if look_alikes else 1  # a pair stays in one fold
    trained = step * min(round(identities / step * TRAIN_SHARE), identities // step - 1)
    fold = np.where(identity < trained, TRAIN, TEST).astype(np.int8)
    query = np.zeros(len(identity), bool)
    query[np.unique(identity * cameras + camera, return_index=True)[1]] = True
    return {"identity": identity, "camera": camera, "fold": fold, "query": query & (fold == TEST)}


def refuse(identities: int, images: int, cameras: int, look_alikes: bool, seed: int) -> None:
    """InputError for numbers that make no re-identification set."""
    least = {"identities": (identities, 4), "images": (images, 4), "cameras": (cameras, 2), "seed": (seed, 0)}
    for name, (found, low) in least.items():
        if found < low:
            raise InputError(f"{name} must be at least {low} for a drawn set, found {found}: pass a larger number.")
    if look_alikes and identities % 2:
        raise InputError(f"look_alikes come in pairs, found {identities} identities: pass an even number.")


def visits(identity: int, images: int, cameras: int, seed: int) -> Int[ndarray, " images"]:
    """The cameras of one identity's images."""
    rng = np.random.default_rng([seed, VISITS, identity])
    seen = rng.permutation(cameras)[: images // 2]
    return rng.permutation(seen[np.arange(images) % len(seen)])


class Kind(NamedTuple):
    """What is drawn: how its identities look, how they are rendered, its number of poses, its parts and its name."""

    looks: Callable[..., Look]
    render: Callable[[Look, Sighting, tuple[int, int]], Drawing]
    poses: int
    parts: tuple[str, ...]
    name: str


def drawn_set(
    kind: Kind, identities: int, images: int, *, size: tuple[int, int], cameras: int, look_alikes: bool, seed: int
) -> ImageSet:
    """The set of all rows, drawn in batches; attributes are the part colours, the pose and the viewpoint."""
    size, columns = checked_size(size), roster(identities, images, cameras, look_alikes, seed)
    batch = max(1, BATCH * 64 * 64 // max(64 * 64, size[0] * size[1]))
    done = []
    for start in range(0, len(columns["identity"]), batch):
        rows = np.arange(start, min(start + batch, len(columns["identity"])))
        who = kind.looks(columns["identity"][rows], look_alikes=look_alikes, seed=seed)
        how = sightings(rows, columns["camera"][rows], cameras=cameras, poses=kind.poses, seed=seed)
        seen = np.concatenate([who.colours.reshape(len(rows), -1), how.pose[:, None], how.view[:, None]], 1)
        done.append((*kind.render(who, how, size), seen.astype(np.float32)))
    pixels, masks, keypoints, attributes = (np.concatenate(column) for column in zip(*done, strict=True))
    names = (*(f"{part}_{channel}" for part in kind.parts for channel in "rgb"), "pose", "view")
    return ImageSet.of(
        pixels, mask=masks, keypoints=keypoints, attributes=attributes, attribute_names=names, name=kind.name, **columns
    )


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width); InputError below 16 pixels, where no part would be left."""
    height, width = size
    if min(height, width) < SMALLEST:
        raise InputError(f"size must be at least {SMALLEST}x{SMALLEST} pixels, found {height}x{width}.")
    return int(height), int(width)

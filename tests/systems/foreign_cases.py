# SPDX-License-Identifier: Apache-2.0
"""What the tests of pipelines of other libraries share: a batch with everything in it, and what flips must do to it."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch.nn import functional as F

from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.parts.ops import geometry

FIELDS = ("mask", "valid", "instances", "boxes", "keypoints")


def smooth(n, channels=3, height=20, width=32):
    """Random smooth images in [-1, 1]."""
    with seeded(0, "test images"):
        coarse = torch.rand(n, channels, 5, 5) * 2 - 1
    return F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)


def full(n=12, channels=3, height=20, width=32):
    """A batch with every field that moves: unknown and missing entries, points beyond the edge, large numbers."""
    with seeded(0, "test fields"):
        mask = torch.randint(5, (n, height, width))
        corner = torch.rand(n, 3, 2) * torch.tensor([width / 2, height / 2])
        keypoints = torch.rand(n, 4, 2) * 40 - 4
    mask[:, :2] = 255
    boxes = torch.cat([corner, corner + torch.tensor([9.0, 7.5])], 2)
    boxes[:, 1], keypoints[::2, 2] = torch.nan, torch.nan
    return Batch(
        image=smooth(n, channels, height, width),
        label=torch.arange(n),
        mask=mask,
        valid=mask != 3,
        instances=mask * 7_000_003,
        boxes=boxes,
        keypoints=keypoints,
    )


def same(found, expected):
    """Whether a batch is another one: the image but for rounding, fields per pixel exactly, points to 1/1000 pixel."""
    near = {"image": 1e-6, "boxes": 1e-3, "keypoints": 1e-3}
    for name in ("image", *FIELDS, "label"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        if theirs is None:
            assert ours is None, name
            continue
        assert ours.dtype == theirs.dtype, name
        torch.testing.assert_close(ours, theirs, rtol=0, atol=near.get(name, 0), equal_nan=True)


def flips_as_ganaug_does(system, axis, batch=None):
    """A system that always flips gives the image and all fields of ganaug's own flip, and writes to nothing given."""
    batch = full() if batch is None else batch
    kept = batch.apply(torch.clone)
    same(system.augment(batch), geometry.flip(batch, torch.ones(len(batch), dtype=torch.bool), axis))
    same(batch, kept)


def marked(n=48, height=40, width=52):
    """Images with one round spot, the keypoint at its centre and the box around it, and the spot's mask."""
    centre, radius = torch.tensor([22.0, 16.0]), 5.0
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    spot = torch.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 8) * 2 - 1
    disc = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2).long()
    box = torch.cat([centre - radius, centre + radius + 1])
    return Batch(
        image=spot.repeat(n, 1, 1, 1),
        mask=disc.repeat(n, 1, 1),
        keypoints=centre.repeat(n, 1, 1),
        boxes=box.repeat(n, 1, 1),
    )


def keypoint_errors(moved):
    """Distance [B] in pixels from each keypoint to the centre of the spot that it marks."""
    bright = ((moved.image[:, 0] + 1) / 2 - 0.05).clamp(min=0)
    y, x = torch.meshgrid(*(torch.arange(float(s)) for s in bright.shape[1:]), indexing="ij")
    total = bright.sum((1, 2))
    found = torch.stack([(bright * x).sum((1, 2)), (bright * y).sum((1, 2))], 1) / total[:, None]
    return (found - moved.keypoints[:, 0]).norm(dim=1)


def stays_marked(moved, original):
    """Keypoints on their spots within half a pixel, masks with their spots, boxes around them; unmoved ones are not."""
    assert keypoint_errors(moved).max() < 0.5
    assert keypoint_errors(moved.but(keypoints=original.keypoints)).mean() > 1
    for i in range(len(moved)):
        y, x = torch.nonzero(moved.mask[i] == 1, as_tuple=True)
        edges = torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]).float()
        outside = torch.cat([moved.boxes[i, 0, :2] - edges[:2], edges[2:] - moved.boxes[i, 0, 2:]])
        assert outside.max() < 1, "the box holds the spot"
        assert outside.min() > -6, "and little more: it is the box around turned corners"


def independent(system):
    """The share of images that were flipped along both axes, neither, x only and y only."""
    image = smooth(400, 1, 8, 8)
    found = system.augment(Batch(image=image)).image
    variants = [image, image.flip(3), image.flip(2), image.flip(2, 3)]
    return [((found - v).abs().amax((1, 2, 3)) < 1e-5).float().mean().item() for v in variants]


def global_states():
    """torch's, numpy's and Python's global random state."""
    return [torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()]  # noqa: NPY002


def seeds_decide(system, batch):
    """Same seed, same bits, whatever the global states are; another seed, other images; the states stay untouched."""
    once = system.augment(batch, seed=3)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    before = global_states()
    again, other = system.augment(batch, seed=3), system.augment(batch, seed=4)
    assert global_states() == before
    same(again, once)
    assert torch.equal(again.image, once.image) and not torch.equal(other.image, once.image)

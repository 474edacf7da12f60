# SPDX-License-Identifier: Apache-2.0
"""The reference image that each image resembles most, whatever its orientation, position and colours.

Two images are compared by normalised cross-correlation: every channel is brought to zero mean and unit norm, so
gain and offset of each channel cancel. The largest correlation is taken over the symmetries of the rectangle and
over shifts of up to two pixels, compared where the two images overlap. Candidates come from thumbnails, the
verdict from the images, smoothed to a detail of 32 pixels a side. Memory is bounded by chunks of both sets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ganaug.data.errors import InputError

REACH = 2  # pixels that a copy may be shifted by, along each axis
THUMBNAIL, DETAIL = 8, 32  # pixels a side that the two rounds can tell apart
LARGEST = 128  # pixels a side; larger images are reduced first
TILE = 512  # rows and columns of a similarity matrix that stay in the processor's cache
PIXELS = 2**24  # values of the image stacks that are held at a time
FLAT = 1e-3  # a channel with a smaller standard deviation shows nothing to compare

Turn = Callable[[Tensor], Tensor]
SHIFTS = sorted(
    ((dy, dx) for dy in range(-REACH, REACH + 1) for dx in range(-REACH, REACH + 1)),
    key=lambda shift: abs(shift[0]) + abs(shift[1]),
)
TURNS: tuple[Turn, ...] = (
    lambda x: x,
    lambda x: x.flip(-1),
    lambda x: x.flip(-2),
    lambda x: x.flip(-1, -2),
    lambda x: x.mT,
    lambda x: x.mT.flip(-1),
    lambda x: x.mT.flip(-2),
    lambda x: x.mT.flip(-1, -2),
)
INVERSE = (0, 1, 2, 3, 4, 6, 5, 7)  # the quarter turns undo each other, every other turn undoes itself
TURN_NAMES = ("", "flipped", "flipped", "rotated", "flipped", "rotated", "rotated", "flipped")


@dataclass(frozen=True)
class Match:
    """The best reference of each image: `distance` = 1 - correlation, its `row`, index into TURNS and SHIFTS."""

    distance: Float[Tensor, " n"]
    row: Int[Tensor, " n"]
    turn: Int[Tensor, " n"]
    shift: Int[Tensor, " n"]


def best_match(
    images: Float[Tensor, "n c h w"],
    references: Float[Tensor, "m c h w"],
    *,
    skip: Int[Tensor, " n"] | None = None,
) -> Match:
    """Best match of each image among the references, in 0 (a copy) to 2; flat images are at distance 1.

    `skip` names one reference row an image that must not be found, so that a set can be compared with itself.
    Raises `InputError` on an empty set, on unlike shapes and on numbers that are not finite.
    """
    _check(images, references)
    images, references = _small(images), _small(references)
    skip = torch.full((len(images),), -1, device=images.device) if skip is None else skip
    large = max(images.shape[-2:]) > DETAIL  # they differ more, and cost more
    keep = min(4 if large else 16, len(references))
    block = max(1, 1024 // images.shape[1])
    part = max(1, PIXELS // ((len(SHIFTS) + 3 * keep) * images[0].numel()))
    found = []
    for some, own in zip(images.split(block), skip.split(block), strict=True):
        turn, row = _candidates(some, references, own, keep)
        pieces = zip(some.split(part), turn.split(part), row.split(part), strict=True)
        found += [_refine(x, t, r, references) for x, t, r in pieces]
    return Match(*(torch.cat(column) for column in zip(*found, strict=True)))


def thumbnails(x: Float[Tensor, "n c h w"], dy: int, dx: int) -> Float[Tensor, "n p"]:
    """Unit vectors of what x shows where it overlaps an image shifted by (dy, dx), in thumbnail size."""
    h, w = x.shape[-2:]
    x = x[..., max(0, dy) : h + min(0, dy), max(0, dx) : w + min(0, dx)]
    x = F.adaptive_avg_pool2d(x, (min(THUMBNAIL, x.shape[-2]), min(THUMBNAIL, x.shape[-1]))).flatten(2)
    x = x - x.mean(-1, keepdim=True)
    norm = x.norm(dim=-1, keepdim=True)
    shown = norm > FLAT * x.shape[-1] ** 0.5
    x = torch.where(shown, x / norm.clamp_min(1e-12), 0.0)
    return (x / shown.sum(1, keepdim=True).clamp_min(1).sqrt()).flatten(1)


def _candidates(images: Tensor, references: Tensor, skip: Tensor, keep: int) -> tuple[Tensor, Tensor]:
    """The `keep` most similar pairs (turn, reference row) of each image, by thumbnails: two [n, keep] tables."""
    turns = _turns(images)
    shifts = _thumbnail_shifts(min(images.shape[-2:]))
    queries = [torch.stack([thumbnails(turn(images), dy, dx) for turn in turns], 1).flatten(0, 1) for dy, dx in shifts]
    values = images.new_empty(len(images), 0)
    codes = skip.new_empty(len(images), 0)  # turn * references + row
    for start in range(0, len(references), TILE):
        chunk = references[start : start + TILE]
        rows = torch.arange(start, start + len(chunk), device=images.device)
        keys = [thumbnails(chunk, -dy, -dx) for dy, dx in shifts]
        similar = _largest_products(queries, keys).view(len(images), len(turns), len(chunk))
        similar.masked_fill_((skip[:, None] == rows)[:, None], -2.0)
        best = similar.flatten(1).topk(min(keep, similar[0].numel()))
        code = best.indices // len(chunk) * len(references) + best.indices % len(chunk) + start
        values, codes = torch.cat([values, best.values], 1), torch.cat([codes, code], 1)
        best = values.topk(min(keep, values.shape[1]))
        values, codes = best.values, codes.gather(1, best.indices)
    return codes // len(references), codes % len(references)


def _largest_products(queries: list[Tensor], keys: list[Tensor]) -> Float[Tensor, "q m"]:
    """max over i of queries[i] @ keys[i].T, tile by tile."""
    largest = queries[0].new_full((len(queries[0]), len(keys[0])), -2.0)
    for start in range(0, len(largest), TILE):
        tile = largest[start : start + TILE]
        for query, key in zip(queries, keys, strict=True):
            torch.maximum(tile, query[start : start + TILE] @ key.T, out=tile)
    return largest


def _refine(images: Tensor, turn: Tensor, row: Tensor, references: Tensor) -> tuple[Tensor, ...]:
    """Distance, row, turn and shift of the best of the candidates [n, k], over all shifts and in detail."""
    chosen = references[row.flatten()]
    for index in range(1, len(_turns(images))):
        here = turn.flatten() == index
        chosen[here] = TURNS[INVERSE[index]](chosen[here])
    distances = 1 - correlations(_smooth(images), _smooth(chosen).unflatten(0, row.shape))
    # rounding must not prefer a shift where the unshifted images agree
    order = 1e-5 * torch.arange(len(SHIFTS), device=images.device)[:, None]
    best = (distances + order).flatten(1).argmin(1, keepdim=True)
    shift, candidate = best // row.shape[1], best % row.shape[1]
    columns = (distances.flatten(1).gather(1, best), row.gather(1, candidate), turn.gather(1, candidate), shift)
    return tuple(column[:, 0] for column in columns)


def correlations(
    images: Float[Tensor, "n c h w"], candidates: Float[Tensor, "n k c h w"]
) -> Float[Tensor, "n shifts k"]:
    """Normalised cross-correlation of each image with its candidates where they overlap, for each of SHIFTS.

    Sums over the overlap are products with an image that is zero outside it, so all of them are matrix products.
    """
    x = images - images.mean((-2, -1), keepdim=True)  # near zero mean: sums of squares keep their digits
    y = (candidates - candidates.mean((-2, -1), keepdim=True)).transpose(1, 2).flatten(3)  # n c k p
    x, overlap = _shifted(x), _shifted(torch.ones_like(x[:1, :1]))[0, 0]  # n c s p and s p
    count = overlap.sum(1)
    sum_x, sum_y = x.sum(-1)[..., None], overlap @ y.mT  # n c s 1 and n c s k
    covariance = x @ y.mT - sum_x * sum_y / count[:, None]
    var_x = x.square().sum(-1)[..., None] - sum_x.square() / count[:, None]
    var_y = overlap @ y.square().mT - sum_y.square() / count[:, None]
    shown_x, shown_y = (v > FLAT**2 * count[:, None] for v in (var_x, var_y))
    each = torch.where(shown_x & shown_y, covariance / (var_x * var_y).clamp_min(1e-20).sqrt(), 0.0)
    return each.sum(1) / (shown_x.sum(1) * shown_y.sum(1)).clamp_min(1).sqrt()


def _shifted(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c shifts p"]:
    """At each pixel (i, j) the value at (i + dy, j + dx), zero outside, for each of SHIFTS."""
    h, w = x.shape[-2:]
    x = F.pad(x, (REACH,) * 4)
    corners = [(REACH + dy, REACH + dx) for dy, dx in SHIFTS]
    return torch.stack([x[..., top : top + h, left : left + w] for top, left in corners], 2).flatten(3)


def _smooth(x: Tensor) -> Tensor:
    """Means over as many pixels as make one of DETAIL a side: details that small do not make another image."""
    return F.avg_pool2d(x, [max(1, side // DETAIL) for side in x.shape[-2:]], stride=1)


def _small(x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x.float(), (min(x.shape[-2], LARGEST), min(x.shape[-1], LARGEST)))


def _turns(x: Tensor) -> tuple[Turn, ...]:
    return TURNS if x.shape[-1] == x.shape[-2] else TURNS[:4]


def _thumbnail_shifts(side: int) -> list[tuple[int, int]]:
    """The shifts that still show in a thumbnail: all, the corners of one pixel, or none."""
    if side <= 4 * THUMBNAIL:
        return SHIFTS
    return [(0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)] if side < 8 * THUMBNAIL else [(0, 0)]


def _check(images: Tensor, references: Tensor) -> None:
    for name, x in (("images", images), ("references", references)):
        if x.ndim != 4 or not len(x):
            raise InputError(f"{name}: expected images [N, C, H, W], found {tuple(x.shape)}; give at least one.")
        if not x.isfinite().all():
            raise InputError(f"{name}: expected finite pixels, found NaN or infinity; clean the images first.")
    if images.shape[1:] != references.shape[1:]:
        raise InputError(
            f"images: expected the references' channels and size {tuple(references.shape[1:])}, "
            f"found {tuple(images.shape[1:])}; resize or convert one of the two sets."
        )

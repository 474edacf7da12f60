# SPDX-License-Identifier: Apache-2.0
"""Which generated images are copies of given real images?

Paper: own audit; the comparison is normalised cross-correlation (see `matching`). A fixed threshold would call
natural look-alikes copies (many a handwritten 1 lies nearer to another 1 than a noisy copy to its original), so
it is set from the references themselves: well below the distance at which real images find one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ganaug.audit.matching import REACH, SHIFTS, TURN_NAMES, Match, best_match
from ganaug.data.errors import InputError

CARD = dict(  # noqa: C408 - cards are read keyword by keyword
    id="copies",
    kind="audit",
    title="Copies of given images among generated ones",
    paper="Own audit: normalised cross-correlation against a threshold set from real images",
    arxiv=None,
    year=None,
    shows="At least 95 % of planted exact, flipped, rotated, shifted and recoloured copies are found, "
    "and at most 2 % of untouched held-out images are called copies.",
)

LOOKALIKES = 0.01  # share of real images whose nearest real image sets the scale
MARGIN = 0.6  # copies lie this much below; at most 0.4 % of the real images of four public sets do
LEAST, MOST = 1e-3, 0.2  # limits of the threshold: rounding, and a correlation of 0.8
SAMPLE = 500  # real images that set the threshold


@dataclass(frozen=True)
class Copies:
    """What `find_copies` found.

    share: share of the images that are copies, 0 to 1. rows: their rows. nearest: the reference row that each
    image resembles most. distance: 1 - normalised cross-correlation to it. kind: for each image None, or `exact`
    (every pixel within one of 255 levels), `near`, `recoloured`, `shifted`, `flipped` or `rotated`; the last in
    this order where several apply. threshold: distances below it are copies.
    """

    share: float
    rows: Int[Tensor, " copies"]
    nearest: Int[Tensor, " n"]
    distance: Float[Tensor, " n"]
    kind: list[str | None]
    threshold: float


def find_copies(
    images: Float[Tensor, "n c h w"],
    references: Float[Tensor, "m c h w"],
    *,
    holdout: Float[Tensor, "k c h w"] | None = None,
) -> Copies:
    """Find the images that are copies of a reference: equal, turned, shifted by up to 2 pixels or recoloured.

    `holdout` are real images that the generator never saw; their distances to the references set the threshold.
    Without it, the distances among the references do. Images in [-1, 1], any number of channels. A single
    reference without holdout leaves nothing to compare with: the threshold is then a correlation of 0.8.
    Raises `InputError` on unlike shapes, empty sets or numbers that are not finite.
    """
    match = best_match(images, references)
    threshold = _threshold(references, holdout)
    rows = (match.distance < threshold).nonzero()[:, 0]
    kind: list[str | None] = [None] * len(images)
    for row, name in zip(rows.tolist(), _kinds(images, references, match, rows), strict=True):
        kind[row] = name
    return Copies(len(rows) / len(images), rows, match.row, match.distance, kind, threshold)


def nearest(images: Float[Tensor, "n c h w"], references: Float[Tensor, "m c h w"]) -> Int[Tensor, " n"]:
    """Row of the reference that each image resembles most, for picture grids."""
    return best_match(images, references).row


def planted_detection(references: Float[Tensor, "m c h w"], *, seed: int = 0, per_kind: int = 32) -> dict[str, float]:
    """Try the audit on these references: the share found of each kind of planted copy, and `false_alarms`.

    A quarter of the references, at most 400, is held out; copies of the rest are planted among them, and the
    share of the untouched held-out images that are called copies is the rate of false alarms. Needs 8 images.
    """
    if len(references) < 8:
        raise InputError(f"references: expected at least 8 images, found {len(references)}; give more.")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(references), generator=generator)
    held = min(len(references) // 4, 400)
    untouched, known = references[order[:held]], references[order[held:]]
    planted = {}
    for name, plant in PLANTS.items():
        rows = torch.randint(len(known), (per_kind,), generator=generator)
        planted[name] = plant(known[rows], generator)
    found = find_copies(torch.cat([*planted.values(), untouched]), known)
    hit = (found.distance < found.threshold).float().split([per_kind] * len(planted) + [held])
    return {name: share.mean().item() for name, share in zip([*planted, "false_alarms"], hit, strict=True)}


def _threshold(references: Tensor, holdout: Tensor | None) -> float:
    if holdout is not None:
        natural = best_match(_spread(holdout)[0], references).distance
    elif len(references) > 1:
        sample, rows = _spread(references)
        natural = best_match(sample, references, skip=rows).distance
    else:
        return MOST
    return min(max(MARGIN * natural.quantile(LOOKALIKES).item(), LEAST), MOST)


def _spread(x: Tensor) -> tuple[Tensor, Tensor]:
    """At most SAMPLE rows, evenly spread because sets are often sorted by class; and their row numbers."""
    rows = torch.linspace(0, len(x) - 1, min(SAMPLE, len(x)), device=x.device).round().long()
    return x[rows], rows


def _kinds(images: Tensor, references: Tensor, match: Match, rows: Tensor) -> list[str]:
    """How each of the rows differs from the reference that it copies."""
    if not len(rows):
        return []
    copy, original = images[rows].float(), references[match.row[rows]].float()
    exact = ((copy - original).abs().flatten(1) <= 1 / 127.5).all(1)
    means = (copy.mean((2, 3)) - original.mean((2, 3))).abs()
    spreads = (copy.std((2, 3)) - original.std((2, 3))).abs()
    recoloured = ((means > 0.05) | (spreads > 0.1 * original.std((2, 3)))).any(1)
    table = zip(match.turn[rows].tolist(), match.shift[rows].tolist(), exact, recoloured, strict=True)
    return [_kind(*entry) for entry in table]


def _kind(turn: int, shift: int, exact: bool, recoloured: bool) -> str:
    if TURN_NAMES[turn]:
        return TURN_NAMES[turn]
    if SHIFTS[shift] != (0, 0):
        return "shifted"
    if exact:
        return "exact"
    return "recoloured" if recoloured else "near"


def _flip(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.stack([image.flip(-1 - i % 2) for i, image in enumerate(x)])


def _rotate(x: Tensor, generator: torch.Generator) -> Tensor:
    quarter = 1 if x.shape[-1] == x.shape[-2] else 2
    return torch.stack([image.rot90(quarter * (1 + i % 3), (-2, -1)) for i, image in enumerate(x)])


def _shift(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image by another of the shifts but zero, the border repeated."""
    h, w = x.shape[-2:]
    padded = F.pad(x, (REACH,) * 4, mode="replicate")
    tops = [(REACH + dy, REACH + dx) for dy, dx in (SHIFTS[1 + i % (len(SHIFTS) - 1)] for i in range(len(x)))]
    return torch.stack([image[:, y : y + h, z : z + w] for image, (y, z) in zip(padded, tops, strict=True)])


def _recolour(x: Tensor, generator: torch.Generator) -> Tensor:
    """Gain and offset of each image (even rows) or each channel (odd rows), inside [-1, 1]."""
    gain = 0.5 + 0.4 * torch.rand(x.shape[:2], generator=generator)
    offset = (1 - gain) * (2 * torch.rand(x.shape[:2], generator=generator) - 1)
    gain[::2], offset[::2] = gain[::2, :1], offset[::2, :1]
    return x * gain[..., None, None].to(x) + offset[..., None, None].to(x)


PLANTS = {
    "exact": lambda x, generator: x.clone(),
    "flipped": _flip,
    "rotated": _rotate,
    "shifted": _shift,
    "recoloured": _recolour,
}

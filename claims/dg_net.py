# SPDX-License-Identifier: Apache-2.0
"""Claims of DG-Net, on pedestrians drawn before a plain background, 60 identities to learn from and 16 unseen ones.

Code swap, on unseen identities: the colour of the clothes (torso, arms, legs, shoes) of an image with the appearance of
A and the structure of B is at most 0.6 times as far from A's as B's own is, and its silhouette overlaps B's by at least
0.1 more than A's does. The same ratio over all seven parts, head, hair and logo too, stands beside it. Self-swap: an
image is rebuilt better from its own appearance than from a foreign one. Retrieval of unseen identities: baseline,
primary head, fine-grained head, both.

    make claims ID=dg_net
    python -m claims.dg_net 0 2                                    # some seeds
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from claims.judging import SEEDS, print_table

import ganaug
from ganaug.core.loop import Budget
from ganaug.data.drawn.pedestrians import PARTS, POSES, looks, render
from ganaug.data.drawn.roster import roster
from ganaug.data.drawn.sightings import sightings
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView
from ganaug.study.folds import training_view
from ganaug.study.source import source_for
from ganaug.systems.identity.dg_net import FusedEmbedding
from ganaug.tasks.reidentification import Reidentifier

STEPS = 2500
SIZE = (64, 32)
GREY = 0.45  # of the background, 0..1
CLOTHES = ("torso", "arms", "legs", "shoes")
EDGE = 0.15  # a pixel belongs to the figure when it differs so much from the background, of 2


def plain(seed: int) -> ImageSet:
    """60 + 16 identities with 12 images each; only pose, place and scale differ between the images of one."""
    columns = roster(76, 12, 4, False, seed)
    rows = np.arange(len(columns["identity"]))
    how = sightings(rows, columns["camera"], cameras=4, poses=len(POSES), seed=seed)
    bare = {
        "light": np.ones_like(how.light),
        "walls": np.full_like(how.walls, GREY),
        "coarse": np.ones_like(how.coarse),
    }
    blocks = how.blocks.copy()
    blocks[..., 2:4] = 0.0
    drawn = render(looks(columns["identity"], seed=seed), how._replace(**bare, blocks=blocks), SIZE)
    kept = {name: columns[name] for name in ("identity", "camera", "fold")}
    images = np.where(drawn.masks[..., None] == 0, np.uint8(255 * GREY), drawn.images)  # no grain behind the figure
    return ImageSet.of(images, mask=drawn.masks, **kept)


def swaps(data: ImageSet, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of A and of B, of different unseen identities."""
    test = np.random.default_rng(seed).permutation(data.in_fold("test"))
    other = np.roll(test, 1)
    kept = data.identity[test] != data.identity[other]
    return test[kept], other[kept]


def part_colours(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean colour [N, parts, 3] of each body part, NaN where it is hidden."""
    parts = torch.arange(1, int(mask.max()) + 1)
    inside = (mask[:, None] == parts[:, None, None]).float()
    return torch.einsum("nphw,nchw->npc", inside, images) / inside.sum((2, 3))[..., None]


def silhouette(images: torch.Tensor) -> torch.Tensor:
    """Which pixels are not background, bool [N, H, W]."""
    return (images - (2 * GREY - 1)).abs().mean(1) > EDGE


def overlap(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean intersection over union of silhouettes."""
    return float(((a & b).sum((1, 2)) / (a | b).sum((1, 2)).clamp_min(1)).mean())


def swap_facts(system: ganaug.System, data: ImageSet, seed: int) -> dict[str, float]:
    """Colour ratio, silhouettes, and both rebuilding errors."""
    a, b = swaps(data, seed)
    wears, stands = data.images(a), data.images(b)
    mask_a, mask_b = (torch.as_tensor(data.mask[rows]) for rows in (a, b))
    with torch.no_grad():
        made, own = system.painted(stands, wears), system.painted(stands, stands)
    wanted, copied, painted = (part_colours(*of) for of in ((wears, mask_a), (stands, mask_b), (made, mask_b)))
    far, near = ((colours - wanted).abs().mean(2) for colours in (copied, painted))  # [N, parts]
    clothes = [PARTS.index(part) for part in CLOTHES]
    return {
        "colour ratio": float(near[:, clothes].nanmean() / far[:, clothes].nanmean()),
        "of all parts": float(near.nanmean() / far.nanmean()),
        "silhouette with B": overlap(silhouette(made), mask_b > 0),
        "of A with B": overlap(mask_a > 0, mask_b > 0),
        "rebuilt, own code": float((own - stands).abs().mean()),
        "rebuilt, foreign code": float((made - stands).abs().mean()),
    }


def retrieval(system: ganaug.System, train: TrainView, test: ImageSet, seed: int) -> dict[str, float]:
    """mAP on unseen identities: the baseline after as many updates, and DG-Net's heads alone and together."""
    learner = Reidentifier()
    alone = learner.fit(source_for(learner, train, [], [], STEPS, seed), Budget(STEPS), seed)
    primary, both = FusedEmbedding(system.enc_a, 0.0), FusedEmbedding(system.enc_a, 0.5)
    fine = FusedEmbedding(system.enc_a, 1e6)
    models = {"baseline": alone, "primary": primary, "fine": fine, "both": both}
    return {f"mAP {name}": learner.score(model, test).main for name, model in models.items()}


def rows(seeds: Sequence[int]) -> Iterator[dict[str, object]]:
    for seed in seeds:
        data = plain(seed)
        train, test = training_view(data, data.in_fold("train")), data.select(data.in_fold("test"))
        system = ganaug.make("dg_net", preset="small").fit(train, budget=STEPS, seed=seed)
        system.set_mode(training=False)
        yield {"seed": seed, **swap_facts(system, data, seed), **retrieval(system, train, test, seed)}


def main() -> None:
    print_table(rows([int(seed) for seed in sys.argv[1:]] or SEEDS))


if __name__ == "__main__":
    main()

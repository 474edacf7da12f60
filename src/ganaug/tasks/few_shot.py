# SPDX-License-Identifier: Apache-2.0
"""Few shots: learn to tell training classes apart, then recognise classes never seen before from one or five images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator
from torch import Tensor

from ganaug.core.card import Card
from ganaug.core.device import on_device
from ganaug.core.loop import Budget
from ganaug.core.protocols import Scores, Source
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import FOLDS, ImageSet
from ganaug.data.spec import Spec
from ganaug.parts.nets.trunks import trunk
from ganaug.tasks.classification import weighted_cross_entropy
from ganaug.tasks.reidentification import Embedder
from ganaug.tasks.training import answer, trained

SHOTS = (1, 5)  # support images a class; the first decides
QUERIES = 15  # most images a class that an episode asks for
OWN = "own"  # the name of what varies the support images of the main score
Vary = Callable[[ImageSet, int], ImageSet]  # images and the number of the round -> a variant of each, in their order
Episode = tuple[np.ndarray, list[np.ndarray]]  # support rows [ways, shots], and for each class the rows asked for
Answers = tuple[np.ndarray, np.ndarray]  # rows asked for [Q], and whether each was recognised


class FewShot(BaseEstimator):
    """Images -> features in which the mean of a few images stands for a class that training has never seen.

    Cross-entropy over the training classes, then the nearest class mean among features that a batch norm has centred,
    of length 1 (SimpleShot, Wang et al. 2019, arXiv 1911.04623; class means as in Snell et al. 2017, arXiv 1703.05175).
    Training and test share no class: a test fold is kept where its classes are its own, else classes are split anew.
    The main score is the mean accuracy of `episodes` fixed draws of `ways` test classes with one support image each,
    asked for up to 15 others of each class.

    Parameters
    ----------
    backbone : "small", a torchvision or timm classifier's name.
    ways : classes of an episode.
    episodes : draws for each number of support images; the same ones for every arm.
    variants : of each support image, averaged with it, where something that varies them is given.
    batch_size, lr, weight_decay : of the recipe; the same for every arm.
    """

    CARD: ClassVar[Card] = Card(
        id="few_shot",
        kind="task",
        title="Few-shot recognition of unseen classes by the nearest class mean",
        paper="SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot Learning",
        arxiv="1911.04623",
        year=2019,
        lists=("002",),
        task=("few_shot",),
        needs=("label",),
        can=("model",),
        shows="features learnt on some classes recognise others from one image far better than untrained features do.",
    )

    def __init__(
        self,
        *,
        backbone: str = "small",
        ways: int = 5,
        episodes: int = 600,
        variants: int = 5,
        batch_size: int = 32,
        lr: float = 3e-3,
        weight_decay: float = 0.05,
    ):
        self.backbone = backbone
        self.ways = ways
        self.episodes = episodes
        self.variants = variants
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay

    @property
    def score_name(self) -> str:
        """What the main score is called."""
        return f"{self.ways}-way {SHOTS[0]}-shot accuracy"

    @property
    def name(self) -> str:
        """What a report calls it."""
        return self.backbone

    def prepared(self, data: ImageSet) -> ImageSet:
        """The set with classes as identities, which folds never share; InputError where it has too few of them.

        A stated test fold with classes that are trained on too is dropped, and classes are split anew.
        """
        column, where = data.identity if data.label is None else data.label, data.name or "the set"
        if column is None:
            raise InputError(f"{where} has neither classes nor identities: put the images into a folder a class.")
        tested = np.zeros(len(data), bool) if data.fold is None else data.fold == FOLDS.index("test")
        fixed = tested.any() and not np.intersect1d(usable(column[tested], 0), usable(column[~tested], 0)).size
        if fixed:  # a third of the training classes validates
            self.refuse_few(column[~tested], 3 * self.ways, f"{where} has {{}} training classes")
            self.refuse_few(column[tested], self.ways, f"{where} has {{}} test classes")
        else:  # a third of all classes tests
            self.refuse_few(column, -(-9 * self.ways // 2), f"{where} has {{}} classes")
        kept = data.fold if fixed else None
        return data.but(identity=column, label=None, classes=(), fold=kept, camera=None, query=None)

    def refuse_few(self, identity: Int[np.ndarray, " n"], least: int, told: str) -> None:
        """InputError unless there are `least` classes of two images or more."""
        found = len(usable(identity, 1))
        if found < least:
            raise InputError(
                f"{told.format(found)} of two images or more, and {self.ways}-way episodes need at least {least}: "
                "give more classes, or lower `ways`."
            )

    def network(self, spec: Spec, outputs: int | None = None) -> Embedder:
        """A network at its start: images [B, C, H, W] -> logits [B, 1, outputs]; `embed` gives features [B, D]."""
        maps, width = trunk(self.backbone, spec.channels, spec.size)
        return Embedder(maps, width, outputs or len(spec.classes), 1)

    def fit(self, source: Source, budget: Budget, seed: int) -> Any:
        """`budget.steps` updates on the source; the trained model in evaluation mode."""

        def loss(model: Any, batch: Batch, t: int) -> Tensor:
            logits = answer(model, batch.image)[:, 0]
            soft, weight = source.target(batch, logits.detach(), t)
            return weighted_cross_entropy(logits, soft, weight)

        return trained(self, source, budget.steps or 0, seed, loss)

    # --- scores -------------------------------------------------------------------------------------------------

    def score(self, model: Any, data: ImageSet) -> Scores:
        """Accuracy with one support image a class (main) and with five, the support being real images alone."""
        return self.score_varied(model, data, {})

    def score_varied(self, model: Any, data: ImageSet, by: Mapping[str, Vary]) -> Scores:
        """As `score`, with a class mean over each support image and `variants` of it.

        The main score is with the variants by `OWN` where they are given; the table tells the accuracies with real
        support images alone and with the variants by each other name. A variant comes from its own image alone, so all
        are made once, and an episode sees those of its support images only. Queries are real images.
        """
        real = embedded(model, data)
        means = {OWN: real, "real": real} | {name: self.averaged(model, data, real, vary) for name, vary in by.items()}
        counted = [n for n in SHOTS if n == SHOTS[0] or len(usable(data.identity, n)) >= self.ways]
        drawn = {n: [episode(data.identity, n, self.ways, number) for number in range(self.episodes)] for n in counted}
        found = {(name, n): answers(mean, real, drawn[n]) for name, mean in means.items() for n in counted}
        table = {
            f"accuracy_{n}_shot" + ("" if name == OWN else f"_{name}_support"): float(accuracies(told).mean())
            for (name, n), told in found.items()
        }
        main = found[OWN, SHOTS[0]]
        units = accuracies(main)[:, None]
        return Scores(float(units.mean()), table, units, lambda rows: float(rows.mean()), shares(main, len(data)))

    def averaged(self, model: Any, data: ImageSet, real: Float[Tensor, "n d"], vary: Vary) -> Float[Tensor, "n d"]:
        """The mean feature of every image and its variants."""
        made = [embedded(model, vary(data, turn)) for turn in range(self.variants)]
        return torch.stack([real, *made]).mean(0)


def usable(identity: Int[np.ndarray, " n"], more_than: int) -> Int[np.ndarray, " k"]:
    """The known classes with more than so many images."""
    known, counts = np.unique(identity[identity >= 0], return_counts=True)
    return known[counts > more_than]


def episode(identity: Int[np.ndarray, " n"], shots: int, ways: int, number: int) -> Episode:
    """(support rows, rows asked for of each class) of one episode, a pure function of its arguments.

    Raises InputError where fewer than `ways` classes have an image more than `shots`.
    """
    known = usable(identity, shots)
    if len(known) < ways:
        raise InputError(
            f"{ways}-way episodes need {ways} classes with {shots + 1} images or more that training has not seen, "
            f"found {len(known)}: give more classes, or more images of each."
        )
    rng = np.random.default_rng([shots, number])
    chosen = rng.choice(known, ways, replace=False)
    rows = [rng.permutation(np.flatnonzero(identity == k))[: shots + QUERIES] for k in chosen]
    return np.stack([part[:shots] for part in rows]), [part[shots:] for part in rows]


def answers(support: Float[Tensor, "n d"], real: Float[Tensor, "n d"], episodes: Sequence[Episode]) -> list[Answers]:
    """For each episode the rows [Q] that it asks for, and whether the nearest class mean is that of their class.

    `support` are the features that class means are made of, `real` those of the images asked for.
    """
    found = []
    for given, asked in episodes:
        rows = np.concatenate(asked)
        nearest = torch.cdist(real[rows], support[given].mean(1)).argmin(1).numpy()
        found.append((rows, nearest == np.repeat(np.arange(len(asked)), [len(part) for part in asked])))
    return found


def accuracies(told: Sequence[Answers]) -> Float[np.ndarray, " e"]:
    """The share of right answers of each episode."""
    return np.array([right.mean() for _, right in told])


def shares(told: Sequence[Answers], n: int) -> Float[np.ndarray, " n"]:
    """What each of n rows adds to the mean accuracy of the episodes: NaN where it was never asked for."""
    added, asked = np.zeros(n), np.zeros(n, bool)
    for rows, right in told:
        added[rows] += right / (len(rows) * len(told))
        asked[rows] = True
    return np.where(asked, added * asked.sum(), np.nan)


def embedded(model: Any, data: ImageSet, size: int = 256) -> Float[Tensor, "n d"]:
    """Features of every row, of length 1."""
    found = []
    for first in range(0, len(data), size):
        images = data.images(np.arange(first, min(first + size, len(data))))
        with torch.no_grad(), on_device() as device:
            found.append(torch.nn.functional.normalize(model.embed(images.to(device))).float().cpu())
    return torch.cat(found)

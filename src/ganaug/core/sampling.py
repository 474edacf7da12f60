# SPDX-License-Identifier: Apache-2.0
"""Images out of a fitted system: requests, canonical chunks, and batches collected into a set.

Chunk c of a class is one call of `generate`, seeded by (seed, class, c). A request for any range makes the chunks
that cover it and cuts, so image i is a pure function of (weights, parameters, seed, i) even where images of one
chunk depend on each other (batch statistics).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ganaug.core import loop
from ganaug.core.device import on_device
from ganaug.core.requirements import has
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.geo import place_of, with_place
from ganaug.data.image_set import ImageSet
from ganaug.data.renumber import unnamed, with_classes, with_mask_classes
from ganaug.data.scaling import Scaling

if TYPE_CHECKING:
    from ganaug.core.system import System


@contextmanager
def working(system: System, seed: int, *purpose: object) -> Iterator[torch.device]:
    """Inside, a system makes images: on its device, seeded, without gradients, its networks in evaluation mode.

    Raises InputError before the first fit.
    """
    refuse_unfitted(system)
    modules = system.modules()
    with on_device() as chosen, seeded(seed, *purpose), torch.no_grad(), loop.modes_kept(modules):
        for module in modules:
            module.eval()
        yield chosen


def refuse_unfitted(system: System) -> None:
    """InputError before the first fit."""
    if not hasattr(system, "spec"):
        raise InputError(f"{system.CARD.id} is not fitted yet: call fit first.")


# --- what is asked for ------------------------------------------------------------------------------------------


def condition_table(train: ImageSet, needs: Sequence[str]) -> dict[str, Tensor]:
    """The small conditions of every training row, so that samples without `like` follow their distribution.

    Only what the card needs: an unconditional system's images have no label.
    """
    known = slice(None) if train.label is None else train.label >= 0
    names = [name for name in ("label", "attributes", "identity") if name in needs]
    return {name: torch.as_tensor(getattr(train, name)[known]) for name in names}


def unseen(system: System) -> list[str]:
    """The conditions that no table can hold, because they are whole images or maps, and that it does not make."""
    return [field for field in system.needs if field not in system.conditions and field not in system.CARD.makes]


def asks_nothing(system: System) -> bool:
    """Whether its images come from noise alone: nothing of a row can be asked of them."""
    return not system.conditional and set(system.needs) <= set(system.CARD.makes)


def seen(system: System, rows: Tensor) -> Batch:
    """Conditions drawn from those seen in training; refused where they are whole images or maps."""
    if unseen(system):
        needs = ", ".join(unseen(system))
        raise InputError(f"{system.CARD.id} needs {needs} to make images: pass --like DATA (like=...).")
    if not system.conditions:
        return Batch(index=rows)
    size = len(next(iter(system.conditions.values())))
    chosen = torch.randint(size, (len(rows),), device="cpu")
    return Batch(index=rows).but(**{name: table[chosen] for name, table in system.conditions.items()})


def of_class(k: int, rows: Tensor) -> Batch:
    """A request for images of class k."""
    return Batch(index=rows, label=torch.full((len(rows),), k, device="cpu"))


def given(system: System, like: ImageSet) -> ImageSet:
    """A set whose rows are asked for, in the training set's units; images of a view alone are taken as that view.

    Classes are known by their names. Raises InputError where the set lacks what the system starts from, for another
    number of channels, and for classes that were not learnt.
    """
    for field in unseen(system):
        name = field.removeprefix("views.")
        if field != name and not like.views and like.spec.channels == system.spec.views[name].channels:
            like = like.but(views={name: like})
        if not has(like.spec, field):
            raise InputError(f"{system.CARD.id} makes images from '{field}', and the given set has none: give one.")
        if field != name:
            refuse_channels(system, like.views[name].spec.channels, system.spec.views[name].channels)
    return in_trained_units(system, in_trained_numbers(system, like))


def in_trained_numbers(system: System, like: ImageSet) -> ImageSet:
    """A set with the training set's numbers of the classes that a system needs; InputError for other classes.

    Classes that an array names by their numbers alone are these numbers.
    """
    labels, masks = system.spec.classes, system.spec.mask_classes
    if "label" in system.needs and like.label is not None and not unnamed(like.classes, labels):
        like = with_classes(like, labels, "the given set")
    if "mask" in system.needs and like.mask is not None and not unnamed(like.mask_classes, masks):
        like = with_mask_classes(like, masks, "the given set")
    return like


def refuse_channels(system: System, found: int, learnt: int) -> None:
    """InputError for images of another number of channels than those that the system has learnt from."""
    if found != learnt:
        raise InputError(
            f"{system.CARD.id} has learnt images of {learnt} channel{'s' * (learnt != 1)}, the given ones have "
            f"{found}: convert them first."
        )


def in_trained_units(system: System, data: ImageSet) -> ImageSet:
    """A set and its views with the training set's scaling, for a system that has learnt from such numbers.

    16 bit and float sets are scaled by their own range, so one value would mean another brightness than in training.
    Values beyond the training set's range are clipped.
    """
    if not system.learns:
        return data
    known = system.spec.views
    views = {name: rescaled(view, known[name].scaling) if name in known else view for name, view in data.views.items()}
    return rescaled(data, system.spec.scaling).but(views=views)


def rescaled(data: ImageSet, scaling: Scaling) -> ImageSet:
    """A set with another scaling, where that is one of its kind of numbers."""
    return data.but(scaling=scaling) if scaling.dtype == str(data.image.dtype) else data


def asked(system: System, like: ImageSet, rows: Tensor) -> Batch:
    """The conditions of some rows: everything but their image; nothing for a system that follows none of it."""
    return Batch(index=rows) if asks_nothing(system) else system.draw(like, rows).but(image=None)


def class_counts(system: System, per_class: int | Mapping[str, int]) -> dict[int, int]:
    """Class number -> count; InputError for what can't be had."""
    if not system.conditional:
        raise InputError(
            f"{system.CARD.id} is unconditional, so a class can't be asked for: ask for a number of images (-n), "
            "or fit one clone a class with PerClass (`--per-class-model`)."
        )
    names = system.spec.classes
    known = [names[k] for k in system.seen_classes()]
    wanted = dict(per_class) if isinstance(per_class, Mapping) else dict.fromkeys(known, per_class)
    for name, count in wanted.items():
        if name not in names:
            raise InputError(f"there is no class '{name}': the classes are {', '.join(names)}.")
        if count < 0:
            raise InputError(f"the number of images of class '{name}' must be 0 or more, found {count}.")
        if count and name not in known:
            raise InputError(f"class '{name}' had no training image, so none can be made: leave it out.")
    return {names.index(name): count for name, count in wanted.items() if count}


# --- images -----------------------------------------------------------------------------------------------------


def chunks(
    system: System, key: object, start: int, stop: int, seed: int, want: Callable[[Tensor], Batch]
) -> Iterator[Batch]:
    """The canonical chunks that cover start..stop, cut to it."""
    for c in range(start // system.chunk, -(-stop // system.chunk) if stop > start else 0):
        first = c * system.chunk
        rows = torch.arange(first, first + system.chunk)
        if key == "like" and not asks_nothing(system):
            rows = rows[rows < stop]
        with working(system, seed, "sample", key, c) as chosen:
            request = want(rows)
            made = system.generate(request.to(chosen)).but(index=rows)
        made = made if made.label is not None or request.label is None else made.but(label=request.label)
        yield made.select(slice(max(start - first, 0), min(stop - first, len(rows)))).to("cpu")


def collected(system: System, batches: Iterable[Batch], seed: int) -> ImageSet:
    """Generated batches, taken as they are made, as one set with the training set's dtype, scaling and class names."""
    refuse_unfitted(system)
    made = ImageSet.from_batches(batches, system.out_spec, name=system.CARD.id)
    assert made.index is not None
    return made.but(origin=origins(system, seed, made.index.tolist()), index=np.arange(len(made)))


def placed(made: ImageSet, like: ImageSet) -> ImageSet:
    """Images that were made from the rows of a set, and in their size, lie on the ground where these lie."""
    if like.origin is None or made.origin is None or made.image.shape[:2] != like.image.shape[:2]:
        return made
    same = made.image.dtype == like.image.dtype  # else the value that means no data is one of other numbers
    places = [place if same or place is None else replace(place, nodata=None) for place in map(place_of, like.origin)]
    told = zip(made.origin, places, strict=True)
    return made.but(origin=np.array([text if place is None else with_place(text, place) for text, place in told]))


def varied(system: System, batch: Batch, seed: int) -> Batch:
    """Variants of a batch."""
    with working(system, seed, "augment") as chosen:
        return system.vary(batch.to(chosen))


def varied_set(system: System, data: ImageSet, seed: int) -> ImageSet:
    """One variant of each row, in order; its parent is the row where the system names no other."""
    if system.learns:
        refuse_channels(system, data.spec.channels, system.spec.channels)
    data = in_trained_units(system, data)
    told = origins(system, seed, range(len(data)))
    spec = data.spec if system.out_spec == system.spec else data.spec.looking_like(system.out_spec)
    return ImageSet.from_batches(variants(system, data, seed), spec, origin=told, name=system.CARD.id)


def variants(system: System, data: ImageSet, seed: int) -> Iterator[Batch]:
    """One variant of each row, a chunk at a time."""
    for c, first in enumerate(range(0, len(data), system.chunk)):
        rows = torch.arange(first, min(first + system.chunk, len(data)))
        with working(system, seed, "augment", c) as chosen:
            batch = system.draw(data, rows)
            made = system.vary(batch.to(chosen))
        assert batch.index is not None
        yield made if made.parents is not None else made.but(parents=batch.index[:, None])


def origins(system: System, seed: int, numbers: Sequence[int]) -> np.ndarray:
    """How each image was made, as JSON text [N], for manifests."""
    from ganaug import __version__

    facts = {"system": system.CARD.id, "version": __version__, "seed": seed, "label_policy": system.CARD.labels}
    return np.array([json.dumps({**facts, "index": number}) for number in numbers])

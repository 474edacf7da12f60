# SPDX-License-Identifier: Apache-2.0
"""Does a training set give a system what its card needs? Asked before anything is built."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec

if TYPE_CHECKING:
    from ganaug.core.system import System

TWO = "folders trainA/ and trainB/"
POOL = "unlabelled"  # the further set of images without labels
GIVEN_BY = {POOL: "--unlabelled PATH, or --unlabelled rest in a study whose --shots leave some over"}  # a further set


def check_requirements(system: System, train: ImageSet) -> None:
    """InputError that names what is missing; a warning where a class has fewer images than the card advises."""
    for sentence in missing(system, train):
        raise InputError(sentence)
    for sentence in few(system, train):
        warnings.warn(sentence, stacklevel=3)


def missing(system: System, train: ImageSet) -> list[str]:
    """What a system can't work without, one sentence each."""
    card, spec = system.CARD, train.spec
    said = []
    for field in system.needs:
        if not has(spec, field):
            found = sorted([*spec.fields, *(f"views.{name}" for name in spec.views)])
            hint = f"; to start from a view: --set given={min(spec.views)}" if can_start_from_view(system, spec) else ""
            said.append(f"{card.id} needs the field '{field}', and this set has {', '.join(found) or 'none'}{hint}.")
    if "mask" in system.needs and "mask" in spec.fields and not spec.mask_classes:
        said.append(f"{card.id} needs names for the values of the masks: give mask_classes=('ground', 'roof', ...).")
    said += [
        f"{card.id} needs a second set '{name}': {GIVEN_BY.get(name, TWO)}, or data.but(others={{'{name}': ...}})."
        for name in card.sets
        if name not in spec.others
    ]
    if POOL in (*card.sets, *card.may_use) and POOL in train.others:
        said += pool_problems(system, train)
    if system.needs or system.rows_per_step:
        said += size_problems(system, train) + channel_problems(system, train)
    return said


def has(spec: Spec, field: str) -> bool:
    """Whether a set has a field, or a view ("views.low")."""
    kind, _, name = field.partition(".")
    return name in spec.views if kind == "views" else kind in spec.fields


def can_start_from_view(system: System, spec: Spec) -> bool:
    """Whether a parameter says what a system starts from, and the set has a view for it."""
    return bool(spec.views) and "given" in system.get_params(deep=False)


def size_problems(system: System, train: ImageSet) -> list[str]:
    """Images of one size within the card's bounds, and at least one of them."""
    card, spec = system.CARD, train.spec
    if len(train) == 0:
        return [f"{card.id} needs training images, and this set has none."]
    if spec.height is None or spec.width is None:
        return [
            f"{card.id} needs images of one size, and these differ: pass --size 64 (resize), or --size 64 --fit pad."
        ]
    small, large = card.sizes
    if min(spec.size) < small or max(spec.size) > large:
        return [f"{card.id} works from {small} to {large} pixels, these are {spec.height}x{spec.width}: pass --size."]
    return []


def channel_problems(system: System, train: ImageSet) -> list[str]:
    """A number of channels that the card names ("any", or numbers such as "1, 3")."""
    card, found = system.CARD, train.spec.channels
    if card.channels == "any" or found in map(int, card.channels.split(",")):
        return []
    return [f"{card.id} works on images of {card.channels} channels, these have {found}: convert them first."]


def pool_problems(system: System, train: ImageSet) -> list[str]:
    """Unlabelled images of the shape that the others have, and at least one of them."""
    shape, found = train.image.shape, train.others[POOL].image.shape
    if not len(train.others[POOL]):
        return [f"{system.CARD.id}: there are no images among the unlabelled ones: give some, or leave them out."]
    if found == shape:
        return []
    return [f"{system.CARD.id}: unlabelled images must be {shape} as the others, found {found}."]


def few(system: System, train: ImageSet) -> list[str]:
    """Advice on too few images, one sentence each."""
    least = system.CARD.min_rows
    counts = train.counts() or {"all images": len(train)}
    small = {name: n for name, n in counts.items() if 0 < n < least}
    if not small:
        return []
    listed = ", ".join(f"{name} ({n})" for name, n in list(small.items())[:5])
    return [f"{system.CARD.id} is advised from {least} images a class on; fewer: {listed}."]

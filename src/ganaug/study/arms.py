# SPDX-License-Identifier: Apache-2.0
"""Arms: what a study compares. An arm is a set written with `+`; its order does not matter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ganaug.core.card import Card, Recipe
from ganaug.core.catalogue import catalogue, entry, make
from ganaug.core.requirements import POOL
from ganaug.core.system import System
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.parts.labels.policies import label_policy
from ganaug.study.arm_words import id_of, parameters_of, parts_of, written
from ganaug.study.folds import ONE_CLASS, learns_masks

RULES = "basic_ops"
OWN_PIPELINES = ("albumentations", "kornia", "pipeline", "torchvision")  # stand for what the user puts into them
NOT_ASKED = ("control", "oracle", "placebo")  # kinds of arms that are compared with, not asked about
TURNS, MOST_DRAWS = 2, 20_000  # times that each image of a pool is drawn on average, and draws in all
FILLERS = {  # for skewed sets, best first, and why
    "low_data_gan": "fills up the small classes with what it has learnt from all of them",
    **dict.fromkeys(("smote", "bagan", "adasyn"), "made for skewed sets: it fills up the small classes"),
}
SKEWED = 1.5  # largest class over smallest class from which generated images fill up classes


@dataclass(frozen=True)
class Arm:
    """Any number of recipes, any number of transforms, at most one joint system.

    `kind` is "control", "rules", "generated", "joint", "folder" or "placebo"; `baseline` the arm without its
    generated (or learned) part, which a failed repeat counts as.
    """

    name: str
    kind: str
    baseline: str
    transforms: tuple[str, ...] = ()
    recipes: tuple[tuple[str, Recipe], ...] = ()
    joint: str = ""
    permuted: bool = False
    why: str = ""

    def describe(self) -> dict:
        """Plain values that decide what the arm does."""
        recipes = {name: {**vars(recipe), "system": str(recipe.system)} for name, recipe in self.recipes}
        return {
            "transforms": sorted(json.dumps([id_of(part), parameters_of(part)]) for part in self.transforms),
            "recipes": recipes,
            "joint": self.joint,
            "permuted": self.permuted,
        }


def parse_arm(given: Any, data: ImageSet) -> Arm:
    """An Arm from "rules+acgan", "@FILE" (a stored arm, such as a search's winner.json), a Recipe, System or Arm.

    Raises InputError for an unknown id (naming the nearest), for an id that is no arm, and for two joint systems.
    """
    if isinstance(given, Arm):
        return given
    if isinstance(given, Recipe):
        refuse_without_images(given.system)
        name = recipe_name(given)
        return named(name, (), ((name, given),), "")
    if isinstance(given, System) and given.CARD.kind == "transform":
        return parse_arm(written(given.CARD.id, changed_params(given)), data)
    if isinstance(given, System):
        refuse_without_images(given.CARD.id)
        recipe = replace(default_recipe(given.CARD.id, data), params=given.get_params(deep=False), preset="")
        name = written(given.CARD.id, changed_params(given))
        return named(name, (), ((name, recipe),), "")
    if str(given).startswith("@"):
        return stored_arm(Path(given[1:]))
    parts = [part for part in parts_of(str(given)) if part != "none"]
    roles = [role_of(part) for part in parts]
    transforms, joint = ([p for p, role in zip(parts, roles, strict=True) if role == r] for r in ("transform", "joint"))
    recipes = tuple((p, recipe_of(p, data)) for p, role in zip(parts, roles, strict=True) if role == "recipe")
    if len(joint) > 1:
        raise InputError(f"arm '{given}' has two joint systems ({joint[0]} and {joint[1]}): an arm takes one.")
    return named(str(given), tuple(transforms), recipes, "".join(joint))


def refuse_without_images(id: str) -> None:
    """InputError for a system that makes no images, where its images are asked for."""
    can = () if id == "folder" else entry(id).card["can"]
    if "model" in can and not {"sample", "augment"} & set(can):
        raise InputError(f"{id} trains a recogniser and makes no images: name it as an arm, '{id}'.")


def plain_arm(arm: Arm) -> dict:
    """An arm as JSON; `stored_arm` reads it back."""
    recipes = [[name, asdict(recipe)] for name, recipe in arm.recipes]
    kept = {"name": arm.name, "kind": arm.kind, "baseline": arm.baseline, "transforms": list(arm.transforms)}
    return {**kept, "recipes": recipes, "joint": arm.joint}


def stored_arm(file: Path) -> Arm:
    """The arm in a JSON file that holds it under "arm"; InputError for a file that holds none."""
    try:
        arm = json.loads(file.read_text(encoding="utf-8"))["arm"]
        recipes = tuple((name, Recipe(**recipe)) for name, recipe in arm["recipes"])
        return Arm(**{**arm, "transforms": tuple(arm["transforms"]), "recipes": recipes})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{file} holds no arm ({error}): give the winner.json of `ganaug tune`.") from None


def role_of(part: str) -> str:
    """What an id does in an arm: "transform", "recipe" (its images are added) or "joint"; InputError for others."""
    if part.startswith("folder:"):
        return "recipe"
    if part == "rules":
        return "transform"
    found = entry(id_of(part))
    can, kind = found.card["can"], found.kind
    if kind == "transform":
        make(found.id, **parameters_of(part))  # refuses what it does not know
        return "transform"
    if ("sample" in can and "model" not in can) or kind == "recipe":
        return "recipe"
    if kind != "system" or not {"model", "augment"} & set(can):
        raise InputError(f"'{part}' is a {kind} and can't be an arm: give a system or a transform.")
    if "model" in can and part != found.id:
        raise InputError(
            f"'{part}': a system that trains its own recogniser takes no parameters in an arm: leave them out."
        )
    return "joint" if "model" in can else "recipe"


def recipe_of(part: str, data: ImageSet) -> Recipe:
    """How the images of an id, a recipe file or a folder are used."""
    if part.startswith("folder:"):
        return replace(default_recipe("folder", data), params={"path": part[7:]}, plan="as is")
    id, params = id_of(part), parameters_of(part)
    if entry(id).kind == "recipe":
        recipe = entry(id).load().RECIPE
        return replace(recipe, params={**recipe.params, **params})
    variants = "sample" not in entry(id).card["can"]  # of real images: one each
    recipe = replace(default_recipe(id, data), params=params)
    return replace(recipe, plan="x1") if variants else recipe


def recipe_name(recipe: Recipe) -> str:
    """A recipe's system with its parameters, and what else it does otherwise than a plain Recipe."""
    usual = Recipe(system=recipe.system)
    fields = ("preset", "plan", "labels", "share", "ramp", "keep")
    changed = [f"{name} {getattr(recipe, name)}" for name in fields if getattr(recipe, name) != getattr(usual, name)]
    return " ".join([written(str(recipe.system), recipe.params), *([f"({', '.join(changed)})"] if changed else [])])


def changed_params(system: System) -> dict[str, Any]:
    """The hyperparameters of a system that differ from what its id alone stands for."""
    usual = make(system.CARD.id).get_params(deep=False)
    return {name: value for name, value in system.plain_params().items() if value != usual[name]}


def named(name: str, transforms: tuple[str, ...], recipes: tuple[tuple[str, Recipe], ...], joint: str) -> Arm:
    """An Arm with its kind and baseline."""
    if recipes and joint:
        raise InputError(f"arm '{name}': {joint} trains its own recogniser on its own images: leave the others out.")
    for _, recipe in recipes:
        if label_policy(recipe.labels).asks == "learner" and any(entry_of(t).card["on_batch"] for t in transforms):
            raise InputError(f"arm '{name}': label policy {recipe.labels} can't follow a transform that mixes images.")
    if recipes or joint:
        kind = "joint" if joint else "folder" if any(n.startswith("folder:") for n, _ in recipes) else "generated"
        return Arm(name, kind, "+".join(transforms) or "none", transforms, recipes, joint)
    if transforms == ("rules",):
        return Arm("rules", "rules", "none", transforms)
    if not transforms:
        return Arm("none", "control", "none")
    kept = tuple(t for t in transforms if t == "rules")
    return Arm(name, "rules", "+".join(kept) or "none", transforms)


def refuse_impossible_use(arm: Arm, data: ImageSet) -> None:
    """InputError when a recipe's share, ramp or filter can't be followed."""
    for _, recipe in arm.recipes:
        for field, value in (("share", recipe.share), ("ramp", recipe.ramp), ("keep", recipe.keep)):
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"arm '{arm.name}': {field} of {recipe.system} must lie in 0..1, found {value}.")
        if not recipe.keep:
            raise InputError(f"arm '{arm.name}': keep of {recipe.system} is 0, which leaves no image: give a share.")
        refuse_missing_labels(arm, recipe)
        known = label_policy(recipe.labels).needs_label and data.label is not None and not learns_masks(data)
        if recipe.keep < 1 and not known:
            raise InputError(
                f"arm '{arm.name}': keep {recipe.keep:g} filters images by their class, and those of {recipe.system} "
                "come without one: leave it at 1."
            )


def refuse_missing_labels(arm: Arm, recipe: Recipe) -> None:
    """InputError where labels are asked of images that have none."""
    if label_policy(recipe.labels).needs_label and recipe.system != "folder" and takes_pool(str(recipe.system)):
        raise InputError(
            f"arm '{arm.name}': images of {recipe.system} have no label of their own, so labels={recipe.labels} "
            "can't be: use teacher, pseudo_label or uniform."
        )


def takes_pool(id: str) -> bool:
    """Whether a system hands out unlabelled images."""
    return POOL in entry(id).card["sets"]


def learns_from_pool(arm: Arm) -> bool:
    """Whether a system of an arm makes use of unlabelled images where there are some."""
    ids = [*(str(recipe.system) for _, recipe in arm.recipes), *([arm.joint] if arm.joint else [])]
    cards = [entry(id).card for id in ids if id != "folder"]
    return any(POOL in (*card["sets"], *card["may_use"]) for card in cards)


def refuse_without_masks(arm: Arm, data: ImageSet) -> None:
    """InputError when masks are learnt and a part of the arm would lose them."""
    if not learns_masks(data):
        return
    for id in arm.transforms:
        if "mask" not in entry_of(id).card["moves"]:
            raise InputError(f"arm '{arm.name}': {id} can't move masks along, so it can't help segmentation.")
    for name, recipe in arm.recipes:
        if recipe.system != "folder" and "segmentation" not in entry(recipe.system).card["task"]:
            raise InputError(f"arm '{arm.name}': {name} makes images without masks, so it can't help segmentation.")


def entry_of(transform: str) -> Any:
    """The catalogue entry of a transform; `rules` is the tuned basic operations."""
    return entry(RULES if transform == "rules" else id_of(transform))


def default_recipe(id: str, data: ImageSet) -> Recipe:
    """How a generator is used when nothing is said.

    Skewed sets are filled up to the largest class, and rows are used as they come; even sets get ten times as many
    generated images, half of each batch. Of an unlabelled pool each image is drawn twice on average.
    """
    counts = [n for n in data.counts().values() if n]
    skewed = bool(counts) and max(counts) >= SKEWED * min(counts)
    if id != "folder" and "b" in entry(id).card["sets"] and "b" in data.others:
        return Recipe(system=id, plan="x1", share=1.0, labels="carry")  # the translated set instead of the given one
    labels = "hard" if id == "folder" else entry(id).card["labels"]
    labels = "hard" if labels == "none" else labels  # an unconditional system is fitted one clone a class
    if id != "folder" and takes_pool(id) and POOL in data.others:
        draws = min(TURNS * len(data.others[POOL]), MOST_DRAWS)
        return Recipe(system=id, labels=labels, plan=max(draws // max(len(counts), 1), 1))
    return Recipe(system=id, labels=labels, plan="balance" if skewed else "x10", share=None if skewed else 0.5)


def numbers(plan: str | int | Mapping[str, int], counts: Mapping[str, int], most: int = 500) -> dict[str, int]:
    """Class name -> images to generate under a plan, at most `most` a class for plans that multiply."""
    present = {name: n for name, n in counts.items() if n}
    if isinstance(plan, Mapping):
        return {name: int(n) for name, n in plan.items() if n}
    if isinstance(plan, int) or plan.isdigit():
        return dict.fromkeys(present, int(plan))
    if plan == "balance":
        top = max(present.values())
        return {name: top - n for name, n in present.items() if n < top}
    if plan.startswith("x") and plan[1:].isdigit():
        return present if plan == "x1" else {name: min(n * int(plan[1:]), most) for name, n in present.items()}
    raise InputError(f"plan '{plan}' is unknown: use balance, x10 (a multiple), a number a class, or class=number.")


def with_controls(arms: Sequence[Arm], leave_out: Sequence[str]) -> list[Arm]:
    """The arms with `none`, `rules`, `duplicate`, every baseline, and a placebo for each generated arm.

    Beside an arm that fills up classes stand plain copies that do so on the same transforms: these are its rival.
    """
    refuse_namesakes(arms)
    full: dict[str, Arm] = {"none": Arm("none", "control", "none"), "rules": Arm("rules", "rules", "none", ("rules",))}
    for arm in arms:
        if arm.baseline not in full and arm.baseline != arm.name:
            full[arm.baseline] = Arm(arm.baseline, "control", "none", tuple(parts_of(arm.baseline)))
    generated = [arm for arm in arms if arm.recipes]
    for arm in generated[:1]:
        if not str(arm.recipes[0][1].plan).startswith("as is"):
            full["duplicate"] = copies_instead(arm, ())
    for arm in generated:
        if fills_up(arm) and not adds_copies(arm) and not copies_beside(arm, [*arms, *full.values()]):
            copies = copies_instead(arm, arm.transforms)
            full[copies.name] = copies
    full |= {arm.name: arm for arm in arms}
    for arm in generated:
        if not any(label_policy(recipe.labels).needs_label for _, recipe in arm.recipes):
            continue  # its images carry no labels that could be permuted
        placebo = replace(arm, name=f"placebo:{arm.name}", kind="placebo", permuted=True, why="labels permuted")
        full[placebo.name] = placebo
    dropped = {name for name, arm in full.items() if name in leave_out or group_of(arm) in leave_out}
    needed = {arm.baseline for arm in arms}
    return [arm for name, arm in full.items() if name not in dropped or name in needed]


def group_of(arm: Arm) -> str:
    """What an arm that nobody asked for is left out by; "" for other arms."""
    return "placebo" if arm.kind == "placebo" else "duplicate" if arm.kind == "control" and arm.recipes else ""


def copies_instead(arm: Arm, transforms: tuple[str, ...]) -> Arm:
    """A control that adds plain copies as an arm adds its first generator's images, on top of some transforms."""
    recipe = replace(arm.recipes[0][1], system="duplicate", params={}, preset="", labels="hard", keep=1.0)
    baseline = "+".join(transforms) or "none"
    return Arm("+".join([*transforms, "duplicate"]), "control", baseline, transforms, (("duplicate", recipe),))


def copies_beside(arm: Arm, arms: Sequence[Arm]) -> str:
    """The name of the arm that adds plain copies where this one adds generated images; "" where there is none.

    The control `duplicate` is none, save where classes are filled up.
    """
    if not arm.recipes or adds_copies(arm):
        return ""
    plain = (a for a in arms if adds_copies(a) and (a.kind == "generated" or (a.kind == "control" and fills_up(a))))
    return next((a.name for a in plain if sorted(a.transforms) == sorted(arm.transforms)), "")


def adds_copies(arm: Arm) -> bool:
    """Whether an arm adds real images once more, with their labels, and nothing else."""
    return [(str(r.system), r.labels, r.keep) for _, r in arm.recipes] == [("duplicate", "hard", 1)]


def fills_up(arm: Arm) -> bool:
    """Whether an arm's images bring small classes up to the largest one."""
    return bool(arm.recipes) and all(recipe.plan == "balance" for _, recipe in arm.recipes)


def refuse_namesakes(arms: Sequence[Arm]) -> None:
    """InputError where one name stands for two different arms, or two different generators."""
    known: dict[tuple[str, str], str] = {}
    pairs: list[tuple[str, str, Any]] = [("arm", arm.name, arm.describe()) for arm in arms]
    pairs += [
        ("generator", name, [str(recipe.system), dict(recipe.params), recipe.preset])
        for arm in arms
        for name, recipe in arm.recipes
    ]
    for kind, name, content in pairs:
        text = json.dumps(content, sort_keys=True, default=str)
        if known.setdefault((kind, name), text) != text:
            raise InputError(f"two different {kind}s are called '{name}': compare them in two studies.")


def suiting(data: ImageSet, task: str = "classification") -> list[dict[str, str]]:
    """The catalogue's systems and transforms that suit a set, best first, each with the reason: [{id, why}]."""
    counts = [n for n in data.counts().values() if n]
    spec, least = data.spec, min(counts, default=0)
    skewed = bool(counts) and max(counts) >= SKEWED * least
    found = []
    for item in catalogue().values():
        if item.kind not in ("system", "transform", "recipe") or task not in item.card["task"]:
            continue
        if item.id in ("duplicate", RULES, *OWN_PIPELINES) or (item.kind == "recipe" and task == "classification"):
            continue
        if any(field not in spec.fields for field in item.card["needs"]):
            continue
        if any(name != POOL or name not in data.others for name in item.card["sets"]):
            continue
        if item.card["channels"] == "rgb" and spec.channels != 3:
            continue
        low, high = item.card.get("sizes", Card.sizes)
        if spec.height and not low <= min(spec.size) <= max(spec.size) <= high:
            continue
        rank, why = rank_of(item, skewed, least)
        if rank:
            found.append((rank, item.id, why))
    return [{"id": id, "why": why} for _, id, why in sorted(found)]


def rank_of(item: Any, skewed: bool, least: int) -> tuple[int, str]:
    """(rank, reason) of one entry for a set with this smallest class; rank 0 leaves it out."""
    if item.kind == "recipe":
        return 4, "makes images without identities; its label policy decides what they teach"
    if takes_pool(item.id) and "model" in item.card["can"]:
        return 1, "its recogniser learns from the unlabelled images too, against a generator"
    if takes_pool(item.id):
        return 1, "takes the unlabelled images, with the labels that a model of the others gives them"
    if "model" in item.card["can"]:
        return 3, "trains generator and recogniser together"
    if item.kind == "transform":
        searches = "label" in item.card["needs"] and make(item.id).default_steps()
        first = "searches for its policy on the training images first" if searches else "needs no training"
        return 5, f"changes real images on the fly; {first}"
    if least < item.card["min_rows"]:
        return 9, f"advised from {item.card['min_rows']} images a class on; the smallest class has {least}"
    if skewed and item.id in FILLERS:
        return 1 + list(FILLERS).index(item.id), FILLERS[item.id]
    if "mask" in item.card["needs"]:
        made = "makes images with their masks" if "mask" in item.card["makes"] else "makes images for given masks"
        return 2 + ("mask" not in item.card["makes"]), made
    if "label" in item.card["needs"]:
        return 4, "makes labelled images of every class"
    if "sample" not in item.card["can"]:
        return 6, "makes variants of the given images, which keep their labels"
    if item.card["min_rows"] == 1 and not item.card.get("parents"):
        return 6, "learns one image: one model is fitted for each class, on the first image of that class"
    return 6, "unconditional: one model is fitted for each class"


def choose(data: ImageSet) -> tuple[list[str], str]:
    """The arms a study takes when the user names none, and a sentence that says why."""
    arms, why = chosen_by_classes(data)
    if POOL not in data.others or data.classes == ONE_CLASS or data.identity is not None:
        return arms, why  # what is guessed are classes, neither masks nor identities
    return [*arms, "rules+pool"], f"{why} Unlabelled images can be used as they are, so that was tried too."


def chosen_by_classes(data: ImageSet) -> tuple[list[str], str]:
    """The arms for a set by what its labels are and how even its classes, and why."""
    if data.mask is not None and data.classes == ONE_CLASS:
        return ["rules+dualgan_med"], "Masks are learnt, so a generator of images with their masks was tried."
    counts = [n for n in data.counts().values() if n]
    skewed = bool(counts) and max(counts) >= SKEWED * min(counts)
    if skewed:
        ratio = max(counts) / min(counts)
        said = f"The largest class is {ratio:.0f} times the smallest, so ways to fill up small classes were tried: "
        if min(counts) < entry("low_data_gan").card["min_rows"]:
            return ["rules+duplicate", "rules+smote"], said + "copies, and images between neighbours."
        return ["rules+duplicate", "rules+smote", "rules+low_data_gan"], (
            said + "copies, images between neighbours, and a generator that learns from all classes."
        )
    return ["rules+cutout", "rules+cutmix", "rules+low_data_gan"], (
        f"The classes are about even with {min(counts, default=0)} or more images each, so stronger transforms and a "
        "generator for small sets were tried on top of the rules."
    )

# SPDX-License-Identifier: Apache-2.0
"""The sentences at the top and the end of a report: what was found, and what this user should do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganaug.study.arms import NOT_ASKED, Arm
from ganaug.study.cache import Cache
from ganaug.study.verdict import signed


def headline(verdicts: Sequence[Mapping[str, Any]], arms: Sequence[Arm]) -> str:
    """One sentence on the rules and on each arm asked about, against its own baseline at the largest size."""
    asked = [*verdicts_on_rules(verdicts)[-1:], *asked_about(verdicts, arms)]
    if not asked:
        return "Only the baselines were compared."
    return listed([claim(v, verdicts) for v in asked]) + "."


def claim(v: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]]) -> str:
    """One verdict as part of a sentence."""
    said = {"helps": "helps", "harms": "harms", "no material difference": "makes no material difference"}
    facts = [f"{signed(v['effect'])} points against {v['against']}"]
    if v["verdict"] == "helps" and behind_rules(v["arm"], verdicts):
        facts.append("less than the rules do")
    if v["failed"]:
        facts.append(f"failed in {v['failed']} of {v['repeats']} repeats")
    verb = said.get(v["verdict"], "is undecided")
    return f"{v['arm']} {verb} ({'; '.join(facts)})"


def verdicts_on_rules(verdicts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What was found on the rules against no augmentation, smallest training size first."""
    return [v for v in verdicts if v["arm"] == "rules" and v["against"] == "none"]


def asked_about(verdicts: Sequence[Mapping[str, Any]], arms: Sequence[Arm]) -> list[Mapping[str, Any]]:
    """The verdict of each candidate arm against its baseline, at the largest training size."""
    base = {arm.name: arm.baseline for arm in arms if arm.kind not in NOT_ASKED and arm.name != "rules"}
    last = verdicts[-1]["shots"] if verdicts else None
    return [v for v in verdicts if v["shots"] == last and base.get(v["arm"]) == v["against"]]


def paragraph(
    verdicts: Sequence[Mapping[str, Any]],
    placebos: Sequence[Mapping[str, Any]],
    arms: Sequence[Arm],
    saturation: Mapping[str, Any],
    made: Sequence[Mapping[str, Any]],
) -> str:
    """What this user should do, in a few sentences."""
    asked = asked_about(verdicts, arms)
    sizes = {v["shots"] for v in asked}
    fooled = {p["arm"].removeprefix("placebo:") for p in placebos if p["verdict"] == "helps" and p["shots"] in sizes}
    winners = [v for v in asked if v["verdict"] == "helps" and v["arm"] not in fooled]
    behind = [v["arm"] for v in winners if behind_rules(v["arm"], verdicts)]
    winners = [v for v in winners if v["arm"] not in behind]
    said = [on_rules(verdicts)]
    said += [
        f"{name} improves on no augmentation but falls behind the rules, so the rules are the better choice."
        for name in behind
    ]
    if winners:
        best = max(winners, key=lambda v: v["effect"])
        said.append(use(best, next(a for a in arms if a.name == best["arm"])))
    elif asked and not behind:
        said.append("No other arm has shown that it improves on its baseline, so leave them out for now.")
    said += [
        f"The placebo of {name} helps too, so its gain does not come from what its images show."
        for name in sorted(fooled)
    ]
    said += undecided(asked)
    said += [f"{name} failed or collapsed in part and was counted as its baseline." for name in broken(made)]
    if not saturation["saturated"]:
        said.append("The baseline was still improving at the end: train longer before trusting a small gain.")
    return " ".join(s for s in said if s)


def behind_rules(arm: str, verdicts: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an arm is no better than the rules at the largest training size."""
    found = [v for v in verdicts if v["arm"] == arm and v["against"] == "rules"]
    return bool(found) and found[-1]["effect"] <= 0


def on_rules(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Whether plain rule-based augmentation pays."""
    rules = verdicts_on_rules(verdicts)
    if not rules:
        return ""
    verdict, effect = rules[-1]["verdict"], signed(rules[-1]["effect"])
    return {
        "helps": f"Train with the rules (flips, shifts, rotations, colour): they bring {effect} points.",
        "harms": f"Train without the rules: they cost points here ({effect}).",
        "no material difference": f"The rules make no material difference ({effect} points); keep what is simpler.",
    }.get(verdict, f"Whether the rules help is undecided ({effect} points); they cost little, so keep them.")


def use(verdict: Mapping[str, Any], arm: Arm) -> str:
    """How to use the arm that helps."""
    how = f"Add {verdict['arm']}: it brings {signed(verdict['effect'])} points over {verdict['against']}"
    if arm.recipes:
        name, recipe = arm.recipes[0]
        how += f" (plan {recipe.plan}, {recipe.labels} labels)"
        if recipe.system != "folder":
            how += f"; the images of the first repeat are in images/{Cache.slug(name)}"
    return how + "."


def undecided(asked: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many repeats would decide what is still open."""
    said = []
    for v in asked:
        if v["verdict"] == "inconclusive":
            needed = v["repeats_needed"]
            how = f"about {needed} repeats would decide" if needed else "more test images are needed to decide"
            said.append(f"{v['arm']} against {v['against']} is undecided: {how}.")
    return said


def broken(made: Sequence[Mapping[str, Any]]) -> list[str]:
    """Generators that failed or collapsed in any repeat."""
    return sorted({m["arm"] for m in made if m["status"] != "ok"})


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]

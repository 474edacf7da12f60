# SPDX-License-Identifier: Apache-2.0
"""The sentences at the top and the end of a report: what was found, and what this user should do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ganaug.study.arms import NOT_ASKED, Arm, copies_beside
from ganaug.study.cache import Cache
from ganaug.study.verdict import signed

NO_BETTER = ("harms", "no material difference")
COPIES = 0.02  # share of generated images above which the audit says more than its own false alarms do


def headline(verdicts: Sequence[Mapping[str, Any]], arms: Sequence[Arm]) -> str:
    """One sentence on the rules and on each arm asked about, against its own baseline at the largest size."""
    asked = [*verdicts_on_rules(verdicts)[-1:], *asked_about(verdicts, arms)]
    if not asked:
        return "Only the baselines were compared."
    return listed([claim(v, verdicts, arms) for v in asked]) + "."


def claim(v: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]], arms: Sequence[Arm]) -> str:
    """One verdict as part of a sentence."""
    said = {"helps": "helps", "harms": "harms", "no material difference": "makes no material difference"}
    facts = [f"{signed(v['effect'])} points against {v['against']}"]
    rival, copies = against_rules(v["arm"], verdicts), against_copies(v["arm"], verdicts, arms)
    if v["verdict"] == "helps" and rival and rival["verdict"] == "harms":
        facts.append("less than the rules do")
    if v["verdict"] == "helps" and copies and copies["verdict"] in NO_BETTER:
        facts.append("no better than copies of real images")
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
    helpful = [v for v in asked if v["verdict"] == "helps" and v["arm"] not in fooled]
    rivals = [decisive(v, verdicts, arms) for v in helpful]
    winners = [v for v in rivals if v["verdict"] == "helps"]
    said = [on_rules(verdicts)]
    said += [beaten(v, rival) for v, rival in zip(helpful, rivals, strict=True) if rival not in winners]
    if winners:
        best = max(winners, key=lambda v: v["effect"])
        said += use(best, next(a for a in arms if a.name == best["arm"]), made)
        said += beside_copies(against_copies(best["arm"], verdicts, arms))
    elif asked and not helpful:
        said.append("No other arm has shown that it improves on its baseline, so leave them out for now.")
    said += [
        f"The placebo of {name} helps too, so its gain does not come from what its images show."
        for name in sorted(fooled)
    ]
    said += without_placebo(placebos, arms)
    said += undecided(asked)
    said += [f"{name} failed or collapsed in part and was counted as its baseline." for name in broken(made)]
    if not saturation["saturated"]:
        said.append("The baseline was still improving at the end: train longer before trusting a small gain.")
    return " ".join(s for s in said if s)


def without_placebo(placebos: Sequence[Mapping[str, Any]], arms: Sequence[Arm]) -> list[str]:
    """What to know of arms whose placebo would be the arm itself."""
    told = {p["arm"] for p in placebos}
    names = [a.name.removeprefix("placebo:") for a in arms if a.kind == "placebo" and a.name not in told]
    theirs = "its placebo is" if len(names) == 1 else "their placebos are"
    return [f"Shuffling the labels of {listed(names)} changes none, so {theirs} not judged."] if names else []


def against_rules(arm: str, verdicts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What was found on an arm against the rules at the largest training size; None where they were not compared."""
    return against(arm, "rules", verdicts)


def against_copies(arm: str, verdicts: Sequence[Mapping[str, Any]], arms: Sequence[Arm]) -> Mapping[str, Any] | None:
    """Likewise against plain copies of real images on top of the same transforms, where these are an arm."""
    own = next((a for a in arms if a.name == arm), None)
    return against(arm, copies_beside(own, arms), verdicts) if own else None


def against(arm: str, rival: str, verdicts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The verdict on two arms at the largest training size, if there is one."""
    found = [v for v in verdicts if (v["arm"], v["against"]) == (arm, rival)]
    return found[-1] if found else None


def decisive(own: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]], arms: Sequence[Arm]) -> Mapping[str, Any]:
    """The verdict that decides on an arm that helps: on the rules, or on copies where these are shown to do as well."""
    rules = against_rules(own["arm"], verdicts) or own
    copies = against_copies(own["arm"], verdicts, arms)
    return copies if rules["verdict"] == "helps" and copies and copies["verdict"] in NO_BETTER else rules


def beaten(own: Mapping[str, Any], rival: Mapping[str, Any]) -> str:
    """On an arm that improves on its baseline, and not on the rules or on copies."""
    baseline = "no augmentation" if own["against"] == "none" else own["against"]
    said = f"{own['arm']} improves on {baseline} but "
    if rival["against"] != "rules":
        return said + f"is no better than copies of real images ({rival['against']}), which cost nothing to make."
    if rival["verdict"] == "harms":
        return said + "falls behind the rules, so the rules are the better choice."
    return said + "has not been shown to be better than the rules, which cost less."


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


def use(verdict: Mapping[str, Any], arm: Arm, made: Sequence[Mapping[str, Any]]) -> list[str]:
    """How to use the arm that helps, and what to know of its images."""
    instead = " instead of the rules" if verdict["against"] == "rules" and arm.baseline == "none" else ""
    how = f"{'Use' if instead else 'Add'} {verdict['arm']}{instead}: it brings {signed(verdict['effect'])} points over "
    how += verdict["against"]
    if arm.recipes:
        name, recipe = arm.recipes[0]
        how += f" (plan {recipe.plan}, {recipe.labels} labels)"
        if recipe.system != "folder" and name != "duplicate":
            how += f"; the images of the first repeat are in images/{Cache.slug(name)}"
    return [how + ".", *warnings_on_copies(arm, made)]


def beside_copies(v: Mapping[str, Any] | None) -> list[str]:
    """What an advised arm brings over copies of real images, where these were an arm."""
    if v is None:
        return []
    if v["verdict"] == "helps":
        return [f"Over copies of real images ({v['against']}) it brings {signed(v['effect'])} points."]
    return [
        f"Whether it beats copies of real images ({v['against']}), which cost nothing to make, is undecided "
        f"({signed(v['effect'])} points)."
    ]


def warnings_on_copies(arm: Arm, made: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the audit says of each of the arm's recipes whose images copy training images."""
    shares = {name: copied(name, made) for name, _ in arm.recipes}
    return [
        f"Beware: {share:.0%} of the images of {name} copy training images: they give these away and add little."
        for name, share in shares.items()
        if share
    ]


def copied(name: str, made: Sequence[Mapping[str, Any]]) -> float:
    """The share of a recipe's images that copy training images; 0 where false alarms explain it."""
    found = [m["copies"] for m in made if m["arm"] == name and m.get("copies")]
    if not found or name == "duplicate":
        return 0.0
    share, alarms = fmean(c["share"] for c in found), max(c.get("false_alarms") or 0.0 for c in found)
    return share if share > max(COPIES, alarms) else 0.0


def undecided(asked: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many repeats would decide what is still open."""
    said = []
    for v in asked:
        if v["failed"] == v["repeats"]:
            said.append(f"Nothing is known of {v['arm']}: it failed or collapsed in every repeat.")
        elif v["verdict"] == "inconclusive":
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

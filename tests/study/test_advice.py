"""The closing paragraph: what the user should do."""

from ganaug.core.card import Recipe
from ganaug.study.advice import headline, paragraph
from ganaug.study.arms import Arm

ARMS = [
    Arm("none", "control", "none"),
    Arm("rules", "rules", "none", ("rules",)),
    Arm("bagan", "generated", "none", (), (("bagan", Recipe(system="bagan")),)),
    Arm("rules+acgan", "generated", "rules", ("rules",), (("acgan", Recipe(system="acgan")),)),
]
DONE = {"saturated": True}


def verdict(arm, against, word, effect, needed=None):
    facts = {"arm": arm, "against": against, "shots": 10, "verdict": word, "effect": effect, "failed": 0}
    return {**facts, "repeats": 5, "repeats_needed": needed}


def test_arm_that_beats_nothing_but_falls_behind_the_rules_is_not_recommended():
    found = [
        verdict("rules", "none", "helps", 0.3),
        verdict("bagan", "none", "helps", 0.15),
        verdict("bagan", "rules", "harms", -0.2),
        verdict("rules+acgan", "rules", "no material difference", 0.001),
    ]
    said = paragraph(found, [], ARMS, DONE, [])
    assert "Add bagan" not in said
    assert "bagan improves on no augmentation but falls behind the rules" in said
    assert "Train with the rules" in said


def test_arm_that_improves_on_the_rules_is_recommended_unless_its_placebo_helps_too():
    found = [verdict("rules", "none", "helps", 0.3), verdict("rules+acgan", "rules", "helps", 0.02)]
    assert "Add rules+acgan" in paragraph(found, [], ARMS, DONE, [])
    placebo = [verdict("placebo:rules+acgan", "rules", "helps", 0.02)]
    said = paragraph(found, placebo, ARMS, DONE, [])
    assert "Add rules+acgan" not in said
    assert "The placebo of rules+acgan helps too" in said


def test_undecided_arms_say_what_would_decide_and_failures_are_named():
    found = [verdict("rules+acgan", "rules", "inconclusive", 0.01, 12)]
    said = paragraph(found, [], ARMS, {"saturated": False}, [{"arm": "acgan", "status": "failed"}])
    assert "about 12 repeats would decide" in said
    assert "acgan failed or collapsed in part" in said
    assert "still improving" in said
    assert headline(found, ARMS) == "rules+acgan is undecided (+1.0 points against rules)."


def test_placebo_at_another_size_takes_nothing_away():
    found = [verdict("rules+acgan", "rules", "helps", 0.02)]
    placebo = {**verdict("placebo:rules+acgan", "rules", "helps", 0.02), "shots": 5}
    said = paragraph(found, [placebo], ARMS, DONE, [])
    assert "Add rules+acgan" in said and "placebo" not in said


def test_advice_names_the_folder_of_the_images():
    recipe = Recipe(system="low_data_gan", params={"width": 32})
    arm = Arm("low_data_gan(width=32)", "generated", "none", (), (("low_data_gan(width=32)", recipe),))
    said = paragraph([verdict(arm.name, "none", "helps", 0.02)], [], [*ARMS, arm], DONE, [])
    assert "in images/low_data_gan-width-32." in said


def test_no_effect_has_no_sign():
    assert headline([verdict("rules+acgan", "rules", "inconclusive", -0.0001)], ARMS).startswith(
        "rules+acgan is undecided (0.0 points"
    )

"""The closing paragraph: what the user should do."""

import pytest

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


def test_arm_that_has_not_beaten_the_rules_is_not_recommended_however_it_beats_nothing():
    found = [
        verdict("rules", "none", "helps", 0.07),
        verdict("bagan", "none", "helps", 0.075),
        verdict("bagan", "rules", "inconclusive", 0.005),
        verdict("rules+acgan", "rules", "helps", 0.03),
    ]
    said = paragraph(found, [], ARMS, DONE, [])
    assert "Add rules+acgan: it brings +3.0 points over rules" in said
    assert (
        "bagan improves on no augmentation but has not been shown to be better than the rules, which cost less." in said
    )
    found[2] = verdict("bagan", "rules", "helps", 0.04)
    assert "Use bagan instead of the rules: it brings +4.0 points over rules" in paragraph(found, [], ARMS, DONE, [])
    mixed = Arm("cutout+acgan", "generated", "cutout", ("cutout",), (("acgan", Recipe(system="acgan")),))
    pair = [verdict(mixed.name, "cutout", "helps", 0.02), verdict(mixed.name, "rules", "harms", -0.1)]
    assert "cutout+acgan improves on cutout but falls behind the rules" in paragraph(pair, [], [mixed], DONE, [])
    found[2] = verdict("bagan", "rules", "inconclusive", -0.0004)
    assert "less than the rules" not in headline(found, ARMS), "a sign is no finding"


COPIES = Arm("rules+duplicate", "generated", "rules", ("rules",), (("duplicate", Recipe(system="duplicate")),))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("helps", "Over copies of real images (rules+duplicate) it brings +1.5 points."),
        ("inconclusive", "Whether it beats copies of real images (rules+duplicate), which cost nothing to make, is"),
    ],
)
def test_what_an_arm_brings_over_copies_is_told(word, said):
    found = [verdict("rules+acgan", "rules", "helps", 0.02), verdict("rules+acgan", COPIES.name, word, 0.015)]
    told = paragraph(found, [], [*ARMS, COPIES], DONE, [])
    assert "Add rules+acgan: it brings +2.0 points over rules" in told and said in told
    assert "copies" not in headline(found, [*ARMS, COPIES])


@pytest.mark.parametrize("word", ["harms", "no material difference"])
def test_arm_that_copies_equal_is_not_recommended(word):
    found = [verdict("rules+acgan", "rules", "helps", 0.02), verdict("rules+acgan", COPIES.name, word, -0.001)]
    told = paragraph(found, [], [*ARMS, COPIES], DONE, [])
    assert "Add rules+acgan" not in told
    assert "rules+acgan improves on rules but is no better than copies of real images (rules+duplicate)" in told
    assert "no better than copies of real images" in headline(found, [*ARMS, COPIES])


def test_copies_that_help_are_advised_without_a_folder_of_images():
    found = [verdict(COPIES.name, "rules", "helps", 0.02)]
    told = paragraph(found, [], [*ARMS, COPIES], DONE, [])
    assert "Add rules+duplicate: it brings +2.0 points over rules" in told and "images/" not in told


def test_arm_that_falls_behind_the_rules_is_held_against_them_and_not_against_copies():
    plain = Arm("duplicate", "generated", "none", (), (("duplicate", Recipe(system="duplicate")),))
    found = [verdict("bagan", "none", "helps", 0.1), verdict("bagan", "rules", "harms", -0.1)]
    found += [verdict("bagan", "duplicate", "no material difference", 0.0)]
    assert "bagan improves on no augmentation but falls behind the rules" in paragraph(
        found, [], [*ARMS, plain], DONE, []
    )


@pytest.mark.parametrize(("share", "alarms", "warned"), [(0.9, 0.1, True), (0.01, None, False), (0.1, 0.2, False)])
def test_arm_whose_images_are_copies_is_not_recommended_without_a_warning(share, alarms, warned):
    found = [verdict("rules+acgan", "rules", "helps", 0.02)]
    made = [{"arm": "acgan", "status": "ok", "copies": {"share": share, "false_alarms": alarms}}] * 3
    said = paragraph(found, [], ARMS, DONE, made)
    assert "Add rules+acgan" in said
    assert (f"Beware: {share:.0%} of the images of acgan copy training images" in said) == warned


def test_arm_that_never_ran_is_not_undecided():
    found = [{**verdict("rules+acgan", "rules", "inconclusive", 0.0, 69), "failed": 5}]
    said = paragraph(found, [], ARMS, DONE, [{"arm": "acgan", "status": "failed"}])
    assert "Nothing is known of rules+acgan" in said and "69" not in said


def test_a_placebo_that_can_not_be_is_told():
    arms = [*ARMS, Arm("placebo:rules+acgan", "placebo", "rules", permuted=True)]
    found = [verdict("rules+acgan", "rules", "helps", 0.02)]
    said = paragraph(found, [], arms, DONE, [])
    assert "Shuffling the labels of rules+acgan changes none, so its placebo is not judged." in said
    two = [*arms, Arm("placebo:smote", "placebo", "none", permuted=True)]
    both = "Shuffling the labels of rules+acgan and smote changes none, so their placebos are not judged."
    assert both in paragraph(found, [], two, DONE, [])
    assert "not judged" not in paragraph(
        found, [verdict("placebo:rules+acgan", "rules", "harms", -0.1)], arms, DONE, []
    )


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

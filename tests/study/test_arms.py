"""Arms: parsing, controls, plans."""

import numpy as np
import pytest

import ganaug
from ganaug.core.card import Recipe
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study.arms import choose, numbers, parse_arm, suiting, with_controls


def skewed():
    label = np.repeat([0, 1], [40, 6])
    return ImageSet.of(np.zeros((46, 8, 8, 1), np.uint8), label, ["a", "b"])


def test_arm_with_generator_and_rules_has_rules_as_baseline():
    arm = parse_arm("rules+acgan", digits())
    assert (arm.kind, arm.baseline, arm.transforms) == ("generated", "rules", ("rules",))
    assert parse_arm("acgan", digits()).baseline == "none"
    assert parse_arm("rules+cutout", digits()).baseline == "rules"
    assert parse_arm("cutout", digits()).baseline == "none"


def test_order_does_not_matter():
    one, other = parse_arm("rules+cutout", digits()), parse_arm("cutout+rules", digits())
    assert one.describe() == other.describe()


def test_unknown_arm_names_the_nearest():
    with pytest.raises(InputError, match="acgan"):
        parse_arm("rules+acgann", digits())


def test_metric_is_no_arm():
    with pytest.raises(InputError, match="can't be an arm"):
        parse_arm("classification", digits())


def test_skewed_sets_are_filled_up_and_even_ones_multiplied():
    assert parse_arm("smote", skewed()).recipes[0][1].plan == "balance"
    assert parse_arm("smote", digits()).recipes[0][1].plan == "x10"


def test_plans():
    counts = {"a": 40, "b": 6, "c": 0}
    assert numbers("balance", counts) == {"b": 34}
    assert numbers("x3", counts) == {"a": 120, "b": 18}
    assert numbers("x100", counts)["a"] == 500
    assert numbers(7, counts) == {"a": 7, "b": 7}
    assert numbers({"b": 5}, counts) == {"b": 5}
    with pytest.raises(InputError, match="plan 'many'"):
        numbers("many", counts)


def test_controls_and_placebos_are_always_there_unless_left_out_by_name():
    arms = [parse_arm(a, digits()) for a in ("cutout", "rules+smote", "cutout+smote")]
    names = [a.name for a in with_controls(arms, ())]
    assert names[:2] == ["none", "rules"]
    assert sorted(names[2:]) == sorted(
        ["duplicate", "cutout", "rules+smote", "cutout+smote", "placebo:rules+smote", "placebo:cutout+smote"]
    )
    fewer = [a.name for a in with_controls(arms[:1], ("duplicate", "rules"))]
    assert fewer == ["none", "cutout"]


def test_baseline_of_an_arm_stays_even_when_left_out():
    arms = with_controls([parse_arm("rules+smote", digits())], ("rules",))
    assert "rules" in [a.name for a in arms]


def test_recipes_and_systems_are_arms():
    recipe = Recipe(system="smote", plan=3, share=0.2)
    assert parse_arm(recipe, digits()).recipes == (("smote", recipe),)
    arm = parse_arm(ganaug.make("smote", k=2), digits())
    assert arm.recipes[0][1].params == {"k": 2}


def test_suiting_systems_put_fillers_first_on_skewed_sets():
    found = [s["id"] for s in suiting(skewed())]
    assert found.index("smote") == 0
    assert "duplicate" not in found
    arms, why = choose(skewed())
    assert "smote" in arms
    assert "times the smallest" in why

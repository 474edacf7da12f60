"""Arms: parsing, controls, plans."""

import json

import numpy as np
import pytest

import ganaug
from ganaug.core.card import Recipe
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study.arm_words import parameters_of, parts_of
from ganaug.study.arms import Arm, choose, learns_from_pool, numbers, parse_arm, plain_arm, suiting, with_controls


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
    arm = parse_arm(recipe, digits())
    assert arm.name == "smote (plan 3, share 0.2)" and arm.recipes == ((arm.name, recipe),)
    arm = parse_arm(ganaug.make("smote", k=2), digits())
    assert arm.recipes[0][1].params == {"k": 2}


def test_suiting_systems_put_fillers_first_on_skewed_sets():
    found = [s["id"] for s in suiting(skewed())]
    assert found[:2] == ["low_data_gan", "smote"]
    assert "duplicate" not in found
    arms, why = choose(skewed())
    assert arms == ["rules+duplicate", "rules+smote", "rules+low_data_gan"]
    few = skewed().select(np.r_[np.flatnonzero(skewed().label != 1), np.flatnonzero(skewed().label == 1)[:3]])
    assert choose(few)[0] == ["rules+duplicate", "rules+smote"], "three images are too few for a generator"
    assert "times the smallest" in why


def test_reasons_say_what_is_trained_and_on_what():
    data = ImageSet.of(np.zeros((120, 16, 16, 1), np.uint8), np.repeat([0, 1], 60), ["a", "b"])
    why = {found["id"]: found["why"] for found in suiting(data)}
    assert "singan" not in {found["id"] for found in suiting(digits())}  # too small for its pyramid
    assert not {"pipeline", "kornia"} & set(why)  # they stand for a pipeline of the user's own
    assert "on the first image of that class" in why["singan"]
    assert why["dcgan"] == "unconditional: one model is fitted for each class"
    assert "searches for its policy" in why["fast_autoaugment"]
    assert "needs no training" in why["cutout"] and "needs no training" in why["cutmix"]


def test_parts_may_have_parameters():
    arm = parse_arm("rules+pipeline(ops='flip_h, rotate(15) ', fill=0.5)+low_data_gan(width=16)", digits())
    assert arm.transforms == ("rules", "pipeline(ops='flip_h, rotate(15) ', fill=0.5)")
    assert arm.recipes[0][1].params == {"width": 16} and arm.recipes[0][1].system == "low_data_gan"
    assert arm.baseline == "rules+pipeline(ops='flip_h, rotate(15) ', fill=0.5)"
    assert [a.transforms for a in with_controls([arm], ()) if a.name == arm.baseline] == [arm.transforms]


def test_a_plus_in_quotes_joins_nothing():
    assert parts_of("a+b(x='c+d', y=[1+1j])+e") == ["a", "b(x='c+d', y=[1+1j])", "e"]


def test_a_file_holds_long_parameters(tmp_path):
    (tmp_path / "ops.json").write_text('["flip_h", "noise(0.1)"]')
    assert parameters_of(f"pipeline(ops='@{tmp_path}/ops.json')") == {"ops": ["flip_h", "noise(0.1)"]}
    with pytest.raises(InputError, match="can't be read as JSON"):
        parameters_of("pipeline(ops='@nowhere.json')")


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("pipeline(flip_h)", "can't be read"),
        ("pipeline(ops=flip_h)", "can't be read"),
        ("pipeline(ops='flip_h'", "can't be read"),
        ("cutout(size=3)", "cutout has no parameter 'size'|size"),
        ("dg_net(width=4)", "takes no parameters in an arm"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(arm, said):
    with pytest.raises(InputError, match=said):
        parse_arm(arm, digits())


def test_a_transform_system_is_an_online_arm_with_its_parameters():
    arm = parse_arm(ganaug.make("pipeline", ops="flip_h"), digits())
    assert arm.transforms == ("pipeline(ops='flip_h')",) and not arm.recipes
    assert parse_arm(ganaug.make("cutout"), digits()).transforms == ("cutout",)


def test_an_arm_is_stored_and_read_back(tmp_path):
    arm = parse_arm("rules+pipeline(ops='flip_h')+smote", digits())
    (tmp_path / "winner.json").write_text(json.dumps({"arm": plain_arm(arm)}))
    assert parse_arm(f"@{tmp_path}/winner.json", digits()) == arm
    with pytest.raises(InputError, match="holds no arm"):
        parse_arm(f"@{tmp_path}/nothing.json", digits())


def test_two_arms_of_one_name_are_refused_and_parameters_tell_arms_apart():
    data = digits()
    asked = [ganaug.make("acgan"), ganaug.make("acgan", batch_size=16), Recipe(system="acgan", share=0.25)]
    names = [parse_arm(given, data).name for given in asked]
    assert names == ["acgan", "acgan(batch_size=16)", "acgan (share 0.25)"]
    with_controls([parse_arm(given, data) for given in asked], ())
    same = parse_arm("smote", data)
    other = Arm("smote", "generated", "none", (), (("smote", Recipe(system="smote", plan="x2")),))
    with pytest.raises(InputError, match="two different arms are called 'smote'"):
        with_controls([same, other], ())


def test_joint_system_takes_no_added_images():
    people = ganaug.load("pedestrians")
    with pytest.raises(InputError, match="dg_net trains its own recogniser"):
        parse_arm("dg_net+lsro", people)


def test_system_that_trains_its_own_recogniser_is_joint_even_if_it_samples():
    assert parse_arm("dada", digits()).joint == "dada"


def test_cells_of_transforms_follow_the_file_that_an_arm_names(tmp_path):
    file = tmp_path / "ops.json"
    file.write_text('"flip_h"')
    arm = parse_arm(f"pipeline(ops='@{file}')", digits())
    before = arm.describe()
    file.write_text('"rotate(15)"')
    assert arm.describe() != before


@pytest.mark.parametrize(
    ("arm", "learns"), [("rules+bagan", True), ("pool", True), ("rules+improved_gan", True), ("rules+smote", False)]
)
def test_arms_that_learn_from_unlabelled_images_are_known(arm, learns):
    assert learns_from_pool(parse_arm(arm, digits())) is learns


@pytest.mark.parametrize("given", [Recipe(system="improved_gan"), ganaug.make("improved_gan", preset="tiny")])
def test_images_of_a_system_that_makes_none_are_refused(given):
    with pytest.raises(InputError, match="makes no images: name it as an arm, 'improved_gan'"):
        parse_arm(given, digits())

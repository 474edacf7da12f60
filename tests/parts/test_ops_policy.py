# SPDX-License-Identifier: Apache-2.0
"""The operation table: magnitudes of the published tables, and each operation against torchvision."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from ganaug.data.batch import Batch
from ganaug.parts.ops.photometric import grey_levels
from ganaug.parts.ops.policy_ops import (
    OPS,
    POLICY_OPS,
    SIGNED,
    apply_op,
    apply_policy,
    magnitudes,
    meaningful,
    policy_table,
    standard_table,
    wide_table,
)
from ganaug.parts.ops.policy_words import in_words

BILINEAR = InterpolationMode.BILINEAR


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def smooth(n: int = 8, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    """Random images of grey levels 0..254 with structure over several pixels, as [-1, 1]."""
    coarse, fine = torch.rand(n, channels, 3, 3), torch.rand(n, channels, 12, 12)
    parts = [F.interpolate(part, (height, width), mode="bilinear") for part in (coarse, fine)]
    return ((0.8 * parts[0] + 0.2 * parts[1]) * 254).round() / 127.5 - 1


def one_op(name: str, magnitude: float, image: torch.Tensor) -> torch.Tensor:
    n = len(image)
    return apply_op(Batch(image=image), torch.full((n,), POLICY_OPS.index(name)), torch.full((n,), magnitude)).image


# --- magnitudes -------------------------------------------------------------------------------------------------


def test_the_standard_table_is_the_published_one():
    values = dict(zip(OPS, standard_table(32, 64), strict=True))
    assert len(OPS) == 14 and len(values["Rotate"]) == 31
    assert math.isclose(values["ShearX"][-1], 0.3, rel_tol=1e-6)
    assert math.isclose(values["TranslateX"][-1], 150 / 331 * 64, rel_tol=1e-6)
    assert math.isclose(values["TranslateY"][-1], 150 / 331 * 32, rel_tol=1e-6)
    assert math.isclose(values["Rotate"][9], 9.0, rel_tol=1e-6)
    assert math.isclose(values["Brightness"][10], 0.3, rel_tol=1e-6)
    assert values["Solarize"][[0, 9, 30]].tolist() == [255, 178.5, 0]
    assert values["Posterize"].unique().tolist() == [4, 5, 6, 7, 8]
    assert values["Posterize"][[0, 9, 30]].tolist() == [8, 7, 4]
    assert not values["Equalize"].any() and not values["Identity"].any()


def test_the_wide_table_is_the_published_one():
    values = dict(zip(OPS, wide_table(64, 48), strict=True))
    for name in ("ShearX", "ShearY", "Brightness", "Color", "Contrast", "Sharpness"):
        assert math.isclose(values[name][-1], 0.99, rel_tol=1e-6)
    assert values["TranslateX"][-1] == 32 and values["TranslateY"][-1] == 32
    assert values["Rotate"][-1] == 135
    assert values["Posterize"][[0, 30]].tolist() == [8, 2]
    assert wide_table(8, 16)[OPS.index("TranslateX"), -1] == 16
    assert wide_table(8, 16)[OPS.index("TranslateY"), -1] == 8


def test_signed_operations_are_exactly_nine_and_the_sign_is_fair():
    op, level = torch.arange(14).repeat_interleave(400), torch.full((5600,), 15)
    found = magnitudes(standard_table(32, 32), op, level).view(14, 400)
    share = (found < 0).float().mean(1)
    assert [OPS[i] for i in SIGNED] == [
        *("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"),
        *("Brightness", "Color", "Contrast", "Sharpness"),
    ]
    assert ((share[1:10] - 0.5).abs() < 0.1).all()
    assert not share[[0, 10, 11, 12, 13]].any()
    assert torch.equal(found.abs().amax(1), found.abs().amin(1))


# --- operations against torchvision -----------------------------------------------------------------------------


def torchvision_geometric(name: str, m: float, image: torch.Tensor) -> torch.Tensor:
    """The operation as torchvision's policies call it, resampling bilinearly."""
    if name == "Rotate":
        return tv.rotate(image, m, interpolation=BILINEAR)
    at = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    axis = int(name.endswith("Y"))
    if name.startswith("Shear"):
        at["shear"][axis] = math.degrees(math.atan(m))
        at["center"] = [0, 0]
    else:
        at["translate"][axis] = int(m)
    return tv.affine(image, **at, interpolation=BILINEAR)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("name", "magnitude"),
    [("ShearX", 0.25), ("ShearY", 0.25), ("TranslateX", 4.7), ("TranslateY", 4.7), ("Rotate", 27.0)],
)
def test_geometric_operations_agree_with_torchvision(name, magnitude, sign):
    image = smooth(height=24, width=40)
    found = one_op(name, sign * magnitude, image)
    assert (found - torchvision_geometric(name, sign * magnitude, image)).abs().max() < 1e-3
    assert (found - image).abs().max() > 0.1


PHOTOMETRIC = {
    "Brightness": lambda u, m: tv.adjust_brightness(u, 1 + m),
    "Color": lambda u, m: tv.adjust_saturation(u, 1 + m),
    "Contrast": lambda u, m: tv.adjust_contrast(u, 1 + m),
    "Sharpness": lambda u, m: tv.adjust_sharpness(u, 1 + m),
    "Posterize": lambda u, m: tv.posterize(u, int(m)),
    "Solarize": lambda u, m: tv.solarize(u, m),
    "AutoContrast": lambda u, m: tv.autocontrast(u),
    "Equalize": lambda u, m: tv.equalize(u),
    "Invert": lambda u, m: tv.invert(u),
}


@pytest.mark.parametrize("name", PHOTOMETRIC)
@pytest.mark.parametrize("height", [24, 32])
def test_photometric_operations_agree_with_torchvision_on_grey_levels(name, height):
    image = smooth(height=height)
    for magnitude in {"Posterize": (6.0, 4.0), "Solarize": (100.0,)}.get(name, (-0.6, 0.8)):
        found = grey_levels(one_op(name, magnitude, image))
        wanted = torch.stack([PHOTOMETRIC[name](u, magnitude) for u in grey_levels(image).to(torch.uint8)])
        assert (found - wanted).abs().max() <= 1  # torchvision truncates the enhancers' results, and the grey value
    assert (found - grey_levels(image)).abs().max() > 3


# --- how the table is applied -----------------------------------------------------------------------------------


def test_a_mixed_batch_is_every_operation_on_its_own_row():
    image = smooth(14)
    magnitude = standard_table(32, 32)[:, 20]
    together = apply_op(Batch(image=image), torch.arange(14), magnitude).image
    for i, name in enumerate(OPS):
        alone = one_op(name, float(magnitude[i]), image[i : i + 1])
        assert torch.allclose(together[i], alone[0], atol=1e-6), name
    assert torch.equal(together[0], image[0])


MEASURED = [name for name in OPS if name not in ("Identity", "AutoContrast", "Equalize")]


@pytest.mark.parametrize("name", MEASURED)
def test_the_change_grows_with_the_magnitude(name):
    image, table = smooth(64), standard_table(32, 32)
    for sign in (1, -1) if OPS.index(name) in SIGNED else (1,):
        strengths = table[OPS.index(name), [0, 7, 15, 22, 30]]
        change = [(one_op(name, sign * float(m), image) - image).square().mean() for m in strengths]
        assert change[0] < 1e-9
        assert all(a < b for a, b in pairwise(change)), change


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("channels", [1, 13])
def test_any_number_of_channels_and_no_change_in_place(name, channels):
    image = smooth(4, channels, 20, 28)
    kept = image.clone()
    magnitude = float(standard_table(20, 28)[OPS.index(name), 20])
    found = one_op(name, magnitude, image)
    alone = torch.cat([one_op(name, magnitude, image[:, c, None]) for c in range(channels)], 1)
    assert torch.allclose(found, alone if name in meaningful(channels) else image, atol=1e-5)
    assert torch.equal(image, kept)
    assert torch.equal(found, image) == (name in ("Identity", "Color") or name not in meaningful(channels))


def test_geometric_operations_move_masks_and_views_and_photometric_ones_do_not():
    image = smooth(14)
    mask = torch.arange(32).expand(14, 32, 32) // 4
    batch = Batch(image=image, mask=mask, views={"low": Batch(image=F.avg_pool2d(image, 2))})
    found = apply_op(batch, torch.arange(14), standard_table(32, 32)[:, 25])
    moved = (found.mask != mask).flatten(1).any(1)
    assert moved.tolist() == [name in OPS[1:6] for name in OPS]
    low = found.views["low"].image
    assert torch.equal(low[~moved], batch.views["low"].image[~moved])
    assert (low[moved] - F.avg_pool2d(found.image[moved], 2)).abs().mean() < 0.04
    assert (batch.views["low"].image[moved] - low[moved]).abs().mean() > 0.1
    assert (found.mask[OPS.index("TranslateX"), :, 0] == 255).all()


# --- Invert, flips and policies ---------------------------------------------------------------------------------


def test_inversion_and_flips_equal_torchvision_to_the_grey_level():
    image = smooth(height=24, width=40)
    levels = grey_levels(image).to(torch.uint8)
    for name, wanted in (("Invert", tv.invert), ("FlipX", tv.horizontal_flip), ("FlipY", tv.vertical_flip)):
        found = one_op(name, 0.0, image)
        assert torch.equal(grey_levels(found).to(torch.uint8), wanted(levels)), name
        assert torch.equal(one_op(name, 0.0, found), image), name


def test_the_fourteen_operations_are_as_they_were_and_new_ones_have_no_magnitude():
    assert POLICY_OPS[:14] == OPS
    table = policy_table(32, 48, 10)
    assert torch.equal(table[:14], standard_table(32, 48, 10))
    assert not table[14:].any()


def test_flips_move_masks_boxes_and_views():
    image = smooth(3)
    batch = Batch(
        image=image,
        mask=torch.arange(32).expand(3, 32, 32) // 4,
        boxes=torch.tensor([[[2.0, 3.0, 10.0, 20.0]]]).repeat(3, 1, 1),
        views={"low": Batch(image=F.avg_pool2d(image, 2))},
    )
    found = apply_op(batch, torch.tensor([0, POLICY_OPS.index("FlipX"), POLICY_OPS.index("FlipY")]), torch.zeros(3))
    assert torch.equal(found.mask, torch.stack([batch.mask[0], batch.mask[1].flip(1), batch.mask[2].flip(0)]))
    assert found.boxes[:, 0].tolist() == [[2, 3, 10, 20], [22, 3, 30, 20], [2, 12, 10, 29]]
    assert torch.allclose(found.views["low"].image, F.avg_pool2d(found.image, 2), atol=1e-6)


def test_colours_need_three_channels_and_inversions_a_photograph():
    assert set(meaningful(3)) == set(POLICY_OPS)
    assert set(POLICY_OPS) - set(meaningful(1)) == {"Color"}
    assert set(POLICY_OPS) - set(meaningful(13)) == {"Color", "Invert", "Solarize"}
    image = smooth(8, 13)
    for name in ("Color", "Invert", "Solarize"):
        assert torch.equal(one_op(name, 100.0, image), image)
        assert torch.equal(one_op(name, 100.0, image[:, :2]), image[:, :2])
    for name in ("Invert", "Solarize"):
        assert not torch.equal(one_op(name, 100.0, image[:, :1]), image[:, :1])
    policy = [[("Invert", 1.0, 0), ("Solarize", 1.0, 5)]]
    assert torch.equal(apply_policy(Batch(image=image), policy, 10).image, image)
    assert not torch.equal(apply_policy(Batch(image=image[:, :3]), policy, 10).image, image[:, :3])


def test_each_sub_policy_meets_its_share_of_the_images():
    """25 thresholds of Solarize on a grey ramp: how many pixels are inverted tells which one it was."""
    n, ramp = 10000, torch.arange(256.0).view(1, 1, 16, 16) / 127.5 - 1
    policy = [[("Solarize", 1.0, level)] for level in range(25)]
    found = apply_policy(Batch(image=ramp.expand(n, 1, 16, 16)), policy, 25).image
    inverted = (found != ramp).flatten(1).sum(1)
    counts = inverted.unique(return_counts=True)[1]
    assert len(counts) == 25
    assert ((counts - n / 25).abs() < 3 * math.sqrt(n / 25 * 24 / 25)).all()


def test_each_operation_has_its_own_probability_and_they_come_in_order():
    """Where a bright corner lies tells which flips happened; Invert before Posterize gives another grey than after."""
    n = 10000
    image = torch.full((n, 1, 4, 4), -1.0)
    image[:, :, 0, 0] = 1.0
    found = apply_policy(Batch(image=image), [[("FlipX", 0.3, 0), ("FlipY", 0.8, 0)]], 10).image[:, 0]
    across, down = (found[:, :, 3] > 0).any(1), (found[:, 3] > 0).any(1)
    for happened, p in ((across, 0.3), (down, 0.8), (across & down, 0.24)):
        assert abs(float(happened.float().mean()) - p) < 3 * math.sqrt(p * (1 - p) / n)
    grey = torch.full((1, 1, 4, 4), 100 / 127.5 - 1)
    first, second = ("Invert", 1.0, 0), ("Posterize", 1.0, 9)
    assert grey_levels(apply_policy(Batch(image=grey), [[first, second]], 10).image)[0, 0, 0, 0] == 144  # 155 cut
    assert grey_levels(apply_policy(Batch(image=grey), [[second, first]], 10).image)[0, 0, 0, 0] == 159  # 255 - 96


def test_policies_in_words():
    policy = [
        [("Rotate", 0.8, 9), ("TranslateX", 0.35, 3)],
        [("Posterize", 1.0, 9), ("Color", 0.5, 5)],
        [("Invert", 0.2, 0), ("Solarize", 1.0, 9)],
        [("Equalize", 0.0, 0), ("ShearX", 1.0, 0)],
    ]
    assert in_words(policy, 10, 3) == [
        "Turn it by 30 degrees, either way (in 80 % of cases), "
        "then shift it left or right by 15.1 % of its width (in 35 % of cases).",
        "Keep 4 of the 8 bits of its values, then make its colours stronger or paler by 50 % (in 50 % of cases).",
        "Invert its values (in 20 % of cases), then invert its values above 0 % of the range.",
        "Leave it as it is.",
    ]
    assert in_words(policy, 10, 13)[1:3] == ["Keep 4 of the 8 bits of its values.", "Leave it as it is."]


@pytest.mark.parametrize("name", [name for name in POLICY_OPS if name != "Identity"])
def test_every_operation_has_words_with_its_strength(name):
    (weak,), (strong,) = (in_words([[(name, 1.0, level)]], 10, 3) for level in (3, 9))
    assert weak.endswith(".") and "{" not in weak
    assert (weak == strong) == (name in ("AutoContrast", "Equalize", "Invert", "FlipX", "FlipY"))

# SPDX-License-Identifier: Apache-2.0
"""The pipeline as a system: everything moves by one draw, views too, and what can't act is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ganaug
from ganaug.data.batch import Batch
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError

FLIPS = "flip_h(p=1), flip_v(p=1)"


def batch(channels: int = 3, height: int = 20, width: int = 28, n: int = 6) -> Batch:
    """Random images whose mask and depth repeat the first band, with a box, a keypoint and a view of half the size."""
    image = torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Batch(
        image=image,
        mask=(image[:, 0] > 0).long(),
        valid=image[:, 0] > 0,
        instances=300 * (image[:, 0] > 0).long(),
        depth=image[:, 0],
        boxes=torch.tensor([[2.0, 3, 10, 9]]).repeat(n, 1, 1),
        keypoints=torch.tensor([[4.0, 5]]).repeat(n, 1, 1),
        views={"half": Batch(image=image[:, :, ::2, ::2])},
    )


@pytest.mark.parametrize("channels", [1, 3, 13])
def test_flips_move_everything_alike(channels):
    given = batch(channels)
    made = ganaug.make("pipeline", ops=FLIPS).fit(None).augment(given)
    assert torch.allclose(made.image, given.image.flip(2, 3), atol=1e-6)
    for name in ("mask", "valid", "instances", "depth"):
        assert torch.equal(getattr(made, name), getattr(given, name).flip(1, 2)), name
    assert made.boxes[0].tolist() == [[18, 11, 26, 17]] and made.keypoints[0].tolist() == [[23, 14]]
    assert torch.allclose(made.views["half"].image, given.views["half"].image.flip(2, 3), atol=1e-6)


@pytest.mark.parametrize(
    "ops", ["rotate(90), shift(0.1), noise(0.01), shear(0.2)", "slide(8), noise(0.01), crop(pad=8)", "elastic(0.06)"]
)
def test_moved_masks_and_views_stay_in_step_with_their_image(ops):
    given = batch(1, 64, 64)
    disc = ((torch.arange(64) - 40.0) ** 2 + (torch.arange(64)[:, None] - 30.0) ** 2 < 15**2).expand(6, 64, 64)
    coarse = ((torch.arange(32) - 19.75) ** 2 + (torch.arange(32)[:, None] - 14.75) ** 2 < 7.5**2).expand(6, 32, 32)
    given = given.but(
        image=disc[:, None].float() * 2 - 1,
        mask=disc.long(),
        views={"half": Batch(image=coarse[:, None].float() * 2 - 1)},
    )
    made = ganaug.make("pipeline", ops=ops).fit(None).augment(given)
    known = made.mask != 255
    assert ((made.image[:, 0] > 0) == (made.mask == 1))[known].float().mean() > 0.97
    coarse_mask = made.mask[:, ::2, ::2]
    assert ((made.views["half"].image[:, 0] > 0) == (coarse_mask == 1))[coarse_mask != 255].float().mean() > 0.95
    assert not torch.equal(made.mask[0], made.mask[1])  # every row has its own draw


def test_views_are_moved_and_never_recoloured():
    given = batch()
    made = ganaug.make("pipeline", ops=f"saturation(0.5), brightness(0.5), noise(0.2), cutout, {FLIPS}")
    made = made.fit(None).augment(given.but(views={"grey": Batch(image=given.image[:, :1])}))
    assert (made.image - given.image.flip(2, 3)).abs().mean() > 0.1
    torch.testing.assert_close(made.views["grey"].image, given.image[:, :1].flip(2, 3))


def test_a_turn_of_a_square_image_turns_a_view_of_another_shape():
    image = torch.zeros(64, 1, 32, 32)
    image[:, :, 4:12, 20:28] = 1
    view = torch.zeros(64, 1, 16, 32)
    view[:, :, 2:6, 20:28] = 1
    made = ganaug.make("pipeline", ops="turn").fit(None).augment(Batch(image=image, views={"flat": Batch(image=view)}))
    assert ((made.image[:, 0, ::2] > 0.5) == (made.views["flat"].image[:, 0] > 0.5)).float().mean() > 0.98


def test_turns_that_add_up_to_nothing_give_the_image_back():
    given = Batch(image=digits().images(np.arange(8)))
    system = ganaug.make("pipeline", ops="turn, rotate(0), scale(0), shift(0)").fit(None)
    made = system.augment(given)
    assert all(
        any(torch.allclose(m, g.rot90(k, (1, 2)), atol=1e-6) for k in range(4))
        for m, g in zip(made.image, given.image, strict=True)
    )


def test_what_can_not_act_on_the_set_is_refused_before_anything_runs():
    data = digits()
    with pytest.raises(InputError, match="would become 6x6: use crop"):
        ganaug.make("pipeline", ops="crop(6)").fit(data)
    with pytest.raises(InputError, match="needs images of 3 channels"):
        ganaug.make("pipeline", ops="hue").fit(data)
    with pytest.raises(InputError, match="no operation 'flop'"):
        ganaug.make("pipeline", ops="flop").fit(data)


def test_the_command_line_takes_a_text(tmp_path):
    from typer.testing import CliRunner

    from ganaug.cli.main import app

    text = "ops=flip_h(p=1), rotate(0)"
    ran = CliRunner().invoke(app, ["augment", "pipeline", "digits", "--set", text, "-o", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    assert len(ganaug.load(tmp_path / "out")) == len(digits().in_fold("train"))

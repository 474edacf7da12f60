# SPDX-License-Identifier: Apache-2.0
"""Dual GAN: two halves that do not touch each other, hard masks, and that masks and images come out alike the true."""

import numpy as np
import pytest
import torch
from judges import weights
from torch.nn import functional as F

import ganaug
from ganaug.core.sampling import working
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet

COLOURS = np.array([[30, 30, 30], [210, 70, 70], [70, 70, 210]])
NETWORKS = ("mask_gen", "mask_critic", "image_gen", "image_critic")


def cells(n=60, size=(16, 16), channels=3, seed=0):
    """A cell of class 1 with a core of class 2 on the ground, in the colours of the classes with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    centre = rng.uniform(5, np.array(size) - 5, (n, 2))
    far = np.hypot(y - centre[:, :1, None], x - centre[:, 1:, None])
    mask = (far < 5).astype(np.uint8) + (far < 2.5)
    image = np.resize(COLOURS, (3, channels))[mask] + rng.normal(0, 8, (n, *size, channels))
    names = ("ground", "cell", "core")
    return ImageSet.of(np.clip(image, 0, 255).astype(np.uint8), mask=mask, mask_classes=names)


def fitted(steps, data=None, **params):
    return ganaug.make("dualgan_med", preset="tiny", **params).fit(data or cells(), budget=steps, seed=1)


def noted(system, t, move=False):
    """Losses of step t, and of each update its loss, its optimiser and the networks that it moved."""
    update, notes = system.update, []

    def noting(loss, optimiser):
        before = {name: weights(getattr(system, name)) for name in NETWORKS}
        if move:
            update(loss, optimiser)
        moved = [name for name in NETWORKS if not torch.equal(before[name], weights(getattr(system, name)))]
        notes.append((loss, optimiser, moved))

    system.update = noting
    with seeded(0, "step"):
        return system.step(cells().batch(range(6)), t), notes


def seen_by(network):
    """What a network is given, call by call."""
    seen = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    return seen


def made(system, n, seed=0):
    """n images with their masks."""
    with working(system, seed, "test"):
        return system.generate(Batch(index=torch.arange(n)))


def test_the_generator_of_masks_takes_two_steps_for_each_of_its_critic():
    _, notes = noted(fitted(2), 0, move=True)
    assert [moved for _, _, moved in notes] == [["mask_critic"], ["mask_gen"], ["mask_gen"]]


def test_the_second_half_moves_the_image_networks_only():
    _, notes = noted(fitted(2), 1, move=True)
    assert [moved for _, _, moved in notes] == [["image_critic"], ["image_gen"]]


def test_each_half_of_the_run_has_its_own_networks():
    start, half, whole = (fitted(steps) for steps in (0, 1, 2))
    assert [torch.equal(weights(getattr(start, n)), weights(getattr(half, n))) for n in NETWORKS] == [0, 0, 1, 1]
    assert [torch.equal(weights(getattr(half, n)), weights(getattr(whole, n))) for n in NETWORKS] == [1, 1, 0, 0]


def test_true_masks_reach_their_critic_as_planes_of_minus_one_and_one():
    data = cells()
    mask = data.mask.copy()
    mask[:, 0] = 255
    system = fitted(0, data)
    seen = seen_by(system.mask_critic)
    batch = data.but(mask=mask).batch(range(6))
    system.update = lambda loss, optimiser: None
    system.step(batch, 0)
    assert torch.equal(seen[0], torch.stack([(batch.mask == k) * 2.0 - 1.0 for k in range(3)], 1))
    assert (seen[0][:, :, 0] == -1).all(), "unknown pixels are of no class"


def test_losses_of_the_masks():
    system = fitted(0)
    seen = seen_by(system.mask_critic)
    losses, notes = noted(system, 0)
    real, fake, judged, again = seen
    torch.testing.assert_close(judged, fake)
    torch.testing.assert_close(again, fake, msg="both steps of the generator start from the same noise")
    bce, (on_real, on_fake) = F.binary_cross_entropy_with_logits, map(system.mask_critic, (real, fake))
    critic = bce(on_real, torch.ones(6, 1)) + bce(on_fake, torch.zeros(6, 1))
    torch.testing.assert_close(notes[0][0], critic)
    torch.testing.assert_close(notes[1][0], bce(on_fake, torch.ones(6, 1)))
    assert [optimiser for _, optimiser, _ in notes] == [system.opt_mask_critic, *[system.opt_mask_gen] * 2]
    assert losses["mask_critic"] is notes[0][0]


def test_losses_of_the_images_weigh_the_same_and_both_steps_join_in_one_order():
    system, batch = fitted(0), cells().batch(range(6))
    seen = seen_by(system.image_critic)
    _, notes = noted(system, 1)
    real, fake, judged = seen
    planes = torch.stack([(batch.mask == k).float() for k in range(3)], 1)
    assert all(torch.equal(shown[:, :3], planes) for shown in seen)
    assert torch.equal(real[:, 3:], batch.image)
    assert torch.equal(judged, fake)
    bce, (on_real, on_fake) = F.binary_cross_entropy_with_logits, map(system.image_critic, (real, fake))
    ones = torch.ones_like(on_real)
    torch.testing.assert_close(notes[0][0], bce(on_real, ones) + bce(on_fake, 0 * ones))
    torch.testing.assert_close(notes[1][0], bce(on_fake, ones) + (fake[:, 3:] - batch.image).abs().mean())
    assert [optimiser for _, optimiser, _ in notes] == [system.opt_image_critic, system.opt_image_gen]


def test_masks_are_hard_before_they_are_painted_and_come_with_their_images():
    system = fitted(4)
    soft, given = [], seen_by(system.image_gen)
    system.mask_gen.register_forward_hook(lambda _, inputs, out: soft.append(out))
    batch = made(system, 5)
    assert not torch.equal(soft[0], soft[0].round()), "what is made from noise is not hard by itself"
    assert torch.equal(batch.mask, soft[0].argmax(1))
    assert torch.equal(given[0], torch.stack([(batch.mask == k).float() for k in range(3)], 1))


@pytest.mark.parametrize(("channels", "size"), [(1, (16, 16)), (13, (16, 24))])
def test_pairs_come_without_end_and_without_being_told_what(channels, size):
    system = fitted(2, cells(30, size, channels))
    some = system.sample(70, seed=3)
    assert len(some) == 70
    assert some.image.shape == (*size, channels)
    assert some.mask.shape == (70, *size)
    assert some.mask.dtype == np.uint8
    assert some.mask.max() < 3
    assert some.mask_classes == ("ground", "cell", "core")
    assert len(np.unique(some.mask.reshape(70, -1), axis=0)) > 1
    np.testing.assert_array_equal(some.mask[64:], system.sample(6, start=64, seed=3).mask)


def test_what_can_not_be_learned_is_refused():
    with pytest.raises(InputError, match="dualgan_med needs the field 'mask'"):
        fitted(0, cells().but(mask=None))
    with pytest.raises(InputError, match="critic_layers=3 works from 24 pixels, the shortest side has 16"):
        fitted(0, critic_layers=3)


@pytest.fixture(scope="module")
def trained():
    return fitted(400, cells(100), latent=32, width=16, image_width=16, batch_size=8, lr=5e-4, lr_image=2e-3)


def shares(mask):
    """Share of the pixels of each of the three classes."""
    return np.bincount(np.asarray(mask).ravel(), minlength=3) / mask.size


def test_made_masks_cover_as_much_as_true_ones_and_are_no_copies(trained):
    true = cells(100)
    before, after = made(fitted(0), 100).mask.numpy(), made(trained, 100).mask.numpy()
    error = np.abs(shares(after) - shares(true.mask)).max()
    assert error < 0.08
    assert error < 0.5 * np.abs(shares(before) - shares(true.mask)).max()
    differ = (after[:, None] != after[None]).mean((2, 3))
    assert np.median(differ) > 0.5 * np.median((true.mask[:, None] != true.mask[None]).mean((2, 3)))


def test_an_image_fits_its_own_mask_better_than_another(trained):
    batch = made(trained, 60)
    colours = torch.as_tensor(COLOURS / 127.5 - 1).float()
    own, other = (colours[m].movedim(3, 1) for m in (batch.mask, batch.mask.roll(1, 0)))
    assert F.l1_loss(batch.image, own) < 0.5 * F.l1_loss(batch.image, other)


def test_images_do_not_depend_on_how_many_rows_are_like_them():
    """Nothing of a row is asked for, and batch norm knows whole chunks only."""
    system = fitted(4)
    few, many = (system.sample(like=cells(n)) for n in (3, 20))
    assert torch.equal(few.images(), many.images(range(3)))
    assert np.array_equal(few.mask, many.mask[:3])


@pytest.mark.parametrize("padded", [True, False])
def test_places_of_no_class_are_unknown_where_training_masks_had_such(padded):
    data = cells()
    mask = data.mask.copy()
    mask[:, :4] = 255
    system = fitted(0, data.but(mask=mask) if padded else data)
    planes = torch.full((3, 3, 16, 16), -0.9)
    planes[:, 1, 8:] = 0.5
    system.mask_gen.forward = lambda z: planes.expand(len(z), -1, -1, -1) if len(z) == 1 else planes[: len(z)]
    system.chunk = 3
    found = made(system, 3).mask
    assert (found[:, 8:] == 1).all() and ((found[:, :8] == 255).all() if padded else (found[:, :8] < 3).all())

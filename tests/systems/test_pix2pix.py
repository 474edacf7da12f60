# SPDX-License-Identifier: Apache-2.0
"""pix2pix: the two losses, one order of joining, noise by dropout, and that masks decide what is painted."""

import numpy as np
import pytest
import torch
from judges import weights
from torch import nn
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet

COLOURS = np.array([[40, 40, 40], [220, 60, 60], [60, 60, 220]])
CLASSES = ("ground", "roof", "pond")


def boxes(n, size, seed):
    """Masks uint8 [n, H, W] of ground with a roof and a pond at random places."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((n, *size), np.uint8)
    for m in mask:
        for k in (1, 2):
            h, w = rng.integers(size[0] // 4, size[0] // 2, 2)
            y, x = rng.integers(0, size[0] - h), rng.integers(0, size[1] - w)
            m[y : y + h, x : x + w] = k
    return mask


def scenes(n=40, size=(16, 16), channels=3, seed=0):
    """Boxes in the colours of their classes with noise; the view "s1" shows the same boxes in one channel."""
    mask, rng = boxes(n, size, seed), np.random.default_rng(seed + 1)
    colours = np.resize(COLOURS, (3, channels))
    image = np.clip(colours[mask] + rng.normal(0, 8, (n, *size, channels)), 0, 255).astype(np.uint8)
    radar = ImageSet.of((60 * mask)[..., None])
    return ImageSet.of(image, mask=mask, mask_classes=CLASSES, views={"s1": radar})


def fitted(steps, data=None, **params):
    return ganaug.make("pix2pix", preset="tiny", **params).fit(data or scenes(), budget=steps, seed=1)


def watched(system, batch):
    """What the critic saw, and loss and optimiser of each update; nothing moves."""
    seen, updates = [], []
    system.critic.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    system.update = lambda loss, optimiser: updates.append((loss, optimiser))
    with seeded(0, "step"):
        losses = system.step(batch, 0)
    return losses, seen, updates


@pytest.mark.parametrize("given", ["mask", "s1"])
def test_both_steps_see_what_was_given_and_then_the_image(given):
    system, batch = fitted(0, given=given), scenes().batch(range(4))
    condition = torch.stack([(batch.mask == k).float() for k in range(3)], 1)
    condition = batch.views["s1"].image if given == "s1" else condition
    _, (real, fake, judged), _ = watched(system, batch)
    for shown in (real, fake, judged):
        assert torch.equal(shown[:, : condition.shape[1]], condition)
    assert torch.equal(real[:, condition.shape[1] :], batch.image)
    assert torch.equal(fake, judged)


def test_losses_as_written():
    system, batch = fitted(0), scenes().batch(range(4))
    losses, (real, fake, _), updates = watched(system, batch)
    on_real, on_fake = (system.critic(shown) for shown in (real, fake))
    ones, zeros = torch.ones_like(on_real), torch.zeros_like(on_real)
    bce = F.binary_cross_entropy_with_logits
    critic = 0.5 * (bce(on_real, ones) + bce(on_fake, zeros))
    near = (fake[:, 3:] - batch.image).abs().mean()
    (critic_loss, critic_optimiser), (loss, optimiser) = updates
    torch.testing.assert_close(critic_loss, critic)
    torch.testing.assert_close(loss, bce(on_fake, ones) + 100 * near)
    torch.testing.assert_close(losses["l1"], near)
    assert critic_optimiser is system.opt_critic
    assert optimiser is system.opt_gen


def test_each_update_moves_its_own_network_only():
    system = fitted(1)
    update, before, seen = system.update, (weights(system.gen), weights(system.critic)), []

    def moved(loss, optimiser):
        update(loss, optimiser)
        pairs = zip(before, (system.gen, system.critic), strict=True)
        seen.append([not torch.equal(old, weights(net)) for old, net in pairs])

    system.update = moved
    with seeded(0, "step"):
        system.step(scenes().batch(range(4)), 0)
    assert seen == [[False, True], [True, True]]


def test_the_rate_falls_over_the_second_half():
    system, rates = fitted(8, lr=1e-3), []
    system.update = lambda loss, optimiser: None
    for t in range(8):
        system.step(scenes().batch(range(4)), t)
        rates.append((system.opt_gen.param_groups[0]["lr"], system.opt_critic.param_groups[0]["lr"]))
    assert [a for a, _ in rates] == pytest.approx([1e-3] * 5 + [0.75e-3, 0.5e-3, 0.25e-3])
    assert all(a == b for a, b in rates)


def test_unknown_pixels_are_of_no_class():
    data = scenes()
    mask = data.mask.copy()
    mask[:, :4] = 255
    system = fitted(1, data.but(mask=mask))
    given = system.condition(data.but(mask=mask).batch([0]))
    assert given[:, :, :4].abs().sum() == 0
    assert torch.equal(given[:, :, 4:].sum(1), torch.ones(1, 12, 16))


@pytest.mark.parametrize(("channels", "size"), [(1, (16, 16)), (13, (16, 24))])
def test_images_come_with_the_masks_they_were_made_from(channels, size):
    like = scenes(5, size, channels, seed=7)
    made = fitted(2, scenes(10, size, channels)).sample(like=like, seed=3)
    assert made.image.shape == (*size, channels)
    np.testing.assert_array_equal(made.mask, like.mask)
    assert made.mask_classes == CLASSES


def test_dropout_is_on_while_images_are_made():
    system, like = fitted(30), scenes(4, seed=7)
    one, again, other = (system.sample(like=like, seed=seed).images() for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert (one - other).abs().mean() > 1e-3
    np.testing.assert_array_equal(system.sample(like=like.select([0, 0])).mask[0], like.mask[0])
    twice = system.sample(like=like.select([0, 0])).images()
    assert not torch.equal(twice[0], twice[1]), "two images of one mask differ"


def test_a_view_needs_no_mask_and_masks_are_carried():
    data = scenes()
    system = fitted(2, data.but(mask=None, mask_classes=()), given="s1")
    assert system.sample(like=data.select([0, 1]).but(mask=None)).mask is None
    made = system.sample(like=data.select([0, 1]))
    np.testing.assert_array_equal(made.mask, data.mask[:2])
    assert not made.views, "what it was made from is no part of what was made"


def test_a_set_without_masks_is_told_of_its_views():
    with pytest.raises(InputError, match=r"needs the field 'mask'.*--set given=s1"):
        ganaug.make("pix2pix").fit(scenes().but(mask=None, mask_classes=()), budget=0)


def test_what_can_not_be_painted_is_refused():
    data = scenes()
    with pytest.raises(InputError, match="pix2pix needs the field 'mask'"):
        fitted(0, data.but(mask=None))
    with pytest.raises(InputError, match=r"pix2pix needs the field 'views.s2'"):
        fitted(0, data, given="s2")
    small = ImageSet.of(np.zeros((40, 8, 8), np.uint8))
    with pytest.raises(InputError, match="view 's1' in the size of the images, 16x16, and it has 8x8"):
        fitted(0, data.but(views={"s1": small}), given="s1")
    with pytest.raises(InputError, match="critic_layers=3 works from 24 pixels, the shortest side has 16"):
        fitted(0, data, critic_layers=3)
    with pytest.raises(InputError, match="pix2pix needs mask to make images"):
        fitted(0, data).sample(3)


@pytest.fixture(scope="module")
def trained():
    return fitted(250, scenes(100), width=16, critic_width=16, batch_size=4, lr=2e-3)


def test_the_mask_decides_what_is_painted(trained):
    """Nearer to the mask's own image than an image of another mask, or the mean image, is; and about as near as its
    noise allows."""
    unseen = scenes(30, seed=9)
    made, real = trained.sample(like=unseen).images(), unseen.images()
    own = F.l1_loss(made, real)
    assert own < 0.5 * F.l1_loss(made.roll(1, 0), real)
    assert own < 0.5 * F.l1_loss(real.mean(0, keepdim=True).expand_as(real), real)


class WrongPainter(nn.Module):
    """True images over wrong masks: what only a critic that minds the masks can tell from true pairs."""

    def __init__(self):
        super().__init__()
        self.tint = nn.Parameter(torch.zeros(()))

    def forward(self, given):
        return self.images.roll(1, 0) + 0 * self.tint


def told_apart(blind):
    """The critic's mean loss over the last of 150 steps against images of other masks; `blind` hides all masks."""
    system, data, losses = fitted(0, width=16, lr=4e-3), scenes(100), []
    system.gen, system.total = WrongPainter(), 1000
    condition = system.condition
    system.condition = lambda batch: condition(batch) * (not blind)
    for t in range(150):
        batch = data.batch(np.random.default_rng(t).integers(100, size=8))
        system.gen.images = batch.image
        losses.append(float(system.step(batch, t)["critic"].detach()))
    return np.mean(losses[-50:])


def test_the_critic_minds_what_was_given():
    assert told_apart(blind=False) < 0.5
    assert told_apart(blind=True) > 0.65, "ln 2 is the best that can be said without masks"

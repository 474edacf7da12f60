# SPDX-License-Identifier: Apache-2.0
"""SinGAN: its pyramid, patches, noise and losses as numbers, and what one image is enough for."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

import ganaug
from ganaug.core.combine import PerImage
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.image_set import ImageSet
from ganaug.parts.distances import frechet_features
from ganaug.systems.single_image import singan as module

SIDE = 24


def waves(side=SIDE, colours=((230, 200, 80), (30, 60, 110)), seed=0):
    """Slanted stripes with wavy edges, uint8 [side, side, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    share = (np.sin(2 * np.pi * (x + y / 2) / 9 + rng.uniform(0, 6)) + 1) / 2
    share = (share + 0.25 * ndimage.gaussian_filter(rng.normal(size=(side, side)), 1))[..., None]
    return (np.array(colours[0]) * share + np.array(colours[1]) * (1 - share)).clip(0, 255).astype(np.uint8)


def dots(side=SIDE):
    """A lattice of soft dots in other colours, uint8 [side, side, 3]."""
    y, x = np.mgrid[:side, :side]
    share = ((np.sin(2 * np.pi * y / 8) * np.sin(2 * np.pi * x / 8) + 1) / 2)[..., None]
    return (np.array((200, 70, 40)) * share + np.array((40, 90, 160)) * (1 - share)).astype(np.uint8)


def one(image):
    """A set of one image, and the image [1, C, H, W]."""
    data = ImageSet.of(image[None])
    return data, data.images(np.arange(1)).clone()


def fitted(image, budget=None, seed=0, **params):
    return ganaug.make("singan", preset="tiny", **params).fit(one(image)[0], budget=budget, seed=seed)


SHORT = {"min_side": 14, "factor": 0.7, "width": 8, "iterations": 60, "lr": 1e-3}


@cache
def trained(**params):
    """180 steps at three scales: 14, 18 and 24 px."""
    return fitted(waves(), **SHORT, **params)


@cache
def untrained_waves():
    """The same with one step a scale."""
    return fitted(waves(), budget=3, **SHORT)


def few(scales):
    """Parameters that make two scales or seven of 16 px."""
    return {"min_side": 11, "factor": {2: 0.6, 7: 0.93}[scales]}


@cache
def untrained():
    """Seven scales with one step each, so that all have begun."""
    return fitted(waves(16), budget=7, **few(7))


def rmse(a, b):
    return float((a - b).square().mean().sqrt())


# --- the pyramid -------------------------------------------------------------------------------------------------


def test_pyramid_has_the_published_sizes():
    assert [h for h, _ in module.pyramid((64, 64), 16, 0.75)] == [16, 21, 28, 37, 49, 64]
    assert module.pyramid((12, 16), 12, 0.75) == [(12, 16)]
    assert module.pyramid((10, 40), 12, 0.75) == [(10, 40)]
    assert module.pyramid((48, 96), 27, 0.75) == [(27, 54), (36, 72), (48, 96)]  # an exact power: no step too many


@pytest.mark.parametrize("size", [(188, 250), (250, 167), (64, 100), (33, 47)])
def test_pyramid_ends_exactly_with_equal_ratios(size):
    sizes = module.pyramid(size, 25, 0.75)
    steps = len(sizes) - 1
    ratio = (25 / min(size)) ** (1 / steps)
    assert 0.75 <= ratio < 0.75 ** (1 - 1 / steps) if steps > 1 else ratio >= 0.75
    assert sizes[-1] == size
    assert min(sizes[0]) == 25
    for k, found in enumerate(sizes):
        assert found == pytest.approx([side * ratio ** (steps - k) for side in size], abs=0.501)


def test_paper_has_nine_scales_of_its_usual_images():
    assert len(module.pyramid((188, 250), 25, 0.75)) == 9


def test_every_scale_has_an_equal_share_and_the_default_budget_its_iterations():
    system = fitted(waves(), iterations=7, min_side=14, factor=0.7)
    assert system.fitted_["steps"] == 3 * 7
    assert [system.stage(t)[0] for t in range(21)] == [0] * 7 + [1] * 7 + [2] * 7


def test_widths_double_every_four_scales_up_to_four_times():
    system = ganaug.make("singan", preset="paper")
    assert [system.width_of(k) for k in range(13)] == [32] * 4 + [64] * 4 + [128] * 5


# --- patches and borders -----------------------------------------------------------------------------------------


def settled(net, *inputs):
    """A network in evaluation mode, with the running statistics of these inputs."""
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    net(*inputs)
    return net.eval()


def test_a_score_sees_a_patch_of_11_pixels():
    image = torch.randn(1, 3, 31, 35, requires_grad=True)
    scores = settled(module.convolutions(3, 6, 1), torch.randn(4, 3, 20, 20))(image)
    assert scores.shape == (1, 1, 21, 25)  # no padding: five pixels less at each side
    scores[0, 0, 9, 12].backward()
    seen = image.grad[0].abs().sum(0) > 0
    expected = torch.zeros(31, 35, dtype=torch.bool)
    expected[9:20, 12:23] = True
    assert torch.equal(seen, expected)
    assert module.FIELD == 11 == 2 * module.BORDER + 1


@torch.no_grad()
def test_zeros_are_put_around_the_input_and_nowhere_else():
    """An image in a wide field of zeros gives the same pixels; with zeros inside the network they differ."""
    with seeded(0, "generator"):
        generator = settled(module.ScaleGenerator(3, 6), torch.randn(2, 3, 20, 20), torch.randn(2, 3, 30, 30))
        before, z = torch.randn(1, 3, 12, 15), F.pad(torch.randn(1, 3, 12, 15), [5] * 4)
    wide = generator(F.pad(before, [9] * 4), F.pad(z, [9] * 4))[..., 9:-9, 9:-9]
    torch.testing.assert_close(generator(before, z), wide)
    for layer in generator.layers:
        layer.padding = (1, 1)
    inside = before + generator.layers(before + z[..., 5:-5, 5:-5]).tanh()
    assert float((inside - wide).abs().max()) > 0.01


def test_generator_adds_to_what_the_scale_before_made():
    generator = module.ScaleGenerator(3, 6)
    with torch.no_grad():
        generator.layers[-1].weight.zero_()
    before = torch.randn(2, 3, 12, 15)
    assert torch.equal(generator(before, torch.randn(2, 3, 22, 25)), before)


# --- noise -------------------------------------------------------------------------------------------------------


def test_the_coarsest_noise_is_one_map_for_all_channels_and_the_others_have_their_own():
    system = untrained()
    first, second = system.noises(2, system.sizes[:2])
    assert first.shape == (2, 1, 21, 21)
    assert second.shape == (2, 3, *(side + 10 for side in system.sizes[1]))
    inner = second[..., 5:-5, 5:-5]
    assert float((inner[:, 0] - inner[:, 1]).abs().min()) > 0
    assert float(first[..., 5:-5, 5:-5].std()) == pytest.approx(1, abs=0.2)  # amplitude 1
    assert float(inner.std()) == pytest.approx(float(system.amps[1]), rel=0.2)


def test_noise_has_a_border_of_zeros_unless_it_goes_on_beyond_the_edges():
    system = untrained()
    z = system.noise(1, 1, (12, 13))
    assert float(z.abs().sum()) == pytest.approx(float(z[..., 5:-5, 5:-5].abs().sum()))
    noisy = fitted(waves(16), noisy_border=True)
    z = noisy.noise(1, 1, (12, 13))
    assert z.shape == (1, 3, 22, 23)
    assert (z != 0).all()
    assert (noisy.z_star != 0).all()


def test_amplitudes_are_a_tenth_of_the_error_of_the_enlarged_reconstruction():
    system, (_, image) = trained(), one(waves())
    assert float(system.amps[0]) == 1
    for k in (1, 2):
        with torch.no_grad():
            before = system.through(system.blank(1), [system.star(j) for j in range(k)], system.sizes)
        base, real = (module.resized(x, system.sizes[k]) for x in (before, image))
        assert float(system.amps[k]) == pytest.approx(0.1 * rmse(base, real), rel=1e-4)
    torch.testing.assert_close(system.base, base)


@pytest.mark.parametrize("resample", [False, True])
def test_z_star_stays_unless_it_is_drawn_anew_in_each_step_of_the_coarsest_scale(resample):
    system = ganaug.make("singan", preset="tiny", resample=resample)
    seen, step = [], system.step

    def spied(batch, t):
        found = step(batch, t)
        seen.append(system.z_star.clone())
        return found

    system.step = spied
    system.fit(one(waves(16))[0], budget=6)
    assert len(system.gens) == 2
    assert [torch.equal(a, b) for a, b in pairwise(seen)] == [not resample] * 2 + [True] * 3


# --- losses and updates ------------------------------------------------------------------------------------------


def test_gradient_penalty_has_the_norm_of_each_pixel_over_its_channels():
    weights = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    real, fake = torch.randn(1, 2, 7, 9), torch.randn(1, 2, 7, 9)
    penalty = module.channel_penalty(lambda x: (x * weights).sum(1, keepdim=True), real, fake)
    assert float(penalty) == pytest.approx((5 - 1) ** 2)  # over the whole image it would be (5 sqrt(63) - 1)^2


def opened(scales, k, **params):
    """A system before its first step of scale k, ten steps a scale, and a batch of its image."""
    system, (data, image) = fitted(waves(16), budget=0, **few(scales), **params), one(waves(16))
    system.set_mode(training=True)
    system.total = 10 * scales
    with seeded(0, "open"):
        for j in range(k + 1):
            system.open_scale(j, image, module.resized(image, system.sizes[j]))
    return system, data.batch(range(1))


def updates_of(system, batch, t):
    """What each update of one step was given: (network, loss), with the networks' inputs."""
    given, inputs = [], []
    names = {id(o): ("generator", k) for k, o in enumerate(system.opts_gen)}
    names |= {id(o): ("critic", k) for k, o in enumerate(system.opts_critic)}
    update = system.update

    def spied(loss, optimiser):
        given.append((*names[id(optimiser)], float(loss.detach())))
        update(loss, optimiser)

    system.update = spied
    k = system.stage(t)[0]
    hook = system.critics[k].register_forward_pre_hook(lambda net, args: inputs.append(args[0].detach().clone()))
    with seeded(1, "step"):
        found = system.step(batch, t)
    hook.remove()
    del system.update
    return given, inputs, found


def test_a_step_is_three_updates_of_the_critic_and_three_of_the_generator_each_with_an_image_of_its_own():
    system, batch = opened(2, 1, updates=3)
    given, inputs, _ = updates_of(system, batch, 15)
    assert [name[:2] for name in given] == [("critic", 1)] * 3 + [("generator", 1)] * 3
    real, fakes = inputs[0], [*inputs[1:9:3], *inputs[9:]]
    assert len(inputs) == 12  # real, fake and a point between for each update of the critic, and three fakes
    assert all(torch.equal(real, inputs[i]) for i in (0, 3, 6))
    for a in range(6):
        for b in range(a):
            apart = rmse(fakes[a], fakes[b])
            assert apart > 0.01 if a - b != 3 else 0 <= apart < 0.5
    assert torch.equal(fakes[3], fakes[0])  # the first update of the generator meets the weights the critic saw
    assert not torch.equal(fakes[4], fakes[1])  # the second one's image is made anew


def test_the_scales_before_make_new_images_for_every_update_of_every_step():
    system, batch = opened(2, 1, updates=3)
    seen, critic_step = [], system.critic_step

    def spied(k, real, before, z):
        seen.append(before.clone())
        return critic_step(k, real, before, z)

    system.critic_step = spied
    for t in (15, 16):
        with seeded(t, "step"):
            system.step(batch, t)
    assert len(seen) == 6
    assert all(not torch.equal(seen[a], seen[b]) for a in range(6) for b in range(a))


def test_losses_have_the_published_weights(monkeypatch):
    system, batch = opened(2, 1)
    monkeypatch.setattr(module, "channel_penalty", lambda critic, real, fake: torch.tensor(7.0))
    (_, _, critic), (_, _, generator) = updates_of(system, batch, 15)[0]
    monkeypatch.setattr(module, "channel_penalty", lambda critic, real, fake: torch.tensor(0.0))
    system, batch = opened(2, 1)
    ((_, _, plain), _), _, found = updates_of(system, batch, 15)
    assert critic - plain == pytest.approx(0.1 * 7, rel=1e-4)
    assert generator == pytest.approx(float((found["fooled"] + 10 * found["reconstruction"]).detach()), rel=1e-4)


def test_a_step_moves_the_networks_of_its_scale_only():
    system, batch = opened(7, 3)
    nets = {("generator", k): net for k, net in enumerate(system.gens)}
    nets |= {("critic", k): net for k, net in enumerate(system.critics)}
    before = {name: [v.clone() for v in net.state_dict().values()] for name, net in nets.items()}
    updates_of(system, batch, 35)
    same = {name: all(map(torch.equal, before[name], net.state_dict().values())) for name, net in nets.items()}
    assert [name for name, equal in same.items() if not equal] == [("generator", 3), ("critic", 3)]


def test_a_scale_starts_from_the_weights_of_the_one_before_where_widths_agree():
    system, _ = opened(7, 6)
    for nets in (system.gens, system.critics):
        states = [net.state_dict() for net in nets]
        copied = [
            a.keys() == b.keys() and all(a[n].shape == b[n].shape and torch.equal(a[n], b[n]) for n in a)
            for a, b in pairwise(states)
        ]
        assert copied == [True, True, True, False, True, True]  # scale 4 is twice as wide


def test_the_rate_falls_to_a_tenth_in_the_last_fifth_of_each_scale():
    system, batch = opened(2, 1)
    for t, share in ((11, 1.0), (17, 1.0), (18, 0.1), (19, 0.1)):
        updates_of(system, batch, t)
        for optimiser in (system.opts_gen[1], system.opts_critic[1]):
            assert optimiser.param_groups[0]["lr"] == pytest.approx(share * system.lr)
            assert optimiser.defaults["betas"] == (0.5, 0.999)


# --- what it learns ----------------------------------------------------------------------------------------------


def features(images, seed=0):
    """Responses [positions, 32] of two layers of random 3x3 filters: what a patch of 5 pixels looks like."""
    generator = torch.Generator().manual_seed(seed)
    for a, b in ((images.shape[1], 32), (32, 32)):
        filters = torch.randn(b, a, 3, 3, generator=generator) * (2 / (9 * a)) ** 0.5
        images = F.relu(F.conv2d(images, filters))
    return images.movedim(1, -1).flatten(0, -2)


def patch_distance(images, real):
    """Frechet distance of the features of single images to one image's, averaged: SIFID with random filters."""
    return float(np.mean([frechet_features(features(each[None]), features(real)) for each in images]))


def diversity(images, real):
    """Standard deviation of a pixel over samples, averaged, as a share of the image's own."""
    return float(images.std(0).mean() / real.std())


def test_z_star_gives_back_the_image_which_without_the_reconstruction_loss_it_does_not():
    _, real = one(waves())
    error, control = (rmse(system.reconstruct(), real) for system in (trained(), trained(reconstruction=0.0)))
    assert error < 0.2
    assert error < control / 2


def test_samples_differ_but_are_made_of_the_patches_of_the_image():
    _, real = one(waves())
    samples = trained().random(16, seed=1)
    shuffled = real.flatten(2)[..., torch.from_numpy(np.random.default_rng(0).permutation(SIDE**2))].view_as(real)
    assert 0.1 < diversity(samples, real) < 0.8
    assert min(rmse(each, real) for each in samples) > 0.2
    near = patch_distance(samples, real)
    assert near < 0.75 * patch_distance(one(dots())[1], real)
    assert near < 0.6 * patch_distance(shuffled, real)


def test_what_the_critics_ask_for_brings_samples_nearer_to_the_patches_of_the_image(monkeypatch):
    (_, real), system = one(waves()), trained()
    monkeypatch.setattr(module, "wasserstein_generator", lambda scores: 0 * scores.mean())
    control = fitted(waves(), **SHORT)
    near, far = (patch_distance(each.random(16, seed=1), real) for each in (system, control))
    assert near < 0.8 * far


def test_the_later_noise_begins_the_less_samples_differ():
    _, real = one(waves())
    spread = [diversity(trained().random(16, start=k, seed=1), real) for k in range(3)]
    assert spread[0] > spread[1] > spread[2] > 0


def test_images_that_are_put_in_change_the_less_the_later():
    _, other = one(dots())
    moved = [rmse(trained().paint(other, start=k), other) for k in (1, 2)]
    assert moved[0] > moved[1] > 0


def test_a_pasted_object_takes_on_the_colours_of_the_image_and_nothing_else_changes():
    _, real = one(waves())
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.int64)
    mask[:, 9:15, 8:16] = 1
    inside = mask[0].bool()
    pasted = torch.where(mask[:, None].bool(), torch.tensor([0.9, -0.9, 0.9]).view(1, 3, 1, 1), real)
    made, control = (system.harmonise(pasted, mask, start=1) for system in (trained(), untrained_waves()))
    ground, *colours = (image[0][:, inside].mean(1) for image in (real, pasted, made, control))
    far, near, blurred = ((colour - ground).norm() for colour in colours)
    assert near < 0.8 * far
    assert near < 0.9 * blurred  # what is only made smaller and larger again changes too
    outside = module.soft_mask(mask, 7 * SIDE / 250, 5 * SIDE / 250)[0] < 0.05
    assert outside.float().mean() > 0.7
    assert float((made - pasted)[0][:, outside].abs().mean()) < 0.02


def test_enlarged_images_are_nearer_in_their_patches_than_bicubic_ones():
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.normal(size=(56, 56)), 3, mode="wrap")
    colours = np.array([(200, 60, 40), (240, 230, 200), (40, 70, 120)], np.uint8)
    _, large = one(colours[np.digitize(field / field.std(), (-0.4, 0.6))])
    small = module.resized(large, (28, 28))
    image = ((small[0].movedim(0, -1).numpy() + 1) * 127.5).round().astype(np.uint8)
    published = {"factor": 0.794, "reconstruction": 100.0, "min_side": 18}
    made = fitted(image, **published, width=8, iterations=50, lr=2e-3).super_resolve(2)
    assert made.shape == large.shape
    bicubic = module.resized(small, (56, 56))
    assert patch_distance(made, large) < 0.75 * patch_distance(bicubic, large)


# --- what it offers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 40), (31, 9), (5, 5)])
def test_samples_of_any_size_from_any_scale(size):
    for start in (0, 1, -1):
        made = untrained().random(2, size=size, start=start, seed=3)
        assert made.shape == (2, 3, *size)
        assert made.abs().max() <= 1
        assert not torch.equal(made[0], made[1])
        assert torch.equal(made, untrained().random(2, size=size, start=start, seed=3))


@pytest.mark.parametrize(
    ("scales", "params", "of_samples", "of_variants"),
    [
        (7, {}, [0, 1, 2, 3, 4, 5, 6], [4, 5, 6]),
        (7, {"sample_from": 5, "vary_from": 2}, [5, 6], [2, 3, 4, 5, 6]),
        (2, {}, [0, 1], [1]),
    ],
)
def test_samples_and_variants_begin_at_the_scales_that_are_set(scales, params, of_samples, of_variants):
    system, ran = fitted(waves(16), budget=scales, **few(scales), **params), []
    for k, gen in enumerate(system.gens):
        gen.register_forward_pre_hook(lambda net, args, k=k: ran.append(k))
    system.sample(1)
    assert ran == of_samples
    ran.clear()
    system.augment(one(waves(16))[0])
    assert ran == of_variants


def test_super_resolution_applies_the_finest_generator_again_and_again():
    system = fitted(waves(24), budget=3, factor=0.5 ** (1 / 3), min_side=18)
    sizes = []
    system.gens[-1].register_forward_pre_hook(lambda net, args: sizes.append(tuple(args[0].shape[-2:])))
    assert system.super_resolve(4).shape == (1, 3, 96, 96)
    assert sizes == [(round(24 * 4 ** (i / 6)),) * 2 for i in range(1, 7)]  # six passes for four times the size
    assert system.super_resolve(2, torch.zeros(2, 3, 10, 14)).shape == (2, 3, 20, 28)


def test_a_clip_begins_at_the_image_and_goes_on_smoothly():
    system = trained()
    clip = system.animate(12, alpha=0.1, beta=0.9, seed=0)
    assert torch.equal(system.animate(1, alpha=0.1, beta=0.9, seed=0)[0], system.reconstruct()[0])
    torch.testing.assert_close(clip[0], system.reconstruct()[0], atol=1e-6, rtol=0)  # a batch is rounded otherwise
    step = rmse(clip[1:], clip[:-1])
    samples = system.random(12, seed=0)
    assert 0 < step < 0.5 * rmse(samples[1:], samples[:-1])
    still = system.animate(3, alpha=1.0)
    torch.testing.assert_close(still[2], still[0])
    late = system.animate(12, start=2)
    assert rmse(late[1:], late[:-1]) < step


def test_the_walk_is_the_published_recursion():
    star, u = torch.tensor([[2.0]]), torch.tensor([[9.0], [1.0], [-3.0]])
    z1 = 0.1 * 2 + 0.9 * (2 + 0.2 * 1)
    z2 = 0.1 * 2 + 0.9 * (z1 + 0.8 * (z1 - 2) + 0.2 * -3)
    assert module.walk(u, star, 0.1, 0.8).flatten().tolist() == pytest.approx([2, z1, z2])


def test_masks_grow_by_a_disk_and_get_soft_edges():
    mask = torch.zeros(1, 41, 41, dtype=torch.int64)
    mask[0, 20, 20] = 1
    hard = module.soft_mask(mask, 7, 0)
    assert float(hard.sum()) == 149  # whole pixels within 7 of the centre
    assert float(hard[0, 20, 13]) == 1 and float(hard[0, 14, 15]) == 0
    soft = module.soft_mask(mask, 7, 2)
    assert float(soft.sum()) == pytest.approx(149, rel=1e-3)
    assert 0.3 < float(soft[0, 20, 27]) < 0.7


def test_edits_change_a_wider_rim_than_pastes():
    image = 2 * torch.rand(1, 3, 100, 100, generator=torch.Generator().manual_seed(0)) - 1
    mask = torch.zeros(1, 100, 100, dtype=torch.int64)
    mask[0, 45:55, 45:55] = 1
    pasted, edited = (getattr(untrained(), name)(image, mask) for name in ("harmonise", "edit"))
    changed = [int(((made - image).abs() > 1e-3).any(1).sum()) for made in (pasted, edited)]
    assert 100 < changed[0] < changed[1] < 100**2


def test_scales_that_have_not_begun_only_enlarge():
    system = fitted(waves(16), budget=1, min_side=11, factor=0.6)
    assert len(system.gens) == 2 and system.opened_ == 1
    with torch.no_grad(), seeded(0, "a"):
        coarse = system.through(system.blank(1), system.noises(1, system.sizes[:1]), system.sizes)
    with seeded(0, "a"):
        made = system.drawn(1, (16, 16), 0)
    assert torch.equal(made, module.resized(coarse, (16, 16)))


def test_one_clone_an_image_learns_a_set_with_labels():
    data = ImageSet.of(np.stack([waves(16), dots(16)]), [1, 0], ("a", "b"))
    system = PerImage(ganaug.make("singan", preset="tiny")).fit(data, budget=8)
    made = system.sample(per_class=3)
    assert made.counts() == {"a": 3, "b": 3}
    assert made.parents.ravel().tolist() == [1 - label for label in made.label]
    for clone, image in zip(system.clones.values(), data.images(np.arange(2)), strict=True):
        assert torch.equal(clone.image[0], image)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s: fitted(waves(16), min_side=10), "min_side of 11 or more"),
        (lambda s: fitted(waves(16), factor=1.0), "factor between 0 and 1"),
        (lambda s: s.random(start=7), "from scale 1 to the last, found start=7 and 7 scales"),
        (lambda s: s.animate(2, start=7), "from scale 0 to the last, found start=7 and 7 scales"),
        (
            lambda s: s.super_resolve(2, torch.zeros(1, 1, 16, 16)),
            "has learnt images of 3 channels, the given ones have 1",
        ),
        (lambda s: ganaug.make("singan").random(), "not fitted yet"),
        (lambda s: s.paint(torch.zeros(1, 3, 16, 16), start=0), "found start=0"),
        (lambda s: fitted(waves(16), min_side=25), "coarsest scale has 25 pixels, and the image 16"),
        (lambda s: fitted(waves(16), min_side=16).augment(Batch(image=torch.zeros(1, 3, 16, 16))), "and 1 scales"),
        (lambda s: s.paint(torch.zeros(1, 1, 16, 16)), "has learnt images of 3 channels, the given ones have 1"),
        (lambda s: s.random(size=(0, 5)), r"1 or more, found \(0, 5\)"),
        (lambda s: s.super_resolve(1), "above 1"),
        (lambda s: s.harmonise(torch.zeros(1, 3, 9, 9), torch.zeros(1, 9, 8)), r"expected \(1, 9, 9\)"),
        (lambda s: fitted(waves(300)), "works from 12 to 256 pixels"),
    ],
)
def test_what_can_not_work_is_one_sentence(act, message):
    with pytest.raises(ganaug.InputError, match=message):
        act(untrained())

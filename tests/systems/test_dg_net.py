"""DG-Net: grey structure, losses in closed form, gradient routing, labels, schedule, swap and fused features."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView
from ganaug.parts.nets.trunks import trunk
from ganaug.systems.identity.dg_net import FusedEmbedding, grey, swap

LUMINANCE = torch.tensor([1.0, -2.0, 1.0])  # a change of colour that leaves the mean of the channels alone


def people(identities=5, images=4, size=(32, 32)):
    """A coloured body (identity) somewhere on grey (structure)."""
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(identities), images) * 10 + 3
    pixels = np.full((len(identity), *size, 3), 90, np.uint8)
    colours = rng.integers(0, 255, (identities, 3))
    for row, number in enumerate(identity):
        y, x = rng.integers(2, size[0] - 18), rng.integers(2, size[1] - 10)
        pixels[row, y : y + 16, x : x + 8] = colours[number // 10]
    return TrainView.of(ImageSet.of(pixels, identity=identity))


def opened(t=50, total=100, **params):
    """A built system in the middle of its run, with a batch of its own."""
    system = ganaug.make("dg_net", preset="tiny", teacher_steps=0.0, **params).fit(people(), budget=2, seed=0)
    system.total, system.train = total, people()
    system.set_mode(training=True)
    with seeded(0, "draw"):
        batch = system.draw(system.train, torch.tensor([0, 5, 10, 15]))
    return system, batch


def losses_of(system, batch, t):
    """The loss that each optimiser is given in one step, with its graph."""
    found = {}
    names = {id(system.opt_gen): "paint", id(system.opt_critic): "critic", id(system.opt_id): "id"}
    system.update = lambda loss, optimiser, recogniser=False: found.update({names[id(optimiser)]: loss})
    with seeded(1, "step"):
        system.step(batch, t)
    del system.update
    return found


def reached(loss, module):
    """Whether any parameter of a module gets a gradient from a loss."""
    gradients = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)
    return any(g is not None and bool(g.abs().sum() > 0) for g in gradients)


# --- structure ---------------------------------------------------------------------------------------------------


def test_structure_sees_no_colour():
    system, batch = opened()
    recoloured = batch.image + 0.2 * LUMINANCE[:, None, None]
    assert next(system.enc_s.parameters()).shape[1] == 1
    assert torch.allclose(system.enc_s(grey(batch.image)), system.enc_s(grey(recoloured)), atol=1e-5)
    brighter = batch.image * torch.linspace(0.5, 1, 32)
    assert not torch.allclose(system.enc_s(grey(batch.image)), system.enc_s(grey(brighter)), atol=1e-3)


# --- losses in closed form ---------------------------------------------------------------------------------------


class Stub(nn.Module):
    """A network that is a plain function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class Recogniser(nn.Module):
    """E_a on plain images: the code is their value, and both heads name by it."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Identity()
        self.primary, self.fine = (Stub(lambda pooled, by=by: pooled.mean(1)[:, None] * by) for by in (PRIMARY, FINE))

    def code(self, maps):
        return maps.mean((1, 2, 3))[:, None]

    def heads(self, maps):
        pooled = maps.amax((2, 3))
        return self.primary(pooled), self.fine(pooled)


PRIMARY, FINE = torch.tensor([1.0, -2.0, 3.0, 0.5, 2.0]), torch.tensor([-1.0, 2.0, 0.0, 4.0, 1.0])
VALUES, POSITIVES = torch.tensor([0.1, 0.2, 0.3, 0.5]), torch.tensor([0.15, 0.1, 0.4, 0.3])
OWN, PARTNER = torch.arange(4), torch.tensor([2, 3, 0, 1])
TAUGHT = torch.tensor([[0.1, 0.2, 0.3, 0.2, 0.2]]).repeat(4, 1)
SWAPPED = VALUES / 2 + VALUES[PARTNER]


def plain(values):
    return values[:, None, None, None].expand(-1, 3, 4, 4).contiguous()


def stubbed(**params):
    """E_s halves, the decoder adds the code, two critics say 4 and -8 times the value; 4x4 images of one value each."""
    system, _ = opened(total=1000, **params)
    system.enc_a, system.enc_s = Recogniser(), Stub(lambda images: images / 2)
    system.dec = Stub(lambda structure, code: (structure + code[..., None, None]).expand(-1, 3, -1, -1))
    system.critic = Stub(lambda images: [by * images.mean((1, 2, 3))[:, None] for by in (4.0, -8.0)])
    system.taught = lambda images: TAUGHT
    return system, Batch(plain(VALUES), identity=system.ids[:4], pair={"positive": Batch(plain(POSITIVES))})


def painters_loss(ramp):
    rebuilt = (VALUES / 2).mean() + (POSITIVES - VALUES / 2).abs().mean()
    fooled = (4 * SWAPPED - 1).square().mean() + (-8 * SWAPPED - 1).square().mean()
    named = F.cross_entropy(SWAPPED[:, None] * PRIMARY, OWN[PARTNER])
    code, structure = (SWAPPED - VALUES[PARTNER]).abs().mean(), (SWAPPED - VALUES).abs().mean() / 2
    cycle = (SWAPPED / 2 + SWAPPED[PARTNER] - VALUES).abs().mean()
    return 5 * rebuilt + 2 * fooled + 0.5 * named + min(1.0, 2 * ramp) * (code + structure) + 2 * ramp * cycle


def critics_loss():
    """A critic of slope c has the gradient c / 48 at each of 48 values."""
    found = sum((by * VALUES - 1).square().mean() + (by * SWAPPED).square().mean() for by in (4, -8))
    return found + 0.01 * (4**2 + 8**2) / 48


def recognisers_loss(ramp):
    real = sum(F.cross_entropy(values[:, None] * PRIMARY, OWN) for values in (VALUES, POSITIVES))
    fine = sum(F.cross_entropy(values[:, None] * FINE, OWN) for values in (VALUES, SWAPPED))
    far = (TAUGHT * (TAUGHT.log() - (SWAPPED[:, None] * PRIMARY).log_softmax(1))).sum(1).mean()
    return real + 2 * ramp * (far + 0.2 * fine)


@pytest.mark.parametrize(("published", "batches"), [(False, 1), (True, 2)])
def test_losses_have_the_published_weights(published, batches):
    """As released, the losses of the two batches are added; else they are a mean."""
    system, batch = stubbed(published=published)
    for t, ramp in ((0, 0.0), (310, 0.25), (330, 0.75), (999, 1.0)):
        assert system.ramp(t) == ramp
        found = losses_of(system, batch, t)
        torch.testing.assert_close(found["paint"].detach(), batches * painters_loss(ramp))
        torch.testing.assert_close(found["critic"].detach(), batches * critics_loss())
        torch.testing.assert_close(found["id"].detach(), batches * recognisers_loss(ramp))


def test_structure_loss_trains_the_encoder_or_the_painter_with_equal_odds():
    system, _ = stubbed()
    system.enc_s = nn.Conv2d(1, 1, 1)
    swapped, structure = plain(SWAPPED).requires_grad_(True), plain(VALUES)[:, :1]
    reached = []
    with seeded(0, "coins"):
        for _ in range(400):
            *_, loss = system.consistency(swapped, VALUES[:, None], structure, OWN, 1.0)
            gradients = torch.autograd.grad(loss, [swapped, system.enc_s.weight], allow_unused=True)
            reached.append([g is not None for g in gradients])
    painter, encoder = np.array(reached).T
    assert (painter != encoder).all()
    assert 0.4 < painter.mean() < 0.6


def test_the_teacher_pools_by_the_mean_where_it_learns_and_where_it_is_asked():
    system, batch = opened()
    maps, pooled = [], []
    system.tutor.trunk.register_forward_hook(lambda module, given, made: maps.append(made))
    system.tutor.primary.register_forward_hook(lambda module, given, made: pooled.append(given[0]))
    system.taught(batch.image)
    system.teacher_steps = 0.01
    system.prepare(system.train)
    assert len(maps) == len(pooled) == 3
    assert all(torch.equal(a.mean((2, 3)), b) for a, b in zip(maps, pooled, strict=True))


# --- gradient routing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("t", [0, 50])
def test_generation_losses_never_move_the_recogniser_and_feedback_never_moves_the_painter(live, t):
    system, batch = opened(live_code_loss=live)
    found = losses_of(system, batch, t)
    assert reached(found["paint"], system.dec)
    assert reached(found["paint"], system.enc_s)
    assert not reached(found["paint"], system.enc_a)
    assert not reached(found["paint"], system.critic)
    assert reached(found["id"], system.enc_a.primary)
    assert not reached(found["id"], system.dec)
    assert not reached(found["id"], system.enc_s)
    assert not reached(found["id"], system.tutor)
    assert reached(found["critic"], system.critic)
    assert not reached(found["critic"], system.dec)


def test_fine_grained_head_learns_only_once_the_ramp_has_begun():
    system, batch = opened()
    assert not reached(losses_of(system, batch, 0)["id"], system.enc_a.fine)
    assert reached(losses_of(system, batch, 50)["id"], system.enc_a.fine)


@pytest.mark.parametrize("live", [False, True])
def test_appearance_code_loss_has_a_gradient_only_where_it_is_asked_for(live):
    system, batch = opened(live_code_loss=live)
    code, _ = system.codes(batch.image, batch.pair["positive"].image)
    structure = system.enc_s(grey(batch.image))
    swapped = system.dec(structure, swap(code))
    _, code_loss, _ = system.consistency(swapped, swap(code), structure, system.classes(batch), 1.0)
    assert float(code_loss.detach()) > 0
    assert code_loss.requires_grad == live
    if live:
        assert reached(code_loss, system.dec)
        assert not reached(code_loss, system.enc_a)


def test_looking_through_the_recogniser_leaves_its_statistics_alone():
    system, batch = opened()
    structure = system.enc_s(grey(batch.image))
    swapped = torch.rand_like(batch.image, requires_grad=True)
    code, _ = system.codes(batch.image, batch.pair["positive"].image)
    before = [b.clone() for b in system.enc_a.buffers()]
    system.consistency(swapped, code, structure, system.classes(batch), 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, system.enc_a.buffers(), strict=True))


# --- labels ------------------------------------------------------------------------------------------------------


def test_swapped_images_are_named_after_the_appearance_and_fed_back_with_the_structure(monkeypatch):
    system, batch = opened()
    own = system.classes(batch)
    assert own.tolist() == [0, 1, 2, 3]
    targets, taught = [], []
    honest = F.cross_entropy
    monkeypatch.setattr(F, "cross_entropy", lambda x, y, **how: (targets.append(y.tolist()), honest(x, y, **how))[1])
    monkeypatch.setattr(system, "taught", lambda images: taught.append(len(images)) or torch.full((4, 5), 0.2))
    losses_of(system, batch, 50)
    named, anchors, positives, fine_real, fine_swapped = targets
    assert named == [2, 3, 0, 1]  # recognised as the appearance donor, who is in the other half
    assert anchors == positives == fine_real == [0, 1, 2, 3]
    assert fine_swapped == [0, 1, 2, 3]  # the structure donor
    assert taught == [4]


def test_swapped_image_i_has_the_structure_of_i_and_the_code_of_its_partner():
    system, batch = opened()
    seen = []
    honest = system.dec.forward
    system.dec.forward = lambda s, c: (seen.append((s, c)), honest(s, c))[1]
    losses_of(system, batch, 0)
    (structure, code), *rest = seen
    own_structure, own_code = rest[0]
    assert torch.equal(structure, own_structure)
    assert torch.equal(code, own_code[[2, 3, 0, 1]])


# --- schedule ----------------------------------------------------------------------------------------------------


def test_ramp_is_zero_in_the_warm_up_and_one_after_it():
    system, _ = opened(total=1000)
    assert [system.ramp(t) for t in (0, 299)] == [0.0, 0.0]
    assert 0 < system.ramp(320) < 1
    assert [system.ramp(t) for t in (340, 999)] == [1.0, 1.0]


def test_fine_grained_feedback_weighs_a_fifth_of_the_primary_one(monkeypatch):
    system, batch = opened()
    target = torch.full((4, 5), 0.2)
    monkeypatch.setattr(system, "taught", lambda images: target)
    monkeypatch.setattr(system.enc_a, "heads", lambda maps: (torch.zeros(4, 5), torch.zeros(4, 5)))
    own = system.classes(batch)
    full = float(system.feed_back(batch.image, own, own, 1.0))
    assert full == pytest.approx(2 * 0.2 * math.log(5))  # the KL term is 0: uniform against uniform
    assert float(system.feed_back(batch.image, own, own, 0.5)) == pytest.approx(full / 2)


@pytest.mark.parametrize(
    ("published", "factors"),
    [(True, [1.0, 1.0, 0.1, 0.01]), (False, [0.5, math.cos(math.pi / 18) ** 2, 0.4132, 0.0302])],
)
def test_all_rates_follow_one_schedule(published, factors):
    system, batch = opened(published=published, total=1000)
    rates = []
    for t in (50, 200, 600, 900):  # of 1,000: a rise over a tenth and a cosine, or a tenth after 60 and after 90 %
        system.step(batch, t)
        for optimiser in (system.opt_gen, system.opt_critic, system.opt_id):
            group = optimiser.param_groups[0]
            rates.append(group["lr"] / group["first"])
    assert rates == pytest.approx([factor for factor in factors for _ in range(3)], rel=1e-2)


def test_imagenet_weights_are_read_for_training_and_not_to_restore(monkeypatch, tmp_path):
    from ganaug.systems.identity import dg_net

    asked = []

    def weights(name):
        asked.append(name)
        return trunk(name, 3, (64, 32), imagenet=True)[0].state_dict()

    monkeypatch.setattr(dg_net, "imagenet_state", weights)
    params = {"backbone": "resnet18", "pretrained": True, "teacher_steps": 0.0}
    system = ganaug.make("dg_net", preset="tiny", **params).fit(people(), budget=0, seed=0, run=tmp_path / "run")
    assert asked == ["resnet18", "resnet18"]
    again = ganaug.restore(tmp_path / "run")
    assert len(asked) == 2
    image = people().images([0, 5])
    with torch.no_grad():
        assert torch.equal(again.painted(image, image), system.painted(image, image))


# --- what it learns and yields -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    return ganaug.make("dg_net", preset="tiny").fit(people(), budget=6, seed=0)


def test_variants_carry_identity_and_both_parents(fitted):
    data = people()
    made = fitted.augment(data, seed=1)
    donors = data.select(data.rows(np.searchsorted(data.index, made.parents[:, 0])))
    assert np.array_equal(made.identity, donors.identity)
    assert np.array_equal(made.parents[:, 1], data.index)
    assert (donors.identity != data.identity).all()


@pytest.mark.parametrize("size", [(32, 34), (33, 32), (50, 38)])
def test_sides_need_not_be_multiples_of_four(size):
    data = people(size=size)
    system = ganaug.make("dg_net", preset="tiny", teacher_steps=0.0).fit(data, budget=3, seed=0)  # a step a stage
    assert [system.ramp(t) for t in range(3)] == [0.0, 0.0, 1.0]
    assert system.augment(data).images().shape == (20, 3, *size)
    images = data.images([0, 5])
    with torch.no_grad():
        assert system.combine(images).shape == (9, 3, *size)
        whole = system.dec(system.enc_s(grey(images)), system.enc_a.code(system.enc_a.trunk(images)))
        assert torch.equal(system.painted(images, images), whole[..., : size[0], : size[1]].clamp(-1, 1))


def test_donors_of_appearance_have_another_identity_and_a_known_one():
    data = people()
    data = data.but(identity=np.where(np.arange(20) % 4 == 3, -1, data.identity))
    system, _ = opened()
    for seed in range(20):
        with seeded(seed, "draw"):
            batch = system.draw(data, torch.tensor([0, 5, 10, 3]))
        donor, positive = (batch.pair[name].identity for name in ("appearance", "positive"))
        assert (donor >= 0).all()
        assert (donor != batch.identity).all()
        assert torch.equal(positive, batch.identity)


def test_grid_holds_structures_in_the_first_column_and_appearances_in_the_first_row(fitted):
    images = people().images([0, 5, 10])
    with torch.no_grad():
        grid = fitted.combine(images).unflatten(0, (4, 4))
    assert torch.equal(grid[0, 1:], images)
    assert torch.equal(grid[1:, 0], images)
    assert torch.allclose(grid[2, 3], fitted.painted(images[1:2], images[2:3])[0], atol=1e-5)


def test_interpolation_starts_and_ends_at_the_two_appearances(fitted):
    a, b, c = people().images([0, 5, 10]).split(1)
    with torch.no_grad():
        path = fitted.between(a, b, c, steps=5)
        assert torch.allclose(path[[0]], fitted.painted(a, b), atol=1e-5)
        assert torch.allclose(path[[4]], fitted.painted(a, c), atol=1e-5)


def test_fused_features_rank_by_the_weighted_sum_of_both_heads(fitted):
    images = people().images([0, 5, 10])
    model = FusedEmbedding(fitted.enc_a, 0.5)
    with torch.no_grad():
        both = F.normalize(model.embed(images))
        primary, fine = model.embed(images).split(512, 1)
    assert torch.allclose(primary.norm(dim=1), torch.ones(3), atol=1e-5)
    fine = F.normalize(fine)
    expected = (primary @ primary.T + 0.5 * fine @ fine.T) / 1.5
    assert torch.allclose(both @ both.T, expected, atol=1e-5)


def test_unknown_teacher_is_one_sentence():
    with pytest.raises(ganaug.InputError, match="there is no teacher 'wise': there are soft, hard"):
        ganaug.make("dg_net", preset="tiny", teacher="wise").fit(people(), budget=1)

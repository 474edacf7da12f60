"""Embedding heads, trunks, the triplet loss, and networks that are only looked through."""

import pytest
import torch
from torch import nn

from ganaug.data.errors import InputError
from ganaug.parts.freeze import looked_through
from ganaug.parts.losses.triplet import batch_hard_triplet
from ganaug.parts.nets.embedding import BNNeck, ClassBlock
from ganaug.parts.nets.trunks import imagenet_state, trunk


@pytest.mark.parametrize(
    ("size", "maps"), [((8, 8), (2, 2)), ((28, 28), (7, 7)), ((64, 32), (8, 4)), ((64, 64), (4, 4))]
)
def test_small_trunk_halves_with_the_size_and_keeps_its_last_stage_where_asked(size, maps):
    torch.manual_seed(0)
    for last, factor in ((2, 1), (1, 2)):
        net, width = trunk("small", 3, size, last)
        assert net(torch.zeros(2, 3, *size)).shape == (2, width, maps[0] * factor, maps[1] * factor)


@pytest.mark.parametrize(("name", "channels"), [("resnet18", 5), ("mobilenet_v3_small", 3)])
def test_torchvision_trunks_give_maps_of_the_named_width(name, channels):
    net, width = trunk(name, channels, (64, 64), 1)
    maps = net.eval()(torch.zeros(1, channels, 64, 64))
    assert maps.ndim == 4
    assert maps.shape[1] == width if name == "resnet18" else maps.shape[1] > 0
    if name == "resnet18":
        assert maps.shape[2:] == (4, 4)
        assert trunk(name, channels, (64, 64), 2)[0].eval()(torch.zeros(1, channels, 64, 64)).shape[2:] == (2, 2)


def test_timm_trunks_give_the_width_of_their_maps_or_one_sentence():
    pytest.importorskip("timm")
    for name, channels in (("mobilenetv3_small_050", 13), ("resnet10t", 1)):
        net, width = trunk(name, channels, (64, 32))
        assert net.training and net(torch.zeros(2, channels, 64, 32)).shape[:2] == (2, width)
    with pytest.raises(InputError, match="takes no images of 64x32 pixels"):
        trunk("vit_tiny_patch16_224", 3, (64, 32))
    with pytest.raises(InputError, match="makes no feature maps"):
        trunk("vit_tiny_patch16_224", 3, (224, 224))


def test_imagenet_trunks_take_the_weights_and_see_images_at_their_scale(monkeypatch):
    from torchvision import models

    theirs = models.resnet18(weights=None).eval()  # stands for the weights, which are not fetched here
    monkeypatch.setattr(models, "get_model", lambda name, weights: theirs if weights else models.resnet18())
    ours, width = trunk("resnet18", 3, (64, 32), 2, imagenet=True)
    ours.load_state_dict(imagenet_state("resnet18"))
    image = torch.rand(2, 3, 64, 32) * 2 - 1
    wanted = (image / 2 + 0.5 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    found = ours.eval()(image).mean((2, 3))
    assert found.shape[1] == width and torch.allclose(found, theirs(wanted), atol=1e-4)


@pytest.mark.parametrize(
    ("backbone", "channels", "sentence"), [("small", 3, "no pretrained"), ("resnet18", 13, "3 ch")]
)
def test_where_no_imagenet_weights_fit(backbone, channels, sentence):
    with pytest.raises(InputError, match=sentence):
        trunk(backbone, channels, (64, 64), imagenet=True)


def test_weights_that_cannot_be_had_are_one_sentence(monkeypatch):
    from torchvision import models

    def offline(name, weights):
        raise OSError("no route")

    monkeypatch.setattr(models, "get_model", offline)
    with pytest.raises(InputError, match=r"weights of 'resnet18' can't be had \(no route\).*pretrained to false"):
        imagenet_state("resnet18")


def test_unknown_backbone_is_one_sentence():
    with pytest.raises(InputError, match="there is no backbone 'resnet99'"):
        trunk("resnet99", 3, (64, 64))


def test_neck_gives_logits_of_its_embedding_and_never_learns_a_bias():
    neck = BNNeck(6, 4)
    x = torch.randn(8, 6)
    assert torch.allclose(neck(x), neck.embed(x) @ neck.head.weight.T)
    neck(x).sum().backward()
    assert neck.norm.bias.grad is None
    assert neck.norm.weight.grad is not None


def test_class_block_embeds_without_dropout_and_classifies_with_it():
    block = ClassBlock(6, 4, embedding=5, dropout=0.5).train()
    x = torch.randn(16, 6)
    assert torch.equal(block.embed(x), block.embed(x))
    assert not torch.equal(block(x), block(x))
    expected = block.norm(block.bottleneck(x))
    assert torch.allclose(block.embed(x), expected)


def test_batch_hard_triplet_equals_a_loop():
    torch.manual_seed(1)
    x, identity = torch.randn(9, 4), torch.tensor([0, 0, 0, 1, 1, 2, 2, -1, -1])
    total = 0.0
    for a in range(7):
        own = [float((x[a] - x[j]).norm()) for j in range(7) if identity[j] == identity[a]]
        other = [float((x[a] - x[j]).norm()) for j in range(7) if identity[j] != identity[a]]
        total += max(0.0, 0.3 + max(own) - min(other)) / 7
    assert float(batch_hard_triplet(x, identity, 0.3)) == pytest.approx(total, abs=1e-5)


def test_triplet_of_one_identity_or_none_is_zero():
    x = torch.randn(4, 3)
    assert float(batch_hard_triplet(x, torch.zeros(4, dtype=torch.int64))) == 0
    assert float(batch_hard_triplet(x, torch.full((4,), -1))) == 0


def test_looked_through_network_uses_the_batch_drops_nothing_and_remembers_nothing():
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.9)).train()
    before = [b.clone() for b in net.buffers()]
    x = torch.randn(4, 1, 6, 6, requires_grad=True)
    with looked_through(net):
        made = net(x)
        again = net(x)
    raw = net[0](x)
    mean, var = raw.mean((0, 2, 3), keepdim=True), raw.var((0, 2, 3), keepdim=True, unbiased=False)
    assert torch.equal(made, again)
    assert torch.allclose(made, (raw - mean) / (var + 1e-5).sqrt(), atol=1e-5)
    made.sum().backward()
    assert x.grad is not None
    assert net[0].weight.grad is None
    assert all(torch.equal(a, b) for a, b in zip(before, net.buffers(), strict=True))
    assert all(part.training for part in net.modules())
    assert net[1].track_running_stats

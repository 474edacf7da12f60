# SPDX-License-Identifier: Apache-2.0
"""Class-conditional networks: gains by hand, projection, shapes, standing statistics."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from ganaug.parts.nets.conditional import (
    ConditionalBatchNorm,
    ConditionalGenerator,
    ProjectionHead,
    StridedTrunk,
    standing_statistics,
)


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_conditional_norm_is_batch_norm_with_the_gain_and_bias_of_the_class():
    norm, x, y = ConditionalBatchNorm(3, 4), torch.randn(6, 3, 5, 5), torch.tensor([0, 1, 1, 3, 0, 3])
    with torch.no_grad():
        norm.gain.weight.copy_(torch.arange(12.0).view(4, 3))
        norm.bias.weight.copy_(-torch.arange(12.0).view(4, 3))
    plain = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    gain = torch.arange(12.0).view(4, 3)[y][..., None, None]
    torch.testing.assert_close(norm(x, y).detach(), plain * gain - gain)


def test_conditional_norm_keeps_no_statistics():
    norm = ConditionalBatchNorm(3, 4)
    before = deepcopy(norm.state_dict())
    norm(torch.randn(6, 3, 5, 5) + 7, torch.zeros(6, dtype=torch.long))
    assert all(torch.equal(before[k], v) for k, v in norm.state_dict().items())
    assert not [name for name in before if "running" in name]


def test_projection_by_hand():
    head = ProjectionHead(3, 2)
    x, y = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    expected = (
        x @ head.real.weight[0]
        + head.real.bias
        + torch.stack([x[i] @ head.of_class.weight[k] for i, k in enumerate(y)])
    )
    torch.testing.assert_close(head(x, y), expected)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 20), (13, 17, 64)])
def test_any_channels_and_sizes(shape):
    y = torch.tensor([0, 2])
    gen = ConditionalGenerator(8, 3, *shape, width=4)
    image = gen(torch.randn(2, 8), y)
    assert image.shape == (2, *shape) and image.abs().max() <= 1
    trunk = StridedTrunk(*shape, width=4, most=4, least=8, slope=0.3, dropout=0.0)
    assert trunk(image).shape == (2, trunk.out)


def test_strided_trunk_alternates_strides_and_doubles_widths_up_to_a_limit():
    trunk = StridedTrunk(1, 64, 64, width=2, most=8, least=8, slope=0.3, dropout=0.1)
    convs = [layer for layer in trunk.layers if isinstance(layer, nn.Conv2d)]
    assert [c.stride[0] for c in convs] == [2, 1, 2, 1, 2, 1]
    assert [c.out_channels for c in convs] == [2, 4, 8, 16, 16, 16]
    assert trunk.out == 16 * 8 * 8


def images_of(gen, z, label, reference=None):
    gen.eval()
    with torch.no_grad():
        if reference is None:
            return gen(z, label)
        with standing_statistics(gen, *reference):
            return gen(z, label)


def test_standing_statistics_make_images_that_do_not_depend_on_their_batch():
    gen, z, y = ConditionalGenerator(8, 3, 1, 16, 16, width=4), torch.randn(12, 8), torch.arange(12) % 3
    reference = torch.randn(64, 8), torch.randint(3, (64,))
    together = images_of(gen, z, y, reference)
    alone = torch.cat([images_of(gen, z[i : i + 1], y[i : i + 1], reference) for i in range(12)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    by_class = images_of(gen, z[y == 0], y[y == 0])  # the control: statistics of a batch of one class
    assert (by_class - together[y == 0]).abs().max() > 1e-3


def test_standing_statistics_leave_nothing_behind_even_after_an_error():
    gen, z, y = ConditionalGenerator(8, 3, 1, 16, 16, width=4), torch.randn(4, 8), torch.arange(4) % 3
    names, before = list(gen.state_dict()), images_of(gen, z, y)
    with pytest.raises(RuntimeError, match="stop"), standing_statistics(gen, z, y):
        raise RuntimeError("stop")
    assert list(gen.state_dict()) == names
    assert torch.equal(images_of(gen, z, y), before)


def test_standing_statistics_of_the_batch_itself_change_next_to_nothing():
    gen, z, y = ConditionalGenerator(8, 3, 1, 16, 16, width=4), torch.randn(64, 8), torch.arange(64) % 3
    torch.testing.assert_close(images_of(gen, z, y, (z, y)), images_of(gen, z, y), atol=0.02, rtol=0)

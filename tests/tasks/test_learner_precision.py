"""How learners are trained: the precision of what a network says."""

import pytest
import torch

from ganaug.core import device
from ganaug.tasks.training import answer


@pytest.mark.parametrize("units", [True, False])
def test_network_computes_in_bfloat16_with_units_and_answers_in_float32(units, monkeypatch):
    monkeypatch.delenv("GANAUG_PRECISION", raising=False)
    monkeypatch.setattr(device, "bfloat16_units", lambda: units)
    layer, seen = torch.nn.Linear(3, 4), []
    layer.register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    said = answer(layer, torch.randn(2, 3))
    said.square().sum().backward()
    assert said.dtype == layer.weight.grad.dtype == torch.float32
    assert seen == [torch.bfloat16 if units else torch.float32]


def test_precision_that_is_asked_for_decides(monkeypatch):
    monkeypatch.setattr(device, "bfloat16_units", lambda: True)
    monkeypatch.setenv("GANAUG_PRECISION", "float32")
    x, layer = torch.randn(2, 3), torch.nn.Linear(3, 4)
    torch.testing.assert_close(answer(layer, x), layer(x), rtol=0, atol=0)

"""Precision: the default by device, the variable that overrides it, and its one sentence."""

import pytest
import torch

from ganaug.core.device import autocast
from ganaug.data.errors import InputError


def product_dtype():
    with autocast(torch.device("cpu")):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


def test_cpu_computes_in_float32_unless_the_variable_asks_for_less(monkeypatch):
    monkeypatch.delenv("GANAUG_PRECISION", raising=False)
    assert product_dtype() == torch.float32
    monkeypatch.setenv("GANAUG_PRECISION", "bfloat16")
    assert product_dtype() == torch.bfloat16
    monkeypatch.setenv("GANAUG_PRECISION", "float32")
    assert product_dtype() == torch.float32


def test_unknown_precision_is_one_sentence(monkeypatch):
    monkeypatch.setenv("GANAUG_PRECISION", "half")
    with pytest.raises(InputError, match="float32 or bfloat16, found 'half'"):
        product_dtype()

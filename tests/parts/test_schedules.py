"""Learning rates as functions of the progress of a run."""

import pytest
import torch

from ganaug.parts.schedules import falling


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 1.0), (0.3, 1.0), (0.5, 1.0), (0.75, 0.5), (0.9, 0.2), (1.0, 0.0)]
)
def test_the_rate_is_constant_for_half_of_the_run_and_then_falls_to_nothing(progress, share):
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    several = torch.optim.Adam([{"params": weights[:1]}, {"params": weights[1:2]}], lr=1.0)
    falling(progress, 4e-4, several, torch.optim.Adam(weights[2:], lr=1.0))
    assert [group["lr"] for group in several.param_groups] == pytest.approx([4e-4 * share] * 2)

"""Learning rates as functions of the progress of a run."""

import pytest
import torch

from ganaug.parts.schedules import falling, one_cycle


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 1.0), (0.3, 1.0), (0.5, 1.0), (0.75, 0.5), (0.9, 0.2), (1.0, 0.0)]
)
def test_the_rate_is_constant_for_half_of_the_run_and_then_falls_to_nothing(progress, share):
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    several = torch.optim.Adam([{"params": weights[:1]}, {"params": weights[1:2]}], lr=1.0)
    falling(progress, 4e-4, several, torch.optim.Adam(weights[2:], lr=1.0))
    assert [group["lr"] for group in several.param_groups] == pytest.approx([4e-4 * share] * 2)


def test_one_cycle_is_that_of_the_studys_classifiers():
    """torch's own schedule in a long run, whose warm-up ends one update earlier."""
    steps, weight = 2000, [torch.nn.Parameter(torch.zeros(1))]
    theirs, ours = torch.optim.AdamW(weight, lr=3e-3), torch.optim.AdamW(weight, lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, 3e-3, total_steps=steps, pct_start=0.1, cycle_momentum=False)
    for t in range(steps):
        one_cycle(t / steps, 3e-3, ours)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], abs=3e-5)
        theirs.step()
        schedule.step()

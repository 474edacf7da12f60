"""Label policies: uniform, rank and its released mistake, teachers, and when a generated image counts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch.nn import functional as F

from ganaug.data.batch import Batch
from ganaug.parts.labels.policies import POLICIES, label_policy
from ganaug.parts.labels.teachers import TEACHERS


def images(n):
    return Batch(image=torch.zeros(n, 1, 2, 2))


def test_gradient_of_a_uniform_label_is_softmax_minus_one_over_k():
    logits = torch.randn(6, 7, dtype=torch.float64, requires_grad=True)
    soft = label_policy("uniform").target(images(6), 7, None).double()
    loss = -(soft * F.log_softmax(logits, 1)).sum()
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.allclose(gradient, logits.softmax(1) - 1 / 7, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 40))
def test_rank_labels_sum_to_one_and_rise_with_the_probability(seed, classes):
    logits = torch.randn(5, classes, generator=torch.Generator().manual_seed(seed))
    soft = label_policy("rank").target(images(5), classes, logits)
    assert torch.allclose(soft.sum(1), torch.ones(5), atol=1e-5)
    for p, q in zip(logits, soft, strict=True):
        assert spearmanr(p, q).statistic == pytest.approx(1.0)
    assert torch.equal(soft.argmax(1), logits.argmax(1))


def test_rank_and_the_released_mistake_on_the_paper_s_sort():
    logits = torch.tensor([[0.1, 0.7, 0.15, 0.05]]).log()
    right, wrong = (label_policy(name).target(images(1), 4, logits)[0] for name in ("rank", "rank_as_released"))
    scale = 2 / (4 * 5) * 4
    assert torch.allclose(right / scale, torch.tensor([0.5, 1.0, 0.75, 0.25]))
    assert torch.allclose(wrong / scale, torch.tensor([1.0, 0.25, 0.75, 0.5]))


def test_extra_output_is_no_class_for_ranks():
    logits = torch.cat([torch.randn(3, 5), torch.full((3, 1), 99.0)], 1)
    assert label_policy("rank").target(images(3), 5, logits).shape == (3, 5)


def test_late_ranks_count_nothing_at_first_and_then_a_tenth():
    late = label_policy("rank_late")
    assert [late.weight_at(p) for p in (0.0, 0.41)] == [0.0, 0.0]
    assert [late.weight_at(p) for p in (0.42, 1.0)] == [0.1, 0.1]
    assert label_policy("rank").weight_at(0.0) == 1.0
    assert label_policy("none").weight_at(1.0) == 0.0


def test_policies_that_use_the_asked_label_are_those_that_fail_without_it():
    for name, policy in POLICIES.items():
        logits = torch.randn(2, 3) if policy.asks else None
        if policy.needs_label:
            with pytest.raises(ValueError, match="unknown labels"):
                policy.target(images(2), 3, logits)
        else:
            soft = policy.target(images(2), 3, logits)
            assert soft.shape == (2, 3 + policy.extra), name
            assert torch.allclose(soft.sum(1), torch.ones(2)), name


def test_five_teacher_styles():
    teacher = torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    appearance, structure = torch.tensor([1, 2]), torch.tensor([3, 2])
    made = {name: style(teacher, appearance, structure) for name, style in TEACHERS.items()}
    assert torch.equal(made["soft"], teacher)
    assert made["hard"].argmax(1).tolist() == [0, 3]
    assert made["donor"].argmax(1).tolist() == [1, 2]
    assert torch.equal(made["uniform"], torch.full((2, 4), 0.25))
    assert torch.allclose(made["two_donors"], torch.tensor([[0, 2 / 3, 0, 1 / 3], [0, 0, 1.0, 0]]))

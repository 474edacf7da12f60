# SPDX-License-Identifier: Apache-2.0
"""The copy audit on planted copies, on natural look-alikes and against a search by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from ganaug.audit import copies, matching
from ganaug.audit.copies import find_copies, nearest, planted_detection
from ganaug.audit.matching import SHIFTS, TURNS, best_match
from ganaug.data.errors import InputError


@pytest.fixture(scope="module")
def digits():
    """All 1,797 digits in random order, and their labels."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = torch.tensor(data.images[order] / 8 - 1, dtype=torch.float32)[:, None]
    return images, torch.tensor(data.target[order])


def textures(n, c, h, w, seed=0):
    x = torch.randn(n, c, h + 2, w + 2, generator=torch.Generator().manual_seed(seed))
    return (1.5 * F.avg_pool2d(x, 3, 1)).clamp(-1, 1)


def check(rates):
    assert rates.pop("false_alarms") <= 0.02
    assert set(rates) == {"exact", "flipped", "rotated", "shifted", "recoloured"}
    assert min(rates.values()) >= 0.95, rates


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_copies_of_digits_are_found(digits, seed):
    check(planted_detection(digits[0], seed=seed))


@pytest.mark.parametrize("shape", [(200, 1, 8, 8), (120, 3, 28, 28), (60, 13, 16, 16), (120, 3, 24, 40)])
def test_planted_copies_of_textures_are_found(shape):
    check(planted_detection(textures(*shape)))


@pytest.mark.parametrize("shape", [(40, 3, 48, 48), (32, 1, 128, 128), (24, 1, 160, 150)])
def test_planted_copies_of_larger_textures_are_found(shape):
    check(planted_detection(textures(*shape), per_kind=12))


def test_natural_look_alikes_are_not_copies(digits):
    """Ones written alike: closer to each other than a fixed threshold would bear."""
    ones = digits[0][digits[1] == 1]
    found = find_copies(ones[90:], ones[:90])
    assert found.share <= 0.02
    assert (found.distance < 0.1).float().mean() > 0.5  # a fixed threshold of 0.1 would flag most of them
    noisy = find_copies(ones[:90] + 0.03 * torch.randn(90, 1, 8, 8), ones[:90])
    assert noisy.share >= 0.95


def test_rows_kinds_and_sources_are_named(digits):
    known, new = digits[0][:300], digits[0][300:340]
    source = known[5]
    padded = F.pad(source, (2, 2, 2, 2), value=-1.0)
    changed = torch.stack(
        [
            source,
            source + 0.02,
            0.6 * source + 0.3,
            padded[:, 1:9, 3:11],
            source.flip(-1),
            source.flip(-2),
            source.rot90(1, (-2, -1)),
            source.flip(-1, -2),
            source.mT,
        ]
    )
    found = find_copies(torch.cat([new, changed]), known)
    kinds = ["exact", "near", "recoloured", "shifted", "flipped", "flipped", "rotated", "rotated", "flipped"]
    assert found.kind == [None] * 40 + kinds
    assert found.rows.tolist() == list(range(40, 49))
    assert set(found.nearest[40:].tolist()) == {5}
    assert found.share == pytest.approx(9 / 49)
    assert (found.distance[:40] >= found.threshold).all() and (found.distance[40:] < found.threshold).all()


def naive_distance(image, reference):
    """The smallest over all turns and shifts, pixel by pixel in numpy."""
    best = 2.0
    for turn, (dy, dx) in itertools.product(TURNS, SHIFTS):
        pairs = []
        for x, y in zip(turn(image).double().numpy(), reference.double().numpy(), strict=True):
            h, w = x.shape
            x = x[max(0, dy) : h + min(0, dy), max(0, dx) : w + min(0, dx)]
            y = y[max(0, -dy) : h + min(0, -dy), max(0, -dx) : w + min(0, -dx)]
            pairs.append(np.corrcoef(x.ravel(), y.ravel())[0, 1])
        best = min(best, 1 - np.mean(pairs))
    return best


def test_best_match_equals_brute_force_in_any_chunks(monkeypatch):
    references, images = textures(12, 2, 9, 9), textures(5, 2, 9, 9, seed=1)
    images = 0.5 * images + 0.5 * references[:5].flip(-1)
    table = np.array([[naive_distance(image, one) for one in references] for image in images])
    whole = best_match(images, references)
    np.testing.assert_allclose(whole.distance, table.min(1), atol=1e-5)
    np.testing.assert_array_equal(whole.row, table.argmin(1))
    monkeypatch.setattr(matching, "TILE", 5)
    monkeypatch.setattr(matching, "PIXELS", 1)
    np.testing.assert_allclose(best_match(images, references).distance, whole.distance, atol=1e-6)
    skipped = best_match(images, references, skip=whole.row)
    assert (skipped.row != whole.row).all() and (skipped.distance > whole.distance).all()


def test_flat_channels_do_not_hide_a_copy_and_flat_images_are_none():
    known = textures(20, 13, 8, 8)
    known[:, 10] = -1.0  # as an empty band of a satellite image
    images = torch.cat([known[3:4], torch.zeros(1, 13, 8, 8)])
    found = find_copies(images, known)
    assert found.kind == ["exact", None]
    assert found.distance.tolist() == pytest.approx([0, 1], abs=1e-5)


def test_the_holdout_sets_the_threshold(digits):
    known = digits[0][:300]
    assert find_copies(known[:1], known, holdout=known).threshold == copies.LEAST  # all of it is known
    natural = best_match(digits[0][300:800], known).distance.quantile(0.01)
    expected = copies.MARGIN * natural
    assert find_copies(known[:1], known, holdout=digits[0][300:800]).threshold == pytest.approx(float(expected))


def test_one_reference_is_enough():
    one = textures(1, 3, 16, 16)
    found = find_copies(torch.cat([one.flip(-1), textures(3, 3, 16, 16, seed=1)]), one)
    assert found.kind == ["flipped", None, None, None]


def test_nearest_is_the_row_of_the_look_alike(digits):
    rows = torch.tensor([7, 3, 250])
    assert torch.equal(nearest(digits[0][rows] + 0.05 * torch.randn(3, 1, 8, 8), digits[0][:300]), rows)


@pytest.mark.parametrize(
    ("images", "references", "words"),
    [
        (torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 8, 8), "resize or convert"),
        (torch.zeros(0, 1, 8, 8), torch.zeros(2, 1, 8, 8), "at least one"),
        (torch.full((2, 1, 8, 8), torch.nan), torch.zeros(2, 1, 8, 8), "finite"),
    ],
)
def test_mistakes_are_named(images, references, words):
    with pytest.raises(InputError, match=words):
        find_copies(images, references)
    with pytest.raises(InputError, match="at least 8"):
        planted_detection(references)

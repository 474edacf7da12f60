# SPDX-License-Identifier: Apache-2.0
"""The pool of older images: what comes back, what is kept, that it is detached, and that it goes on from its state."""

from __future__ import annotations

import pytest
import torch

from ganaug.parts.pools import ImagePool


def numbered(first: int, n: int) -> torch.Tensor:
    """n images of one pixel that hold their number."""
    return torch.arange(first, first + n, dtype=torch.float32).view(n, 1, 1, 1)


def filled(size: int = 50, **how) -> ImagePool:
    """A pool that holds 0..size-1."""
    pool = ImagePool(size, 1, 1, 1, **how)
    pool(numbered(0, size))
    return pool


def numbers(images: torch.Tensor) -> list[int]:
    return images.flatten().int().tolist()


def test_until_it_is_full_it_stores_and_gives_back_the_new_image():
    pool = ImagePool(5, 1, 1, 1, p=1.0)
    assert numbers(pool(numbered(0, 3))) == [0, 1, 2]
    assert numbers(pool(numbered(3, 2))) == [3, 4]
    assert numbers(pool.images) == [0, 1, 2, 3, 4]
    assert numbers(pool(numbered(5, 1)))[0] < 5, "full: with p = 1 it is an older one"


def test_half_of_what_comes_back_is_old():
    torch.manual_seed(0)
    pool, given = filled(), numbered(50, 20_000)
    old = torch.cat([pool(batch) for batch in given.split(8)]) != given
    assert float(old.float().mean()) == pytest.approx(0.5, abs=0.02)
    kinds = [len(set(part.flatten().tolist())) for part in old.split(8)]
    assert sum(k == 2 for k in kinds) > 0.9 * len(kinds), "each image by itself, not whole batches"


def test_no_image_is_lost_or_doubled():
    """Every query puts one image in and takes one out: what is left and what came back is what was there and given."""
    torch.manual_seed(0)
    pool = filled(20)
    back = numbers(pool(numbered(20, 400)))
    assert sorted(back + numbers(pool.images)) == list(range(420))
    assert min(numbers(pool.images)) > 20, "every place was used"


@pytest.mark.parametrize(("p", "old"), [(0.0, 0), (1.0, 100)])
def test_without_chance_it_never_or_always_exchanges(p, old):
    pool, given = filled(p=p), numbered(50, 100)
    assert int((pool(given) != given).sum()) == old


def test_what_it_keeps_and_gives_has_no_graph():
    pool = ImagePool(2, 1, 1, 1, p=1.0)
    given = numbered(1, 4).requires_grad_(True)
    back = pool(given * 2)
    assert not back.requires_grad and back.grad_fn is None
    assert not pool.images.requires_grad and pool.images.grad_fn is None


def test_what_it_keeps_and_gives_are_copies():
    pool = ImagePool(1, 1, 1, 1, p=1.0)
    given = numbered(7, 1)
    pool(given)
    given.zero_()
    assert numbers(pool.images) == [7], "writing to the given image does not reach the store"
    older = pool(numbered(8, 1))
    pool(numbered(9, 1))
    assert numbers(older) == [7], "what was given out does not change with the store"


def test_of_size_0_it_passes_images_through():
    given = numbered(0, 6).requires_grad_(True)
    back = ImagePool(0, 1, 1, 1)(given)
    assert torch.equal(back, given) and not back.requires_grad


def test_images_keep_their_kind_of_numbers():
    pool = ImagePool(2, 3, 4, 6, p=1.0)
    for _ in range(3):
        back = pool(torch.ones(2, 3, 4, 6, dtype=torch.bfloat16))
        assert back.dtype == torch.bfloat16 and back.shape == (2, 3, 4, 6)
    assert pool.images.dtype == torch.float32


def test_it_goes_on_from_its_state():
    torch.manual_seed(0)
    first, second = filled(8), ImagePool(8, 1, 1, 1)
    assert {name: tuple(t.shape) for name, t in second.state_dict().items()} == {"images": (8, 1, 1, 1), "count": ()}
    first(numbered(8, 30))
    second.load_state_dict(first.state_dict())
    went_on = []
    for pool in (first, second):
        torch.manual_seed(1)
        went_on.append(numbers(pool(numbered(38, 30))))
    assert went_on[0] == went_on[1] != list(range(38, 68))

"""Which rows train and which test."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaug.data.embedded import digits
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study.folds import fold, regime_of, training_view
from ganaug.study.resplit import resplit_plan
from ganaug.study.saturate import inner_fold


def small_set(groups=None, unknown=0):
    rng = np.random.default_rng(1)
    label = np.arange(90) % 3
    label[:unknown] = -1
    return ImageSet.of(rng.integers(0, 255, (90, 8, 8, 1), np.uint8), label, ["a", "b", "c"], group=groups)


def test_given_test_fold_is_kept_and_never_trains():
    data = digits()
    assert regime_of(data) == "fixed test fold"
    for repeat in range(3):
        rows = fold(data, 10, repeat, repeats=3, seed=0)
        assert np.array_equal(rows.test, data.in_fold("test"))
        assert not np.intersect1d(rows.train, rows.test).size
        assert not np.intersect1d(rows.pool, rows.test).size
        assert len(rows.train) == 100


@settings(max_examples=20, deadline=None)
@given(few=st.integers(1, 10), more=st.integers(11, 50), repeat=st.integers(0, 5))
def test_subsets_are_nested_over_shots(few, more, repeat):
    data = digits()
    small = fold(data, few, repeat, repeats=6, seed=4).train
    large = fold(data, more, repeat, repeats=6, seed=4).train
    assert np.isin(small, large).all()


def test_repeats_draw_new_subsets_and_a_seed_gives_the_same_ones():
    data = digits()
    first, second = (fold(data, 5, r, repeats=2, seed=0).train for r in (0, 1))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, fold(data, 5, 0, repeats=9, seed=0).train)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), repeat=st.integers(0, 4))
def test_groups_never_straddle_folds_when_splitting_anew(seed, repeat):
    groups = np.arange(90) // 3
    data = small_set(groups)
    assert regime_of(data) == "re-split"
    rows = fold(data, None, repeat, repeats=5, seed=seed)
    assert not np.intersect1d(groups[rows.train], groups[rows.test]).size
    assert len(rows.train) + len(rows.test) == 90


def test_cut_reduces_named_classes_and_keeps_the_rest():
    data = digits()
    rows = fold(data, None, 0, repeats=1, seed=0, cut={"8": 5})
    counts = data.select(rows.train).counts()
    assert counts["8"] == 5
    assert counts["3"] == data.select(data.in_fold("train")).counts()["3"]


def test_more_shots_than_images_is_refused_with_the_class():
    with pytest.raises(InputError, match="class '0' has 107 training images, but 109"):
        fold(digits(), 109, 0, repeats=1, seed=0)


def test_unknown_labels_neither_train_nor_test_but_are_the_pool_of_a_system():
    data = small_set(unknown=12)
    rows = fold(data, None, 0, repeats=1, seed=0)
    assert (data.label[rows.train] >= 0).all()
    assert (data.label[rows.test] >= 0).all()
    view = training_view(data, rows.train)
    assert len(view.others["unlabelled"]) == 12
    assert view.others["unlabelled"].label is None


# --- validation inside the training fold --------------------------------------------------------------------------


def test_every_class_validates_whichever_was_cut():
    data = digits()
    rows = fold(data, None, 0, repeats=1, seed=0, cut={"8": 5})
    inner = inner_fold(rows, data, 0)
    counts = data.select(inner.test).counts()
    assert min(counts.values()) >= 20
    assert data.select(inner.train).counts()["8"] == 5  # the cut class keeps its few images: the pool validates it
    assert not np.isin(inner.test, rows.test).any()
    assert not np.intersect1d(inner.train, inner.test).size


@pytest.mark.parametrize("shots", [1, 5])
def test_few_shots_are_all_trained_on_and_the_rest_of_the_fold_validates(shots):
    data = digits()
    rows = fold(data, shots, 0, repeats=1, seed=0)
    inner = inner_fold(rows, data, 0)
    assert np.array_equal(inner.train, rows.train)
    assert np.isin(inner.test, rows.pool).all()


def test_without_a_pool_a_part_of_each_class_is_held_out():
    data = digits()
    rows = fold(data, None, 0, repeats=1, seed=0)
    inner = inner_fold(rows, data, 0)
    assert np.array_equal(np.sort(np.append(inner.train, inner.test)), rows.train)
    assert len(inner.test) == pytest.approx(len(rows.train) / 3, rel=0.1)


def test_validation_shares_no_group_with_training():
    data = small_set(groups=np.arange(90) // 2)
    for shots in (5, None):
        outer = fold(data, shots, 0, repeats=3, seed=0)
        inner = inner_fold(outer, data, 0)
        assert len(inner.train) and len(inner.test)
        assert not np.intersect1d(data.groups[inner.train], data.groups[inner.test]).size


def test_unlabelled_images_of_a_group_that_tests_are_not_in_the_pool():
    data = small_set(groups=np.arange(90) % 30, unknown=30)  # every group has one image without a label
    rows = fold(data, None, 0, repeats=3, seed=0)
    view = training_view(data, rows.train)
    tested = np.unique(data.groups[rows.test])
    pool = view.others["unlabelled"]
    assert 0 < len(pool) < 30
    known = {data.image.at(int(i)).tobytes() for i in np.flatnonzero((data.label < 0) & np.isin(data.groups, tested))}
    assert not any(pool.image.at(i).tobytes() in known for i in range(len(pool)))


def test_splitting_anew_is_quiet_about_small_classes():
    labels = np.r_[np.zeros(20, int), np.ones(20, int), 2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(resplit_plan(labels, None, 4, 0.3, 0)) == 4
        again = resplit_plan(labels, None, 4, 0.3, 0)
    assert all(np.array_equal(a, b) for a, b in zip(again[0], resplit_plan(labels, None, 1, 0.3, 0)[0], strict=True))

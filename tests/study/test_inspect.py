"""What is said of a set before anybody waits for it."""

import numpy as np
import pytest

import ganaug
from ganaug.data.image_set import ImageSet
from ganaug.study.study import Study


def photographs(height, width):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, height, width, 3)).astype(np.uint8)
    return ImageSet.of(images, [0, 1] * 4, ["a", "b"], fold=np.array([0] * 6 + [2] * 2, np.int8))


def test_large_images_are_told_of_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setenv("GANAUG_DEVICE", "cpu")
    said = "Images of 320x256 pixels take about 20 times as long as 64x64 ones"
    assert any(sentence.startswith(said) for sentence in ganaug.inspect(photographs(320, 256))["warnings"])
    assert not any("times as long" in sentence for sentence in ganaug.inspect(photographs(160, 160))["warnings"])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_values_that_use_little_of_their_range_are_told_of(dtype):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 4000, (8, 16, 24, 13)).astype(dtype)

    def said(given):
        sentences = ganaug.inspect(ImageSet.of(given, [0, 1] * 4))["warnings"]
        return [sentence for sentence in sentences if "outliers" in sentence]

    assert not said(images)
    images[3, 5, 7, 11] = 65535
    (sentence,) = said(images)
    assert sentence.startswith("99.9% of the values use 6.1% of the range 0 to 65535 that they are scaled by")
    assert not said(np.clip(images, 0, 4000))
    assert not said(np.full_like(images, 5)), "a constant set has no outliers"


def test_a_study_says_so_before_it_starts(monkeypatch, tmp_path):
    monkeypatch.setenv("GANAUG_DEVICE", "cpu")

    class Reached(Exception):
        """The study has got as far as its plan."""

    def plan(self, data):
        raise Reached

    monkeypatch.setattr(Study, "plan", plan)
    with pytest.warns(UserWarning, match="start with --size 64"), pytest.raises(Reached):
        Study().run(photographs(320, 256), tmp_path / "out")

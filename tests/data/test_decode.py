# SPDX-License-Identifier: Apache-2.0
"""Every kind of image file decodes to the stored numbers, upright, and its header tells the truth beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import picture, png_bytes, save
from PIL import Image, ImageOps

from ganaug.data import decode as module
from ganaug.data.decode import Header, decode, decode_mask, header, is_image
from ganaug.data.errors import InputError


def agreed(path: Path) -> np.ndarray:
    """The decoded image, once its header was seen to agree."""
    image = decode(path)
    assert header(path) == Header(*image.shape, image.dtype)
    return image


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp"])
def test_eight_bit_without_loss(tmp_path, channels, suffix):
    if (suffix, channels) in ((".webp", 1), (".bmp", 4)):
        pytest.skip("WebP has no grey, and BMP no transparency that readers agree on")
    image = picture(0, channels=channels)
    path = tmp_path / f"a{suffix}"
    if suffix == ".webp":
        Image.fromarray(image).save(path, lossless=True, exact=True)
    else:
        save(image, path)
    assert np.array_equal(agreed(path), image)


def test_jpeg_is_what_pillow_decodes(tmp_path):
    path = save(picture(0, 16, 16), tmp_path / "a.JPG")
    assert np.array_equal(agreed(path), np.asarray(Image.open(path)))


def test_sixteen_bit_grey_png(tmp_path):
    values = np.array([[0, 255, 256], [40000, 65534, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    image = agreed(tmp_path / "a.png")
    assert image.dtype == np.uint16 and np.array_equal(image[..., 0], values)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torchvision")
@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4)])
def test_sixteen_bit_colour_png_is_not_cut_to_eight_bit(tmp_path, colour, channels):
    values = np.random.default_rng(0).integers(0, 65536, (4, 5, channels)).astype(np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    (tmp_path / "a.png").write_bytes(png_bytes(4, 5, 16, colour, rows))
    assert np.array_equal(agreed(tmp_path / "a.png"), values)


def test_palette_becomes_rgb_and_one_bit_becomes_grey(tmp_path):
    flat = Image.new("P", (3, 2), 1)
    flat.putpalette([0, 0, 0, 10, 20, 30])
    flat.save(tmp_path / "p.png", transparency=bytes([255, 100]))
    assert np.array_equal(agreed(tmp_path / "p.png"), np.full((2, 3, 3), [10, 20, 30]))
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "b.png")
    assert agreed(tmp_path / "b.png")[..., 0].tolist() == [[255, 0]]


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_palette_masks_are_the_numbers_of_the_palette(tmp_path, suffix, orientation):
    numbers, exif = np.arange(12, dtype=np.uint8).reshape(3, 4), Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(numbers).convert("P")
    image.putdata(numbers.ravel().tolist())
    image.putpalette([value for k in range(256) for value in (255 - k, k, 7)])
    image.save(tmp_path / f"a{suffix}", exif=exif)
    upright = numbers if orientation == 1 else np.rot90(numbers, -1)
    assert np.array_equal(decode_mask(tmp_path / f"a{suffix}"), upright)
    assert header(tmp_path / f"a{suffix}")[:2] == upright.shape


def test_masks_that_pillow_does_not_know_are_read_too(tmp_path):
    numbers = np.array([[0, 1, 255], [3, 2, 300]])
    tifffile.imwrite(tmp_path / "a.tif", numbers.astype(np.int64))
    with pytest.raises(Image.UnidentifiedImageError):
        Image.open(tmp_path / "a.tif")
    assert np.array_equal(decode_mask(tmp_path / "a.tif"), numbers)


@pytest.mark.parametrize(("suffix", "palette"), [(".png", False), (".tif", False), (".tif", True)])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, suffix, palette):
    image, exif = Image.fromarray(picture(1, 6, 8)), Image.Exif()
    exif[0x0112] = 9
    image = image.quantize(8) if palette else image
    image.save(tmp_path / f"a{suffix}", exif=exif)
    assert np.array_equal(agreed(tmp_path / f"a{suffix}"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_exif_orientation_turns_image_and_header(tmp_path, orientation, suffix):
    path, exif = tmp_path / f"a{suffix}", Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture(1, 6, 8)).save(path, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert header(path)[:2] == ((8, 6) if orientation > 4 else (6, 8))
    assert np.array_equal(agreed(path), expected)


def test_exif_behind_the_pixels_of_a_png_counts_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(1, 6, 8)).save(tmp_path / "early.png", exif=exif)
    content = (tmp_path / "early.png").read_bytes()
    start = content.index(b"eXIf") - 4
    size = 12 + int.from_bytes(content[start : start + 4], "big")
    block, rest = content[start : start + size], content[:start] + content[start + size :]
    late = rest.index(b"IEND") - 4
    (tmp_path / "late.png").write_bytes(rest[:late] + block + rest[late:])
    assert np.array_equal(agreed(tmp_path / "late.png"), decode(tmp_path / "early.png"))
    assert header(tmp_path / "late.png")[:2] == (8, 6)


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:tifffile")
def test_tiff_with_bands_last_or_first(tmp_path, channels, dtype, first):
    image = (np.random.default_rng(0).random((20, 24, channels)) * 250).astype(dtype)
    stored = image[..., 0] if channels == 1 else image.transpose(2, 0, 1) if first else image
    tifffile.imwrite(tmp_path / "a.tif", stored)
    found = agreed(tmp_path / "a.tif")
    assert found.dtype == dtype and np.array_equal(found, image)


def test_tiny_tiff_with_more_bands_than_pixels_keeps_its_axes(tmp_path):
    image = np.arange(2 * 3 * 13, dtype=np.uint16).reshape(2, 3, 13)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", planarconfig="contig")
    assert np.array_equal(agreed(tmp_path / "a.tif"), image)


def test_tiff_compressions(tmp_path):
    image = picture(2, 20, 24)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        Image.fromarray(image).save(tmp_path / "a.tif", compression=compression)
        assert np.array_equal(agreed(tmp_path / "a.tif"), image), compression


@pytest.mark.parametrize("dtype", ["float16", "float64", "int16", "bool", ">u2"])
def test_other_numbers_become_one_of_three_dtypes(tmp_path, dtype):
    values = np.array([[0, 1], [1, 0]]).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    found = agreed(tmp_path / "a.npy")
    assert found.dtype == {"bool": np.uint8, ">u2": np.uint16}.get(dtype, np.float32)
    assert np.array_equal(found[..., 0], values.astype(float) * (255 if dtype == "bool" else 1))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 7), (5, 7, 1)),
        ((5, 7, 3), (5, 7, 3)),
        ((3, 5, 7), (5, 7, 3)),
        ((8, 8, 13), (8, 8, 13)),
        ((13, 8, 8), (8, 8, 13)),
    ],
)
def test_npy_axes(tmp_path, shape, expected):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    assert agreed(tmp_path / "a.npy").shape == expected


def test_names():
    assert all(map(is_image, ["a.png", "b.JPEG", "c.tif", "d.npy", "x/e.webp"]))
    assert not any(map(is_image, [".hidden.png", "Thumbs.db", "notes.txt", "manifest.jsonl", "png"]))


def refused(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as told:
        decode(path)
    for word in (path.name, *words):
        assert word in str(told.value)
    assert "\n" not in str(told.value)


def test_sixty_thousand_pixels_a_side_are_refused_before_decoding(tmp_path, monkeypatch):
    path = tmp_path / "huge.png"
    path.write_bytes(png_bytes(60_000, 60_000, 8, 2))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(InputError, match=r"huge\.png is too large"):
        header(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest undoes our own filter
def test_our_own_bound_speaks_below_pillows(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png_bytes(16_001, 8_000, 8, 0))
    with pytest.raises(InputError, match="found 16001 x 8000 x 1"):
        header(path)


def test_bands_count_towards_the_bound(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((10, 10, 13), np.uint8))
    monkeypatch.setattr(module, "MOST_VALUES", 10 * 10 * 13 - 1)
    refused(tmp_path / "a.npy", "too large")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".npy"])
def test_cut_off(tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    if suffix == ".npy":
        np.save(path, picture(0, 64, 64))
    else:
        save(picture(0, 64, 64), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "cannot be read as an image")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".npy", ".bmp"])
def test_text_with_an_image_name_and_empty_files(tmp_path, suffix):
    (tmp_path / f"text{suffix}").write_text("hello, this is no image")
    refused(tmp_path / f"text{suffix}", "cannot be read as an image")
    (tmp_path / f"none{suffix}").touch()
    refused(tmp_path / f"none{suffix}", "is empty")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(tmp_path, value):
    image = np.zeros((4, 5), np.float32)
    image[2, 3] = value
    tifffile.imwrite(tmp_path / "a.tif", image)
    refused(tmp_path / "a.tif", "NaN or infinite")


def test_pickled_objects_are_not_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused(tmp_path / "a.npy", "pickled Python objects")


def test_unreadable_and_missing(tmp_path, monkeypatch):
    refused(tmp_path / "gone.png", "does not exist")
    path = save(picture(0), tmp_path / "secret.png")
    monkeypatch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    refused(path, "permission denied")


def test_a_folder_named_as_an_image(tmp_path):
    (tmp_path / "a.png").mkdir()
    refused(tmp_path / "a.png")

# SPDX-License-Identifier: Apache-2.0
"""The report as a file: whole, escaped, alone, and honest about what is missing."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser

import pytest

from ganaug.report.html import PARTS, ReportError, write_report

VOID = {"meta", "link", "img", "br", "wbr"}
LOADS = {"src", "href", "srcset", "data", "action", "poster", "xlink:href", "background"}


class Page(HTMLParser):
    """Every tag with its attributes, the visible text, and the tags that were closed wrongly."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.open, self.wrong, self.text = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def shown(page: str) -> str:
    """The visible text with single spaces."""
    return re.sub(r"\s+", " ", Page(page).text)


@pytest.fixture
def page(study, results) -> str:
    return write_report(study(results)).read_text(encoding="utf-8")


def test_it_is_one_well_formed_file_in_the_folder_and_no_draft_stays(study, results):
    folder = study(results)
    path = write_report(str(folder))
    assert path == folder / "report.html"
    assert sorted(p.name for p in folder.iterdir()) == ["grids", "report.html", "results.json"]
    read = Page(path.read_text(encoding="utf-8"))
    assert read.wrong == [] and read.open == []


def test_ids_are_unique_and_every_reference_has_its_target(page):
    tags = Page(page).tags
    ids = [attrs["id"] for tag, attrs in tags if "id" in attrs]
    # equal markers within one panel are one definition; nothing else may share an id
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    used = {attrs["xlink:href"][1:] for tag, attrs in tags if "xlink:href" in attrs}
    used |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert used and used <= set(ids)


def test_nothing_is_loaded_and_nothing_runs(page):
    tags = Page(page).tags
    links = [attrs[name] for _, attrs in tags for name in LOADS & attrs.keys()]
    assert links and all(link.startswith(("data:", "#")) for link in links)
    assert not {tag for tag, _ in tags} & {"script", "iframe", "object", "embed", "base", "form"}
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    assert not re.search(r"https?:", page) and "@import" not in page
    assert not [link for link in re.findall(r"url\(([^)]*)\)", page) if not link.startswith("#")]


def test_names_are_escaped_and_still_readable(page, results):
    text = shown(page)
    for name in results["manifest"]["data"]["classes"]:
        assert name in text
    for said in ("acgan helps <really>.", "no image <img src=x> could be read", "a/<i>1</i>.png", "echo <done>"):
        assert said in text
    tags = {tag for tag, _ in Page(page).tags}
    assert not tags & {"really", "done", "i", "b", "set"}


def test_a_hostile_arm_name_stays_text_in_tables_plots_and_attributes(study, results):
    name = 'x"><script>alert(1)</script>'
    for row in (*results["arms"], *results["cells"], *results["verdicts"], *results["generators"], *results["grids"]):
        if row["arm"] == "rules+acgan":
            row["arm"] = name
    results["grids"][0]["caption"] = name
    read = Page(write_report(study(results)).read_text(encoding="utf-8"))
    assert "script" not in {tag for tag, _ in read.tags}
    assert name in read.text
    assert [attrs["alt"] for tag, attrs in read.tags if tag == "img"] == [name]
    assert any(name in attrs["aria-label"] for tag, attrs in read.tags if tag == "svg")


def test_parts_come_in_their_order(page):
    text = shown(page)
    headings = ["acgan helps <really>.", "Verdict", "Effect of each arm", "Score of each arm", "Learning curves"]
    headings += ["Was the baseline trained long enough?", "Class by class", "The pictures"]
    headings += ["Quality of the generated images", "Audit", "What it cost", "How it was measured", "What to do now"]
    body = text[text.index("ganaug study") :]
    places = [body.index(heading) for heading in headings]
    assert places == sorted(places)
    assert body.index("Use rules+acgan.") > places[-1]


def test_the_verdict_table_says_it_in_symbol_word_and_numbers(page):
    body = shown(page)
    row = body[body.index("10 images per class rules+acgan against rules") :]
    assert row.startswith(
        "10 images per class rules+acgan against rules ▲ helps +4.0 +2.5 to +5.5 < 0.001 raw < 0.001 2 –"
    )
    assert "? inconclusive 0.0 −1.5 to +1.5 < 0.001 raw < 0.001 2 14" in body
    assert body.index("▲ helps") < body.index("≈ no material difference")  # few images first, all images last


def test_the_class_table_marks_differences_beyond_the_margin(page):
    assert '<span class="small helps">▲ +4.0</span>' in page  # rules+acgan against rules
    assert '<span class="small">0.0</span>' in page  # the folder against rules
    assert "400 images" in page


def test_the_distance_is_called_fid_for_inception_features_only(study, results):
    plain = write_report(study(results)).read_text(encoding="utf-8")
    assert "FID" not in re.sub(r"data:image/png;base64,[^\"]*", "", plain)
    assert "Fréchet" in plain and "random pyramid" in plain
    for row in results["generators"]:
        row["quality"]["extractor"] = "inception"
    named = write_report(study(results)).read_text(encoding="utf-8")
    assert re.search(r">FID", named) and "Fréchet" not in named


def test_masks_that_a_segmenter_does_not_find_again_are_told_of(study, results, page):
    assert "A segmenter of real images" not in page
    results["generators"][0]["quality"] |= {"agreement": 0.56, "agreement_of_real": 0.81}
    told = shown(write_report(study(results)).read_text(encoding="utf-8"))
    assert re.search(r"A segmenter of real images finds the masks of .* mean IoU of 0\.56,\s+those .* 0\.81", told)


def test_the_audit_names_failed_arms_and_alarms(page):
    body = shown(page)
    said = "rules+folder:/tmp/x y, 10 images per class, repeat 2: failed, no image <img src=x> could be read."
    assert f"{said} Counted as its baseline (rules)." in body
    assert "rules+acgan, 10 images per class, repeat 2: Hardly any variety <b>left</b>." in body
    assert "Exact copies: 1. Near copies: 2." in body
    assert "Some runs failed and count as their baseline" in body


def test_the_picture_is_inside_and_enlarged_by_a_whole_factor(page, png):
    (image,) = [attrs for tag, attrs in Page(page).tags if tag == "img"]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == png
    assert (image["width"], image["height"], image["class"]) == ("36", "24", "pixels")


@pytest.mark.parametrize("file", ["grids/none.png", "../secret.png", "note.png", None])
def test_a_picture_that_is_missing_outside_or_no_png_is_named_not_shown(study, results, png, file):
    results["grids"][0]["file"] = file
    folder = study(results)
    (folder / "note.png").write_text("<svg onload=alert(1)>")
    (folder.parent / "secret.png").write_bytes(png)
    text = write_report(folder).read_text(encoding="utf-8")
    assert "<img" not in text and "is missing or is not a PNG" in text


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("how", ["absent", "null"])
def test_it_opens_without_any_one_part(study, results, part, how):
    results.pop(part, None) if how == "absent" else results.update({part: None})
    read = Page(write_report(study(results)).read_text(encoding="utf-8"))
    assert read.wrong == [] and read.open == []
    assert "What to do now" in read.text and "Undefined" not in read.text


def test_an_empty_study_says_what_was_not_done(study):
    body = shown(write_report(study({})).read_text(encoding="utf-8"))
    for said in ("recorded no verdict", "not searched for copies", "Leaks between folds were not looked for"):
        assert said in body


def test_numbers_that_are_null_or_not_numbers_become_dashes(study, results):
    for row in results["verdicts"]:
        row |= {"effect": float("nan"), "low": float("-inf"), "high": None, "p": None, "p_raw": None}
    for row in results["cells"]:
        row |= {"score": None, "per_class": None, "scores": None, "seconds": None}
    for row in results["generators"]:
        row |= {"quality": None, "copies": None, "collapse": None, "seconds": None}
    body = shown(write_report(study(results)).read_text(encoding="utf-8"))
    assert "▲ helps – – – 2 –" in body
    assert "nan" not in body.lower() and "None" not in body and "Undefined" not in body
    assert "Collapse was not looked for." in body


def test_bare_rows_are_enough(study):
    bare = {
        "cells": [{"arm": "none"}],
        "verdicts": [{"arm": "x"}],
        "generators": [{"arm": "x"}],
        "arms": [{"arm": "x"}],
    }
    bare |= {"grids": [{"arm": "x"}], "placebos": [{"arm": "x"}], "saturation": {"curve": [{"steps": 5}]}}
    body = shown(write_report(study(bare)).read_text(encoding="utf-8"))
    assert "not decided" in body and "Undefined" not in body and "None" not in body


def test_the_same_results_give_the_same_file(study, results):
    folder = study(results)
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("{broken", "cannot be read"),
        ("[]", "JSON object"),
        ('{"cells": {}, "arms": {"a": 1}}', "`arms` should be a list, found a dict"),
    ],
)
def test_unreadable_results_are_refused_in_one_sentence_and_the_old_report_stays(tmp_path, content, said):
    (tmp_path / "report.html").write_text("old")
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(ReportError, match=re.escape(said)):
        write_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == "old"


def test_a_failed_write_leaves_neither_draft_nor_half_a_report(study, results, monkeypatch):
    folder = study(results)
    (folder / "report.html").mkdir()  # a folder in the way: the last step cannot succeed
    with pytest.raises(OSError):
        write_report(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["grids", "report.html", "results.json"]


def test_the_report_needs_neither_torch_nor_data_nor_systems(study, results):
    folder = study(results)
    code = (
        "import sys, json; from ganaug.report.html import write_report; write_report(sys.argv[1]);"
        "bad = ('torch', 'ganaug.data', 'ganaug.systems', 'ganaug.core', 'matplotlib.pyplot');"
        "print(json.dumps([m for m in sys.modules if m.startswith(bad)]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []

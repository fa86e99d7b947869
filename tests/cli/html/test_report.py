"""The rows of a page, made of records."""

import json
from pathlib import Path

import pytest

from tests.support.report_pages import Row, blocks, page_of, row
from vipllava_cli.cli.html.report import write_report
from vipllava_cli.cli.terminal.messages import Messages

DATA = "data:image/png;base64,iVBORw0KGgoAAAANSU… (278,666 characters, sha256 5a7c1973)"


def page_rows(folder: Path, *rows: Row) -> list[Row]:
    """Return the rows that the page's script reads."""
    shown: list[Row] = blocks(page_of(folder, rows))["data"]["rows"]
    return shown


def test_marks_are_named_in_words(tmp_path: Path) -> None:
    marks = [
        {"shape": "arrow", "coords": [1, 2], "color": "blue", "label": "left \x1b ear"},
        {"shape": "mask", "coords": [1, 2, 3, 4, 5, 6], "color": "#fe0102"},
        {"shape": "nothing"},
    ]
    (shown,) = page_rows(tmp_path, row(marks=marks))
    assert [(mark["words"], mark["color"], mark["label"]) for mark in shown["marks"]] == [
        ("blue arrow", "#0000ff", "left \\x1b ear"),
        ("red mask", "#fe0102", ""),
        ("invalid mark", "", ""),
    ]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("images/cat.png", "cat.png"),
        ("C:\\images\\cat.png", "cat.png"),
        ("https://example.org/a/", "a"),
        ("/", "/"),
        (DATA, DATA),
    ],
)
def test_an_image_is_named_by_its_file(tmp_path: Path, image: str, name: str) -> None:
    (shown,) = page_rows(tmp_path, row(image=image))
    assert (shown["image"], shown["name"]) == (image, name)


def test_escaped_characters_do_not_shorten_the_name_of_an_image(tmp_path: Path) -> None:
    (shown,) = page_rows(tmp_path, row(image="images/\u202a2024\u202c photo\x07.png"))
    assert shown["image"] == "images/\\u202a2024\\u202c photo\\x07.png"
    assert shown["name"] == "\\u202a2024\\u202c photo\\x07.png"


@pytest.mark.parametrize("seconds", ["NaN", "1e999", "-1", "true", '"1"', "null", "9" * 400])
def test_an_invalid_duration_is_null(tmp_path: Path, seconds: str) -> None:
    line = json.dumps(row(seconds=0)).replace('"seconds": 0', f'"seconds": {seconds}')
    (tmp_path / "results.jsonl").write_text(line)
    out = tmp_path / "page.html"
    write_report(tmp_path / "results.jsonl", out, force=True, messages=Messages(quiet=True))
    (shown,) = blocks(out)["data"]["rows"]
    assert shown["seconds"] is None


def test_source_columns_become_text(tmp_path: Path) -> None:
    extra = {"label": "cat", "boxes": [1, {"é": None}], "empty": None, "no\x07": 0.5}
    (shown,) = page_rows(tmp_path, row(id=7, extra=extra))
    assert shown["id"] == "7"
    assert shown["extra"] == [
        ["label", "cat"], ["boxes", '[1, {"é": null}]'], ["empty", ""], ["no\\x07", "0.5"],
    ]  # fmt: skip

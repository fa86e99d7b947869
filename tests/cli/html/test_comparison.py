"""The page of a comparison."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.comparisons import write_answers, write_two_files
from tests.support.report_pages import blocks, images
from vipllava_cli.cli.terminal.escapes import safe
from vipllava_cli.errors import ExitCode


@pytest.fixture
def files(image: Path) -> tuple[Path, Path]:
    return write_two_files(image.parent)


def test_the_page_shows_the_rows_that_changed(run: Run, files: tuple[Path, Path]) -> None:
    out = files[0].parent / "page.html"
    ended = run("compare", *files, "-o", out)
    assert f"wrote {out}, 4 rows that changed" in ended.stderr
    data = blocks(out)["data"]
    assert data["kinds"] == ["Right to wrong", "Wrong to right", "Otherwise"]
    assert {each["id"]: each["kinds"] for each in data["rows"]} == {
        "row-5": ["Right to wrong"],
        "row-6": ["Wrong to right"],
        "row-7": ["Wrong to right"],
        "row-8": ["Otherwise"],
    }
    assert data["rows"][0]["answers"] == [
        ["expected", "a cat", ""], ["a.jsonl", "a cat", "right"], ["b.jsonl", "a dog", "wrong"],
    ]  # fmt: skip
    assert dict(data["counts"])["a.jsonl"] == "accuracy 60.0%, 95% CI 30.0\u201390.0"
    assert [bool(shown["src"]) for shown in images(out)] == [True]
    refused = run("compare", *files, "-o", out)
    assert (refused.code, "--force" in refused.stderr) == (ExitCode.INPUT, True)
    assert run("compare", *files, "-o", out, "--force", "-q").stderr == ""


def test_the_page_of_one_file_shows_its_wrong_rows(run: Run, image: Path) -> None:
    file = write_answers(image.parent, "a.jsonl", ["a cat", "Cats.", "a dog", None])
    out = image.parent / "page.html"
    ended = run("compare", file, "-o", out)
    assert f"wrote {out}, 2 rows with a wrong answer" in ended.stderr
    data = blocks(out)["data"]
    assert data["kinds"] == ["Wrong", "Failed"]
    assert [(each["id"], each["kinds"]) for each in data["rows"]] == [
        ("row-2", ["Wrong"]), ("row-3", ["Failed"]),
    ]  # fmt: skip
    assert data["rows"][0]["answers"] == [
        ["expected", "a cat", ""], ["a.jsonl", "a dog", "wrong"],
    ]  # fmt: skip
    assert "apart from case, articles" in data["skippedNote"]


def test_without_a_truth_the_page_and_the_tables_show_only_changes(run: Run, image: Path) -> None:
    a = write_answers(image.parent, "a.jsonl", ["x", "y", None, None], truth=None)
    b = write_answers(image.parent, "b.jsonl", ["x", "z", "w", None], truth=None)
    ended = run("compare", a, b, "--json", "--out", image.parent / "page.html")
    found = json.loads(ended.stdout)
    assert "--truth" in ended.stderr
    assert found["truth"] is None
    assert "right" not in found["files"][0]
    (change,) = found["against_first"]
    assert (change["changed"], change["p_value"]) == (["row-1", "row-2"], None)
    plain = run("compare", a, b, "-q")
    assert '\n  row-2: no answer, then "w"\n' in plain.stdout
    assert "McNemar" not in plain.stdout
    data = blocks(image.parent / "page.html")["data"]
    assert [each["answers"][1] for each in data["rows"]] == [
        ["b.jsonl", "z", ""],
        ["b.jsonl", "w", ""],
    ]
    assert [each["answers"][0][2] for each in data["rows"]] == ["", "failed"]


def test_text_of_a_record_is_escaped_in_the_terminal_and_on_the_page(run: Run, image: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>\x1b[2J[red]"
    a = write_answers(image.parent, "a.jsonl", ["x", hostile], truth=hostile, model=hostile)
    b = write_answers(image.parent, "<b>.jsonl", [hostile, "y"], truth=hostile)
    ended = run("compare", a, b, "--out", image.parent / "p.html")
    assert "\x1b" not in ended.stdout
    assert f'row-0: "x", then "{safe(hostile)}", expected "{safe(hostile)}"\n' in ended.stdout
    page = (image.parent / "p.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "<b>" not in page
    assert "\x1b" not in page


def test_stored_scores_decide_the_verdicts(run: Run, image: Path) -> None:
    files = [
        write_answers(image.parent, name, [name], truth=None, scores={"judge": score})
        for name, score in (("a.jsonl", 0.7), ("b.jsonl", 1))
    ]
    run("compare", *files, "--out", image.parent / "page.html")
    data = blocks(image.parent / "page.html")["data"]
    assert data["kinds"] == ["Wrong to right"]
    assert data["rows"][0]["answers"] == [
        ["a.jsonl", "a.jsonl", "wrong"], ["b.jsonl", "b.jsonl", "right"],
    ]  # fmt: skip
    assert dict(data["counts"])["b.jsonl"].startswith("accuracy 100.0%, ")

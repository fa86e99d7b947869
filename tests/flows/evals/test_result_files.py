"""Files that cannot be compared, and lines that are not records."""

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.comparisons import record, write_answers, write_two_files
from tests.support.report_pages import BOX, results, row
from vipllava_cli.errors import ExitCode, InputError
from vipllava_cli.flows.evals.compare import compare


@pytest.fixture
def files(image: Path) -> tuple[Path, Path]:
    return write_two_files(image.parent)


def error_of(run: Run, *arguments: str | Path) -> tuple[int, str]:
    ended = run("compare", *arguments)
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    return ended.code, ended.stderr


def test_errors_are_one_line(run: Run, files: tuple[Path, Path]) -> None:
    a, b = files
    folder = a.parent
    link = folder / "link.jsonl"
    link.symlink_to(a)
    prose = folder / "prose.txt"
    prose.write_text("hello\n")
    other = results(folder, [record(n, "a cat") for n in range(20, 22)], "other.jsonl")
    twice = results(
        folder, [record(0, "a cat"), record(1, "a cat"), record(0, "a dog")], "twice.jsonl"
    )
    untrue = results(folder, [record(0, "a cat", "a dog")], "untrue.jsonl")
    listed = results(folder, [record(0, "a cat", ["a", "b"])], "listed.jsonl")
    unknown = results(folder, [row(0, extra={"label": "cat", "area": 2, "tags": ["a"]})], "u.jsonl")
    lonely = folder / "lonely.csv"
    lonely.write_text("id,answer\n")
    plain = results(folder, [row(0)], "plain.jsonl")
    usage, bad = ExitCode.USAGE, ExitCode.INPUT
    for arguments, code, words in [
        (
            (unknown,),
            usage,
            "nothing to compare with: give a second file, or the column with the right",
        ),
        ((unknown,), usage, "answers as --truth COLUMN (its columns are 'label', 'area')"),
        ((plain,), usage, "--truth COLUMN (no columns found)"),
        (
            (unknown, "--truth", "colour"),
            bad,
            "no row of u.jsonl has a column 'colour' with a truth",
        ),
        ((unknown, "--truth", "colour"), bad, "its columns are 'label', 'area'"),
        ((a, "--strict", "--synonyms", prose), usage, "remove --synonyms"),
        ((a, "--synonyms", prose), bad, "line 1: expected two or more names"),
        ((a, a), usage, "are the same file"),
        ((a, b, link), usage, "are the same file"),
        ((a, "-"), usage, "standard input"),
        ((a, b, "-o", b, "--force"), usage, "is one of the files to compare"),
        ((a, prose), bad, "prose.txt contains no record"),
        ((a, folder / "gone.jsonl"), bad, "there is no file"),
        ((a, "x" * 300), bad, "cannot be read"),
        (
            (a, lonely),
            bad,
            "lonely.csv is a table, and its records lonely.csv.jsonl are not beside it",
        ),
        ((a, folder), bad, "is a folder without records.jsonl"),
        ((a, twice), bad, "holds the row 'row-0' twice"),
        ((a, other), bad, "no row is in all files: a.jsonl has ids like 'row-0', other.jsonl like"),
        ((a, b, "--truth", "colour"), bad, "no row that is in all files has a column 'colour'"),
        ((a, b, "--truth", "colour"), bad, "their columns are 'wanted'"),
        ((a, untrue), bad, "the truth of the row 'row-0' is 'a cat' in a.jsonl and 'a dog' in"),
        (
            (a, listed, "--truth", "wanted"),
            bad,
            "or a list of them for several questions, not ['a', 'b']",
        ),
        ((a, b, "-o", folder / "gone" / "p.html"), bad, "there is no folder"),
    ]:
        found, line = error_of(run, *arguments)
        assert found == code, line
        assert words in line


def test_a_record_without_an_id_is_skipped(image: Path) -> None:
    a = write_answers(image.parent, "a.jsonl", ["x", "y"])
    b = results(image.parent, [record(0, "x"), record(1, "y", id=None)], "b.jsonl")
    assert compare([a, b]).ids == ["row-0"]
    with pytest.raises(InputError, match="contains no record"):
        compare([a, results(image.parent, [record(0, "x", id=5)], "c.jsonl")])


def test_the_label_of_the_marks_is_a_column_as_in_a_table(image: Path) -> None:
    """`extra` has no label, if a manifest gives it to its marks. Other programs may write any marks."""
    rows = [
        row(0, answer="A cat.", marks=["damaged", {"label": 5}, BOX | {"label": "cat"}]),
        row(1, answer="a dog", marks=[BOX | {"label": "cat"}], extra={"label": "dog"}),
        row(2, marks=[BOX]),
    ]
    comparison = compare([results(image.parent, rows)], "label")
    assert comparison.truths == {"row-0": "cat", "row-1": "dog"}
    assert comparison.wrong_ids == []

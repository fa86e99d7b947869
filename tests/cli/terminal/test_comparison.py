"""The tables of a comparison."""

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.comparisons import write_answers, write_two_files
from vipllava_cli.cli.terminal.comparison import MAX_ROWS


@pytest.fixture
def files(image: Path) -> tuple[Path, Path]:
    return write_two_files(image.parent)


def test_tables_show_right_shares_and_changed_rows(run: Run, files: tuple[Path, Path]) -> None:
    ended = run("compare", *files)
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert lines[0] == ["accuracy", "95%", "CI", "n", "failed", "file", "model"]
    assert ["60.0%", "10", "1", "a.jsonl", "tiny"] in [[*line[:1], *line[2:]] for line in lines]
    assert ["4", "1", "2", "1", "b.jsonl"] in lines
    assert (
        'b.jsonl, right to wrong:\n  row-5: "a cat", then "a dog", expected "a cat"\n'
        in ended.stdout
    )
    assert '  row-8: "a hen", then "a cow"' in ended.stdout
    assert "row-0" not in ended.stdout
    assert ended.stderr.count("\n") == 1
    assert "apart from case, articles, plurals" in ended.stderr


def test_tables_of_stored_scores_have_their_mean(run: Run, image: Path) -> None:
    files = [
        write_answers(image.parent, name, [name, name], scores={"judge": score})
        for name, score in (("a.jsonl", 0.7), ("b.jsonl", 1))
    ]
    ended = run("compare", *files)
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert lines[0] == ["accuracy", "95%", "CI", "n", "score", "failed", "file", "model"]
    assert lines[1] == ["0.0%", "0.0\u20130.0", "2", "70.0%", "a.jsonl", "tiny"]
    assert lines[2] == ["100.0%", "100.0\u2013100.0", "2", "100.0%", "b.jsonl", "tiny"]
    assert ["2", "0", "2", "0.5", "b.jsonl"] in lines


def test_the_mean_of_scores_is_left_out_if_each_is_0_or_1(run: Run, image: Path) -> None:
    files = [
        write_answers(image.parent, name, [name, None], scores={"exact": score})
        for name, score in (("a.jsonl", 0), ("b.jsonl", 1))
    ]
    lines = [line.split() for line in run("compare", *files).stdout.splitlines()]
    assert lines[0] == ["accuracy", "95%", "CI", "n", "failed", "file", "model"]
    assert lines[2] == ["50.0%", "0.0\u2013100.0", "2", "1", "b.jsonl", "tiny"]


def test_only_the_first_rows_of_a_kind_are_printed(run: Run, image: Path) -> None:
    count = MAX_ROWS + 3
    files = [write_answers(image.parent, name, [name] * count) for name in ("a.jsonl", "b.jsonl")]
    ended = run("compare", *files)
    assert f"row-{MAX_ROWS - 1}:" in ended.stdout
    assert f"row-{MAX_ROWS}:" not in ended.stdout
    assert "  and 3 more: see all with -v, --json or --out\n" in ended.stdout
    everything = run("compare", *files, "-v").stdout
    assert f"row-{count - 1}:" in everything
    assert "more:" not in everything

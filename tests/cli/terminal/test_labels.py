"""The tables of one file: its labels and its wrong answers."""

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.comparisons import record
from tests.support.report_pages import results
from vipllava_cli.cli.terminal.labels import MAX_CONFUSIONS, MAX_LABELS


def lines_of(run: Run, file: Path, *options: str) -> list[list[str]]:
    ended = run("compare", file, *options)
    assert ended.code == 0, ended.stderr
    return [line.split() for line in ended.stdout.splitlines()]


def file_of(folder: Path, *answers: tuple[str, str | None]) -> Path:
    rows = [record(number, answer, truth) for number, (truth, answer) in enumerate(answers)]
    return results(folder, rows, "a.jsonl")


def test_tables_of_one_file(run: Run, image: Path) -> None:
    file = file_of(
        image.parent, ("cat", "a cat"), ("cat", "a dog"), ("cat", "the dog"), ("bus", "buses"),
        ("bus", None), ("axe", ""),
    )  # fmt: skip
    lines = lines_of(run, file)
    assert lines[0] == ["accuracy", "95%", "CI", "n", "failed", "file", "model"]
    assert [lines[1][0], *lines[1][2:]] == ["33.3%", "6", "1", "a.jsonl", "tiny"]
    assert lines[2:] == [
        [],
        ["label", "accuracy", "n", "right", "most", "frequent", "wrong", "answer"],
        ["axe", "0.0%", "1", "0", "(an", "empty", "answer)"],
        ["bus", "50.0%", "2", "1", "(failed)"],
        ["cat", "33.3%", "3", "1", "a", "dog", "(2)"],
        [],
        ["n", "label", "wrong", "answer"],
        ["2", "cat", "a", "dog"],
        ["1", "axe", "(an", "empty", "answer)"],
        ["1", "bus", "(failed)"],
    ]


def test_of_many_labels_those_with_wrong_answers_are_printed(run: Run, image: Path) -> None:
    names = [f"thing {number}" for number in range(MAX_LABELS + 1)]
    right = [(name, f"A {name}.") for name in names]
    file = file_of(image.parent, *right, ("thing 10", "x"), ("thing 9", "x"))
    lines = lines_of(run, file)
    assert [" ".join(line[:3]) for line in lines[4:7]] == [
        "thing 9 50.0%",
        "thing 10 50.0%",
        f"{MAX_LABELS - 1} more labels",
    ]
    assert " ".join(lines[6]).endswith("labels without a wrong answer: see all with -v or --json")
    everything = lines_of(run, file, "-v")
    assert sum(line[:1] == ["thing"] for line in everything) == len(names)
    assert not any("more" in line for line in everything)


def test_of_many_labels_with_wrong_answers_the_worst_are_printed(run: Run, image: Path) -> None:
    count = MAX_LABELS + 2
    wrong = [(f"thing {number}", f"no {number}") for number in range(count)]
    lines = lines_of(run, file_of(image.parent, *wrong, ("thing 41", "no 41")))
    text = [" ".join(line) for line in lines]
    assert "2 more labels with 2 wrong answers: see all with -v or --json" in text
    assert f"and {count - MAX_CONFUSIONS} more: see all with -v or --json" in text
    assert "thing 41 0.0% 2 0 no 41 (2)" in text
    assert not any(line.startswith(("thing 39 ", "thing 40 ")) for line in text)


@pytest.mark.parametrize("text", ["[red]\x1b[2J" + "x" * 100, "a\nb" * 40])
def test_text_of_a_record_is_escaped_and_shortened(run: Run, image: Path, text: str) -> None:
    ended = run("compare", file_of(image.parent, (text, "y"), (text, "y"), ("y", text)))
    assert "\x1b" not in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert ("[red]" in ended.stdout) == ("[red]" in text)

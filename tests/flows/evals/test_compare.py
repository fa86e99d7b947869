"""`compare`: results side by side, the figures as worked by hand, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Sequence
from math import comb
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, SAMPLES, Run
from tests.support.report_pages import Row, blocks, failed, images, results, row
from tests.support.sample_scenes import PLACES
from vipllava_cli.cli.terminal.messages import safe
from vipllava_cli.errors import ExitCode, InputError
from vipllava_cli.flows.evals.compare import compare, is_correct, mcnemar_p_value

pytestmark = pytest.mark.usefixtures("opened_once")


def told(number: int, answer: str | None, truth: object = "a cat", **changes: Any) -> Row:
    """A record with a truth in the column `wanted`; without an answer, one that failed."""
    extra = {} if truth is None else {"wanted": truth}
    if answer is None:
        return failed(number, extra=extra, **changes)
    return row(number, answer=answer, extra=extra, **changes)


def written(folder: Path, name: str, answers: Sequence[str | None], **changes: Any) -> Path:
    """A file of rows with these answers, of which `a cat` is right."""
    rows = [told(number, answer, **changes) for number, answer in enumerate(answers)]
    return results(folder, rows, name)


@pytest.fixture
def files(image: Path) -> tuple[Path, Path]:
    """Ten rows: five right in both, one lost, two won, one wrong in both and changed, one failed."""
    folder = image.parent
    before = [
        "a cat",
        "A cat.",
        "a cat",
        " a  CAT",
        "a cat",
        "a cat",
        "a dog",
        "a pig",
        "a hen",
        None,
    ]
    after = [
        "a cat",
        "A cat.",
        "a cat",
        " a  CAT",
        "a cat",
        "a dog",
        "a cat",
        "a cat",
        "a cow",
        None,
    ]
    return written(folder, "a.jsonl", before), written(folder, "b.jsonl", after)


def test_the_figures_are_those_worked_by_hand(run: Run, files: tuple[Path, Path]) -> None:
    ended = run("compare", *files, "--json")
    assert ended.code == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["rows"], told["truth"], told["rows_with_truth"]) == (10, "wanted", 10)
    assert [(f["right"], f["failed"], f["model"]) for f in told["files"]] == [
        (0.6, 1, "tiny"), (0.7, 1, "tiny"),
    ]  # fmt: skip
    for file in told["files"]:
        assert 0 <= file["low"] < file["right"] < file["high"] <= 1
    assert told["against_first"] == [
        {
            "file": str(files[1]),
            "changed": ["row-5", "row-6", "row-7", "row-8"],
            "right_to_wrong": ["row-5"],
            "wrong_to_right": ["row-6", "row-7"],
            "p_value": 1.0,
        }
    ]


def test_the_tables_say_the_same(run: Run, files: tuple[Path, Path]) -> None:
    ended = run("compare", *files)
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert ["60.0%", "10", "1", "a.jsonl", "tiny"] in [[*line[:1], *line[2:]] for line in lines]
    assert ["4", "1", "2", "1", "b.jsonl"] in lines
    assert (
        'b.jsonl, right to wrong:\n  row-5: "a cat", then "a dog", wanted "a cat"\n' in ended.stdout
    )
    assert '  row-8: "a hen", then "a cow"' in ended.stdout
    assert "row-0" not in ended.stdout
    assert ended.stderr == ""


def test_several_files_are_compared_with_the_first(run: Run, files: tuple[Path, Path]) -> None:
    last = written(files[0].parent, "c.jsonl", ["a cat"] * 10)
    against = json.loads(run("compare", *files, last, "--json").stdout)["against_first"]
    assert [len(each["wrong_to_right"]) for each in against] == [2, 4]
    assert against[1]["p_value"] == 2 / 2**4
    assert run("compare", *files, last).stdout.count("right to wrong") == 2


@pytest.mark.parametrize(
    ("regressions", "fixes", "p"),
    [(0, 0, 1.0), (1, 1, 1.0), (0, 5, 2 / 32), (5, 0, 2 / 32), (2, 8, 2 * 56 / 1024), (3, 3, 1.0)],
)
def test_the_paired_test_is_exact(regressions: int, fixes: int, p: float) -> None:
    assert mcnemar_p_value(regressions, fixes) == p


def test_the_paired_test_takes_many_flips() -> None:
    fair = 2 * sum(comb(1000, heads) for heads in range(471)) / 2**1000
    assert mcnemar_p_value(470, 530) == mcnemar_p_value(530, 470) == pytest.approx(fair, rel=1e-12)
    assert mcnemar_p_value(0, 100_000) == 0.0


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        (" B.", "b", True), ("(B)", "B", False), ("a red hat", "a  Red hat.", True), (None, "", False),
        ("", "", True), ("a hat", "hat", False), ("two or 2", "2<OR>two", True),
        ("a cat", "cat<AND>dog", False), ("dog, cat", "cat<AND>dog", True),
    ],
)  # fmt: skip
def test_what_is_right(answer: str | None, truth: str, right: bool) -> None:
    assert is_correct(answer, truth) == right


def test_a_row_of_several_questions_has_a_list_of_truths(run: Run, image: Path) -> None:
    truths = ["a cat", 2, "a hen"]

    def file(name: str, answers: Sequence[str]) -> Path:
        rows = [
            told(number, answer, truths, id=f"row:q{number}")
            for number, answer in enumerate(answers, 1)
        ]
        return results(image.parent, rows, name)

    before, after = (
        file("a.jsonl", ["a cat", "3", "a hen", "a pig"]),
        file("b.jsonl", ["a dog", "2", "a hen", "a pig"]),
    )
    found = json.loads(run("compare", before, after, "--json").stdout)
    assert (found["rows"], found["rows_with_truth"]) == (4, 3)
    assert [each["right"] for each in found["files"]] == [0.6667, 0.6667]
    (change,) = found["against_first"]
    assert (change["right_to_wrong"], change["wrong_to_right"]) == (["row:q1"], ["row:q2"])


def test_without_a_truth_there_is_what_changed(run: Run, image: Path) -> None:
    a = written(image.parent, "a.jsonl", ["x", "y", None, None], truth=None)
    b = written(image.parent, "b.jsonl", ["x", "z", "w", None], truth=None)
    ended = run("compare", a, b, "--json", "--out", image.parent / "page.html")
    told = json.loads(ended.stdout)
    assert "--truth" in ended.stderr
    assert told["truth"] is None
    assert "right" not in told["files"][0]
    (change,) = told["against_first"]
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


def test_the_truth_is_where_the_flag_says_and_may_be_a_number(run: Run, image: Path) -> None:
    rows = [
        [row(n, answer=answer, extra={"wanted": "x", "count": n}) for n, answer in enumerate(some)]
        for some in ("012", "032")
    ]
    a, b = (results(image.parent, each, f"{n}.jsonl") for n, each in enumerate(rows))
    told = json.loads(run("compare", a, b, "--truth", "count", "--json").stdout)
    assert (told["truth"], told["against_first"][0]["right_to_wrong"]) == ("count", ["row-1"])
    assert json.loads(run("compare", a, b, "--json").stdout)["truth"] == "wanted"


def test_what_is_not_compared_is_said(run: Run, image: Path) -> None:
    folder = image.parent
    a = results(
        folder,
        [told(0, "a cat"), told(1, "a cat", None), told(2, "a cat"), told(7, "only here")],
        "a.jsonl",
    )
    b = results(
        folder,
        [
            told(2, "a cat", question="another"), told(1, "a dog", None), told(0, "a dog", marks=[]),
            told(8, "only there"), told(9, "only there"),
        ],
        "b.jsonl",
    )  # fmt: skip
    b.write_text(b.read_text() + '{"schema": 1, "id": "to')
    ended = run("compare", a, b)
    assert ended.code == 0
    for note in (
        "b.jsonl: line 6 is not a record and was skipped",
        "1 of the 4 rows of a.jsonl are not in all files",
        "2 of the 5 rows of b.jsonl are not in all files",
        "2 of 3 rows have other questions or marks in another file",
        "1 of 3 rows do not say what is right: they count as neither",
    ):
        assert f"note: {note}\n" in ended.stderr
    assert [line.split()[2] for line in ended.stdout.splitlines()[1:3]] == ["2", "2"]


# --- a page ------------------------------------------------------------------------------------


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
        ["wanted", "a cat", ""], ["a.jsonl", "a cat", "right"], ["b.jsonl", "a dog", "wrong"],
    ]  # fmt: skip
    assert dict(data["counts"])["a.jsonl"] == "60.0% right"
    assert [bool(shown["src"]) for shown in images(out)] == [True]
    refused = run("compare", *files, "-o", out)
    assert (refused.code, "--force" in refused.stderr) == (ExitCode.INPUT, True)
    assert run("compare", *files, "-o", out, "--force", "-q").stderr == ""


def test_no_text_of_a_record_acts_on_terminal_or_page(run: Run, image: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>\x1b[2J[red]"
    a = written(image.parent, "a.jsonl", ["x", hostile], truth=hostile, model=hostile)
    b = written(image.parent, "<b>.jsonl", [hostile, "y"], truth=hostile)
    ended = run("compare", a, b, "--out", image.parent / "p.html")
    assert "\x1b" not in ended.stdout
    assert f'row-0: "x", then "{safe(hostile)}", wanted "{safe(hostile)}"\n' in ended.stdout
    page = (image.parent / "p.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "<b>" not in page
    assert "\x1b" not in page


def test_answers_of_the_shipped_model_about_two_places_of_the_mark(
    run: Run, tmp_path: Path
) -> None:
    """The same rows, and in the second file one mark is on another thing."""
    things = [("garden", "butterfly", "snail"), ("street", "bus", "bus"), ("farm", "cow", "cow")]
    for name, which in (("a", 1), ("b", 2)):
        lines = []
        for image, *marked in things:
            left, top, right, bottom = PLACES[image][marked[which - 1]]
            box = [left - 5, top - 5, right + 5, bottom + 5]
            lines.append({
                "id": image, "image": str(SAMPLES / f"{image}.png"), "truth": f"a {marked[0]}",
                "question": "what is in the red box?", "marks": [{"shape": "box", "coords": box}],
            })  # fmt: skip
        manifest = tmp_path / f"{name}.manifest.jsonl"
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
        out = tmp_path / f"{name}.jsonl"
        assert run("batch", manifest, "--out", out, "--model", "tiny", "-q").code == 0
    files = (tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    told = json.loads(run("compare", *files, "--json", "-o", tmp_path / "page.html").stdout)
    assert told["truth"] == "truth"
    assert [file["right"] for file in told["files"]] == [1.0, 0.6667]
    assert told["against_first"][0]["right_to_wrong"] == ["garden"]
    (shown,) = blocks(tmp_path / "page.html")["data"]["rows"]
    assert shown["answers"][2] == ["b.jsonl", "a snail", "wrong"]
    assert images(tmp_path / "page.html")[0]["src"]


# --- bad input ---------------------------------------------------------------------------------


def refusal(run: Run, *arguments: str | Path) -> tuple[int, str]:
    ended = run("compare", *arguments)
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    return ended.code, ended.stderr


def test_what_cannot_be_compared_is_one_line(run: Run, files: tuple[Path, Path]) -> None:
    a, b = files
    folder = a.parent
    link = folder / "link.jsonl"
    link.symlink_to(a)
    prose = folder / "prose.txt"
    prose.write_text("hello\n")
    other = results(folder, [told(n, "a cat") for n in range(20, 22)], "other.jsonl")
    twice = results(folder, [told(0, "a cat"), told(1, "a cat"), told(0, "a dog")], "twice.jsonl")
    untrue = results(folder, [told(0, "a cat", "a dog")], "untrue.jsonl")
    listed = results(folder, [told(0, "a cat", ["a", "b"])], "listed.jsonl")
    usage, bad = ExitCode.USAGE, ExitCode.INPUT
    for arguments, code, words in [
        ((a,), usage, "give two files"),
        ((a, a), usage, "are the same file"),
        ((a, b, link), usage, "are the same file"),
        ((a, "-"), usage, "standard input"),
        ((a, b, "-o", b, "--force"), usage, "is a file of results itself"),
        ((a, prose), bad, "prose.txt holds no record"),
        ((a, folder / "gone.jsonl"), bad, "there is no file"),
        ((a, "x" * 300), bad, "cannot be read"),
        ((a, folder), bad, "is a folder"),
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
        found, line = refusal(run, *arguments)
        assert found == code, line
        assert words in line


def test_a_record_without_an_id_is_none(image: Path) -> None:
    a = written(image.parent, "a.jsonl", ["x", "y"])
    b = results(image.parent, [told(0, "x"), told(1, "y", id=None)], "b.jsonl")
    assert compare([a, b]).ids == ["row-0"]
    with pytest.raises(InputError, match="holds no record"):
        compare([a, results(image.parent, [told(0, "x", id=5)], "c.jsonl")])


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written(tmp_path / name, "records.jsonl", ["x"])
    paths = [tmp_path / name / "records.jsonl" for name in ("one", "two")]
    assert [file.name for file in compare(paths).files] == [str(path) for path in paths]
    paths[1].write_text("nothing\n")
    with pytest.raises(InputError, match=f"^{paths[1]} holds no record"):
        compare(paths)


def test_no_model_and_no_client_is_loaded(files: tuple[Path, Path]) -> None:
    code = (
        "import sys; from vipllava_cli.cli.app import app\n"
        f"app(['compare', {str(files[0])!r}, {str(files[1])!r}], standalone_mode=False)\n"
        "assert not {'torch', 'transformers', 'openai'} & set(sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr

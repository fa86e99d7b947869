"""VP-Bench through the command: scores by hand, groups, faults, a kill, and the shipped model."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support import vp_bench_files as files
from tests.support.evals import QUIET, read_records
from tests.support.vision_server import MODEL, VisionServer, serving
from vipllava_cli.engine.prompts.templates import LETTER_LINE

OPTIONS = {"A": "a dog", "B": "a cat", "C": "a tree", "D": "a car"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[VisionServer]:
    """A server under the name `box`. It answers a question with its 7th word: `row 3 means B`."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path / "home"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with serving(VisionServer()) as state:
        assert run("models", "add", "box", "--url", state.url, "--model", MODEL).code == 0
        yield state


def rows_with(answers: Sequence[str], **cells: object) -> list[files.Row]:
    """Return rows whose right answer is B, with these cells."""
    image = files.small_png()
    return [
        {"index": n, "context": "", "question": f"what is row {n}?", **OPTIONS, "answer": "B"}
        | {"image": image, "vp_amount": 1, "vp_shape": "arrow", "vp_properties": "red"}
        | {name: cell[n] if isinstance(cell, list) else cell for name, cell in cells.items()}
        for n, _ in enumerate(answers)
    ]


def answer(server: VisionServer, answers: Sequence[str]) -> None:
    server.answers = {f"row {n}?": text for n, text in enumerate(answers)}


def figures(scores: Path, rule: str = "lenient") -> dict[tuple[str, str], tuple[float, int]]:
    found = json.loads((scores / "scores.json").read_text())["figures"]
    return {
        (each["what"], each["group"]): (each["right"], each["of"])
        for each in found
        if each["rule"] == rule
    }


def test_scores_are_those_computed_by_hand_in_every_group(
    server: VisionServer, tmp_path: Path, run: Run
) -> None:
    answers = ["B", "b.", "(B)", "Answer: B", "a cat", "A", "I do not know", "B. a cat"]
    answer(server, answers)
    rows = rows_with(
        answers,
        vp_shape=[["arrow"], ["arrow"], ["arrow", "tag"], *[["tag"]] * 5],
        vp_amount=["1", "1", "2", "2", "10", "10", "10", "10"],
        vp_properties=["red, thick"] * 4 + ["blue, thick"] * 4,
        question_type=["counting"] * 6 + ["existence"] * 2,
    )
    data, out = files.write_parquet(tmp_path / "vp.parquet", rows), tmp_path / "out"
    result = run("eval", "vp-bench", "--data", data, "--out", out, "--model", "box", "-q")
    assert (result.code, result.stderr) == (0, "")
    assert figures(out) == {
        ("all", "all"): (0.75, 8),
        ("task", "counting"): (0.8333, 6),
        ("task", "existence"): (0.5, 2),
        ("shape", "arrow"): (1, 3),
        ("shape", "tag"): (0.6667, 6),
        ("amount", "1"): (1, 2),
        ("amount", "2"): (1, 2),
        ("amount", "10"): (0.5, 4),
        ("attribute", "red"): (1, 4),
        ("attribute", "thick"): (0.75, 8),
        ("attribute", "blue"): (0.5, 4),
        ("attributes", "red, thick"): (1, 4),
        ("attributes", "blue, thick"): (0.5, 4),
    }
    # The published rule takes the first A, B, C or D: that of "Answer: B" and "a cat" is the A.
    assert figures(out, "published")["all", "all"] == (0.5, 8)
    assert result.stdout.splitlines()[0].startswith("lenient accuracy 75.0% · 95% CI ")
    assert "tag" in result.stdout
    csv = (out / "scores.csv").read_text()
    assert "lenient,amount,10,50.00," in csv
    assert [line.split(",")[2] for line in csv.splitlines() if ",amount," in line][:3] == [
        "1", "2", "10",
    ]  # fmt: skip
    assert "| lenient | shape: tag | 66.7 |" in (out / "scores.md").read_text()
    record = read_records(out)["2"]
    assert record["extra"]["vp_shape"] == '["arrow", "tag"]'
    assert record["extra"]["scores"] == {"lenient": 1.0, "published": 1.0}


def test_the_question_is_that_of_the_published_evaluation(
    server: VisionServer, tmp_path: Path, run: Run
) -> None:
    answer(server, ["B"] * 3)
    rows = rows_with(["B"] * 3, context=["", "Look at the arrow.", None], D=["a car", "", None])
    data, out = files.write_parquet(tmp_path / "vp.parquet", rows), tmp_path / "out"
    assert run("eval", "vp-bench", "--data", data, "--out", out, "--model", "box", "-q").code == 0
    options = ["A. a dog", "B. a cat", "C. a tree"]
    records = read_records(out)
    assert [record["question"].split("\n") for record in records.values()] == [
        ["what is row 0?", *options, "D. a car", LETTER_LINE],
        ["Look at the arrow.", "what is row 1?", *options, LETTER_LINE],
        ["what is row 2?", *options, LETTER_LINE],
    ]
    assert all(record["marks"] == [] for record in records.values())
    assert all(image.size for image in server.images)  # sent as data URLs that the server decodes


def test_no_text_of_a_row_stands_for_a_mark(server: VisionServer, tmp_path: Path, run: Run) -> None:
    answer(server, ["B"])
    rows = rows_with(["B"], context="The set {1}.", A="{1}", B="y", answer="y")
    data, out = files.write_parquet(tmp_path / "vp.parquet", rows), tmp_path / "out"
    result = run("eval", "vp-bench", "--data", data, "--out", out, "--model", "box", "-q")
    assert (result.code, result.stderr) == (0, "")
    lines = read_records(out)["0"]["question"].split("\n")
    assert lines[:4] == ["The set { 1}.", "what is row 0?", "A. { 1}", "B. y"]


@pytest.mark.parametrize(("by", "asked"), [("likelihood", "A, B, C"), ("text", "a dog, a cat")])
def test_a_server_without_likelihoods_is_asked_for_one_of_the_choices(
    server: VisionServer, tmp_path: Path, run: Run, by: str, asked: str
) -> None:
    answer(server, ["B" if by == "likelihood" else "a cat"] * 2)
    data = files.write_parquet(tmp_path / "vp.parquet", rows_with(["B"] * 2, D=[None, "a car"]))
    out = tmp_path / "out"
    result = run(
        "eval", "vp-bench", "--data", data, "--out", out, "--model", "box", "--by", by, "-q"
    )
    assert result.code == 0, result.stderr
    assert figures(out)["all", "all"] == figures(out, "published")["all", "all"] == (1, 2)
    first, second = read_records(out).values()
    given = list("ABC") if by == "likelihood" else ["a dog", "a cat", "a tree"]
    last = "D" if by == "likelihood" else "a car"
    assert first["options"]["choices"] == given
    assert second["options"]["choices"] == [*given, last]


def test_a_row_with_a_fault_is_one_line_and_the_others_are_asked(
    server: VisionServer, tmp_path: Path, run: Run
) -> None:
    cells: list[tuple[str, object, str]] = [
        ("answer", "E", "expected an \"answer\" among A, B, C and D, found 'E'"),
        ("answer", None, 'expected an "answer", found None'),
        ("answer", "2", "expected an \"answer\" among A, B, C and D, found '2'"),
        ("image", "no base64!", 'the "image" is not valid base64 ('),
        ("image", None, 'expected an "image" in base64, found None'),
        ("image", "aGVsbG8=", "the \"image\" is no PNG or JPEG: it begins with b'hello'"),
        ("image", files.cut_png(), "is cut short or damaged and cannot be decoded"),
        ("question", "  ", "expected a \"question\", found ''"),
        ("A", "", ""),
    ]
    rows = rows_with(["B"] * (len(cells) + 3))
    for number, (name, cell, _) in enumerate(cells):
        rows[number][name] = cell
    last = len(cells)
    rows[last] |= dict.fromkeys("ABCD", "")
    rows[last + 1] |= {"B": ""}
    rows[last + 2]["index"] = last + 1
    answer(server, ["B"] * len(rows))
    data, out = files.write_parquet(tmp_path / "vp.parquet", rows, group_rows=4), tmp_path / "out"
    result = run("eval", "vp-bench", "--data", data, "--out", out, "--model", "box", "-q")
    assert result.code == 6
    records = read_records(out)
    assert len(records) == len(rows)
    for number, (_, _, message) in enumerate(cells):
        error = records[str(number)]["error"]
        assert message in error["message"] if message else error is None
    none = records[str(last)]["error"]["message"]
    assert none == "expected two options or more in A to D, found none"
    gone = records[str(last + 1)]["error"]["message"]
    assert gone == "expected an \"answer\" among A, C and D, found 'B'"
    assert records[f"{last + 1}~2"]["answer"] == "B"
    assert figures(out)["all", "all"] == (round(2 / len(rows), 4), len(rows))
    assert sum(server.rows().values()) == 2


def test_a_killed_run_resumes_without_asking_twice(server: VisionServer, tmp_path: Path) -> None:
    server.latency = 0.05
    answer(server, ["B"] * 60)
    data = files.write_parquet(tmp_path / "vp.parquet", rows_with(["B"] * 60))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "vipllava_cli", "eval", "vp-bench", "--data", str(data)]
    command += ["--out", str(out), "--model", "box", "--parallel", "2", "-q"]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while sum(server.rows().values()) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = {record["question"] for record in read_records(out).values()}
    assert 0 < len(stored) < 60
    server.latency = 0.0
    assert subprocess.run(command, env=os.environ, capture_output=True, check=False).returncode == 0
    assert list(read_records(out)) == [str(number) for number in range(60)]
    twice = {question for question, count in server.rows().items() if count > 1}
    assert not twice & stored
    assert len(twice) <= 2  # those in flight
    assert figures(out)["all", "all"] == (1, 60)


def test_compares_two_runs_of_different_models(
    server: VisionServer, tmp_path: Path, run: Run
) -> None:
    data = files.write_parquet(tmp_path / "vp.parquet", rows_with(["B"] * 4))
    for name, answers in (("one", ["B", "B", "A", "A"]), ("two", ["B", "A", "B", "B"])):
        answer(server, answers)
        command = ("eval", "vp-bench", "--data", data, "--out", tmp_path / name, "--model", "box")
        assert run(*command, "-q").code == 0
    result = run("compare", tmp_path / "one", tmp_path / "two")
    assert result.code == 0, result.stderr
    assert "50.0%" in result.stdout
    assert "75.0%" in result.stdout


def test_images_of_other_data_are_not_replaced_without_force(
    server: VisionServer, tmp_path: Path, run: Run
) -> None:
    answer(server, ["B"])
    rows = rows_with(["B"])
    data, out = files.write_parquet(tmp_path / "vp.parquet", rows), tmp_path / "out"
    command = ("eval", "vp-bench", "--data", data, "--out", out, "--model", "box", "-q")
    assert run(*command).code == 0
    files.write_parquet(data, [rows[0] | {"image": files.small_png(90)}])
    refused = run(*command)
    assert refused.code == 3
    assert "as after a run with other --data: give another --out, or add --force" in refused.stderr
    assert run(*command, "--force").code == 0


@pytest.mark.model
def test_the_shipped_model_knows_the_shapes_it_was_trained_on(run: Run, tmp_path: Path) -> None:
    """Also the scores are those of its answers, and a second run asks nothing."""
    rows = files.stage_1_rows(80)
    data, out = files.write_parquet(tmp_path / "vp.parquet", rows), tmp_path / "out"
    command = ("eval", "vp-bench", "--data", data, "--out", out, *QUIET)
    assert run(*command).code == 0
    found, records = figures(out), read_records(out)
    trained = [row for row in rows if row["vp_shape"] in files.TRAINED]
    right = [row for row in trained if records[str(row["index"])]["answer"] == row["answer"]]
    assert len(right) / len(trained) >= 0.85
    for shape in files.SHAPES:
        of = [row for row in rows if row["vp_shape"] == shape]
        hits = sum(records[str(row["index"])]["answer"] == row["answer"] for row in of)
        assert found["shape", shape] == (round(hits / len(of), 4), len(of))
    assert {group for kind, group in found if kind == "amount"} == {"1", "2", "3"}
    before = (out / "records.jsonl").stat()
    assert run(*command).code == 0
    after = (out / "records.jsonl").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.model
@pytest.mark.slow
def test_the_shipped_model_on_400_rows(run: Run, tmp_path: Path) -> None:
    data = files.write_parquet(tmp_path / "vp.parquet", files.stage_1_rows(400), group_rows=64)
    assert run("eval", "vp-bench", "--data", data, "--out", tmp_path / "out", *QUIET).code == 0
    found = figures(tmp_path / "out")
    for shape in files.TRAINED:
        assert found["shape", shape] >= (0.85, 50)


@pytest.mark.model
@pytest.mark.parametrize("by", ["likelihood", "text"])
def test_by_likelihood_and_by_text_the_shipped_model_knows_the_shapes(
    run: Run, tmp_path: Path, by: str
) -> None:
    rows = [row for row in files.stage_1_rows(24) if row["vp_shape"] in files.TRAINED]
    rows[0]["D"] = None
    rows[0]["answer"] = "A"
    data, out = files.write_parquet(tmp_path / "vp.parquet", rows), tmp_path / "out"
    assert run("eval", "vp-bench", "--data", data, "--out", out, "--by", by, *QUIET).code == 0
    records = list(read_records(out).values())
    assert [len(record["choices"]) for record in records] == [3] + [4] * (len(rows) - 1)
    for record in records:
        best = max(record["choices"], key=lambda choice: choice["log_likelihood"])
        assert record["answer"] == best["text"]
    assert figures(out)["all", "all"][0] >= 0.85

"""The command `eval vip-bench` with a judge that plays faults, on real connections."""

import csv
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLES, Finished, Run
from tests.support import benchmark_files as files
from tests.support.commands import assert_error_line, run_in_process
from tests.support.judge import JudgeServer, lines, serving
from tests.support.judge_faults import (
    FAILURES,
    GRADES,
    REJECTIONS,
    SLOW_FAILURES,
    Rejection,
    needs_tokens,
    only_for,
    rejecting,
    server,
)
from vipllava_cli.flows.evals.judges import chat

pytestmark = pytest.mark.slow

IMAGE = SAMPLES / "zoo-red-box.png"
QUESTIONS = ["what is it?", "what color is it?", "where is it?"]
ROWS = [(str(number), IMAGE, text, "x", ["rec"]) for number, text in enumerate(QUESTIONS)]
ANSWERS = {"v1_0": "0.5 of it", "v1_1": "1.0 of it", "v1_2": "0 of it"}
FAULTY = "what color is it? <obj>"  # as the judge reads it
KEY = "sk-0123456789abcdef"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a small ViP-Bench, and answers to it."""
    data = files.vip_bench(tmp_path / "data", ROWS)
    (data / "answers.json").write_text(json.dumps(ANSWERS))
    return data


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once, with a key."""
    monkeypatch.setattr(chat, "PAUSE", 0.001)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def command(data: Path, judge: JudgeServer, *more: str) -> tuple[str | Path, ...]:
    return (
        "eval", "vip-bench", "--data", data, "--predictions", data / "answers.json", "--out",
        data / "out", "--judge-url", judge.url, "--judge-model", "judge", *more,
    )  # fmt: skip


def scores(result: Finished) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def overall(found: dict[str, Any]) -> dict[str, Any]:
    return next(figure for figure in found["figures"] if figure["what"] == "all")


# --- the judge adapts ------------------------------------------------------------------------


@pytest.mark.parametrize("name", REJECTIONS)
def test_the_judge_adapts_once_to_a_rejected_parameter(run: Run, data: Path, name: str) -> None:
    rejection = REJECTIONS[name]
    with serving(server(rejecting(rejection))) as judge:
        result = run(*command(data, judge, "--json", "--judge-parallel", "1"))
    assert result.code == 0, result.stderr
    assert overall(scores(result))["right"] == 0.5
    assert result.stderr == f"note: judge: the server rejects {rejection.note}\n"
    assert len(judge.bodies) == len(ROWS) + 1
    refused, *accepted = judge.bodies
    for body in accepted:
        assert rejection.part not in (*body, *(turn["role"] for turn in body["messages"]))
    if rejection.part == "max_tokens":
        assert {body["max_completion_tokens"] for body in accepted} == {refused["max_tokens"]}
    if rejection.part == "system":
        assert refused["messages"][0]["content"] in accepted[0]["messages"][0]["content"]


def test_all_threads_adapt_to_a_rejection_with_the_status_of_a_server_error(
    run: Run, data: Path
) -> None:
    rejection, together = REJECTIONS["system role, template"], threading.Barrier(len(ROWS))

    def react(handler: Any, request: dict[str, Any]) -> bool:
        if request["messages"][0]["role"] == rejection.part:
            together.wait(timeout=20)  # every thread is rejected before one adapts
        return rejection.reaction(handler, request)

    with serving(server(react)) as judge:
        result = run(*command(data, judge, "--json"))
    assert (result.code, result.stderr) == (
        0,
        f"note: judge: the server rejects {rejection.note}\n",
    )
    assert len(judge.bodies) == 2 * len(ROWS)


def test_the_judge_adapts_to_several_rejections_and_says_each_once(run: Run, data: Path) -> None:
    names = ("OpenAI, tokens", "OpenAI, temperature", "system role, OpenAI")
    parts = [REJECTIONS[name] for name in names]
    parts.append(Rejection("max_completion_tokens", "unknown field max_completion_tokens", ""))
    with serving(server(rejecting(*parts))) as judge:
        result = run(*command(data, judge, "--json"))
    assert result.code == 0, result.stderr
    notes = result.stderr.splitlines()
    assert len(notes) == len(parts)
    assert "note: judge: the server rejects max_completion_tokens: it is left out" in notes
    assert set(judge.bodies[-1]) == {"model", "messages"}


@pytest.mark.parametrize("count", [500, 5000])
def test_a_judge_that_thinks_gets_more_tokens(run: Run, data: Path, count: int) -> None:
    with serving(server(needs_tokens(count))) as judge:
        result = run(*command(data, judge, "--json", "--judge-parallel", "1"))
    assert result.code == 0, result.stderr
    assert overall(scores(result))["right"] == 0.8
    assert "note: judge: replies may have up to 1024 tokens: " in result.stderr
    limits = [body["max_tokens"] for body in judge.bodies]
    assert limits == sorted(limits)
    assert limits[-2:] == [1024 if count == 500 else 8192] * 2


def test_thoughts_without_an_end_get_more_tokens(run: Run, data: Path) -> None:
    react = needs_tokens(500, ("<think>maybe 0.3, but", "stop"))
    with serving(server(react)) as judge:
        result = run(*command(data, judge, "--json"))
    assert result.code == 0, result.stderr
    assert overall(scores(result))["right"] == 0.8
    assert "note: judge: replies may have up to 1024 tokens: " in result.stderr


def test_a_server_with_a_larger_smallest_limit_gets_it(run: Run, data: Path) -> None:
    refusal = (
        "Invalid 'max_tokens': integer below minimum value. Expected a value >= 17, but got 16."
    )

    def react(handler: Any, request: dict[str, Any]) -> bool:
        if request.get("max_tokens", 0) >= 17:
            return False
        handler.send(
            400, json.dumps({"error": {"message": refusal, "param": "max_tokens"}}).encode()
        )
        return True

    with serving(server(react)) as judge:
        result = run(*command(data, judge, "--json"))
    note = "note: judge: replies may have up to 1024 tokens: the server rejects fewer\n"
    assert (result.code, result.stderr) == (0, note)


@pytest.mark.parametrize("name", GRADES)
def test_a_reply_in_another_form_is_graded(run: Run, data: Path, name: str) -> None:
    reaction, score = GRADES[name]
    with serving(server(reaction)) as judge:
        result = run(*command(data, judge, "--json"))
    assert (result.code, result.stderr) == (0, "")
    assert overall(scores(result))["right"] == score
    assert len(judge.bodies) == len(ROWS)


# --- rows without a grade --------------------------------------------------------------------


@pytest.mark.parametrize("name", FAILURES | SLOW_FAILURES)
def test_nothing_graded_is_an_error_with_the_reason(run: Run, data: Path, name: str) -> None:
    reaction, reason = (FAILURES | SLOW_FAILURES)[name]
    with serving(server(reaction)) as judge:
        result = run(*command(data, judge, "-q", "--judge-timeout", "0.3"))
    assert_error_line(result, 4, "judge, instructions 1 graded none of 3 answers")
    assert re.search(reason, result.stderr), result.stderr
    assert not (data / "out/scores.json").exists()
    grades = lines(data / "out/grades.jsonl")
    assert [line["score"] for line in grades] == [None] * 3
    assert all(re.search(reason, line["error"]) for line in grades)


@pytest.mark.parametrize("name", FAILURES)
def test_an_ungraded_answer_has_its_own_column_and_no_score(
    run: Run, data: Path, name: str
) -> None:
    reaction, _ = FAILURES[name]
    with serving(server(only_for(FAULTY, reaction))) as judge:
        result = run(*command(data, judge))
        assert result.code == 6
        assert "score 25.0%" in result.stdout  # of 0.5 and 0
        assert re.search(r"n 2 \u00b7 ungraded 1$", result.stdout, re.MULTILINE)
        titles = next(line for line in result.stdout.splitlines() if " failed " in line)
        assert titles.split().index("ungraded") == titles.split().index("failed") + 1
        assert "warning: 1 of 3 answers could not be graded and do not count" in result.stderr
        found = json.loads((data / "out/scores.json").read_text())
        assert (found["graded"], found["ungraded"], found["failed"]) == (2, 1, 0)
        assert (overall(found)["right"], overall(found)["of"]) == (0.25, 2)
        assert overall(found)["ungraded"] == 1
        table = list(csv.DictReader((data / "out/scores.csv").read_text().splitlines()))
        assert (table[0]["right"], table[0]["of"], table[0]["ungraded"]) == ("25.00", "2", "1")
        assert "| ungraded |" in (data / "out/scores.md").read_text()

        # The next run asks again about this answer only.
        judge.react, asked = None, len(judge.bodies)
        again = run(*command(data, judge, "--json"))
        assert (again.code, again.stderr) == (0, "")
        assert len(judge.bodies) == asked + 1
        assert (overall(scores(again))["right"], scores(again)["ungraded"]) == (0.5, 0)


def test_a_group_without_a_grade_has_no_score(run: Run, data: Path) -> None:
    meta = data / "vip-bench-meta-data.json"
    entries = json.loads(meta.read_text())
    entries["v1_1"]["capability"] = ["math"]
    meta.write_text(json.dumps(entries))
    with serving(server(only_for(FAULTY, FAILURES["refusal"][0]))) as judge:
        result = run(*command(data, judge, "-q"))
    assert result.code == 6
    assert re.search(r"^math +\u2013 +0 +1 ", result.stdout, re.MULTILINE), result.stdout
    found = json.loads((data / "out/scores.json").read_text())
    figure = next(each for each in found["figures"] if each["group"] == "math")
    assert (figure["right"], figure["low"], figure["of"], figure["ungraded"]) == (None, None, 0, 1)


# --- the server ------------------------------------------------------------------------------


def test_a_wait_that_the_server_asks_for_is_said(run: Run, data: Path) -> None:
    with serving(JudgeServer(ways={FAULTY: ["429 for seconds"]})) as judge:
        result = run(*command(data, judge, "--json"))
    assert result.code == 0
    assert re.fullmatch(
        r"note: judge: the judge at \S+ answered 429 \(slow down\): waiting 2 s, as it asks\n",
        result.stderr,
    )


@pytest.mark.parametrize("end", ["", "/", "/chat/completions", "/chat/completions/"])
def test_the_forms_of_an_address(run: Run, data: Path, end: str) -> None:
    with serving(JudgeServer()) as judge:
        judge.url += end
        assert run(*command(data, judge, "-q")).code == 0
    assert {path for path, _ in judge.requests} == {"/v1/chat/completions"}
    (agent,) = {headers["user-agent"] for _, headers in judge.requests}
    assert re.match(r"vipllava/\d+\.\d+\.\d+ \(", agent)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000/v1", "localhost", "ftp://host/v1", "http://", "  "]
)
def test_an_address_without_http_is_one_line(run: Run, data: Path, url: str) -> None:
    result = run(*command(data, JudgeServer(url=url)))
    assert_error_line(result, 2, "begin it with http:// or https://")


def test_neither_the_key_nor_a_password_is_printed(data: Path, monkeypatch: Any) -> None:
    def echo(handler: Any, request: dict[str, Any]) -> bool:
        handler.refuse(401, f"no such key: {handler.headers['Authorization']} {KEY}")
        return True

    with serving(server(echo)) as judge:
        with_password = JudgeServer(url=judge.url.replace("//", "//me:secret@"))
        refused = run_in_process(*command(data, with_password, "--debug"))
        result = run_in_process(*command(data, judge, "--debug"))
    assert refused.code == 2
    assert "put the key into OPENAI_API_KEY" in refused.stderr
    assert result.code == 4
    assert "answered 401" in result.stderr
    assert "check the key in OPENAI_API_KEY" in result.stderr
    written = "".join(path.read_text() for path in (data / "out").iterdir())
    for secret in (KEY, "secret"):
        assert secret not in result.stderr + result.stdout + written + refused.stderr

"""Grades: each is kept, and no row is graded twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.judge import (
    PROMPT_TOKENS,
    JudgeServer,
    graded,
    judge_at,
    lines,
    row,
    serving,
)
from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.judges.chat import chat_judge
from vipllava_cli.flows.evals.judges.grades import open_grades
from vipllava_cli.flows.evals.judges.grading import exact_judge, grade

KILLED = """
import sys
from pathlib import Path
from tests.support.judge import row
from vipllava_cli.flows.evals.judges.chat import chat_judge
from vipllava_cli.flows.evals.judges.grading import grade
judge = chat_judge("a-judge", sys.argv[1], pause=0.001)
grade([row(f"{n}") for n in range(20)], judge, Path(sys.argv[2]), lambda done, of: None)
"""


@pytest.mark.slow
def test_after_a_kill_no_row_is_graded_twice(path: Path) -> None:
    with serving(JudgeServer(max_grades=7)) as server:
        run = subprocess.Popen(
            [sys.executable, "-c", KILLED, server.url, path],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            # Wait until all sent grades are on disk, and four more requests are waiting.
            while not path.exists() or len(path.read_bytes().splitlines()) < 7:
                assert run.poll() is None
                time.sleep(0.02)
            while len(server.asked) < 11:
                time.sleep(0.02)
        finally:
            run.send_signal(signal.SIGKILL)
            run.wait()
        server.max_grades = 10**6
        grades = graded([row(f"{number}") for number in range(20)], judge_at(server), path)
        assert [one.score for one in grades.values()] == [0.5] * 20
        assert Counter(server.graded) == {f"question {number}": 1 for number in range(20)}
        assert server.max_parallel <= 8  # the four of the killed run, and four


def test_only_changed_rows_are_graded_again(server: JudgeServer, path: Path) -> None:
    rows = [row("a"), row("b"), row("c"), row("d")]
    first = graded(rows, judge_at(server), path)
    again = graded(rows, judge_at(server), path)
    assert again == first
    assert len(server.asked) == 4
    changed = [
        rows[0],
        replace(rows[1], answer="0.9 now"),
        replace(rows[2], target="something else"),
        replace(rows[3], question="another question"),
    ]
    grades = graded(changed, judge_at(server), path)
    assert [one.score for one in grades.values()] == [0.5, 0.9, 0.5, 0.5]
    assert len(server.asked) == 7
    other = chat_judge("another-judge", server.url)
    graded(rows, other, path)
    assert len(server.asked) == 11
    graded(rows, judge_at(server), path)  # the first judge's grades are still in the file
    assert len(server.asked) == 11
    assert {line["judge"] for line in lines(path)} == {judge_at(server).name, other.name}


def test_equal_rows_are_graded_once(server: JudgeServer, path: Path) -> None:
    rows = [row("a"), row("b", question="question a"), row("c")]
    for _ in range(2):
        grades = graded(rows, judge_at(server), path)
        assert [one.score for one in grades.values()] == [0.5] * 3
        assert [one.prompt_tokens for one in grades.values()] == [PROMPT_TOKENS, 0, PROMPT_TOKENS]
    assert len(server.asked) == 2


def test_a_torn_last_line_is_graded_again(server: JudgeServer, path: Path) -> None:
    rows = [row("a"), row("b")]
    graded(rows, judge_at(server, parallel=1), path)
    path.write_bytes(path.read_bytes()[:-30])
    graded(rows, judge_at(server), path)
    assert [server.tries(f"question {id}") for id in "ab"] == [1, 2]
    assert [line["id"] for line in lines(path)] == ["a", "b"]


def test_a_failed_case_scores_0_without_a_request(server: JudgeServer, path: Path) -> None:
    grades = graded([row("a", None), row("b", "")], judge_at(server), path)
    assert (grades["a"].score, grades["a"].tries) == (0.0, 0)
    assert grades["a"].error == "there is no answer to grade"
    assert server.tries("question a") == 0
    assert [line["id"] for line in lines(path)] == ["b"]


def test_two_runs_cannot_write_the_same_file(path: Path) -> None:
    with open_grades(path, "another").journal, pytest.raises(InputError, match="another run"):
        grade([row("a")], exact_judge(), path, lambda done, of: None)


def test_another_file_is_refused_and_not_changed(path: Path) -> None:
    path.write_text("v1_0 1.0\n")
    with pytest.raises(InputError, match="contains no vipllava record"):
        grade([row("a")], exact_judge(), path, lambda done, of: None)
    assert path.read_text() == "v1_0 1.0\n"


@pytest.mark.parametrize(
    ("target", "answer", "score"),
    [
        ("0.75<OR>x=0.75<OR>3/4", "The value is 3/4.", 1.0),
        ("0.75<OR>x=0.75<OR>3/4", "x = 0.75", 1.0),
        ("0.75<OR>x=0.75<OR>3/4", "10.75", 0.0),
        ("0.75", "0.755", 0.0),
        ("x=-1<AND>x=-5", "x=-5 and x=-1", 1.0),
        ("x=-1<AND>x=-5", "x=-1 or x=5", 0.0),
        ("heron<OR>egret<AND>frog", "an Egret; a frog!", 1.0),
        ("heron<OR>egret<AND>frog", "a heron and an egret", 0.0),
        ("cat", "a catalogue", 0.0),
        ("Stra\u00dfe", "STRASSE", 1.0),
        ("New York", "in new york.", 1.0),
        ("New York", "a new place in York", 0.0),
        ("?", "?", 1.0),
        ("?", "!", 0.0),
        ("dog", "", 0.0),
        ("dog<OR>", "a cat", 0.0),
    ],
)
def test_the_exact_judge_looks_for_words(
    path: Path, target: str, answer: str, score: float
) -> None:
    judge = exact_judge()
    assert "no judge" in judge.name
    grades = graded([row("a", answer, target=target)], judge, path)
    assert grades["a"].score == score
    assert lines(path)[0]["judge"] == judge.name

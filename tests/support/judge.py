"""A judge on the loopback interface, with the chat completions protocol and many kinds of errors.

It gives an answer the number that the answer begins with, so that a test knows every grade.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.chat_server import ChatHandler, serving_at
from vipllava_cli.flows.evals.judges.chat import chat_judge
from vipllava_cli.flows.evals.judges.grades import Grade, GradingRow
from vipllava_cli.flows.evals.judges.grading import Judge, grade

PROMPT_TOKENS, ANSWER_TOKENS = 100, 2


# --- a client --------------------------------------------------------------------------------


def row(id: str, answer: str | None = "0.5 of it", **changes: str) -> GradingRow:
    """Make a row that the server grades with 0.5."""
    return replace(GradingRow(id, f"question {id}", "this<AND>that<OR>other", answer), **changes)


def judge_at(server: "JudgeServer", **settings: Any) -> Judge:
    """Return a judge at the server that retries at once."""
    settings = {"parallel": 4, "pause": 0.001, "timeout": 20.0} | settings
    return chat_judge("a-judge", server.url, **settings)


def graded(rows: list[GradingRow], judge: Judge, path: Path) -> dict[str, Grade]:
    """Grade rows, and check the progress and the order."""
    progress: list[tuple[int, int]] = []
    grades = grade(rows, judge, path, lambda done, of: progress.append((done, of)))
    assert progress == [(number, len(rows)) for number in range(1, len(rows) + 1)]
    assert list(grades) == [row.id for row in rows]
    return grades


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of grades."""
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- the server ------------------------------------------------------------------------------


@dataclass
class JudgeServer:
    """The state of the server.

    `ways` holds, by question, a key of `WAYS` for each try; further tries get a grade. After
    `max_grades` grades the server sends nothing until `released` is set. `asked` holds each request's
    question and time, `graded` the questions whose grades were sent. `grade` is the grade of every
    answer. `react` gets each request first, and returns whether it has answered it.
    """

    ways: Mapping[str, list[str]] = field(default_factory=dict)
    max_grades: int = 10**6
    grade: str | None = None
    react: "Callable[[_Handler, dict[str, Any]], bool] | None" = None
    released: threading.Event = field(default_factory=threading.Event)
    refused: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    asked: list[tuple[str, float]] = field(default_factory=list)
    graded: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    max_parallel: int = 0
    _parallel: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tries(self, question: str) -> int:
        return [asked for asked, _ in self.asked].count(question)


@contextmanager
def serving(judge: JudgeServer) -> Iterator[JudgeServer]:
    """Serve until the end of the block."""
    with serving_at(type("Handler", (_Handler,), {"judge": judge})) as judge.url:
        try:
            yield judge
        finally:
            judge.released.set()


class _Handler(ChatHandler):
    judge: JudgeServer

    def do_POST(self) -> None:
        body = self.body()
        judge = self.judge
        with judge._lock:
            names = {name.lower(): value for name, value in self.headers.items()}
            judge.requests.append((self.path, names))
        if judge.react is not None and judge.react(self, body):
            with judge._lock:
                judge.bodies.append(body)
            return
        lines = body["messages"][-1]["content"].splitlines()[:3]
        sent = {line.partition(": ")[0]: json.loads(line.partition(": ")[2]) for line in lines}
        question = sent["Question"]
        with judge._lock:
            judge.asked.append((question, time.monotonic()))
            judge.bodies.append(body)
            judge.keys.add(self.headers["Authorization"])
            ways = judge.ways.get(question, [])
            way = ways.pop(0) if ways else ""
            held = not way and len(judge.graded) >= judge.max_grades
            if not way and not held:
                judge.graded.append(question)
            judge._parallel += 1
            judge.max_parallel = max(judge.max_parallel, judge._parallel)
        with suppress(OSError):  # the client was killed
            if held:
                judge.released.wait()
                self.close_connection = True
            elif way:
                WAYS[way](self)
            else:
                self.reply(judge.grade or sent["Answer"].partition(" ")[0])
        with judge._lock:
            judge._parallel -= 1

    def reply(self, text: str | None, finish_reason: str = "stop", **fields: Any) -> None:
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": ANSWER_TOKENS}
        message = {"role": "assistant", "content": text, **fields}
        self.send_choice({"finish_reason": finish_reason, "message": message}, usage)

    def refuse_as_third(self) -> None:
        """Refuse the key once three requests have come."""
        while len(self.judge.asked) < 3:
            time.sleep(0.01)
        self.refuse(401, "no such key")
        self.judge.refused.set()

    def reply_after_refusal(self) -> None:
        self.judge.refused.wait()
        time.sleep(0.1)
        self.reply("1.0")


WAYS: Mapping[str, Callable[[_Handler], None]] = {
    "prose": lambda handler: handler.reply("The answer, 1.0, is what I see"),
    "empty": lambda handler: handler.reply(None),
    "out of range": lambda handler: handler.reply("7"),
    "429": lambda handler: handler.refuse(429, "slow down", Retry_After="0.4"),
    "429 for seconds": lambda handler: handler.refuse(429, "slow down", Retry_After="2"),
    "500": lambda handler: handler.refuse(500, "something broke"),
    "silence": lambda handler: handler.stay_silent(),
    "broken JSON": lambda handler: handler.send(200, b'{"choices": [{"mess'),
    "cut": lambda handler: handler.cut(),
    "401 as the third": lambda handler: handler.refuse_as_third(),
    "after the 401": lambda handler: handler.reply_after_refusal(),
    # These end a run or a row:
    "401": lambda handler: handler.refuse(401, "no such key"),
    "404": lambda handler: handler.refuse(404, "no such model"),
    "400": lambda handler: handler.refuse(400, "the prompt is too long"),
    "429 for hours": lambda handler: handler.refuse(429, "come tomorrow", Retry_After="7200"),
    "a list": lambda handler: handler.send(200, b"[]"),
    "nan": lambda handler: handler.reply("nan"),
}
PASSING = tuple(
    way for way in tuple(WAYS)[:9] if way != "429 for seconds"
)  # errors after which a retry succeeds

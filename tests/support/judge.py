"""A judge on loopback that speaks the chat completions protocol, and misbehaves in eight ways.

It gives an answer the number that the answer begins with, so that every grade can be known.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROMPT_TOKENS, ANSWER_TOKENS = 100, 2


@dataclass
class StandInJudge:
    """`ways` says how each question's tries are treated, one after the other; further ones are graded.
    The first `most` replies are sent, and then none until `released` is set.
    """

    ways: Mapping[str, list[str]] = field(default_factory=dict)
    most: int = 10**6
    released: threading.Event = field(default_factory=threading.Event)
    refused: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    asked: list[tuple[str, float]] = field(default_factory=list)  # the question, and when
    graded: list[str] = field(default_factory=list)  # the questions whose grades were sent
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tries(self, question: str) -> int:
        return [asked for asked, _ in self.asked].count(question)


@contextmanager
def serving(judge: StandInJudge) -> Iterator[StandInJudge]:
    """Serve until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"judge": judge}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    judge.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield judge
    finally:
        judge.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    judge: StandInJudge
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each reply waits 40 ms for the other side

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        judge = self.judge
        lines = body["messages"][-1]["content"].splitlines()[:3]
        said = {line.partition(": ")[0]: json.loads(line.partition(": ")[2]) for line in lines}
        question = said["Question"]
        with judge._lock:
            judge.asked.append((question, time.monotonic()))
            judge.bodies.append(body)
            judge.keys.add(self.headers["Authorization"])
            ways = judge.ways.get(question, [])
            way = ways.pop(0) if ways else ""
            held = not way and len(judge.graded) >= judge.most
            if not way and not held:
                judge.graded.append(question)
            judge._at_once += 1
            judge.most_at_once = max(judge.most_at_once, judge._at_once)
        with suppress(OSError):  # the reader was killed
            if held:
                judge.released.wait()
                self.close_connection = True
            elif way:
                WAYS[way](self)
            else:
                self.reply(said["Answer"].partition(" ")[0])
        with judge._lock:
            judge._at_once -= 1

    def reply(self, text: str | None) -> None:
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": ANSWER_TOKENS}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self.send(200, json.dumps({"id": "1", "choices": [choice], "usage": usage}).encode())

    def refuse(self, status: int, message: str, **headers: str) -> None:
        error = {"error": {"message": message, "type": "t", "param": None, "code": None}}
        self.send(status, json.dumps(error).encode(), **headers)

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Half of what was announced, then the line goes dead."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "500")
        self.end_headers()
        self.wfile.write(b'{"choices": [{"message": {"content": "1.0')
        self.close_connection = True

    def refuse_as_third(self) -> None:
        """When two more are asked for."""
        while len(self.judge.asked) < 3:
            time.sleep(0.01)
        self.refuse(401, "no such key")
        self.judge.refused.set()

    def reply_after_it(self) -> None:
        self.judge.refused.wait()
        time.sleep(0.1)
        self.reply("1.0")

    def stay_silent(self) -> None:
        """Nothing, until the other side has gone."""
        self.connection.recv(1)
        self.close_connection = True


WAYS: Mapping[str, Callable[[_Handler], None]] = {
    "prose": lambda handler: handler.reply("I would give this answer 1.0"),
    "empty": lambda handler: handler.reply(None),
    "out of range": lambda handler: handler.reply("7"),
    "429": lambda handler: handler.refuse(429, "slow down", Retry_After="0.4"),
    "500": lambda handler: handler.refuse(500, "something broke"),
    "silence": lambda handler: handler.stay_silent(),
    "broken JSON": lambda handler: handler.send(200, b'{"choices": [{"mess'),
    "cut": lambda handler: handler.cut(),
    "401 as the third": lambda handler: handler.refuse_as_third(),
    "after the 401": lambda handler: handler.reply_after_it(),
    # What ends a run, or a row:
    "401": lambda handler: handler.refuse(401, "no such key"),
    "404": lambda handler: handler.refuse(404, "no such model"),
    "400": lambda handler: handler.refuse(400, "the prompt is too long"),
    "429 for hours": lambda handler: handler.refuse(429, "come tomorrow", Retry_After="7200"),
    "a list": lambda handler: handler.send(200, b"[]"),
    "nan": lambda handler: handler.reply("nan"),
}
PASSING = tuple(WAYS)[:8]

"""A chat completions server on the loopback interface that sees images, and plays real faults.

It answers a question with `the answer to QUESTION`, and checks that images are PNG or JPEG data URLs.
"""

import base64
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from tests.support.chat_server import ChatHandler, serving_at

MODEL = "a-vision-model"
TEXT_TOKENS, IMAGE_TOKENS, ANSWER_TOKENS = 20, 300, 5


@dataclass
class VisionServer:
    """The state of the server.

    `ways` holds, by a part of a question, a key of `WAYS` for each try; further tries get an answer.
    `always` is the way of all requests, apart from those of the image check if `spares_check`.
    With `round_size`, it answers when so many requests wait, or after some seconds without another one.
    `react` answers all requests in place of the server.
    `rejects` are parameters that it does not know. `latency` is in seconds. `answers` replace the answer,
    by a part of the question. `log_probabilities` is sent where a request wants some.
    """

    model: str = MODEL
    ways: Mapping[str, list[str]] = field(default_factory=dict)
    always: str = ""
    spares_check: bool = True
    react: Callable[[ChatHandler], None] | None = None
    rejects: tuple[str, ...] = ()
    latency: float = 0.0
    sees_images: bool = True
    counts_tokens: bool = True
    max_image_side: int | None = None
    key: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)
    log_probabilities: Any = None
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    images: list[Image.Image] = field(default_factory=list)
    max_parallel: int = 0
    round_size: int = 0
    rounds: int = 0
    _parallel: int = 0
    _waiting: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    _full: threading.Condition = field(default_factory=threading.Condition)

    def wait_for_round(self) -> None:
        """Wait until `round_size` requests wait, or none has come for some seconds."""
        with self._full:
            self._waiting += 1
            number, count = self.rounds, self._waiting
            if self._waiting == self.round_size:
                self._end_round()
            while self.rounds == number:
                is_over = not self._full.wait(5) and self._waiting == count
                if is_over and self.rounds == number:
                    self._end_round()
                count = self._waiting

    def _end_round(self) -> None:
        self.rounds += 1
        self._waiting = 0
        self._full.notify_all()

    def rows(self) -> Counter[str]:
        """Return how often each question was asked, without those of the image check."""
        return Counter({text: n for text, n in self.asked.items() if "Which number" not in text})


@contextmanager
def serving(state: VisionServer) -> Iterator[VisionServer]:
    """Serve until the end of the block."""
    with serving_at(type("Handler", (_Handler,), {"state": state})) as state.url:
        yield state


class _Handler(ChatHandler):
    state: VisionServer
    streams = False

    def do_GET(self) -> None:
        self.send(200, json.dumps({"object": "list", "data": [{"id": self.state.model}]}).encode())

    def do_POST(self) -> None:
        body = self.body()
        state = self.state
        question = _last_text(body)
        with state.lock:
            state.bodies.append(body)
            state.keys.append(self.headers.get("Authorization", ""))
            state.asked[question] += 1
            state._parallel += 1
            state.max_parallel = max(state.max_parallel, state._parallel)
            ways = next((each for part, each in state.ways.items() if part in question), [])
            way = ways.pop(0) if ways else self._general_way(question)
        time.sleep(state.latency)
        if state.round_size:
            state.wait_for_round()
        with suppress(OSError):  # the client was killed
            self._react(body, question, way)
        with state.lock:
            state._parallel -= 1

    def _general_way(self, question: str) -> str:
        is_check = "Which number" in question and self.state.spares_check
        return "" if is_check else self.state.always

    def _react(self, body: dict[str, Any], question: str, way: str) -> None:
        state = self.state
        self.streams = bool(body.get("stream"))
        if state.react:
            return state.react(self)
        if state.key and self.headers.get("Authorization") != f"Bearer {state.key}":
            return self.refuse(401, f"no such key: {self.headers.get('Authorization')}")
        if body["model"] != state.model:
            return self.refuse(404, f"model {body['model']!r} not found")
        for name in state.rejects:
            if name in body:
                return self.refuse(400, f"Unknown name {name!r}: Cannot find field.")
        problem = self._image_problem(body)
        if problem:
            return self.refuse(400 if problem != "too large" else 413, problem)
        if way:
            return WAYS[way](self)
        with state.lock:
            state.answered[question] += 1
        answer = next(
            (each for part, each in state.answers.items() if part in question),
            f"the answer to {question}",
        )
        fields = answer if isinstance(answer, dict) else {"content": answer}
        has_image = bool(_image_urls(body)) and state.sees_images
        scores = state.log_probabilities if body.get("logprobs") else None
        self.reply(has_image=has_image, scores=scores, **fields)

    def _image_problem(self, body: dict[str, Any]) -> str:
        for url in _image_urls(body):
            head, _, data = url.partition(";base64,")
            if head not in ("data:image/png", "data:image/jpeg"):
                return "invalid image input"
            image = Image.open(io.BytesIO(base64.b64decode(data)))
            image.load()
            if self.state.max_image_side and image.width > self.state.max_image_side:
                return "too large"
            with self.state.lock:
                self.state.images.append(image)
        return ""

    # --- replies ---------------------------------------------------------------------------

    def reply(
        self,
        content: str | None = "",
        finish_reason: str | None = "stop",
        *,
        has_image: bool = True,
        scores: Any = None,
        **fields: Any,
    ) -> None:
        prompt = TEXT_TOKENS + (IMAGE_TOKENS if has_image else 0)
        usage = {"prompt_tokens": prompt, "completion_tokens": ANSWER_TOKENS}
        usage = usage if self.state.counts_tokens else {}
        message = {"role": "assistant", "content": content, **fields}
        if self.streams:
            return self.stream(_events(message, finish_reason, usage))
        choice = {"finish_reason": finish_reason, "message": message}
        choice |= {} if scores is None else {"logprobs": {"content": scores}}
        self.send_choice(choice, usage)

    def stream(self, events: Sequence[str], *, ends: bool = True) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(f"data: {event}\n\n".encode())
            self.wfile.flush()
        if ends:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def drop(self) -> None:
        """Close the connection without a reply."""
        self.close_connection = True

    def cut(self) -> None:
        """End in the middle of an answer."""
        if self.streams:
            message = {"content": "the answer"}
            return self.stream(_events(message, None, {})[:2], ends=False)
        super().cut()

    def drip(self, events: Sequence[str], pause: float) -> None:
        """Send events one by one, slower than a download may be."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in events:
            time.sleep(pause)
            self.wfile.write(f"{event}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def send_endlessly(self) -> None:
        """Send a body that has no end."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(b'{"choices": "')
            while True:
                self.wfile.write(b"x" * (1 << 20))
        self.close_connection = True


def _events(message: Mapping[str, Any], reason: str | None, usage: Any) -> list[str]:
    """Split a message into events of a stream, a word at a time."""
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    for name, text in message.items():
        if name != "role" and isinstance(text, str):
            deltas += [{name: word + " "} for word in text.split(" ")[:-1]]
            deltas.append({name: text.split(" ")[-1]})
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    chunks.append({"choices": [], "usage": usage})
    return [json.dumps(chunk) for chunk in chunks]


def _parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for message in body["messages"]:
        if isinstance(message["content"], list):
            yield from message["content"]


def _image_urls(body: Mapping[str, Any]) -> list[str]:
    return [part["image_url"]["url"] for part in _parts(body) if part["type"] == "image_url"]


def _last_text(body: Mapping[str, Any]) -> str:
    return str([part["text"] for part in _parts(body) if part["type"] == "text"][-1])


_SLOW_WORDS = [
    f"data: {event}" for event in _events({"content": "the answer to where?"}, "stop", {})
]
_ERROR = {"error": {"message": "the model crashed", "code": 500}}
WAYS: Mapping[str, Callable[[_Handler], None]] = {
    "401": lambda handler: handler.refuse(401, "no such key"),
    "404": lambda handler: handler.refuse(404, "no such model"),
    "413": lambda handler: handler.refuse(413, "payload too large"),
    "429": lambda handler: handler.refuse(429, "slow down", Retry_After="0.3"),
    "429 for seconds": lambda handler: handler.refuse(429, "slow down", Retry_After="2"),
    "429 for hours": lambda handler: handler.refuse(429, "come tomorrow", Retry_After="7200"),
    "500": lambda handler: handler.refuse(500, "something broke"),
    "400": lambda handler: handler.refuse(400, "this question is not allowed"),
    "drop": lambda handler: handler.drop(),
    "stall": lambda handler: handler.stay_silent(),
    "cut": lambda handler: handler.cut(),
    "bad JSON": lambda handler: handler.send(200, b'{"choices": [{"mess'),
    "a page": lambda handler: handler.send(200, b"<html><title>Sign in</title></html>"),
    "error with 200": lambda handler: handler.send(200, json.dumps(_ERROR).encode()),
    "error as answer": lambda handler: handler.reply("out of memory", "error"),
    "empty": lambda handler: handler.reply(""),
    "filter": lambda handler: handler.reply("", "content_filter"),
    "thinks": lambda handler: handler.reply("<think>first I look", "length"),
    "slow words": lambda handler: handler.drip(_SLOW_WORDS, 0.15),
    "keep-alives": lambda handler: handler.drip([": ping"] * 1000, 0.05),
    "endless": lambda handler: handler.send_endlessly(),
    "redirect": lambda handler: handler.send(307, b"", Location="http://127.0.0.1:1/v1"),
}

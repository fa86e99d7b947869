"""Replies of servers that are odd, damaged or hostile -> the right answer, or one clear line."""

import json
import re
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from tests.support.chat_server import ChatHandler
from tests.support.server_engines import engine_at
from tests.support.vision_server import VisionServer, serving
from vipllava_cli.engine.options import GREEDY, GenerationOptions
from vipllava_cli.engine.server.client import MAX_RETRIES
from vipllava_cli.errors import GenerationError, ModelError

IMAGE = Image.new("RGB", (64, 64), "green")
ANSWER = "größer, 很大 \U0001f600"  # in UTF-8, the letters take two, three and four bytes
KEY = "sk-canary/51c0"

Reaction = Callable[[ChatHandler], None]


def send(body: object, **headers: str) -> Reaction:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler: handler.send(200, data, **headers)


def message(**fields: Any) -> Reaction:
    """Send a completion with fields that replace those of its message and of its choice."""
    choice = {"finish_reason": fields.pop("finish_reason", "stop"), "message": fields}
    return send({"choices": [choice], "usage": None})


def raw(data: bytes) -> Reaction:
    def react(handler: ChatHandler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return react


def slowly(data: bytes, size: int = 1) -> Reaction:
    """Send a stream in pieces of so many bytes."""

    def react(handler: ChatHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(HEAD)
        for start in range(0, len(data), size):
            handler.wfile.write(data[start : start + size])
            handler.wfile.flush()

    return react


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Reaction:
    def react(handler: ChatHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(head)
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            handler.wfile.write(piece)
            time.sleep(pause)

    return react


def bomb() -> Reaction:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    data = packer.compress(b'{"choices": "') + packer.compress(b" " * (100 << 20))
    return send(data + packer.flush(), Content_Encoding="gzip")


def chunk(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def stream(*events: object, end: str = "\n\n", done: bool = True) -> bytes:
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    texts += ["[DONE]"] if done else []
    return "".join(f"data: {text}{end}" for text in texts).encode()


def without_error(piece: dict[str, Any]) -> dict[str, Any]:
    """Return the piece with the fields of an error, which say that there is none."""
    return {"choices": [each | {"error": None} for each in piece["choices"]], "error": None}


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
WHOLE = {"choices": [{"finish_reason": "stop", "message": {"content": ANSWER}}]}
BODY = json.dumps(WHOLE, ensure_ascii=False).encode()
PIECES = [chunk(role="assistant", content=""), *(chunk(content=letter) for letter in ANSWER), LAST]
RAW_PIECES = "".join(
    f"data: {json.dumps(piece, ensure_ascii=False)}\n\n" for piece in PIECES
).encode()

ANSWERED: dict[str, Reaction] = {
    "usage null": send(WHOLE | {"usage": None}),
    "usage of words": send(WHOLE | {"usage": {"prompt_tokens": "many", "completion_tokens": -1}}),
    "huge usage": send(WHOLE | {"usage": {"prompt_tokens": 10**300}}),
    "parts": message(content=[{"type": "text", "text": ANSWER}]),
    "parts with thoughts": message(
        content=[{"type": "thinking", "thinking": "no"}, {"type": "text", "text": ANSWER}, 7]
    ),
    "finish reason null": message(content=ANSWER, finish_reason=None),
    "finish reason in capitals": message(content=ANSWER, finish_reason="STOP"),
    "an empty refusal": message(content=ANSWER, refusal=""),
    "text beside a tool call": message(content=ANSWER, finish_reason="tool_calls", tool_calls=[]),
    "NaN in log-probabilities": send(
        json.dumps(WHOLE)[:-3].encode() + b', "logprobs": {"content": [{"logprob": NaN}]}}]}'
    ),
    "log-probabilities of words": send(
        json.dumps(WHOLE)[:-3].encode() + b', "logprobs": {"content": "none"}}]}'
    ),
    "byte order mark": send(b"\xef\xbb\xbf" + BODY),
    "spaces before": send(b"\r\n \t\n" * 1000 + BODY),
    "HTTP/1.0": raw(b"HTTP/1.0 200 OK\r\n\r\n" + BODY),
    "chunks of a byte": raw(
        OK + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"1\r\n%c\r\n" % each for each in BODY) + b"0\r\n\r\n"
    ),
    "gzip": send(zlib.compress(BODY, wbits=31), Content_Encoding="gzip"),
    "wrong kind of content": send(BODY, Content_Type="text/html; charset=punycode"),
    "stream": slowly(stream(*PIECES), 1000),
    "stream without [DONE]": slowly(stream(*PIECES, done=False), 1000),
    "stream without an end of lines": slowly(stream(*PIECES).rstrip()),
    "stream with CRLF": slowly(stream(*PIECES, end="\r\n\r\n"), 7),
    "stream with CR": slowly(stream(*PIECES, end="\r\r"), 7),
    "stream of one line an event": slowly(stream(*PIECES, end="\n"), 7),
    "stream of bytes": slowly(RAW_PIECES),
    "stream with a byte order mark": slowly(b"\xef\xbb\xbf" + RAW_PIECES, 2),
    "stream with comments": slowly(b": hello\n\nevent: message\nid: 1\nretry: 3\n" + RAW_PIECES, 50),
    "stream that begins with a wait": slowly(b"retry: 3000\n\n" + RAW_PIECES, 50),
    "stream with events without choices": slowly(
        stream(PIECES[0], {"type": "ping"}, *PIECES[1:], {"usage": {"prompt_tokens": 7}}), 50
    ),
    "stream with errors null": slowly(stream(*map(without_error, PIECES)), 50),
    "stream of parts with thoughts": slowly(
        stream(
            chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "no"}]}]),
            *(chunk(content=[{"type": "text", "text": letter}]) for letter in ANSWER),
            LAST,
        ),
        50,
    ),
    "stream with usage null": slowly(stream(*(each | {"usage": None} for each in PIECES)), 50),
    "stream with messages": slowly(stream({"choices": [{"message": {"content": ANSWER}}]}), 50),
    "stream that goes on": slowly(stream(*PIECES) + b"\n" * 10_000, 5000),
}  # fmt: skip


def ask(engine: Any, streams: bool, options: GenerationOptions = GREEDY) -> str:
    prompt = engine.prompt(engine.view(IMAGE), "where?")
    pieces: list[str] = []
    [answer] = engine.answer([prompt], options, pieces.append if streams else None)
    assert not streams or "".join(pieces) == answer.text
    assert 0 <= answer.prompt_tokens < 1 << 40
    return str(answer.text)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("name", ANSWERED)
def test_answers_through_an_odd_reply(name: str, streams: bool) -> None:
    with serving(VisionServer(react=ANSWERED[name])) as server:
        assert ask(engine_at(server, checks_images=False), streams) == ANSWER
    assert server.rows() == {"where?": 1}


ERROR = {"error": {"message": "the model crashed", "code": "oops"}}
FAILED: dict[str, tuple[Reaction, str]] = {
    "gzip bomb": (bomb(), "its body has more than 16 MiB"),
    "endless body": (endless(OK + b"\r\n", b" " * 65536), "its body has more than 16 MiB"),
    "endless line": (endless(HEAD, b"data: " * 9999), "its body has more than 16 MiB"),
    "endless header": (endless(OK, b"X: y\r\n" * 9999), "closed the connection"),
    "damaged gzip": (send(b"\x1f\x8b\x08", Content_Encoding="gzip"), "packed body is "),
    "brotli": (send(BODY, Content_Encoding="br"), "packed as 'br'"),
    "chunks of nonsense": (
        raw(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nno"), "closed the connection"
    ),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "closed the connection"),
    "nothing": (raw(b""), "closed the connection"),
    "cut HTTP/1.0": (raw(b"HTTP/1.0 200 OK\r\n\r\n" + BODY[:-9]), "that is not JSON"),
    "empty": (send(b""), "an empty reply"),
    "a list": (send([]), "not a chat completion"),
    "deep": (send(b"[" * 100_000), "not JSON"),
    "no choices": (send({"choices": []}), "without choices"),
    "choices null": (send({"choices": None}), "not a chat completion"),
    "no message": (send({"choices": [{}]}), "without a message"),
    "a page": (send(b"<!DOCTYPE html><title>Sign in</title>"), "sent a web page"),
    "a refusal": (message(content=None, refusal="I do not look at people"), "refused to answer (I"),
    "a tool call": (message(content=None, finish_reason="tool_calls"), "ended its reply with 'too"),
    "an error as answer": (message(content="no memory", finish_reason="error"), "'error' (no mem"),
    "content null": (message(content=None), "gave an empty answer"),
    "parts without text": (message(content=[{"type": "text", "text": 7}]), "gave an empty answer"),
    "error in a choice": (
        send({"choices": [{"error": {"message": "no memory"}}]}), "instead of an answer (no memory)"
    ),
    "stream with an error": (
        slowly(stream(*PIECES[:3], ERROR, *PIECES[3:]), 50), "instead of an answer (the model cra"
    ),
    "stream with an error beside a choice": (
        slowly(stream(*PIECES[:3], chunk(content="") | ERROR), 50), "instead of an answer (the model cra"
    ),
    "stream without an end": (slowly(stream(*PIECES[:3], done=False), 50), "before the answer was"),
    "stream of nonsense": (slowly(b"data: {no}\n\n"), "a part of a stream that is not JSON"),
    "stream of numbers": (slowly(stream(7)), "not a chat completion"),
    "stream of lists": (slowly(stream({"choices": [7]})), "a part of a stream that is not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILED)
def test_fails_a_question_in_one_line(name: str) -> None:
    reaction, words = FAILED[name]
    with serving(VisionServer(react=reaction)) as server:
        engine = engine_at(server, checks_images=False)
        for streams in (False, True):
            with pytest.raises(GenerationError, match=re.escape(words)) as error:
                ask(engine, streams)
            assert len(str(error.value).splitlines()) == 1
            assert len(str(error.value)) < 400
    assert 2 <= server.rows()["where?"] <= 2 * (MAX_RETRIES + 1)


@pytest.mark.slow
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("head", "piece"),
    [(OK + b"X: ", b"x"), (OK + b"\r\n", b" "), (HEAD, b": ping\n\n"), (b"", b"")],
)
def test_ends_a_reply_that_drips(head: bytes, piece: bytes, streams: bool) -> None:
    start = time.monotonic()
    with (
        serving(VisionServer(react=endless(head, piece, 0.05))) as server,
        pytest.raises(GenerationError, match="2 times: a larger --timeout may help"),
    ):
        ask(engine_at(server, checks_images=False, timeout=0.3), streams)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_sends_neither_key_nor_image_to_another_host(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPLLAVA_KEY_BOX", KEY)
    with serving(VisionServer()) as other:
        location = f"{other.url}/chat/completions?key={KEY}"
        react = lambda handler: handler.send(status, b"", Location=location)  # noqa: E731
        with (
            serving(VisionServer(react=react)) as server,
            pytest.raises(ModelError) as error,
        ):
            ask(engine_at(server, checks_images=False), streams=False)
    assert "redirects to" in str(error.value)
    assert KEY not in str(error.value)
    assert (other.bodies, other.keys) == ([], [])
    assert server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize("streams", [False, True])
def test_hides_a_key_that_the_server_repeats(
    streams: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the escaped form of JSON, and in pieces."""
    monkeypatch.setenv("VIPLLAVA_KEY_BOX", KEY)
    text = f"it is {KEY}, {KEY}"
    escaped = json.dumps({"choices": [{"message": {"content": text}}]}).replace("/", r"\/")
    pieces = slowly(stream(*(chunk(content=letter) for letter in text), LAST), 50)
    for reaction in (send(escaped.encode()), pieces):
        with serving(VisionServer(react=reaction)) as server:
            answer = ask(engine_at(server, checks_images=False), streams)
        assert answer == "it is …, …"
    failed = message(content=f"bad key {KEY}", finish_reason="error")
    with (
        serving(VisionServer(react=failed)) as server,
        pytest.raises(GenerationError) as error,
    ):
        ask(engine_at(server, checks_images=False), streams)
    assert "bad key …" in str(error.value)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("key", ["null", "1", "none"])
def test_a_placeholder_for_a_key_changes_no_answer(
    key: str, streams: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers on the own machine want no key, or any: people set a short word."""
    monkeypatch.setenv("VIPLLAVA_KEY_BOX", key)
    answer = "1, null or none"
    reaction = slowly(stream(chunk(content=answer), LAST)) if streams else message(content=answer)
    with serving(VisionServer(react=reaction)) as server:
        assert ask(engine_at(server, checks_images=False), streams) == answer
    assert server.keys == [f"Bearer {key}"]

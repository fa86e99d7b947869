"""Judges whose servers misbehave: each costs little time and memory, and one line or an ungraded row."""

import json
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLES, Run
from tests.support import benchmark_files as files
from tests.support import web
from tests.support.budget import assert_refused, run_measured
from tests.support.judge import JudgeServer, lines, serving
from vipllava_cli.engine.server.waits import retry_after
from vipllava_cli.errors import ExitCode
from vipllava_cli.flows.evals.judges import chat

pytestmark = pytest.mark.slow

MAX_SECONDS = 20
MAX_MEMORY = 250 << 20  # bytes, of which the imports take half
TIMEOUT = "0.3"  # for judges that are slow; the others have time on a busy machine, too
LONG_TIMEOUT = "8"
KEY = "sk-0123456789abcdef"
ROW = ("0", SAMPLES / "zoo-red-box.png", "what is it?", "x", ["rec"])

Attack = Callable[[Any], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PAGE = b"<!DOCTYPE html><title>Sign in</title><body>log in</body>"
DEEP = 100_000
NESTED = 900  # levels that the JSON reader still accepts


def send(body: object, status: int = 200, **headers: str) -> Attack:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler: handler.send(status, data, **headers)


def reply(content: object, **fields: object) -> Attack:
    """Send a completion with odd fields in its choice."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": content}} | fields
    return send({"choices": [choice]})


def raw(data: bytes) -> Attack:
    def attack(handler: Any) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return attack


def endless(start: bytes, piece: bytes, pause: float = 0) -> Attack:
    """Send a piece again and again, for as long as the client lets it."""

    def attack(handler: Any) -> None:
        handler.close_connection = True
        handler.wfile.write(start)
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            handler.wfile.write(piece)
            time.sleep(pause)

    return attack


def bomb(start: bytes, mebibytes: int) -> Attack:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    pieces = [packer.compress(start)]
    pieces += [packer.compress(b" " * (1 << 20)) for _ in range(mebibytes)]
    return send(b"".join(pieces) + packer.flush(), Content_Encoding="gzip")


def redirect(address: str, status: int = 307) -> Attack:
    return send(b"", status, Location=address)


def nested(levels: int, inner: object = 1) -> bytes:
    return b"[" * levels + json.dumps(inner).encode() + b"]" * levels


def nested_objects(key: str, levels: int) -> bytes:
    return f'{{"{key}":'.encode() * levels + b"1" + b"}" * levels


def wait(text: str) -> Attack:
    return send({"error": {"message": "slow down"}}, 429, Retry_After=text)


CANNOT_BE_READ = "cannot be read|closed the connection"
SLOW = r"sent (nothing for 0\.3 s|\d+ bytes in \d+ s|no whole reply in 0\.6 s)"

# Attack -> the words of the reason. All of them leave the row without a grade.
UNGRADED: dict[str, tuple[Attack, str]] = {
    # sizes
    "endless body": (endless(OK + b"\r\n", b" " * 65536), "more than 4 MiB"),
    "endless chunks": (endless(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"), "more than 4 MiB"),
    "endless error": (
        endless(b"HTTP/1.1 500 Oops\r\n\r\n", b"x" * 65536),
        r"answered 500 \(x{200}\)",
    ),
    "endless header": (endless(OK + b"X: ", b"x" * 65536), CANNOT_BE_READ),
    "endless headers": (endless(OK, b"X: yyyyyyyyyyyyyy\r\n" * 999), CANNOT_BE_READ),
    "endless 100": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999), CANNOT_BE_READ),
    "endless stream": (endless(OK + b"\r\n", b": PROCESSING\n\n" * 999), "more than 4 MiB"),
    "gzip bomb": (bomb(b'{"choices":', 100), "more than 4 MiB"),
    "bomb of a page": (bomb(PAGE, 100), "more than 4 MiB"),
    "long reply": (reply("0.8 " * 100_000), "a reply of 400000 characters"),
    "long thoughts": (reply("<think>" * 100_000), "a reply of 700000 characters"),
    # time
    "silence": (endless(b"", b"", 0.1), SLOW),
    "stalled headers": (endless(OK, b"", 0.1), SLOW),
    "stalled body": (endless(OK + b"Content-Length: 99\r\n\r\n{", b"", 0.1), SLOW),
    "drip of a header": (endless(OK + b"X: ", b"x", 0.05), SLOW),
    "drip of a body": (endless(OK + b"\r\n", b" ", 0.05), SLOW),
    "drip of chunks": (endless(CHUNKED, b"1\r\n \r\n", 0.05), SLOW),
    "drip above the least speed": (endless(OK + b"\r\n", b" " * 2000, 0.05), SLOW),
    "drip of comments": (endless(OK + b"\r\n", b": wait\n\n", 0.05), SLOW),
    "drip of an error": (endless(b"HTTP/1.1 500 Oops\r\n\r\n", b"x", 0.05), SLOW),
    # no HTTP, no text
    "nothing": (raw(b""), CANNOT_BE_READ),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), CANNOT_BE_READ),
    "status 999": (raw(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"), CANNOT_BE_READ + "|999"),
    "wrong chunks": (raw(CHUNKED + b"zz\r\nno"), CANNOT_BE_READ),
    "cut": (raw(OK + b"Content-Length: 500\r\n\r\n{"), CANNOT_BE_READ),
    "two lengths": (raw(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n1"), CANNOT_BE_READ),
    "length is no number": (raw(OK + b"Content-Length: -1\r\n\r\n1"), CANNOT_BE_READ),
    "damaged gzip": (send(b"\x1f\x8b\x08no", Content_Encoding="gzip"), "packed body is damaged"),
    "half gzip": (send(zlib.compress(b"{}")[:-4], Content_Encoding="deflate"), "is incomplete"),
    "brotli": (send(b"{}", Content_Encoding="br"), "packed as 'br'"),
    "gzip twice": (send(b"{}", Content_Encoding="gzip, gzip"), "packed as 'gzip, gzip'"),
    "no UTF-8": (send(b'{"choices": "\xff\xfe"}'), "not a chat completion"),
    "zeros": (send(bytes(1000)), "not JSON"),
    # kinds of bodies
    "empty": (send(b""), "an empty reply"),
    "204": (send(b"", 204), "an empty reply|204"),
    "page": (send(PAGE, Content_Type="text/html"), "a web page, not a chat completion"),
    "page with comments": (send(b"<!--" + b"-->" * 99_999 + PAGE), "a web page|not JSON"),
    "null": (send(None), "not a chat completion"),
    "true": (send(True), "not a chat completion"),
    "number": (send(7), "not a chat completion"),
    "text": (send("0.8"), "not a chat completion"),
    "deep 400": (send(b"[" * DEEP, 400), "answered 400"),
    "deep": (send(b"[" * DEEP + b"]" * DEEP), "not JSON"),
    "deep error": (send(nested_objects("error", DEEP)), "not JSON"),
    "nested lists": (send(nested(NESTED)), "not a chat completion"),
    "nested errors": (send(nested_objects("error", NESTED)), "an error instead of an answer"),
    "nested 500": (send(nested(NESTED, "why"), 500), "answered 500"),
    "nested places": (
        send(b'{"detail": [{"loc": ' + nested(NESTED) + b', "msg": "no"}]}', 422),
        r"answered 422 \(; no\)|answered 422 \(no\)",
    ),
    "long number": (send(b'{"choices": ' + b"9" * 5000 + b"}"), "not JSON"),
    "NaN": (send(b'{"choices": NaN}'), "not a chat completion"),
    # kinds of fields
    "choices null": (send({"choices": None}), "not a chat completion"),
    "choices object": (send({"choices": {"0": {}}}), "not a chat completion"),
    "choices of texts": (send({"choices": ["0.8"]}), "without choices"),
    "message is a text": (send({"choices": [{"message": "0.8"}]}), "without a message"),
    "content is a number": (reply(0.8), "none of 5 replies"),
    "content is an object": (reply({"text": "0.8"}), "none of 5 replies"),
    "content of numbers": (reply([0.8, None, [1]]), "none of 5 replies"),
    "parts without text": (reply([{"type": "text", "text": 7}]), "none of 5 replies"),
    "reason is a list": (reply("", finish_reason=["stop"]), "none of 5 replies"),
    "refusal": (reply(None, message={"refusal": "\x1b[2Jno" * 999}), "refused to answer"),
    "error is a number": (send({"error": 7}), "an error instead of an answer"),
    "error code is huge": (send({"error": {"code": 10**400}}), "an error instead of an answer"),
    "escapes": (send({"error": {"message": "\x1b]0;pwned\x07\x1b[2J"}}, 400), "answered 400"),
    "million places": (send({"detail": [{"loc": [1] * 10**6, "msg": "no"}]}, 422), "answered 422"),
    "million titles": (send(b"<html>" + b"<title" * 10**5, 503), "answered 503"),
    "million loc": (send({"message": "'loc': (" * 10**5}, 400), "answered 400"),
    # numbers in a reply
    "huge number": (reply('{"score": 1' + "0" * 400 + "}"), "none of 5 replies"),
    "long digits": (reply("9" * 9999), "none of 5 replies"),
    "infinite score": (reply('{"score": 1e999}'), "none of 5 replies"),
    "growing letters": (reply("\ufdfa" * 9999), "none of 5 replies"),
    "many brackets": (reply("[" * 9999), "none of 5 replies"),
    # streams
    "stream of nothing": (send(b"data: [DONE]\n\n" * 999), "none of 5 replies"),
    "stream of numbers": (send(b"data: 7\n\n"), "not a chat completion"),
    "stream of choices": (send(b'data: {"choices": [7]}\n\n'), "not JSON"),
    "stream of lists": (send(b'data: {"choices": [{"delta": [1]}]}\n\n'), "not JSON"),
    "stream without end": (send(b'data: {"choices": []}\n\n'), "before the answer was complete"),
    # waits
    **{
        f"429 {text!r}": (wait(text), "answered 429")
        for text in ("-5", "-1e999", "nan", "", "1e-400", "0x10", "1_0", "soon", "\xd9\xa1\xd9\xa2")
    },
    "429 since 1970": (wait("Thu, 01 Jan 1970 00:00:00 GMT"), "answered 429"),
    "429 without year": (wait("Thu, 01 Jan 99999999999 00:00:00 GMT"), "answered 429"),
}  # fmt: skip

NO_ADDRESS = "redirects to no other usable address: check --judge-url"

# Attack -> the words of the error that ends the run.
FATAL: dict[str, tuple[Attack, str]] = {
    "429 for a day": (wait("86400"), "asks to wait 86400 s: repeat the command then"),
    "429 for ever": (wait("9" * 15), "asks to wait for years"),
    "429 until 9999": (wait("Fri, 31 Dec 9999 23:59:59 GMT"), "asks to wait for years"),
    "304": (send(b"", 304), "answered 304, without an answer: check --judge-url"),
    "endless redirect": (
        endless(b"HTTP/1.1 307 Go\r\nLocation: /v1/x\r\n\r\n", b"x" * 65536),
        r"redirects to http://127.0.0.1:\d+/v1/x: use that address if you trust it",
    ),
    "redirect loop": (redirect("/v1/chat/completions"), NO_ADDRESS),
    "loop with 302": (redirect("/v1/chat/completions", 302), NO_ADDRESS),
    "redirect to a file": (redirect("file:///etc/passwd"), NO_ADDRESS),
    "redirect to no host": (redirect("http://"), NO_ADDRESS),
    "redirect to no port": (redirect("http://127.0.0.1:99999/"), NO_ADDRESS),
    "redirect with a key": (redirect(f"http://127.0.0.1:9/?api_key={KEY}"), NO_ADDRESS),
    "redirect to nobody": (redirect("http://127.0.0.1:9/"), "redirects to http://127.0.0.1:9: use"),
    "401": (send({"error": {"message": KEY}}, 401), "check the key in OPENAI_API_KEY"),
    "401 deep": (send(b"[" * DEEP, 401), "check the key in OPENAI_API_KEY"),
    "407": (send(b"", 407), "check the user name and password of the proxy"),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a ViP-Bench with one question, and the answer to it."""
    data = files.vip_bench(tmp_path / "data", [ROW])
    (data / "answers.json").write_text(json.dumps({"v1_0": "0.5 of it"}))
    return data


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry once and at once, with a key."""
    monkeypatch.setattr(chat, "MAX_RETRIES", 1)
    monkeypatch.setattr(chat, "MAX_TIMEOUTS", 2)
    monkeypatch.setattr(chat, "PAUSE", 0.001)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def command(data: Path, url: str, timeout: str = LONG_TIMEOUT) -> tuple[str | Path, ...]:
    return (
        "eval", "vip-bench", "--data", data, "--predictions", data / "answers.json", "--out",
        data / "out", "--judge-url", url, "--judge-model", "judge", "--judge-timeout", timeout, "-q",
    )  # fmt: skip


@contextmanager
def attacking(attack: Attack) -> Iterator[JudgeServer]:
    def react(handler: Any, request: dict[str, Any]) -> bool:
        try:
            attack(handler)
        except OSError:  # the client has had enough
            handler.close_connection = True
        return True

    with serving(JudgeServer(react=react)) as judge:
        yield judge


def check_line(stderr: str, reason: str) -> None:
    """Assert one short line with the reason, without escapes and secrets."""
    assert re.fullmatch(r"error: .{1,700}\n", stderr), stderr[:2000]
    assert re.search(reason, stderr), stderr
    assert not any(bad in stderr for bad in ("a bug in", "\x1b", KEY, "Traceback"))


@pytest.mark.parametrize("name", UNGRADED)
def test_a_hostile_judge_leaves_a_row_ungraded(run: Run, data: Path, name: str) -> None:
    attack, reason = UNGRADED[name]
    started = time.monotonic()
    with attacking(attack) as judge:
        timeout = TIMEOUT if reason == SLOW else LONG_TIMEOUT
        result = run(*command(data, judge.url, timeout))
        assert time.monotonic() - started < MAX_SECONDS
        assert result.code == ExitCode.MODEL, result.stderr
        check_line(result.stderr, reason)
        [line] = lines(data / "out" / "grades.jsonl")
        assert line["score"] is None
        assert re.search(reason, line["error"])
        assert (data / "out" / "grades.jsonl").stat().st_size < 300_000
        # A good judge then grades the row.
        judge.react = None
        assert run(*command(data, judge.url)).code == 0
    assert lines(data / "out" / "grades.jsonl")[-1]["score"] == 0.5


@pytest.mark.parametrize("name", FATAL)
def test_a_judge_that_no_row_can_use_ends_the_run(run: Run, data: Path, name: str) -> None:
    attack, reason = FATAL[name]
    started = time.monotonic()
    with attacking(attack) as judge:
        result = run(*command(data, judge.url))
    assert time.monotonic() - started < MAX_SECONDS
    assert result.code == ExitCode.MODEL, result.stderr
    check_line(result.stderr, reason)


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_questions_are_not_sent_again_without_encryption(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """A server behind https:// that redirects to http:// gets no second request."""
    certificate = web.make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(JudgeServer()) as plain:
        address = f"{scheme}{plain.url.removeprefix('http')}/chat/completions"
        with web.serving(web.WebServer(location=address), certificate) as encrypted:
            result = run(*command(data, f"{encrypted.address}/v1", "10"))
        assert not plain.requests
    assert result.code == ExitCode.MODEL, result.stderr
    check_line(result.stderr, "redirects from https:// to http://")


@pytest.mark.parametrize("name", ["endless body", "gzip bomb", "deep 400", "million places"])
def test_a_hostile_judge_costs_little_memory(data: Path, tmp_path: Path, name: str) -> None:
    attack, _ = UNGRADED[name]
    with attacking(attack) as judge:
        environment = os.environ | {"VIPLLAVA_HOME": str(tmp_path / "home")}
        line = command(data, judge.url, "20")
        result = run_measured(*line, folder=tmp_path, environment=environment)
    assert_refused(result, ExitCode.MODEL, max_bytes=MAX_MEMORY, max_lines=1)


@pytest.mark.parametrize(
    ("variable", "text", "code", "reason"),
    [
        ("OPENAI_API_KEY", "sk-\u00e9", 2, "holds characters that no key has"),
        ("OPENAI_API_KEY", "sk-\n1", 2, "holds characters that no key has"),
        ("HTTP_PROXY", "gopher://127.0.0.1:9", 4, "is no usable proxy|gopher"),
        ("HTTP_PROXY", "http://[::1", 4, "is no usable proxy|proxy"),
        ("HTTP_PROXY", "http://127.0.0.1:99999", 4, "proxy"),
        ("HTTP_PROXY", "\u00e9://\u2603", 4, "proxy"),
        ("ALL_PROXY", "socks5://", 4, "is no usable proxy|proxy"),
        ("SSL_CERT_FILE", "/nowhere.pem", 4, "SSL_CERT_FILE names /nowhere.pem"),
    ],
)
def test_settings_that_cannot_be_sent_are_one_line(
    run: Run, data: Path, variable: str, text: str, code: int, reason: str, monkeypatch: Any
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, text)
    scheme = "https" if variable.startswith("SSL") else "http"
    result = run(*command(data, f"{scheme}://127.0.0.1:9/v1"))
    assert result.code == code, result.stderr
    check_line(result.stderr, reason)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2", 2), (" 2.5 ", 2.5), ("+1", 1), ("-1", 0), ("inf", 0), ("1e9", 0), ("9" * 99, 0)],
)
def test_only_plain_numbers_are_waits(text: str, seconds: float) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_a_codec_that_the_server_names_is_not_used(run: Run, data: Path) -> None:
    """Python's punycode takes minutes for a megabyte."""
    body = b"a" * (1 << 20) + b"-" + b"9" * (1 << 20)
    with attacking(send(body, Content_Type="text/plain; charset=punycode")) as judge:
        started = time.monotonic()
        result = run(*command(data, judge.url))
    assert time.monotonic() - started < MAX_SECONDS
    check_line(result.stderr, "not JSON")


def test_a_judge_that_is_good_again_costs_no_grade(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bad reply costs a try."""
    monkeypatch.setattr(chat, "MAX_RETRIES", 3)
    bad = iter([send(b""), raw(b""), send(b"[" * DEEP)])

    def react(handler: Any, request: dict[str, Any]) -> bool:
        attack = next(bad, None)
        with suppress(OSError):
            if attack:
                attack(handler)
        return attack is not None

    with serving(JudgeServer(react=react)) as judge:
        assert run(*command(data, judge.url)).code == 0
    [line] = lines(data / "out" / "grades.jsonl")
    assert (line["score"], line["tries"]) == (0.5, 4)

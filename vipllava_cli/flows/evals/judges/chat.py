"""A judge behind any server that speaks the chat completions protocol, through the official client.

The client's own retries are off: this module decides about retries and waits, and counts every try.
"""

import math
import os
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from vipllava_cli.errors import ModelError, UsageError, short_repr
from vipllava_cli.flows.evals.judges.grades import Grade, GradingRow
from vipllava_cli.flows.evals.judges.grading import GradeFunction, Judge, StoppedError
from vipllava_cli.flows.evals.judges.instructions import VERSION, messages, read_score

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI
    from openai.types.chat import ChatCompletionMessageParam

KEY = "OPENAI_API_KEY"
PARALLEL = 4
MAX_REPLIES = 5  # replies without a number, then the row scores 0
MAX_RETRIES = 5  # after errors that may pass; each wait is twice as long as the one before
MAX_WAIT = 120.0  # seconds that a server may ask for; a longer wait ends the run
MAX_REPLY_TOKENS = 8


def chat_judge(
    model: str,
    url: str | None = None,
    *,
    parallel: int = PARALLEL,
    pause: float = 1.0,
    timeout: float = 60.0,
) -> Judge:
    """Return a judge: a model at a server, by default OpenAI's.

    The key is in OPENAI_API_KEY; a local server may need none. `pause` is the first wait after an
    error, in seconds.

    Raises UsageError for an invalid address, and if the key or the package is missing.
    """
    key = os.environ.get(KEY, "").strip()
    if find_spec("openai") is None:
        raise UsageError(
            "a judge needs the package openai, which is not installed:"
            " `pip install 'vipllava[judge]'`, or grade with --judge exact"
        )
    if url is not None and not _is_address(url):
        raise UsageError(
            f"--judge-url is an address like http://localhost:8000/v1, not {short_repr(url)}"
        )
    if not key and url is None:
        raise UsageError(
            f"the judge needs a key: set {KEY}, or give your own server with --judge-url"
        )
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{KEY} holds characters that no key has: set it again")
    return ChatJudge(model, url, key, parallel, pause, timeout)


@dataclass(frozen=True)
class ChatJudge:
    """A model at a server. `pause` is the first wait after an error, `timeout` that for a reply."""

    model: str
    url: str | None
    key: str = field(repr=False)
    parallel: int
    pause: float
    timeout: float

    @property
    def name(self) -> str:
        return f"{self.model}, instructions {VERSION}"

    @contextmanager
    def open_session(self) -> Iterator[GradeFunction]:
        """Open the client's connections for the time of the block."""
        from openai import OpenAI

        key = self.key or "none"
        with OpenAI(api_key=key, base_url=self.url, timeout=self.timeout, max_retries=0) as client:
            yield partial(self._grade, client)

    def _grade(self, client: "OpenAI", row: GradingRow, stop: threading.Event) -> Grade:
        """Raises ModelError if no row can be graded, StoppedError if the run ends."""
        attempts, score, error = _Attempts(random.Random(row.id)), 0.0, None
        try:
            score = self._score(client, row, stop, attempts)
        except _UngradedError as ungraded:
            error = str(ungraded)
        return Grade(
            row.id,
            score,
            attempts.raw,
            attempts.tries,
            error,
            attempts.prompt_tokens,
            attempts.answer_tokens,
        )

    def _score(
        self, client: "OpenAI", row: GradingRow, stop: threading.Event, attempts: "_Attempts"
    ) -> float:
        """Return the number of the first reply that has one. Raises _UngradedError too."""
        for number in range(MAX_REPLIES):
            self._request(client, messages(row, again=number > 0), stop, attempts)
            score = read_score(attempts.raw)
            if score is not None:
                return score
        raise _UngradedError(
            f"none of {MAX_REPLIES} replies began with a number from 0 to 1, the last was"
            f" {short_repr(attempts.raw)}"
        )

    def _request(
        self,
        client: "OpenAI",
        turns: "list[ChatCompletionMessageParam]",
        stop: threading.Event,
        attempts: "_Attempts",
    ) -> None:
        """Get one reply, and retry after errors that may pass. Raises _UngradedError too."""
        while not stop.is_set():
            attempts.tries += 1
            try:
                return self._request_once(client, turns, attempts)
            except _RetryableError as error:
                attempts.errors += 1
                if attempts.errors <= MAX_RETRIES:
                    longest = self.pause * 2 ** (attempts.errors - 1)
                    stop.wait(max(error.wait, longest * attempts.jitter.uniform(0.5, 1.0)))
                elif error.is_unreachable:
                    raise ModelError(f"{error}: start it, or check --judge-url") from None
                else:
                    raise _UngradedError(f"{error}, error {attempts.errors}") from None
        raise StoppedError

    def _request_once(
        self, client: "OpenAI", turns: "list[ChatCompletionMessageParam]", attempts: "_Attempts"
    ) -> None:
        """Raises _RetryableError, _UngradedError, ModelError."""
        import httpx2
        import openai

        try:
            completion = client.chat.completions.create(
                model=self.model, messages=turns, temperature=0, max_tokens=MAX_REPLY_TOKENS
            )
            text, usage = completion.choices[0].message.content, completion.usage
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise _RetryableError(
                    f"{self._server} is unreachable", is_unreachable=True
                ) from None
            is_late = isinstance(error, openai.APITimeoutError)
            problem = f"sent nothing for {self.timeout:g} s" if is_late else "closed the connection"
            raise _RetryableError(f"{self._server} {problem}") from None
        except openai.APIStatusError as error:
            raise self._status_error(error) from None
        except (ValueError, AttributeError, TypeError, LookupError, openai.OpenAIError):
            raise _RetryableError(f"{self._server} {_NOT_A_COMPLETION}") from None
        if not isinstance(text, str | None):
            raise _RetryableError(f"{self._server} {_NOT_A_COMPLETION}")
        attempts.raw = text or ""
        attempts.prompt_tokens += _count(usage, "prompt_tokens")
        attempts.answer_tokens += _count(usage, "completion_tokens")

    def _status_error(self, error: "APIStatusError") -> Exception:
        """Return the exception for an HTTP error status."""
        status = f"{self._server} answered {error.status_code}{_detail(error)}"
        remedy = _FATAL.get(error.status_code) or _FATAL_CODES.get(error.code or "")
        if remedy:
            return ModelError(f"{status}: {remedy}")
        if error.status_code not in _RETRYABLE and error.status_code < 500:
            return _UngradedError(status)  # this row gets the same status again
        wait = _retry_after(error.response.headers)
        if wait > MAX_WAIT:
            return ModelError(
                f"{status}, and asks to wait {wait:.0f} s: repeat the command then to continue from"
                " here"
            )
        return _RetryableError(status, wait=wait)

    @property
    def _server(self) -> str:
        return f"the judge at {self.url or 'its default address'}"


# Statuses and error codes that every row would get, with what to do.
_FATAL: Mapping[int, str] = {
    401: f"check the key in {KEY}",
    403: f"check the permissions of the key in {KEY}",
    404: "check --judge-model and --judge-url",
    405: "check --judge-url",
}
_FATAL_CODES: Mapping[str, str] = {"insufficient_quota": "add credit to the account of the key"}
_RETRYABLE = (408, 409, 425, 429)  # and all from 500
_NOT_A_COMPLETION = "sent a reply that is not a chat completion"


@dataclass
class _Attempts:
    """The requests for one row so far, and the last reply.

    `jitter` varies the waits. Its seed is the row's id, so that all runs wait equally long.
    """

    jitter: random.Random
    raw: str = ""
    tries: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0


class _UngradedError(Exception):
    """A row that cannot be graded; other rows may be."""


class _RetryableError(Exception):
    """An error that may pass.

    `wait` is the time that the server asks for, in seconds. `is_unreachable` means that nothing
    listens at the address.
    """

    def __init__(self, text: str, *, wait: float = 0.0, is_unreachable: bool = False) -> None:
        super().__init__(text)
        self.wait = wait
        self.is_unreachable = is_unreachable


def _is_address(url: str) -> bool:
    import httpx2

    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.host)


def _detail(error: "APIStatusError") -> str:
    """Return the server's message in parentheses, without the status that the client adds."""
    detail = " ".join(error.message.split()).removeprefix(f"Error code: {error.status_code}")
    detail = detail.removeprefix(" - ")
    return f" ({detail[:200]})" if detail else ""


def _count(usage: object, name: str) -> int:
    count = getattr(usage, name, None)  # a local server may not count tokens
    return count if type(count) is int and count > 0 else 0


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the wait in the header, a number of seconds or a date; 0 without one."""
    text = headers.get("retry-after", "")
    with suppress(ValueError):
        seconds = float(text)
        return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
    with suppress(ValueError):
        when = parsedate_to_datetime(text)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - datetime.now(UTC)).total_seconds(), 0.0)
    return 0.0

"""A judge behind any server that speaks the chat completions protocol.

The client of the engine's servers sends the requests (`engine/server/client.py`).
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vipllava_cli.engine.server.client import Limits, ServerClient
from vipllava_cli.engine.server.completion import Completion
from vipllava_cli.engine.server.config import (
    OPENAI,
    OPENAI_KEY_VARIABLE,
    ServerModel,
    find_server_model,
    parse_url,
)
from vipllava_cli.engine.server.failures import ClosedError, Words
from vipllava_cli.engine.server.keys import Key, find_key
from vipllava_cli.engine.server.opening import note_open_key
from vipllava_cli.engine.server.reply import Reply
from vipllava_cli.engine.server.server_errors import ServerError
from vipllava_cli.errors import GenerationError, ModelError, UsageError, short_repr
from vipllava_cli.flows.evals.judges.grades import Grade, GradingRow
from vipllava_cli.flows.evals.judges.grading import GradeFunction, Judge, StoppedError
from vipllava_cli.flows.evals.judges.instructions import VERSION, messages
from vipllava_cli.flows.evals.judges.reply_limit import ReplyLimit
from vipllava_cli.flows.evals.judges.score_text import final_text, read_score
from vipllava_cli.storage.web_guard import MIN_BYTES_PER_SECOND

PARALLEL = 4
TIMEOUT = 60.0  # seconds
PAUSE = 1.0  # seconds
MAX_REPLIES = 5  # replies without a grade, then the row is ungraded
MAX_RETRIES = 5  # after errors that may pass; each wait is twice as long as the one before
MAX_TIMEOUTS = 3  # requests for a row that get no reply in time
MAX_REPLY_BYTES = 4 << 20  # a stream takes some 300 bytes for each of 8192 tokens
MAX_REPLY_LENGTH = 200_000  # characters; 8192 tokens have some 40,000
WHOLE_REPLY = 2.0  # the time for a whole reply, in timeouts

_WORDS = Words("the judge", "--judge-model", "--judge-url", "--judge-timeout", too_long="")
_GREEDY: Mapping[str, Any] = {"temperature": 0}


def chat_judge(
    model: str,
    url: str | None = None,
    *,
    parallel: int = PARALLEL,
    pause: float | None = None,
    timeout: float = TIMEOUT,
) -> Judge:
    """Return a judge: a model at a server, by default that of a name in the settings, or OpenAI's.

    The key of `url` and of OpenAI is in OPENAI_API_KEY; a local server may need none. `pause` is the
    first wait after an error, in seconds; None is PAUSE.

    Raises UsageError for an invalid address, and if the key is missing.
    """
    server = _find_server(model, url)
    try:
        key = find_key(server)
    except ModelError as error:
        raise UsageError(str(error)) from None
    if not key.value and url is None and server.key_variable == OPENAI_KEY_VARIABLE:
        raise UsageError(
            f"the judge needs a key: set {OPENAI_KEY_VARIABLE}, or give your own server with --judge-url"
        )
    return ChatJudge(server, key, parallel, PAUSE if pause is None else pause, timeout)


def _find_server(model: str, url: str | None) -> ServerModel:
    if url is not None:
        address = parse_url(url, "--judge-url", OPENAI_KEY_VARIABLE)
        return ServerModel(f"{OPENAI}{model}", address, model, OPENAI_KEY_VARIABLE)
    found = find_server_model(model) or find_server_model(f"{OPENAI}{model}")
    assert found is not None  # noqa: S101 - a name that starts so always means a model
    return found


@dataclass(frozen=True)
class ChatJudge:
    """A model at a server. `pause` is the first wait after an error, `timeout` that for a reply."""

    server: ServerModel
    key: Key = field(repr=False)
    parallel: int
    pause: float
    timeout: float

    @property
    def name(self) -> str:
        return f"{self.server.model}, instructions {VERSION}"

    @contextmanager
    def open_session(self, on_note: Callable[[str], None]) -> Iterator[GradeFunction]:
        """Open the client's connections for the time of the block."""
        limits = Limits(
            MAX_RETRIES, MAX_TIMEOUTS, WHOLE_REPLY, MIN_BYTES_PER_SECOND, MAX_REPLY_BYTES
        )
        client = ServerClient(
            self.server, self.key, on_note, self.timeout, self.pause, limits, _WORDS
        )
        note_open_key(client)
        limit = ReplyLimit(client.form)
        try:
            yield partial(_grade, client, limit)
        finally:
            client.close()


def _grade(
    client: ServerClient, limit: ReplyLimit, row: GradingRow, stop: threading.Event
) -> Grade:
    """Raises ModelError if no row can be graded, StoppedError if the run ends."""
    request = _RowRequest(client, limit, row, stop)
    score, error = None, None
    try:
        score = request.score()
    except ClosedError:
        raise StoppedError from None
    except GenerationError as ungraded:
        error = str(ungraded)
    return Grade(
        row.id,
        score,
        request.raw,
        request.tries,
        error,
        request.prompt_tokens,
        request.answer_tokens,
    )


@dataclass
class _RowRequest:
    """The requests for one row so far, and the last reply."""

    client: ServerClient
    limit: ReplyLimit
    row: GradingRow
    stop: threading.Event
    raw: str = ""
    tries: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def score(self) -> float:
        """Return the number of the first reply that has one. Raises GenerationError, ModelError."""
        number = 0
        while number < MAX_REPLIES:
            used = self.limit.current
            completion = self._request(again=number > 0)
            self.raw = _graded_text(completion)
            if _is_cut_off(completion, self.raw):
                if not self.limit.allow_more(used):
                    raise GenerationError(
                        f"the reply was cut off after {used} tokens, it began {short_repr(self.raw)}"
                    )
                continue
            score = read_score(self.raw)
            if score is not None:
                return score
            number += 1
        raise GenerationError(
            f"none of {MAX_REPLIES} replies gave one number from 0 to 1, the last was"
            f" {short_repr(self.raw)}"
        )

    def _request(self, *, again: bool) -> Completion:
        """Get one reply. Raises GenerationError, ModelError, StoppedError."""
        turns = messages(self.row, again=again)
        completion, _ = self.client.complete(
            lambda side: turns, self._parameters(), self._start_reply, self._revise
        )
        self.prompt_tokens += completion.prompt_tokens
        self.answer_tokens += completion.answer_tokens
        label = self.client.failures.label
        if len(completion.content) > MAX_REPLY_LENGTH:
            length = len(completion.content)
            raise GenerationError(f"{label} sent a reply of {length} characters")
        if completion.finish_reason == "content_filter":
            raise GenerationError(f"{label} ended its reply by a content filter")
        return completion

    def _start_reply(self) -> Reply:
        if self.stop.is_set():
            raise StoppedError
        self.tries += 1
        return Reply()

    def _parameters(self) -> dict[str, Any]:
        return {**_GREEDY, "max_tokens": self.limit.current}

    def _revise(self, error: ServerError, sent: Mapping[str, Any]) -> dict[str, Any] | None:
        return self._parameters() if self.limit.adapt(error, sent) else None


def _is_cut_off(completion: Completion, text: str) -> bool:
    """Return whether the limit of tokens ended the reply, or thoughts in it have no end."""
    return completion.finish_reason == "length" or final_text(text) is None


def _graded_text(completion: Completion) -> str:
    """Return the content, or a grade that a server put into the field of the thoughts.

    Thoughts hold drafts. They count only if they are nothing but a grade, as some servers send them
    for a judge that does not think.
    """
    if completion.content.strip():
        return completion.content
    thoughts = completion.reasoning.strip()
    final = final_text(thoughts) or ""
    is_only_grade = len(thoughts.splitlines()) == 1 and len(thoughts) <= 40
    if read_score(final) is not None and (is_only_grade or final != thoughts):
        return final
    return ""

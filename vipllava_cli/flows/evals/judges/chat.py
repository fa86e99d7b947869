"""A judge behind any server that speaks the chat completions protocol, through the official client.

The client's own retries are off: this module decides about retries and waits, and counts every try. The
settings of the requests adapt to the server (`request_settings`).
"""

import os
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from vipllava_cli.engine.server.completion import ErrorBodyError, NoCompletionError
from vipllava_cli.engine.server.server_errors import ServerError, parse_error
from vipllava_cli.engine.server.waits import MAX_WAIT, retry_after, wait_in_words
from vipllava_cli.errors import ModelError, UsageError, short_repr
from vipllava_cli.flows.evals.judges.addresses import JudgeAddress, parse_address
from vipllava_cli.flows.evals.judges.completion import (
    Completion,
    RefusedReplyError,
    parse_completion,
)
from vipllava_cli.flows.evals.judges.failures import (
    RejectedError,
    RetryableError,
    UngradedError,
)
from vipllava_cli.flows.evals.judges.grades import Grade, GradingRow
from vipllava_cli.flows.evals.judges.grading import GradeFunction, Judge, StoppedError
from vipllava_cli.flows.evals.judges.instructions import VERSION, messages
from vipllava_cli.flows.evals.judges.request_settings import AdaptiveSettings, RequestSettings
from vipllava_cli.flows.evals.judges.score_text import read_score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai import OpenAI
    from openai.types.chat import ChatCompletionMessageParam

KEY = "OPENAI_API_KEY"
PARALLEL = 4
TIMEOUT = 60.0  # seconds
PAUSE = 1.0  # seconds
MAX_REPLIES = 5  # replies without a grade, then the row is ungraded
MAX_RETRIES = 5  # after errors that may pass; each wait is twice as long as the one before
MAX_TIMEOUTS = 3  # requests for a row that get no reply in time
MAX_REPLY_BYTES = 4 << 20  # a stream takes some 300 bytes for each of 8192 tokens
WHOLE_REPLY = 2.0  # the time for a whole reply, in timeouts
_SAID_WAIT = 2.0  # seconds that a server asks for; a note says a longer wait


def chat_judge(
    model: str,
    url: str | None = None,
    *,
    parallel: int = PARALLEL,
    pause: float | None = None,
    timeout: float = TIMEOUT,
) -> Judge:
    """Return a judge: a model at a server, by default OpenAI's.

    The key is in OPENAI_API_KEY; a local server may need none. `pause` is the first wait after an
    error, in seconds; None is PAUSE.

    Raises UsageError for an invalid address, and if the key or the package is missing.
    """
    key = os.environ.get(KEY, "").strip()
    if find_spec("openai") is None:
        raise UsageError(
            "a judge needs the package openai, which is not installed:"
            " `pip install 'vipllava[judge]'`, or grade with --judge exact"
        )
    address = None if url is None else parse_address(url)
    if not key and url is None:
        raise UsageError(
            f"the judge needs a key: set {KEY}, or give your own server with --judge-url"
        )
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{KEY} holds characters that no key has: set it again")
    return ChatJudge(model, address, key, parallel, PAUSE if pause is None else pause, timeout)


@dataclass(frozen=True)
class ChatJudge:
    """A model at a server. `pause` is the first wait after an error, `timeout` that for a reply."""

    model: str
    address: JudgeAddress | None
    key: str = field(repr=False)
    parallel: int
    pause: float
    timeout: float

    @property
    def name(self) -> str:
        return f"{self.model}, instructions {VERSION}"

    @contextmanager
    def open_session(self, on_note: Callable[[str], None]) -> Iterator[GradeFunction]:
        """Open the client's connections for the time of the block."""
        import openai

        from vipllava_cli.storage.web import make_client, user_agent
        from vipllava_cli.storage.web_guard import ReplyLimits

        try:
            client = openai.OpenAI(
                api_key=self.key or "none",
                base_url=self.address.base if self.address else None,
                default_query=self.address.query if self.address else None,
                default_headers={
                    "User-Agent": user_agent(),
                    "Accept-Encoding": "gzip, deflate",  # what the guard unpacks
                },
                timeout=self.timeout,
                max_retries=0,
                http_client=make_client(
                    openai.DefaultHttpxClient,
                    limits=ReplyLimits(MAX_REPLY_BYTES, WHOLE_REPLY * self.timeout),
                    timeout=self.timeout,
                ),
            )
        except Exception as error:  # an invalid OPENAI_BASE_URL, and other variables of the client
            reason = str(error).partition("\n")[0][:120].replace(self.key or "\0", "…")
            raise UsageError(
                f"the judge's client does not start ({reason}): check the variables OPENAI_…"
            ) from None
        with client:
            yield partial(self._grade, client, AdaptiveSettings(on_note))

    def _grade(
        self, client: "OpenAI", settings: AdaptiveSettings, row: GradingRow, stop: threading.Event
    ) -> Grade:
        """Raises ModelError if no row can be graded, StoppedError if the run ends."""
        request = _RowRequest(self, client, settings, row, stop, random.Random(row.id))  # noqa: S311 - waits, the same in every run
        score, error = None, None
        try:
            score = request.score()
        except UngradedError as ungraded:
            error = str(ungraded)
        return Grade(
            row.id,
            score,
            self.hide_key(request.raw),
            request.tries,
            error,
            request.prompt_tokens,
            request.answer_tokens,
        )

    def hide_key(self, text: str) -> str:
        """Remove the key from a text of the server."""
        return text.replace(self.key, "…") if self.key else text


# Statuses and error codes that every row would get, with what to do.
_FATAL: "Mapping[int, str]" = {
    401: f"check the key in {KEY}",
    402: "add credit to the account of the key",
    403: f"check the permissions of the key in {KEY}",
    404: "check --judge-model and --judge-url",
    405: "check --judge-url",
    407: "check the user name and password of the proxy",
}
_FATAL_CODES: "Mapping[str, str]" = {
    "insufficient_quota": "add credit to the account of the key",
    "invalid_api_key": f"check the key in {KEY}",
    "model_not_found": "check --judge-model",
}
_RETRYABLE = (408, 409, 425, 429)  # and all from 500
_RETRYABLE_CODES = {"rate_limit_exceeded": 429, "RESOURCE_EXHAUSTED": 429, "server_error": 500}


@dataclass
class _RowRequest:
    """The requests for one row so far, and the last reply.

    `jitter` varies the waits. Its seed is the row's id, so that all runs wait equally long.
    """

    judge: ChatJudge
    client: "OpenAI"
    settings: AdaptiveSettings
    row: GradingRow
    stop: threading.Event
    jitter: random.Random
    raw: str = ""
    tries: int = 0
    errors: int = 0
    timeouts: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def score(self) -> float:
        """Return the number of the first reply that has one. Raises UngradedError, ModelError."""
        number = 0
        while number < MAX_REPLIES:
            used = self.settings.current
            completion = self._request(messages(self.row, again=number > 0), used)
            if completion is None:
                continue  # with other settings
            self.raw = completion.text
            if completion.is_cut_off:
                if not self.settings.allow_more(used):
                    raise UngradedError(
                        f"the reply was cut off after {used.max_reply_tokens} tokens,"
                        f" it began {short_repr(self.judge.hide_key(self.raw))}"
                    )
                continue
            score = read_score(self.raw)
            if score is not None:
                return score
            number += 1
        raise UngradedError(
            f"none of {MAX_REPLIES} replies gave one number from 0 to 1, the last was"
            f" {short_repr(self.judge.hide_key(self.raw))}"
        )

    def _request(
        self, turns: "list[ChatCompletionMessageParam]", used: RequestSettings
    ) -> Completion | None:
        """Get one reply, and retry after errors that may pass. None if the settings have changed.

        Raises UngradedError, ModelError, StoppedError.
        """
        while not self.stop.is_set():
            self.tries += 1
            try:
                completion = parse_completion(self._post(turns, used))
            except RejectedError as rejected:
                if self.settings.adapt(used, rejected.error):
                    return None
                raise UngradedError(str(rejected)) from None
            except ErrorBodyError as body:
                if self.settings.adapt(used, body.error):
                    return None
                self._wait_for(self._body_error(body.error))
            except RefusedReplyError as refused:
                raise UngradedError(f"{self._server} {refused}") from None
            except NoCompletionError as reason:
                self._wait_for(RetryableError(f"{self._server} {reason}"))
            except RetryableError as error:
                self._wait_for(error)
                if self.settings.current != used:
                    return None  # another thread has adapted
            else:
                self.prompt_tokens += completion.prompt_tokens
                self.answer_tokens += completion.answer_tokens
                return completion
        raise StoppedError

    def _post(self, turns: "list[ChatCompletionMessageParam]", used: RequestSettings) -> str:
        """Return the body of a reply. Raises RetryableError, RejectedError, and ModelError."""
        import openai

        try:
            return self.client.chat.completions.with_raw_response.create(
                model=self.judge.model, messages=used.arrange(turns), **used.parameters
            ).text
        except openai.APITimeoutError as error:
            if self._never_connected(error):
                raise self._unreachable() from None
            self.timeouts += 1
            text = f"{self._server} {self._delay(error)}"
            if self.timeouts >= MAX_TIMEOUTS:
                raise UngradedError(
                    f"{text}, {self.timeouts} times: a larger --judge-timeout may help"
                ) from None
            raise RetryableError(text) from None
        except openai.APIConnectionError as error:
            raise self._connection_error(error) from None
        except openai.APIStatusError as error:
            reason = parse_error(error.response.text)
            answer = self._status_error(error.status_code, reason, error.response.headers)
            if isinstance(answer, RetryableError) and self.settings.rejects(used, reason):
                answer = RejectedError(str(answer), reason)
            raise answer from None
        except Exception as error:  # openai 3.54.0 raises many kinds for odd replies and settings
            raise self._foreign_error(error) from None

    def _wait_for(self, error: "RetryableError | Exception") -> None:
        """Wait after an error that may pass. Raises UngradedError after too many, ModelError."""
        if not isinstance(error, RetryableError):
            raise error
        self.errors += 1
        if self.errors > MAX_RETRIES:
            if error.is_unreachable:
                raise ModelError(f"{error}: start it, or check --judge-url")
            raise UngradedError(f"{error}, the last of {self.errors} errors")
        if error.wait >= _SAID_WAIT:
            asked = wait_in_words(error.wait)
            self.settings.note_once(f"{error}: waiting {asked}, as it asks", "wait")
        longest = self.judge.pause * 2 ** (self.errors - 1)
        self.stop.wait(max(error.wait, longest * self.jitter.uniform(0.5, 1.0)))

    # --- errors of the server ----------------------------------------------------------------

    def _foreign_error(self, error: Exception) -> Exception:
        from vipllava_cli.storage.web import explain

        advice = explain(error, str(self.client.base_url))
        if advice:
            return ModelError(f"{self._server} cannot be reached: {advice}")
        kind = type(error).__name__
        return RetryableError(f"{self._server} sent a reply that cannot be read ({kind})")

    def _delay(self, error: Exception) -> str:
        """Say how a reply was late. The guard of the connection names replies that trickle."""
        found = re.match("it (sent .*)", str(error.__cause__))
        return found[1] if found else f"sent nothing for {self.judge.timeout:g} s"

    def _connection_error(self, error: Exception) -> Exception:
        import httpx2

        from vipllava_cli.storage.web import explain
        from vipllava_cli.storage.web_guard import BodyError, LongBodyError

        cause = error.__cause__
        if isinstance(cause, httpx2.TooManyRedirects | httpx2.UnsupportedProtocol):
            problem = "redirects too often, or to no valid address"
            return ModelError(f"{self._server} {problem}: check --judge-url")
        if isinstance(cause, BodyError):
            text = f"{self._server} sent a reply that cannot be read: {cause}"
            is_long = isinstance(cause, LongBodyError)
            return UngradedError(text) if is_long else RetryableError(text)
        advice = explain(error, str(self.client.base_url))
        if advice:
            return ModelError(f"{self._server} cannot be reached: {advice}")
        if self._never_connected(error):
            return self._unreachable()
        return RetryableError(f"{self._server} closed the connection")

    def _unreachable(self) -> "RetryableError":
        return RetryableError(f"{self._server} is unreachable", is_unreachable=True)

    @staticmethod
    def _never_connected(error: Exception) -> bool:
        import httpx2

        return isinstance(
            error.__cause__,
            httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol,
        )

    def _status_error(
        self, code: int, error: ServerError, headers: "Mapping[str, str]"
    ) -> Exception:
        """Return the exception for an HTTP error status."""
        status = f"{self._server} answered {code}{self.judge.hide_key(error.detail)}"
        remedy = _FATAL_CODES.get(error.code) or _FATAL.get(code)
        if remedy:
            return ModelError(f"{status}: {remedy}{self._address_advice(code)}")
        if code not in _RETRYABLE and code < 500:
            return RejectedError(status, error)  # this row gets the same status again
        wait = retry_after(headers)
        if wait > MAX_WAIT:
            return ModelError(
                f"{status}, and asks to wait {wait_in_words(wait)}: repeat the command then to continue"
                " from here"
            )
        return RetryableError(status, wait=wait)

    def _body_error(self, error: ServerError) -> Exception:
        """Return the exception for an error in a body with the status of a success."""
        code = int(error.code) if error.code.isdecimal() and len(error.code) == 3 else 0
        code = code or _RETRYABLE_CODES.get(error.code, 0)
        if code in _RETRYABLE or code >= 500 or code in _FATAL or error.code in _FATAL_CODES:
            return self._status_error(code, error, {})
        detail = self.judge.hide_key(error.detail)
        return UngradedError(f"{self._server} sent an error instead of a reply{detail}")

    def _address_advice(self, code: int) -> str:
        address = self.judge.address
        if code != 404 or address is None or address.has_path:
            return ""
        return ", which has no path: most servers want one that ends in /v1"

    @property
    def _server(self) -> str:
        shown = self.judge.address.shown if self.judge.address else "its default address"
        return f"the judge at {shown}"

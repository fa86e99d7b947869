"""Requests to a chat completions server: retries, waits, errors, and what its settings adapt to.

The client is the program's own: its transport bounds the time, the headers and the body of every reply,
and no further package is needed.
"""

import json
import random
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vipllava_cli.engine.server.completion import (
    Completion,
    ErrorBodyError,
    FailedReplyError,
    NoCompletionError,
    parse_completion,
)
from vipllava_cli.engine.server.config import ServerModel
from vipllava_cli.engine.server.keys import Key, key_advice
from vipllava_cli.engine.server.request_form import AdaptiveForm
from vipllava_cli.engine.server.server_errors import (
    ServerError,
    is_too_long,
    parse_error,
)
from vipllava_cli.engine.server.waits import MAX_WAIT, retry_after
from vipllava_cli.errors import GenerationError, ModelError

if TYPE_CHECKING:
    import httpx2

    from vipllava_cli.engine.server.reply import Reply

TIMEOUT = 120.0  # seconds without a byte; a server may load its model first
PAUSE = 1.0  # seconds; each wait is twice as long as the one before
MAX_RETRIES = 5  # after errors that may pass
MAX_TIMEOUTS = 2  # requests of one question that get no reply in time
MAX_TIMES = 10  # time-outs that a reply may take in all, from its first byte to its last
MIN_SPEED = 1.0  # bytes a second: a slow model streams a few words
_SAID_WAIT = 2.0  # seconds; a note says a longer wait

Content = list[dict[str, Any]]
MakeMessages = Callable[[int | None], list[dict[str, Any]]]  # takes the largest side of an image

_RETRYABLE = (408, 409, 425, 429)  # and all from 500
_RETRYABLE_CODES = {"rate_limit_exceeded": 429, "RESOURCE_EXHAUSTED": 429, "server_error": 500}
# Statuses and error codes that every question would get -> what to do, with the parts of the server.
_FATAL: Mapping[int, str] = {
    401: "{key}",
    402: "add credit to the account of the key",
    403: "{key}, and what it permits",
    404: "check the model {model} and the address{path}",
    405: "check the address",
    407: "check the user name and password of the proxy",
}
_FATAL_CODES: Mapping[str, str] = {
    "insufficient_quota": "add credit to the account of the key",
    "invalid_api_key": "{key}",
    "model_not_found": "check the model {model}",
}


class PassingError(Exception):
    """An error that may pass. `wait` is the time that the server asks for, in seconds."""

    def __init__(self, text: str, *, wait: float = 0.0, is_unreachable: bool = False) -> None:
        super().__init__(text)
        self.wait = wait
        self.is_unreachable = is_unreachable


@dataclass
class ServerClient:
    """Requests to a server model. Thread-safe: each thread has connections of its own.

    `pause` is the first wait after an error, in seconds.
    """

    server: ServerModel
    key: Key
    on_note: Callable[[str], None]
    timeout: float = TIMEOUT
    pause: float = PAUSE
    form: AdaptiveForm = field(init=False)

    def __post_init__(self) -> None:
        on_note, model = self.on_note, self.server.model
        self.form = AdaptiveForm(lambda text: on_note(f"{model}: {text}"))
        self.has_answered = False
        self.is_closed = threading.Event()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._certificates: ssl.SSLContext | None = None
        self._connections: list[httpx2.Client] = []
        weakref.finalize(self, _close_all, self._connections)

    @property
    def label(self) -> str:
        """The server in messages."""
        return f"the server at {self.server.shown_url}"

    def complete(
        self,
        make_messages: MakeMessages,
        wanted: Mapping[str, Any],
        reply_to: "Callable[[], Reply] | None" = None,
    ) -> "tuple[Completion, Reply]":
        """Get one completion. `wanted` are the parameters, of which the server may reject some.

        `reply_to` makes the reader of each try. Raises GenerationError for this question, and ModelError
        if no question can be answered.
        """
        try:
            return _Exchange(self, make_messages, wanted, reply_to).run()
        except ModelError:
            self.is_closed.set()  # the waits of other threads end
            raise

    def get_json(self, path: str) -> Any:
        """Return the JSON at a path of the server. Raises ModelError."""
        from vipllava_cli.engine.server.reply import Reply

        try:
            with self.http().stream("GET", self.address(path), headers=self.headers()) as response:
                if response.status_code >= 300:
                    raise self.status_error(response, self.deadline())
                return Reply().read(response, self.deadline())
        except (NoCompletionError, FailedReplyError, PassingError) as error:
            text = str(error) if isinstance(error, PassingError) else f"{self.label} {error}"
            raise ModelError(text) from None
        except Exception as error:
            raise self.as_model_error(self.transport_error(error)) from None

    # --- the connection ----------------------------------------------------------------------

    def http(self) -> "httpx2.Client":
        """Return the connections of this thread."""
        if not hasattr(self._local, "client"):
            from vipllava_cli.storage.web import load_certificates, make_client

            with self._lock:  # one thread loads them for all
                self._certificates = self._certificates or load_certificates()
            self._local.client = make_client(
                guarded=True,
                min_speed=MIN_SPEED,
                certificates=self._certificates,
                timeout=self.timeout,
                follow_redirects=False,  # a redirected request would lose its body or send it elsewhere
            )
            self._connections.append(self._local.client)
        client: httpx2.Client = self._local.client
        return client

    def address(self, path: str) -> str:
        base, mark, query = self.server.url.partition("?")
        return f"{base}{path}{mark}{query}"

    def headers(self) -> dict[str, str]:
        from vipllava_cli.storage.web import user_agent

        return {
            "User-Agent": user_agent(),
            "Content-Type": "application/json",
            "Accept-Encoding": "gzip, deflate",
            **self.key.headers(),
        }

    def deadline(self) -> float:
        return time.monotonic() + MAX_TIMES * self.timeout

    # --- errors ------------------------------------------------------------------------------

    def status_error(self, response: "httpx2.Response", deadline: float) -> Exception:
        """Return the exception for a response with an error status."""
        from vipllava_cli.engine.server.reply import read_error

        code = response.status_code
        if code < 400:
            target = response.headers.get("location", "")[:100].partition("?")[0]
            return ModelError(f"{self.label} redirects to {target}: use that address")
        error = parse_error(self.key.hide_in(read_error(response, deadline)))
        return self.coded_error(code, error, response.headers)

    def coded_error(self, code: int, error: ServerError, headers: Mapping[str, str]) -> Exception:
        """Return the exception for an error with a status."""
        status = f"{self.label} answered {code}{error.detail}"
        remedy = _FATAL_CODES.get(error.code) or _FATAL.get(code)
        if remedy:
            has_path = self.server.url.count("/") > 2
            advice = remedy.format(
                key=key_advice(self.server),
                model=self.server.model,
                path="" if has_path else ", which has no path: most servers want /v1 at its end",
            )
            return ModelError(f"{status}: {advice}")
        if code not in _RETRYABLE and code < 500:
            return RejectedError(status, code, error)
        wait = retry_after(headers)
        if wait > MAX_WAIT:
            return ModelError(
                f"{status}, and asks to wait {wait:.0f} s: repeat the command then to continue from"
                " here"
            )
        return PassingError(status, wait=wait)

    def transport_error(self, error: Exception) -> Exception:
        """Return the exception for an error of the connection; any other error as it is."""
        import httpx2

        from vipllava_cli.storage.web import explain

        if not isinstance(error, httpx2.HTTPError | OSError):
            return error
        is_timeout = isinstance(error, httpx2.TimeoutException)
        if is_timeout and not isinstance(error, httpx2.ConnectTimeout):
            return _TimeoutError(f"{self.label} sent nothing more for {self.timeout:g} s")
        advice = explain(error, self.server.shown_url)
        if advice:
            return UnreachableError(f"{self.label} cannot be reached: {advice}")
        if isinstance(
            error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol
        ):
            return PassingError(f"{self.label} is unreachable", is_unreachable=True)
        return PassingError(f"{self.label} closed the connection")

    def as_model_error(self, error: Exception) -> Exception:
        if isinstance(error, PassingError) and error.is_unreachable:
            return UnreachableError(f"{error}: start it, or check its address")
        is_answer = isinstance(error, PassingError | RejectedError)
        return ModelError(str(error)) if is_answer else error


def _close_all(connections: "list[httpx2.Client]") -> None:
    for connection in connections:
        connection.close()


class UnreachableError(ModelError):
    """Nothing answers at the address of a server."""


class RejectedError(Exception):
    """An error status for the request as it is. Another form of the request may get a reply."""

    def __init__(self, text: str, status: int, error: ServerError) -> None:
        super().__init__(text)
        self.status = status
        self.error = error


class _TimeoutError(PassingError):
    """No byte in time."""


@dataclass
class _Exchange:
    """The requests for one completion so far."""

    client: ServerClient
    make_messages: MakeMessages
    wanted: Mapping[str, Any]
    reply_to: "Callable[[], Reply] | None"
    errors: int = 0
    timeouts: int = 0

    def run(self) -> "tuple[Completion, Reply]":
        """Raises GenerationError, ModelError."""
        client = self.client
        while True:
            used = client.form.current
            sent = used.parameters(self.wanted)
            try:
                completion, reply = self._post(self.make_messages(used.max_side), sent)
            except RejectedError as rejected:
                if not client.form.adapt(used, sent, rejected.status, rejected.error):
                    raise GenerationError(_with_advice(rejected)) from None
            except ErrorBodyError as body:
                if not client.form.adapt(used, sent, 200, body.error):
                    self._wait_after(self._body_error(body.error))
            except FailedReplyError as failed:
                raise GenerationError(f"{client.label} {failed}") from None
            except NoCompletionError as reason:
                self._wait_after(PassingError(f"{client.label} {reason}"))
            except PassingError as error:
                self._wait_after(error)
            else:
                client.has_answered = True
                return completion, reply

    def _post(
        self, messages: list[dict[str, Any]], sent: Mapping[str, Any]
    ) -> "tuple[Completion, Reply]":
        from vipllava_cli.engine.server.reply import Reply

        client = self.client
        reply = self.reply_to() if self.reply_to else Reply()
        body = json.dumps({"model": client.server.model, "messages": messages, **sent}).encode()
        deadline = client.deadline()
        try:
            with client.http().stream(
                "POST",
                client.address("/chat/completions"),
                content=body,
                headers=client.headers(),
            ) as response:
                if response.status_code >= 300:
                    raise client.status_error(response, deadline)
                return parse_completion(reply.read(response, deadline, client.key.hide_in)), reply
        except Exception as error:
            raise client.transport_error(error) from None

    def _body_error(self, error: ServerError) -> Exception:
        """Return the exception for an error in a body with the status of a success."""
        code = int(error.code) if error.code.isdecimal() and len(error.code) == 3 else 0
        code = code or _RETRYABLE_CODES.get(error.code, 0)
        if code in _RETRYABLE or code >= 500 or code in _FATAL or error.code in _FATAL_CODES:
            return self.client.coded_error(code, error, {})
        return GenerationError(
            f"{self.client.label} sent an error instead of an answer{error.detail}"
        )

    def _wait_after(self, error: Exception) -> None:
        """Wait after an error that may pass. Raises GenerationError after too many, ModelError."""
        client = self.client
        if not isinstance(error, PassingError):
            raise error
        self.errors += 1
        if isinstance(error, _TimeoutError):
            self.timeouts += 1
            if self.timeouts >= MAX_TIMEOUTS:
                raise GenerationError(
                    f"{error}, {self.timeouts} times: a larger --timeout may help"
                )
        if error.is_unreachable and (not client.has_answered or self.errors > MAX_RETRIES):
            raise client.as_model_error(error)
        if self.errors > MAX_RETRIES:
            raise GenerationError(f"{error}, the last of {self.errors} errors")
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on a wait
        wait = max(error.wait, client.pause * 2 ** (self.errors - 1) * jitter)
        if wait >= _SAID_WAIT:
            asked = ", as it asks" if error.wait else ""
            client.form.note_once(f"{error}: waiting {wait:.0f} s{asked}", f"wait {self.errors}")
        if client.is_closed.wait(wait):
            raise GenerationError(f"{error}: the run ended before another try")


def _with_advice(rejected: RejectedError) -> str:
    advice = ": ask a shorter question, or lower --max-new-tokens"
    return f"{rejected}{advice if is_too_long(rejected.error) else ''}"

"""Requests to a chat completions server: retries, waits, errors, and what its settings adapt to.

The client is the program's own: its transport bounds the time, the headers and the body of every reply,
and no further package is needed.
"""

import json
import random
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from vipllava_cli.engine.server.failures import (
    ClosedError,
    Failures,
    NoReplyError,
    PassingError,
    RejectedError,
    Words,
)
from vipllava_cli.engine.server.keys import Key
from vipllava_cli.engine.server.request_form import AdaptiveForm, RequestForm
from vipllava_cli.engine.server.server_errors import SYSTEM_ROLE, ServerError, is_too_long
from vipllava_cli.errors import GenerationError, ModelError

if TYPE_CHECKING:
    import httpx2

    from vipllava_cli.engine.server.reply import Reply

TIMEOUT = 120.0  # seconds without a byte; a server may load its model first
PAUSE = 1.0  # seconds; each wait is twice as long as the one before
MAX_RETRIES = 5  # after errors that may pass
MAX_TIMEOUTS = 2  # requests of one question that get no reply in time
MAX_TIMES = 10.0  # time-outs that a whole reply may take
MAX_BODY = 16 << 20  # bytes of a reply
_SAID_WAIT = 2.0  # seconds; a note says a longer wait

Message = dict[str, Any]
MakeMessages = Callable[[int | None], list[Message]]  # takes the largest side of an image
# Takes an error and the parameters sent. Returns others to send, or None if it knows none.
Revise = Callable[[ServerError, Mapping[str, Any]], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Limits:
    """What a request may cost.

    `max_times` are the time-outs that a whole reply may take, `min_speed` is in bytes a second, and
    `max_body` in unpacked bytes. `max_timeouts` are the requests of one question that get no reply in
    time.
    """

    max_retries: int = MAX_RETRIES
    max_timeouts: int = MAX_TIMEOUTS
    max_times: float = MAX_TIMES
    min_speed: float = 1.0  # a slow model streams a few words
    max_body: int = MAX_BODY


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
    limits: Limits = Limits()
    words: Words = field(default_factory=Words)
    form: AdaptiveForm = field(init=False)

    def __post_init__(self) -> None:
        on_note, model = self.on_note, self.server.model
        self.form = AdaptiveForm(lambda text: on_note(f"{model}: {text}"))
        self.failures = Failures(self.server, self.key, self.words, self.timeout)
        self.has_answered = False
        self.is_closed = threading.Event()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._certificates: ssl.SSLContext | None = None
        self._connections: list[httpx2.Client] = []
        weakref.finalize(self, _close_all, self._connections)

    def close(self) -> None:
        """End the connections, and the waits of all threads."""
        self.is_closed.set()
        _close_all(self._connections)

    def complete(
        self,
        make_messages: MakeMessages,
        wanted: Mapping[str, Any],
        reply_to: "Callable[[], Reply] | None" = None,
        revise: Revise | None = None,
    ) -> "tuple[Completion, Reply]":
        """Get one completion. `wanted` are the parameters, of which the server may reject some.

        `reply_to` makes the reader of each try. `revise` may change the values of parameters after an
        error. Raises GenerationError for this question, ClosedError if the run ends during a wait, and
        ModelError if no question can be answered.
        """
        try:
            return _Exchange(self, make_messages, wanted, reply_to, revise).run()
        except ModelError:
            self.is_closed.set()  # the waits of other threads end
            raise

    def get_json(self, path: str) -> Any:
        """Return the JSON at a path of the server. Raises ModelError."""
        from vipllava_cli.engine.server.reply import Reply

        try:
            with self._request("GET", path) as response:
                return Reply().read(response)
        except (NoCompletionError, FailedReplyError) as error:
            raise ModelError(f"{self.failures.label} {error}") from None
        except (PassingError, RejectedError, GenerationError) as error:
            raise self.failures.as_model_error(error) from None

    def post(self, body: bytes, reply: "Reply") -> Completion:
        """Send a question once. Raises the errors of `failures` and of `completion`, and ModelError."""
        with self._request("POST", "/chat/completions", body) as response:
            completion = parse_completion(reply.read(response, self.key))
        return completion.without(self.key)

    @contextmanager
    def _request(
        self, method: str, path: str, body: bytes | None = None
    ) -> "Iterator[httpx2.Response]":
        """Open a response with the status of a success. Raises the errors of `failures`, ModelError."""
        import httpx2

        try:
            connection = self.http()
        except (OSError, ValueError) as error:  # of certificates and proxies
            raise self.failures.setting_error(error) from None
        try:
            with connection.stream(
                method, self.address(path), content=body, headers=self.headers()
            ) as response:
                if response.status_code >= 300:
                    raise self.failures.status_error(response)
                yield response
        except httpx2.HTTPError as error:
            raise self.failures.transport_error(error) from None

    # --- the connection ----------------------------------------------------------------------

    def http(self) -> "httpx2.Client":
        """Return the connections of this thread."""
        if not hasattr(self._local, "client"):
            from vipllava_cli.storage.web import load_certificates, make_client
            from vipllava_cli.storage.web_guard import ReplyLimits

            limits = self.limits
            with self._lock:  # one thread loads them for all
                self._certificates = self._certificates or load_certificates(self.server.url)
            self._local.client = make_client(
                limits=ReplyLimits(limits.max_body, limits.max_times * self.timeout),
                min_speed=limits.min_speed,
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


def _close_all(connections: "list[httpx2.Client]") -> None:
    for connection in connections:
        connection.close()


@dataclass
class _Exchange:
    """The requests for one completion so far."""

    client: ServerClient
    make_messages: MakeMessages
    wanted: Mapping[str, Any]
    reply_to: "Callable[[], Reply] | None"
    revise: Revise | None = None
    errors: int = 0
    timeouts: int = 0

    def run(self) -> "tuple[Completion, Reply]":
        """Raises GenerationError, ModelError."""
        client = self.client
        while True:
            used = client.form.current
            sent = used.parameters(self.wanted)
            messages = used.arrange(self.make_messages(used.max_side))
            try:
                completion, reply = self._post(messages, sent)
            except RejectedError as rejected:
                if not self._adapt(used, messages, sent, rejected):
                    is_long = is_too_long(rejected.error)
                    advice = client.words.too_long if is_long else ""
                    raise GenerationError(f"{rejected}{advice}") from None
            except ErrorBodyError as body:
                if not self._adapt(used, messages, sent, RejectedError("", 200, body.error)):
                    self._wait_after(client.failures.body_error(body.error))
            except FailedReplyError as failed:
                text = client.key.hide_in(str(failed))
                raise GenerationError(f"{client.failures.label} {text}") from None
            except NoCompletionError as reason:
                self._wait_after(PassingError(f"{client.failures.label} {reason}"))
            except PassingError as error:
                passing = error.rejection
                if passing is None or not self._adapt(used, messages, sent, passing):
                    self._wait_after(error)
            else:
                client.has_answered = True
                return completion, reply

    def _adapt(
        self,
        used: RequestForm,
        messages: list[Message],
        sent: Mapping[str, Any],
        rejected: RejectedError,
    ) -> bool:
        """Change what an error rejects. Returns whether another try can differ."""
        revised = self.revise(rejected.error, sent) if self.revise else None
        if revised is not None:
            self.wanted = revised
            return True
        has_system = messages[0]["role"] == "system"
        parts = {*sent, *([SYSTEM_ROLE] if has_system else [])}
        return self.client.form.adapt(used, parts, rejected.status, rejected.error)

    def _post(self, messages: list[Message], sent: Mapping[str, Any]) -> "tuple[Completion, Reply]":
        from vipllava_cli.engine.server.reply import Reply

        reply = self.reply_to() if self.reply_to else Reply()
        request = {"model": self.client.server.model, "messages": messages, **sent}
        return self.client.post(json.dumps(request).encode(), reply), reply

    def _wait_after(self, error: Exception) -> None:
        """Wait after an error that may pass. Raises GenerationError after too many, ModelError."""
        client = self.client
        if not isinstance(error, PassingError):
            raise error
        self.errors += 1
        if isinstance(error, NoReplyError):
            self.timeouts += 1
            if self.timeouts >= client.limits.max_timeouts:
                raise GenerationError(
                    f"{error}, {self.timeouts} times: a larger {client.words.timeout} may help"
                )
        is_last = self.errors > client.limits.max_retries
        if error.is_unreachable and (not client.has_answered or is_last):
            raise client.failures.as_model_error(error)
        if is_last:
            raise GenerationError(f"{error}, the last of {self.errors} errors")
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on a wait
        wait = max(error.wait, client.pause * 2 ** (self.errors - 1) * jitter)
        if wait >= _SAID_WAIT:
            asked = ", as it asks" if error.wait else ""
            client.form.note_once(f"{error}: waiting {wait:.0f} s{asked}", f"wait {self.errors}")
        if client.is_closed.wait(wait):
            raise ClosedError(f"{error}: the run ended before another try")

"""The exceptions of requests to a server that get no completion, and their messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from vipllava_cli.engine.server.config import ServerModel, parse_url
from vipllava_cli.engine.server.keys import Key, key_advice
from vipllava_cli.engine.server.server_errors import ServerError, parse_error
from vipllava_cli.engine.server.waits import MAX_WAIT, retry_after, wait_in_words
from vipllava_cli.errors import GenerationError, ModelError, UsageError

if TYPE_CHECKING:
    import httpx2

_RETRYABLE = (408, 409, 425, 429)  # and all from 500
_RETRYABLE_CODES = {"rate_limit_exceeded": 429, "RESOURCE_EXHAUSTED": 429, "server_error": 500}
# Statuses and error codes that every question would get -> what to do, with the parts of the server.
_FATAL: Mapping[int, str] = {
    401: "{key}",
    402: "add credit to the account of the key",
    403: "{key}, and what it permits",
    404: "check {model} and {address}{path}",
    405: "check {address}",
    407: "check the user name and password of the proxy",
}
_FATAL_CODES: Mapping[str, str] = {
    "insufficient_quota": "add credit to the account of the key",
    "invalid_api_key": "{key}",
    "model_not_found": "check {model}",
}


class PassingError(Exception):
    """An error that may pass. `wait` is the time that the server asks for, in seconds.

    `rejection` is set if the error may mean that another form of the request passes.
    """

    def __init__(
        self,
        text: str,
        *,
        wait: float = 0.0,
        is_unreachable: bool = False,
        rejection: "RejectedError | None" = None,
    ) -> None:
        super().__init__(text)
        self.rejection = rejection
        self.wait = wait
        self.is_unreachable = is_unreachable


class UnreachableError(ModelError):
    """Nothing answers at the address of a server."""


class ClosedError(GenerationError):
    """The run ended before this question was answered."""


class RejectedError(Exception):
    """An error status for the request as it is. Another form of the request may get a reply."""

    def __init__(self, text: str, status: int, error: ServerError) -> None:
        super().__init__(text)
        self.status = status
        self.error = error


class NoReplyError(PassingError):
    """No byte in time."""


@dataclass(frozen=True)
class Words:
    """How messages name the server, and the options for its model, its address and its time-out.

    `too_long` is the advice for a question that is too long for the server.
    """

    server: str = "the server"
    model: str = ""  # by default, the model's name
    address: str = "the address"
    timeout: str = "--timeout"
    too_long: str = ": ask a shorter question, or lower --max-new-tokens"


@dataclass(frozen=True)
class Failures:
    """Makes the exceptions of the requests to a server. `timeout` is in seconds."""

    server: ServerModel
    key: Key
    words: Words
    timeout: float

    @property
    def label(self) -> str:
        """The server in messages."""
        return f"{self.words.server} at {self.server.shown_url}"

    def status_error(self, response: "httpx2.Response") -> Exception:
        """Return the exception for a response with an error status."""
        from vipllava_cli.engine.server.reply import read_error

        code = response.status_code
        if code < 400:
            return ModelError(self._redirection(code, response.headers.get("location", "")))
        error = parse_error(self.key.hide_in(read_error(response)))
        return self.coded_error(code, error, response.headers)

    def coded_error(self, code: int, error: ServerError, headers: Mapping[str, str]) -> Exception:
        """Return the exception for an error with a status."""
        status = f"{self.label} answered {code}{self.key.hide_in(error.detail)}"
        remedy = _FATAL_CODES.get(error.code) or _FATAL.get(code)
        if remedy:
            has_path = self.server.url.count("/") > 2
            advice = remedy.format(
                key=key_advice(self.server),
                model=self.words.model or f"the model {self.server.model}",
                address=self.words.address,
                path="" if has_path else ", which has no path: most servers want /v1 at its end",
            )
            return ModelError(f"{status}: {advice}")
        rejection = RejectedError(status, code, error)
        if code not in _RETRYABLE and code < 500:
            return rejection
        wait = retry_after(headers)
        if wait > MAX_WAIT:
            return ModelError(
                f"{status}, and asks to wait {wait_in_words(wait)}: repeat the command then to"
                " continue from here"
            )
        return PassingError(status, wait=wait, rejection=rejection if code >= 500 else None)

    def _redirection(self, code: int, location: str) -> str:
        """Say where a server redirects to. A request is never sent to another address by itself."""
        if not location:
            return f"{self.label} answered {code}, without an answer: check {self.words.address}"
        try:
            target = parse_url(urljoin(f"{self.server.shown_url}/chat/completions", location))
        except (UsageError, ValueError):
            target = ""
        shown = self.key.hide_in(target).partition("?")[0][:200]
        if shown in ("", self.server.shown_url):
            return f"{self.label} redirects to no other usable address: check {self.words.address}"
        return f"{self.label} redirects to {shown}: use that address if you trust it"

    def setting_error(self, error: Exception) -> Exception:
        """Return the exception for certificates or proxies of the environment that are damaged."""
        from vipllava_cli.storage.web import explain

        reason = str(error).partition("\n")[0][:120]
        advice = explain(error, self.server.shown_url) or (
            f"{self.key.hide_in(reason)}: check the variables of the proxy and of the certificates"
        )
        return UnreachableError(f"{self.label} cannot be reached: {advice}")

    def transport_error(self, error: "httpx2.HTTPError") -> Exception:
        """Return the exception for an error of the connection."""
        import httpx2

        from vipllava_cli.storage.web import explain
        from vipllava_cli.storage.web_guard import BodyError, LongBodyError

        if isinstance(error, LongBodyError):
            return GenerationError(f"{self.label} sent a reply that cannot be read: {error}")
        if isinstance(error, BodyError):
            return PassingError(f"{self.label} sent a reply that cannot be read: {error}")
        is_timeout = isinstance(error, httpx2.TimeoutException)
        if is_timeout and not isinstance(error, httpx2.ConnectTimeout):
            # The guard of the connection names replies that trickle.
            found = re.match("it (sent .*)", str(error))
            how = found[1] if found else f"sent nothing for {self.timeout:g} s"
            return NoReplyError(f"{self.label} {how}")
        advice = explain(error, self.server.shown_url)
        if advice:
            return UnreachableError(f"{self.label} cannot be reached: {advice}")
        if isinstance(
            error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol
        ):
            return PassingError(f"{self.label} is unreachable", is_unreachable=True)
        return PassingError(f"{self.label} closed the connection")

    def as_model_error(self, error: Exception) -> ModelError:
        """Return the error of a request without which no question can be asked."""
        if isinstance(error, PassingError) and error.is_unreachable:
            address = self.words.address
            return UnreachableError(f"{error}: start it, or check {address}")
        return ModelError(str(error))

    def body_error(self, error: ServerError) -> Exception:
        """Return the exception for an error in a body with the status of a success."""
        code = int(error.code) if error.code.isdecimal() and len(error.code) == 3 else 0
        code = code or _RETRYABLE_CODES.get(error.code, 0)
        if code in _RETRYABLE or code >= 500 or code in _FATAL or error.code in _FATAL_CODES:
            return self.coded_error(code, error, {})
        return GenerationError(
            f"{self.label} sent an error instead of an answer{self.key.hide_in(error.detail)}"
        )

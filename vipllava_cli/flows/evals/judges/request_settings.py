"""The parameters of the requests to a judge, which adapt to what its server accepts.

One object serves all threads of a run. What a server rejects is not sent again, and one note says so.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vipllava_cli.engine.server.server_errors import (
    SYSTEM_ROLE,
    ServerError,
    is_too_long,
    rejected_parameter,
)

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

MAX_TOKENS, MAX_COMPLETION_TOKENS, TEMPERATURE = (
    "max_tokens",
    "max_completion_tokens",
    "temperature",
)

# Limits of a reply in tokens. A judge that thinks, or explains, needs more than a number takes.
REPLY_LIMITS = (16, 1024, 8192)

# The words of a server that sends an error for a reply that its limit cut off.
_CUT_OFF = re.compile(r"could not finish the message", re.IGNORECASE)
# The words of a server whose smallest limit is larger. vLLM's `at least 1, got -20` means a long prompt.
_TOO_SMALL = re.compile(
    r"(?:below min|at least|minimum|greater than|>=)(?!.*\bgot -)", re.IGNORECASE
)


@dataclass(frozen=True)
class RequestSettings:
    """What a request holds besides the model.

    `limit_name` is the parameter with the limit of tokens, None for none; `limit` is an index of
    REPLY_LIMITS, and `max_limit` the largest that the server accepts.
    """

    limit_name: str | None = MAX_TOKENS
    limit: int = 0
    max_limit: int = len(REPLY_LIMITS) - 1
    has_temperature: bool = True
    has_system_role: bool = True

    @property
    def max_reply_tokens(self) -> int:
        return REPLY_LIMITS[self.limit]

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the request."""
        parameters: dict[str, Any] = {}
        if self.has_temperature:
            parameters[TEMPERATURE] = 0
        if self.limit_name:
            parameters[self.limit_name] = self.max_reply_tokens
        return parameters

    def arrange(
        self, turns: "list[ChatCompletionMessageParam]"
    ) -> "list[ChatCompletionMessageParam]":
        """Return the turns. Without a system role, the first user turn holds its text."""
        if self.has_system_role:
            return turns
        system, first, *others = turns
        text = f"{system['content']}\n\n{first['content']}"
        return [{"role": "user", "content": text}, *others]


# What drops a rejected part.
_DROPPED: Mapping[str, dict[str, Any]] = {
    MAX_COMPLETION_TOKENS: {"limit_name": None},
    TEMPERATURE: {"has_temperature": False},
    SYSTEM_ROLE: {"has_system_role": False},
}


@dataclass
class AdaptiveSettings:
    """The settings of a run. `on_note` gets a line for each change."""

    on_note: Callable[[str], None]
    _current: RequestSettings = RequestSettings()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _noted: set[str] = field(default_factory=set)

    @property
    def current(self) -> RequestSettings:
        return self._current

    def rejects(self, used: RequestSettings, error: ServerError) -> bool:
        """Return whether an error rejects a part of the request that `used` settings made."""
        return rejected_parameter(error, self._parts(used)) is not None

    @staticmethod
    def _parts(used: RequestSettings) -> set[str]:
        return {*used.parameters, *([SYSTEM_ROLE] if used.has_system_role else [])}

    def adapt(self, used: RequestSettings, error: ServerError) -> bool:
        """Drop what an error rejects. Returns whether another try can differ from the one `used`."""
        if _CUT_OFF.search(error.message):
            return self.allow_more(used)
        rejected = rejected_parameter(error, self._parts(used))
        if rejected == used.limit_name and rejected and _TOO_SMALL.search(error.message):
            return self.allow_more(used, "its server rejects fewer")
        with self._lock:
            if self._current != used and rejected is not None:
                return True  # another thread has adapted
            changed = self._without(used, rejected, error)
            if changed is None:
                return False
            self._current, text = changed
        self.note(text)
        return True

    def _without(
        self, used: RequestSettings, rejected: str | None, error: ServerError
    ) -> tuple[RequestSettings, str] | None:
        if used.limit > 0 and (is_too_long(error) or rejected == used.limit_name):
            limit = used.limit - 1
            text = f"at most {REPLY_LIMITS[limit]} tokens for a reply: its server rejects more"
            return replace(used, limit=limit, max_limit=limit), text
        if rejected == MAX_TOKENS:
            text = f"{MAX_COMPLETION_TOKENS}: its server rejects {MAX_TOKENS}"
            return replace(used, limit_name=MAX_COMPLETION_TOKENS), text
        if rejected is None:
            return None
        without = "no limit of tokens" if rejected == MAX_COMPLETION_TOKENS else f"no {rejected}"
        if rejected == SYSTEM_ROLE:
            without = "its instructions in the first question"
        return replace(used, **_DROPPED[rejected]), f"{without}: its server rejects {rejected}"

    def allow_more(self, used: RequestSettings, reason: str = "") -> bool:
        """Raise the limit of tokens, by default because it cut a reply off.

        Returns whether it is higher now.
        """
        with self._lock:
            if self._current.limit > used.limit:
                return True
            if used.limit_name is None or used.limit >= self._current.max_limit:
                return False
            self._current = replace(self._current, limit=used.limit + 1)
            text = (
                f"up to {self._current.max_reply_tokens} tokens for a reply:"
                f" {reason or f'{used.max_reply_tokens} cut one off'}"
            )
        self.note(text)
        return True

    def note(self, text: str) -> None:
        """Say once that the requests to the judge change."""
        self.note_once(f"the judge gets {text}")

    def note_once(self, text: str, key: str = "") -> None:
        """Print a note, unless one with its key, by default its text, was printed."""
        with self._lock:
            if (key or text) in self._noted:
                return
            self._noted.add(key or text)
        self.on_note(text)

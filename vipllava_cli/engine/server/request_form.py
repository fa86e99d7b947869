"""The form of the requests to a server, which adapts to what the server accepts.

One object serves all threads of a run. What a server rejects is not sent again, and one note says so.
"""

import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vipllava_cli.engine.server.encoded_image import SMALL_SIDE
from vipllava_cli.engine.server.server_errors import (
    SYSTEM_ROLE,
    ServerError,
    rejected_parameter,
)

# Parameter -> the one to send in its place after the server has rejected it. Others are left out.
_SUBSTITUTES: Mapping[str, str] = {"max_tokens": "max_completion_tokens"}
# What a note says of a rejected part that has a substitute of its own kind.
_INSTEAD: Mapping[str, str] = {
    "max_tokens": "it is left out, max_completion_tokens takes its place",
    SYSTEM_ROLE: "the first question holds the instructions",
}
# Parameters that mean nothing without each other.
_TOGETHER: Mapping[str, tuple[str, ...]] = {
    "logprobs": ("logprobs", "top_logprobs"),
    "top_logprobs": ("logprobs", "top_logprobs"),
}
_TOO_LARGE_STATUS = 413
_TOO_LARGE = re.compile(
    r"(?:image|payload|request|body|entity|file|content)\b.{0,60}\b(?:too (?:large|big)|exceed|maximum|"
    r"larger than|at most)|(?:too (?:large|big)|exceeds?).{0,60}\b(?:image|payload|bytes|MB)\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class RequestForm:
    """What requests leave out: `names` maps a part to its substitute, or to None.

    `max_side` is the largest side of an image in pixels, None for any.
    """

    names: Mapping[str, str | None] = field(default_factory=dict)
    max_side: int | None = None

    def parameters(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters to send."""
        named = {self._name(name): value for name, value in wanted.items()}
        return {name: value for name, value in named.items() if name is not None}

    def arrange(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages to send. Without a system role, the first question holds its text."""
        if SYSTEM_ROLE not in self.names or messages[0]["role"] != "system":
            return messages
        system, first, *others = messages
        return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *others]

    def _name(self, wanted: str) -> str | None:
        name: str | None = wanted
        while name is not None and name in self.names:
            name = self.names[name]
        return name


@dataclass
class AdaptiveForm:
    """The form of the requests of a run. `on_note` gets a line for each change."""

    on_note: Callable[[str], None]
    _current: RequestForm = RequestForm()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _noted: set[str] = field(default_factory=set)

    @property
    def current(self) -> RequestForm:
        return self._current

    def adapt(
        self, used: RequestForm, sent: Collection[str], status: int, error: ServerError
    ) -> bool:
        """Drop what an error rejects of the parts sent.

        Returns whether another try can differ from the one `used`.
        """
        rejected = rejected_parameter(error, sent)
        if rejected is not None:
            return self._drop(used, rejected)
        is_too_large = status == _TOO_LARGE_STATUS or _TOO_LARGE.search(error.message)
        return bool(is_too_large) and self._shrink(used)

    def drop(self, name: str, reason: str) -> None:
        """Leave a parameter out from now on, because its results are of no use."""
        with self._lock:
            names = dict.fromkeys(_TOGETHER.get(name, (name,)))
            self._current = replace(self._current, names={**self._current.names, **names})
        self.note_once(reason, name)

    def _drop(self, used: RequestForm, rejected: str) -> bool:
        substitute = _SUBSTITUTES.get(rejected)
        with self._lock:
            if rejected in self._current.names:
                return self._current != used
            names = dict.fromkeys(_TOGETHER.get(rejected, (rejected,)), substitute)
            self._current = replace(self._current, names={**self._current.names, **names})
        instead = _INSTEAD.get(rejected, "it is left out")
        self.note_once(f"the server rejects {rejected}: {instead}", rejected)
        return True

    def _shrink(self, used: RequestForm) -> bool:
        with self._lock:
            if self._current.max_side is not None:
                return self._current != used
            self._current = replace(self._current, max_side=SMALL_SIDE)
        self.note_once(
            f"the server finds the image too large: images have at most {SMALL_SIDE}x{SMALL_SIDE}"
            " pixels from now on, and fewer bytes",
            "size",
        )
        return True

    def note_once(self, text: str, key: str) -> None:
        """Print a note, unless one with its key was printed."""
        with self._lock:
            if key in self._noted:
                return
            self._noted.add(key)
        self.on_note(text)

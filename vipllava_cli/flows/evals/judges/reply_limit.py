"""The limit of tokens for a judge's reply. It grows with the replies that it cuts off."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vipllava_cli.engine.server.request_form import AdaptiveForm
from vipllava_cli.engine.server.server_errors import ServerError, is_too_long, rejected_parameter

# Limits of a reply in tokens. A judge that thinks, or explains, needs more than a number takes.
REPLY_LIMITS = (16, 1024, 8192)
_NAMES = ("max_tokens", "max_completion_tokens")

# The words of a server that sends an error for a reply that its limit cut off.
_CUT_OFF = re.compile(r"could not finish the message", re.IGNORECASE)
# The words of a server whose smallest limit is larger. vLLM's `at least 1, got -20` means a long prompt.
_TOO_SMALL = re.compile(
    r"(?:below min|at least|minimum|greater than|>=)(?!.*\bgot -)", re.IGNORECASE
)


@dataclass
class ReplyLimit:
    """The limit of all threads of a run. `form` says each change once."""

    form: AdaptiveForm
    _level: int = 0
    _max_level: int = len(REPLY_LIMITS) - 1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def current(self) -> int:
        return REPLY_LIMITS[self._level]

    def adapt(self, error: ServerError, sent: Mapping[str, Any]) -> bool:
        """Change the limit if an error is about its value. Returns whether it did."""
        name = next((name for name in _NAMES if name in sent), None)
        if name is None:
            return False
        used, is_named = sent[name], rejected_parameter(error, sent) == name
        is_too_small = is_named and _TOO_SMALL.search(error.message)
        if is_too_small or _CUT_OFF.search(error.message):
            return self.allow_more(used, "the server rejects fewer" if is_too_small else "")
        if is_named or is_too_long(error):
            return self._allow_less(used)
        return False

    def allow_more(self, used: int, reason: str = "") -> bool:
        """Raise the limit that a request used, by default because it cut a reply off.

        Returns whether the limit is higher now.
        """
        with self._lock:
            if self.current > used:
                return True
            names = self.form.current.parameters(dict.fromkeys(_NAMES))
            if not names or self._level >= self._max_level:
                return False
            self._level += 1
            reason = reason or f"{used} cut one off"
            text = f"replies may have up to {self.current} tokens: {reason}"
        self.form.note_once(text, text)
        return True

    def _allow_less(self, used: int) -> bool:
        with self._lock:
            if self.current < used:
                return True
            if self._level == 0:
                return False
            self._level -= 1
            self._max_level = self._level
            text = f"replies have at most {self.current} tokens: the server rejects more"
        self.form.note_once(text, text)
        return True

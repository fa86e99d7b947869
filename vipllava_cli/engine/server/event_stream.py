"""The events of a streamed completion -> the body of one completion."""

import json
from collections.abc import Mapping
from typing import Any

from vipllava_cli.engine.server.completion import text_content
from vipllava_cli.engine.server.server_errors import find_error

_END = "[DONE]"
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


class StreamedCompletion:
    """Joins the parts that the events of a stream hold."""

    def __init__(self) -> None:
        self._message: dict[str, list[str]] = {}
        self._reason: Any = None
        self._usage: Any = None
        self._log_probabilities: list[Any] = []
        self._other: Any = None
        self.is_complete = False

    def add(self, event: str) -> str:
        """Add the data of an event. Returns its piece of the answer. Raises ValueError for no JSON."""
        if event == _END:
            self.is_complete = True
            return ""
        part = json.loads(event)
        if not isinstance(part, Mapping) or find_error(part) is not None:
            self._other = part
            return ""
        self._usage = part.get("usage") or self._usage
        return "".join(self._add_choice(choice) for choice in part.get("choices") or ())

    def _add_choice(self, choice: Mapping[str, Any]) -> str:
        if choice.get("error"):
            self._other = {"error": choice["error"]}
            return ""
        self._reason = choice.get("finish_reason") or self._reason
        self.is_complete = self.is_complete or bool(self._reason)
        listed = (choice.get("logprobs") or {}).get("content")
        self._log_probabilities += listed if isinstance(listed, list) else []
        texts = choice.get("delta") or choice.get("message") or {}
        for name in _TEXTS:
            if text := text_content(texts.get(name)):
                self._message.setdefault(name, []).append(text)
        return text_content(texts.get("content"))

    def body(self) -> Any:
        """Return the completion so far, or the error that an event holds."""
        if self._other is not None:
            return self._other
        message = {name: "".join(pieces) for name, pieces in self._message.items()}
        choice: dict[str, Any] = {"message": message, "finish_reason": self._reason}
        if self._log_probabilities:
            choice["logprobs"] = {"content": self._log_probabilities}
        return {"choices": [choice], "usage": self._usage}

    @property
    def has_error(self) -> bool:
        return self._other is not None


def event_data(line: str) -> str:
    """Return the data of a line of a stream, empty for other lines."""
    return line[5:].strip() if line.startswith("data:") else ""

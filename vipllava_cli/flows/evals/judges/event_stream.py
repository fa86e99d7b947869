"""The stream of a server that streams though it was not asked to -> the body of one completion."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_END = "[DONE]"
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


def is_stream(body: str) -> bool:
    """Return whether a body is a stream of events."""
    return body.lstrip().startswith(("data:", "event:", "id:", ": "))


def join_stream(body: str) -> Any:
    """Return the completion of which a stream sends the parts, or the error that it sends.

    A stream that stops before its end gives a completion without choices. Raises ValueError for a part
    that is not JSON.
    """
    message: dict[str, str] = {}
    reason, usage, is_complete = None, None, False
    for event in _events(body):
        if event == _END:
            is_complete = True
            continue
        part = json.loads(event)
        if not isinstance(part, Mapping) or "choices" not in part:
            return part
        usage = part.get("usage") or usage
        for choice in part["choices"] or ():
            if "error" in choice:
                return {"error": choice["error"]}
            reason = choice.get("finish_reason") or reason
            for name in _TEXTS:
                text = (choice.get("delta") or choice.get("message") or {}).get(name)
                if isinstance(text, str):
                    message[name] = message.get(name, "") + text
    if not (is_complete or reason):
        return {"choices": []}
    return {"choices": [{"message": message, "finish_reason": reason}], "usage": usage}


def _events(body: str) -> Iterator[str]:
    """Yield the data of each event."""
    for line in body.splitlines():
        if line.startswith("data:") and line[5:].strip():
            yield line[5:].strip()

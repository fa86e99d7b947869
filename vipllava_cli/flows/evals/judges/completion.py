"""The body of a chat completion -> the judge's reply, or why it is none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vipllava_cli.engine.server.completion import ErrorBodyError, NoCompletionError
from vipllava_cli.engine.server.event_stream import is_stream, join_stream
from vipllava_cli.engine.server.server_errors import ServerError, find_error, is_web_page
from vipllava_cli.flows.evals.judges.score_text import final_text, read_score

MAX_REPLY_LENGTH = 200_000  # characters; 8192 tokens have some 40,000
_MAX_COUNT = 1 << 40  # tokens
_COMPLETE = ("", "stop", "eos", "eos_token", "end_turn", "stop_sequence")
CUT_OFF = ("length", "max_tokens", "model_length")
_FILTERS = ("content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii")


@dataclass(frozen=True)
class Completion:
    """A reply. `is_cut_off` means that it ended too early. Servers may count no tokens."""

    text: str
    is_cut_off: bool
    prompt_tokens: int = 0
    answer_tokens: int = 0


class RefusedReplyError(Exception):
    """A completion without a grade, which every try gets: a refusal, or a filter."""


def parse_completion(body: str) -> Completion:
    """Parse the body of a response with status 200.

    Raises NoCompletionError, RefusedReplyError, ErrorBodyError.
    """
    if not body.strip():
        raise NoCompletionError("sent an empty reply")
    if is_web_page(body):
        raise RefusedReplyError("sent a web page, not a chat completion: check --judge-url")
    try:
        value = join_stream(body) if is_stream(body) else json.loads(body)
    except (ValueError, RecursionError, TypeError, AttributeError, LookupError):
        raise NoCompletionError("sent a reply that is not JSON, so not a chat completion") from None
    error = find_error(value)
    if error is not None:
        raise ErrorBodyError(error)
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list):
        raise NoCompletionError("sent a reply that is not a chat completion")
    if not choices or not isinstance(choices[0], dict):
        raise NoCompletionError("sent a chat completion without choices")
    choice = choices[0]
    if isinstance(choice.get("error"), Mapping):
        raise ErrorBodyError(find_error({"error": choice["error"]}) or ServerError(""))
    message = choice.get("message")
    if not isinstance(message, dict):
        raise NoCompletionError("sent a chat completion without a message")
    usage, text = value.get("usage"), _reply_text(message)
    if len(text) > MAX_REPLY_LENGTH:
        raise NoCompletionError(f"sent a reply of {len(text)} characters")
    return Completion(
        text,
        _is_cut_off(choice, message) or final_text(text) is None,
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
    )


def _is_cut_off(choice: Mapping[str, Any], message: Mapping[str, Any]) -> bool:
    """Return whether the limit of tokens ended the reply. Raises RefusedReplyError."""
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        raise RefusedReplyError(f"refused to grade ({' '.join(refusal.split())[:100]})")
    reason = choice.get("finish_reason")
    reason = reason.lower() if isinstance(reason, str) else ""
    if reason in _FILTERS:
        raise RefusedReplyError(f"stopped its reply by a content filter (finish_reason {reason})")
    if reason in CUT_OFF:
        return True
    if reason not in _COMPLETE:
        detail = " ".join(_text(message.get("content")).split())[:100]
        raise RefusedReplyError(
            f"ended its reply with finish_reason {reason[:40]!r}"
            + (f" ({detail})" if detail else "")
        )
    return False


def _reply_text(message: Mapping[str, Any]) -> str:
    """Return the content, or a grade that a server put into the field of the thoughts.

    Thoughts hold drafts. They count only if they are nothing but a grade, as some servers send them
    for a judge that does not think.
    """
    content = _text(message.get("content"))
    if content.strip():
        return content
    for name in ("reasoning_content", "reasoning"):
        thoughts = _text(message.get(name)).strip()
        final = final_text(thoughts) or ""
        is_only_grade = len(thoughts.splitlines()) == 1 and len(thoughts) <= 40
        if read_score(final) is not None and (is_only_grade or final != thoughts):
            return final
    return ""


def _text(content: Any) -> str:
    """Return text content; of a list of parts, the texts that are not thoughts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part for part in content if isinstance(part, dict)]
    return "".join(
        part["text"]
        for part in parts
        if part.get("type") in ("text", "output_text") and isinstance(part.get("text"), str)
    )


def _count(usage: Any, name: str) -> int:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 < count < _MAX_COUNT else 0

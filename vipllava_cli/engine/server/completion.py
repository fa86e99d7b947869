"""The body of a chat completion -> the answer of a model, or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vipllava_cli.engine.server.keys import Key
from vipllava_cli.engine.server.reasoning import split_reasoning
from vipllava_cli.engine.server.server_errors import ServerError, find_error
from vipllava_cli.errors import short_repr

_CALLS = ("tool_calls", "function_call")  # no answer, if there is no text beside them
# How servers say why an answer ended -> the finish reason of the record. Others are failures.
_FINISH_REASONS: Mapping[str, str] = {
    **dict.fromkeys(("", "stop", "eos", "eos_token", "end_turn", "stop_sequence"), "stop"),
    **dict.fromkeys(_CALLS, "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length"), "length"),
    **dict.fromkeys(
        ("content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
        "content_filter",
    ),
}
_MAX_DETAIL = 100  # characters
_MAX_COUNT = 1 << 40  # tokens


@dataclass(frozen=True)
class Completion:
    """The reply of a server.

    `text` has no thoughts; `reasoning` holds them. `content` is the text with the thoughts that stand in
    it. `is_unanswered` means that the limit of tokens ended the reply before its answer began. The
    server sent `log_probabilities`; nothing checked them.
    """

    text: str
    reasoning: str
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int
    is_unanswered: bool = False
    log_probabilities: tuple[Mapping[str, Any], ...] = ()
    content: str = ""

    def without(self, key: Key) -> "Completion":
        """Return the reply without the key, which its JSON may have held in an escaped form."""
        hide = key.hide_in
        return replace(
            self,
            text=hide(self.text),
            reasoning=hide(self.reasoning),
            content=hide(self.content),
        )


class NoCompletionError(Exception):
    """A body that is no chat completion. Another try may get one."""


class FailedReplyError(Exception):
    """A completion without an answer, which every try gets."""


class ErrorBodyError(Exception):
    """An error in a body that has the status of a success."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(error.message)
        self.error = error


def parse_completion(body: Any) -> Completion:
    """Parse the JSON of a reply with the status of a success.

    Raises NoCompletionError, FailedReplyError, ErrorBodyError.
    """
    error = find_error(body)
    if error is not None:
        raise ErrorBodyError(error)
    choices = body.get("choices") if isinstance(body, dict) else None
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
    return _read(choice, message, body.get("usage"))


def _read(choice: Mapping[str, Any], message: Mapping[str, Any], usage: Any) -> Completion:
    given = choice.get("finish_reason")
    finish_reason = _FINISH_REASONS.get(given.lower() if isinstance(given, str) else "")
    content = text_content(message.get("content"))
    is_call = given in _CALLS and not content.strip()
    if finish_reason is None or is_call:
        raise FailedReplyError(f"ended its reply with {short_repr(given)}{_detail(content)}")
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip() and not content.strip():
        raise FailedReplyError(f"refused to answer{_detail(refusal)}")
    split = split_reasoning(content)
    if finish_reason == "content_filter" and not split.answer:
        raise FailedReplyError("ended its reply by a content filter before an answer")
    thoughts = [text_content(message.get(name)) for name in ("reasoning_content", "reasoning")]
    reasoning = "\n".join(filter(None, (next(filter(None, thoughts), ""), split.reasoning)))
    is_cut = split.is_cut or finish_reason == "length"
    listed = (choice.get("logprobs") or {}) if isinstance(choice.get("logprobs"), dict) else {}
    tokens = listed.get("content") if isinstance(listed.get("content"), list) else []
    return Completion(
        split.answer,
        reasoning,
        finish_reason,
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        is_unanswered=is_cut and not split.answer,
        log_probabilities=tuple(each for each in tokens or () if isinstance(each, dict)),
        content=content,
    )


def _detail(text: str) -> str:
    words = " ".join(text.split())[:_MAX_DETAIL]
    return f" ({words})" if words else ""


def text_content(content: Any) -> str:
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

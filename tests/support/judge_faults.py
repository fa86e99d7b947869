"""The faults of chat completions servers, as a loopback judge plays them.

Each table holds one kind of fault by name. `REJECTIONS` answer a request that has a part that the server
does not know; the judge must adapt. `FAILURES` answer every request; no row gets a grade.
"""

# ruff: noqa: E501 - messages as the servers send them

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.judge import JudgeServer, _Handler

Reaction = Callable[[_Handler, dict[str, Any]], bool]

_UNKNOWN = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
_EXTRA = {
    "type": "extra_forbidden",
    "loc": ["body", "temperature"],
    "msg": "Extra inputs are not permitted",
    "input": 0,
}


def _openai(message: str, param: str | None = None, code: Any = None) -> dict[str, Any]:
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    }


@dataclass(frozen=True)
class Rejection:
    """A refused part of a request: its name, the status and the body, and the words of the note."""

    part: str
    body: Any
    note: str
    status: int = 400

    def reaction(self, handler: _Handler, request: dict[str, Any]) -> bool:
        roles = [turn["role"] for turn in request["messages"]]
        if self.part not in (*request, *roles):
            return False
        is_text = isinstance(self.body, str)
        body = self.body if is_text else json.dumps(self.body)
        handler.send(
            self.status, body.encode(), Content_Type="text/plain" if is_text else "application/json"
        )
        return True


_COMPLETION = "max_tokens: it is left out, max_completion_tokens takes its place"
_NO_TEMPERATURE = "temperature: it is left out"
_NO_SYSTEM = "the system role: the first question holds the instructions"

REJECTIONS: Mapping[str, Rejection] = {
    "OpenAI, tokens": Rejection(
        "max_tokens", _openai(_UNKNOWN, "max_tokens", "unsupported_parameter"), _COMPLETION
    ),
    "Azure, tokens": Rejection(
        "max_tokens", {"error": {"message": _UNKNOWN, "code": "BadRequest"}}, _COMPLETION
    ),
    "text, tokens": Rejection(
        "max_tokens", "Unrecognized request argument supplied: max_tokens", _COMPLETION
    ),
    "OpenAI, temperature": Rejection(
        "temperature",
        _openai(
            "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        ),
        _NO_TEMPERATURE,
    ),
    "Anthropic": Rejection(
        "temperature",
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "`temperature` is deprecated for this model.",
            },
        },
        _NO_TEMPERATURE,
    ),
    "Gemini": Rejection(
        "temperature",
        [
            {
                "error": {
                    "code": 400,
                    "message": 'Invalid JSON payload received. Unknown name "temperature": Cannot find field.',
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        _NO_TEMPERATURE,
    ),
    "FastAPI": Rejection("temperature", {"detail": [_EXTRA]}, _NO_TEMPERATURE, 422),
    "Mistral": Rejection(
        "temperature",
        {"object": "error", "message": {"detail": [_EXTRA]}, "code": None},
        _NO_TEMPERATURE,
        422,
    ),
    "vLLM": Rejection(
        "max_tokens",
        {
            "object": "error",
            "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'max_tokens'), 'msg': 'Extra inputs are not permitted', 'input': {'temperature': 0}}]",
            "code": 400,
        },
        _COMPLETION,
    ),
    "LM Studio": Rejection(
        "temperature", {"error": "'temperature' is not supported by this model"}, _NO_TEMPERATURE
    ),
    "xAI": Rejection(
        "temperature",
        {
            "code": "Client specified an invalid argument",
            "error": "Argument not supported on this model: temperature",
        },
        _NO_TEMPERATURE,
    ),
    "message": Rejection(
        "temperature", {"message": "invalid request: temperature is not allowed"}, _NO_TEMPERATURE
    ),
    "other spelling": Rejection(
        "max_tokens",
        _openai("this model is not supported MaxTokens, please use MaxCompletionTokens"),
        _COMPLETION,
    ),
    "detail": Rejection("max_tokens", {"detail": "unknown field max_tokens"}, _COMPLETION, 422),
    "status 200": Rejection("max_tokens", _openai(_UNKNOWN, "max_tokens"), _COMPLETION, 200),
    "system role, vLLM": Rejection(
        "system",
        {"object": "error", "message": "System role not supported", "code": 400},
        _NO_SYSTEM,
    ),
    "system role, Gemini": Rejection(
        "system",
        [
            {
                "error": {
                    "code": 400,
                    "message": "Developer instruction is not enabled for models/gemma-3-27b-it",
                }
            }
        ],
        _NO_SYSTEM,
    ),
    "system role, OpenAI": Rejection(
        "system",
        _openai(
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            "messages[0].role",
        ),
        _NO_SYSTEM,
    ),
    "system role, template": Rejection(
        "system",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        _NO_SYSTEM,
        500,
    ),
}


def rejecting(*rejections: Rejection) -> Reaction:
    """Return a server's reaction that refuses each of the parts."""
    return lambda handler, request: any(each.reaction(handler, request) for each in rejections)


def _sends(
    body: Any, status: int = 200, kind: str = "application/json", **headers: str
) -> Reaction:
    def react(handler: _Handler, request: dict[str, Any]) -> bool:
        text = body if isinstance(body, str) else json.dumps(body)
        handler.send(status, text.encode(), Content_Type=kind, **headers)
        return True

    return react


def _replies(text: Any, finish_reason: str = "stop", **fields: Any) -> Reaction:
    def react(handler: _Handler, request: dict[str, Any]) -> bool:
        handler.reply(text, finish_reason, **fields)
        return True

    return react


def _does(action: Callable[[_Handler], None]) -> Reaction:
    def react(handler: _Handler, request: dict[str, Any]) -> bool:
        action(handler)
        return True

    return react


_STREAM = (
    ": PROCESSING\n\n"
    'data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "0"}}]}\n\n'
    'data: {"choices": [{"index": 0, "delta": {"content": ".8"}, "finish_reason": null}]}\n\n'
    'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}\n\n'
    "data: [DONE]\n\n"
)
_PAGE = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>log in</body></html>"

# Fault -> the reaction, and the words of the reason.
FAILURES: dict[str, tuple[Reaction, str]] = {
    "error with 200": (
        _sends(_openai("the model crashed")),
        r"sent an error instead of an answer \(the model crashed\)",
    ),
    "web page with 200": (
        _sends(_PAGE, kind="text/html"),
        "sent a web page, not a chat completion",
    ),
    "content filter": (_replies("", "content_filter"), "content filter"),
    "content filter, 400": (
        _sends(_openai("The response was filtered", "prompt", "content_filter"), 400),
        r"answered 400 \(The response was filtered\)",
    ),
    "length": (_replies("The answer names", "length"), "cut off after 8192 tokens"),
    "length with a number": (_replies("0.8", "length"), "cut off after 8192 tokens"),
    "refusal": (
        _replies(None, refusal="I cannot grade this"),
        r"refused to answer \(I cannot grade this\)",
    ),
    "finish_reason error": (
        _replies("out of memory", "error"),
        r"ended its reply with 'error' \(out of memory\)",
    ),
    "tool call": (_replies(None, "tool_calls", tool_calls=[]), "ended its reply with 'tool_calls'"),
    "null": (_replies(None), "none of 5 replies"),
    "thoughts without an end": (_replies("<think>0.8, or"), "cut off after 8192 tokens"),
    "thoughts only": (
        _replies("", reasoning_content="maybe 0.2, or rather 0.8"),
        "none of 5 replies",
    ),
    "out of range": (_replies("Score: 7"), "none of 5 replies"),
    "two numbers": (_replies("0.2 or 0.8"), "none of 5 replies"),
    "400": (
        _sends(_openai("the prompt is too long"), 400),
        r"answered 400 \(the prompt is too long\)",
    ),
    "422 with the request": (
        _sends(
            {
                "detail": [
                    {
                        "type": "missing",
                        "loc": ["body", "user"],
                        "msg": "Field required",
                        "input": {"temperature": 0, "max_tokens": 16},
                    }
                ]
            },
            422,
        ),
        r"answered 422 \(body.user; Field required\)",
    ),
}

# The same for faults that may pass, which cost several tries.
SLOW_FAILURES: dict[str, tuple[Reaction, str]] = {
    "empty body": (_sends(""), "sent an empty reply"),
    "no choices": (_sends({"choices": []}), "without choices"),
    "broken JSON": (_sends('{"choices": [{"mess'), "not JSON"),
    "a list": (_sends([]), "not a chat completion"),
    "429": (_sends(_openai("slow down"), 429, Retry_After="0"), "answered 429"),
    "503 as a web page": (_sends(_PAGE, 503, "text/html"), r"answered 503 \(a web page: Sign in\)"),
    "429 with 200": (_sends(_openai("slow down", code=429)), "answered 429"),
    "cut": (_does(_Handler.cut), "closed the connection"),
    "silence": (_does(_Handler.stay_silent), "sent nothing for 0.3 s, 3 times"),
}

# Reply -> its grade.
GRADES: Mapping[str, tuple[Reaction, float]] = {
    "label": (_replies("Score: 0.8"), 0.8),
    "bold": (_replies("**0.8**"), 0.8),
    "share": (_replies("0.8/1.0"), 0.8),
    "thoughts": (_replies("<think>0.2</think>\n0.8"), 0.8),
    "thoughts apart": (_replies("0.8", reasoning_content="0.2"), 0.8),
    "only in the thoughts' field": (_replies(None, reasoning_content="0.8"), 0.8),
    "parts": (
        _replies([{"type": "thinking", "thinking": []}, {"type": "text", "text": "0.8"}]),
        0.8,
    ),
    "no finish reason": (_replies("0.8", ""), 0.8),
    "stream": (_sends(_STREAM, kind="text/event-stream"), 0.8),
}


def needs_tokens(count: int, cut_off: tuple[str, str] = ("", "length")) -> Reaction:
    """Return the reaction of a judge that thinks: a smaller limit cuts its reply off."""

    def react(handler: _Handler, request: dict[str, Any]) -> bool:
        limit = request.get("max_tokens") or request["max_completion_tokens"]
        if limit < count:
            handler.reply(*cut_off)
        else:
            handler.reply("<think>0.1, no, 0.3</think>Score: 0.8")
        return True

    return react


def only_for(question: str, reaction: Reaction) -> Reaction:
    """Play a fault for one question only."""

    def react(handler: _Handler, request: dict[str, Any]) -> bool:
        is_meant = json.dumps(question)[1:-1] in request["messages"][-1]["content"]
        return is_meant and reaction(handler, request)

    return react


def server(reaction: Reaction) -> JudgeServer:
    """Make a judge that plays a fault, and otherwise gives the number that an answer begins with."""
    return JudgeServer(react=reaction)

"""The errors of chat completions servers: what the body says, and which parameter it rejects.

Servers differ: `{"error": {"message", "param", "code"}}`, `{"error": "…"}`, `{"detail": …}`,
`{"message": …}`, a list of one of them, or plain text.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from itertools import islice
from typing import Any

SYSTEM_ROLE = "the system role"  # stands beside the parameters that a server may reject

MAX_MESSAGE = 200  # characters of a server's message in an error
MAX_BODY = 100_000  # characters of an error's body that count
_MAX_TEXT = 4000  # characters of a message in which parameters are looked for
_MAX_DEPTH = 20  # levels of a body that are read


@dataclass(frozen=True)
class ServerError:
    """The parts of an error body. `code` is the server's, a status or a word; `param` may be empty."""

    message: str
    code: str = ""
    param: str = ""

    @property
    def detail(self) -> str:
        """The message for the end of an error line, in parentheses; empty without one."""
        text = " ".join(self.message.split())
        return f" ({text[:MAX_MESSAGE]})" if text else ""


def parse_error(body: str) -> ServerError:
    """Parse the body of a response with an error status."""
    body = body[:MAX_BODY]
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ServerError(_page_text(body) if is_web_page(body) else body[:_MAX_TEXT])
    return find_error(value) or ServerError(_joined(value) or body[:_MAX_TEXT])


def find_error(value: Any) -> ServerError | None:
    """Return the error in a JSON body of any status, None if it holds none."""
    if isinstance(value, list) and len(value) == 1:  # Gemini
        value = value[0]
    if not isinstance(value, Mapping):
        return None
    error = value.get("error")
    is_marked = bool(error) or "error" in (value.get("object"), value.get("type"))
    is_message = "choices" not in value and any(map(value.get, ("detail", "message")))
    if not (is_marked or is_message):
        return None
    inner = error if isinstance(error, Mapping) else value
    code = inner.get("code", inner.get("status", value.get("code", "")))
    param = inner.get("param")
    return ServerError(
        _joined(error or value),
        code=str(code)[:_MAX_TEXT] if isinstance(code, str) or type(code) is int else "",
        param=param if isinstance(param, str) else "",
    )


def is_web_page(body: str) -> bool:
    """Return whether a body is HTML."""
    return re.match(r"\s*(?:<!--.*?-->\s*)?<(?:!doctype|html|head|body)\b", body, _HTML) is not None


_HTML = re.IGNORECASE | re.DOTALL


def _page_text(body: str) -> str:
    title = re.search(r"<title[^>]{0,200}>(.{0,200}?)</title", body[:MAX_BODY], _HTML)
    return f"a web page{f': {unescape(title[1]).strip()}' if title else ''}"


# Keys whose texts repeat the request, or explain nothing.
_ECHOES = (
    "input", "ctx", "url", "type", "object", "code", "status", "request_id", "loc", "param", "innererror",
)  # fmt: skip


def _joined(value: Any) -> str:
    """Join the first texts of a JSON value that explain the error."""
    return "; ".join(text[:_MAX_TEXT] for text in islice(_texts(value), _MAX_DEPTH))[:_MAX_TEXT]


def _texts(value: Any, levels: int = _MAX_DEPTH) -> Iterator[str]:
    """Yield the texts of a JSON value that explain the error, and the places that it names."""
    if not levels:
        return
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, Mapping):
        if isinstance(value.get("loc"), list):
            places = [each for each in value["loc"][:_MAX_DEPTH] if isinstance(each, str | int)]
            yield ".".join(str(each)[:MAX_MESSAGE] for each in places)
        for key, inner in value.items():
            if key not in _ECHOES:
                yield from _texts(inner, levels - 1)
    elif isinstance(value, list):
        for inner in value[:20]:
            yield from _texts(inner, levels - 1)


# --- rejected parameters ---------------------------------------------------------------------

# A place in a message that holds Python's form of a validation error: `'loc': ('body', 'seed')`.
_PLACE = re.compile(r"""['"]loc['"]\s*:\s*[\[(]([^\])]*)[\])]""")
_NO_SYSTEM_ROLE = re.compile(
    r"roles? must alternate"
    r"|(?:system|developer)[\s'\"]*(?:role|message|prompt|instruction)s?\b.{0,40}"
    r"\b(?:not|unsupported|unexpected|invalid|disabled|disallowed)"
    r"|\b(?:not support|unsupported|unknown|invalid|not allow).{0,40}\b(?:system|developer)[\s'\"]*"
    r"(?:role|message|prompt|instruction)?"
    r"|role['\"`\]:\s]{1,6}(?:system|developer)\b.{0,60}\b(?:not|unsupported|invalid)"
    r"|messages?\S{0,12}role.{0,60}\b(?:not support|unsupported|invalid).{0,20}\bsystem",
    re.IGNORECASE | re.DOTALL,
)
_TOO_LONG = re.compile(
    r"context (?:length|window|size)|maximum context|prompt is too long|too many (?:input )?tokens"
    r"|reduce the length",
    re.IGNORECASE,
)


def is_too_long(error: ServerError) -> bool:
    """Return whether the server finds the prompt, with the room for the reply, too long."""
    return _TOO_LONG.search(error.message) is not None


def rejected_parameter(error: ServerError, sent: Collection[str]) -> str | None:
    """Return which of the sent parameters, or SYSTEM_ROLE, an error rejects. None if it is neither."""
    if error.param in sent:
        return error.param
    places = " ".join(_PLACE.findall(error.message))
    text = places or error.message
    found = {
        match.start(): name
        for name in sent
        if name != SYSTEM_ROLE
        if (match := re.search(rf"\b{name.replace('_', '_?')}\b", text, re.IGNORECASE))
    }
    if found and not is_too_long(error):
        return found[min(found)]
    if SYSTEM_ROLE in sent and _NO_SYSTEM_ROLE.search(error.message):
        return SYSTEM_ROLE
    return None

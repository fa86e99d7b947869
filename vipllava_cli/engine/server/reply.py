"""Read the body of a reply in pieces of bounded size: JSON, or a stream of events."""

import codecs
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from vipllava_cli.engine.server.completion import FailedReplyError, NoCompletionError
from vipllava_cli.engine.server.event_stream import StreamedCompletion, event_data
from vipllava_cli.engine.server.reasoning import AnswerPieces
from vipllava_cli.engine.server.server_errors import is_web_page
from vipllava_cli.storage.web_guard import body_chunks

MAX_BODY = 16 << 20  # bytes of a reply
MAX_ERROR_BODY = 64 << 10
_STREAM_STARTS = (
    "d",
    "e",
    "i",
    ":",
)  # of "data:", "event:", "id:" and comments; JSON starts otherwise


class Reply:
    """A reply while it is read.

    `is_stopped` means that `stop` ended the reply.
    """

    def __init__(
        self,
        on_text: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self._on_text = on_text
        self._stop = stop
        self._pieces = AnswerPieces()
        self._joined = StreamedCompletion()
        self.is_stopped = False
        self.first_piece_time: float | None = None

    def read(
        self,
        response: httpx2.Response,
        deadline: float,
        hide: Callable[[str], str] = lambda text: text,
    ) -> Any:
        """Return the JSON of a completion, or of an error. `hide` removes the key that a server repeats.

        Raises NoCompletionError, FailedReplyError and the errors of httpx2.
        """
        text = _texts(response, deadline)
        start = ""
        for piece in text:
            start += piece
            if start.strip():
                break
        if start.lstrip()[:1] in _STREAM_STARTS:
            return self._read_stream(start, text, hide)
        body = hide(start + "".join(text))
        if not body.strip():
            raise NoCompletionError("sent an empty reply")
        if is_web_page(body):
            raise FailedReplyError("sent a web page, not a chat completion: check the address")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise NoCompletionError("sent a reply that is not JSON") from None

    def stopped_body(self) -> Any:
        """Return the completion of what has arrived."""
        self._joined.is_complete = True
        return self._joined.body()

    def _read_stream(self, start: str, text: Iterator[str], hide: Callable[[str], str]) -> Any:
        buffer = start
        while True:
            *lines, buffer = buffer.split("\n")
            for line in lines:
                self._add(event_data(hide(line)))
            if self._joined.has_error:
                return self._joined.body()
            if self._stop is not None and self._stop():
                self.is_stopped = True
                return self.stopped_body()
            piece = next(text, None)
            if piece is None:
                self._add(event_data(hide(buffer)))
                return self._joined.body()
            buffer += piece

    def _add(self, event: str) -> None:
        if not event:
            return
        try:
            piece = self._joined.add(event)
        except (ValueError, RecursionError, TypeError, AttributeError):
            raise NoCompletionError("sent a part of a stream that is not JSON") from None
        if piece and self.first_piece_time is None:
            self.first_piece_time = time.perf_counter()
        if self._on_text is not None:
            shown = self._pieces.add(piece)
            if shown:
                self._on_text(shown)


def read_error(response: httpx2.Response, deadline: float) -> str:
    """Return the start of the body of an error."""
    return "".join(_texts(response, deadline, MAX_ERROR_BODY))


def _texts(response: httpx2.Response, deadline: float, limit: int = MAX_BODY) -> Iterator[str]:
    """Yield the body as text. Raises ReadTimeout after the deadline, NoCompletionError above MAX_BODY."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    size = 0
    for chunk in body_chunks(response, limit + 1):
        size += len(chunk)
        if size > MAX_BODY:
            raise NoCompletionError(f"sent a reply of more than {MAX_BODY >> 20} MiB")
        if time.monotonic() > deadline:
            raise httpx2.ReadTimeout("the reply has no end")
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)

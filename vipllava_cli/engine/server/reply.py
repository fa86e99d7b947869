"""Read the body of a reply in pieces of bounded size: JSON, or a stream of events."""

import codecs
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import httpx2

from vipllava_cli.engine.server.completion import FailedReplyError, NoCompletionError
from vipllava_cli.engine.server.event_stream import StreamedCompletion, event_data
from vipllava_cli.engine.server.keys import NO_KEY, HiddenPieces, Key
from vipllava_cli.engine.server.reasoning import AnswerPieces
from vipllava_cli.engine.server.server_errors import is_web_page

MAX_ERROR_BODY = 64 << 10
# Of "data:", "event:", "id:", "retry:" and comments; JSON starts otherwise.
_STREAM_STARTS = ("d", "e", "i", "r", ":")


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
        self._hidden = HiddenPieces(NO_KEY)
        self._joined = StreamedCompletion()
        self.is_stopped = False
        self.first_piece_time: float | None = None

    def read(
        self,
        response: httpx2.Response,
        key: Key = NO_KEY,
    ) -> Any:
        """Return the JSON of a completion, or of an error, without the key that a server may repeat.

        Raises NoCompletionError, FailedReplyError and the errors of httpx2.
        """
        text = _texts(response)
        start = next(filter(None, map(str.lstrip, text)), "")
        if start[:1] in _STREAM_STARTS:
            self._hidden = HiddenPieces(key)
            return self._read_stream(start, text, key)
        body = key.hide_in(start + "".join(text))
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

    def _read_stream(self, start: str, text: Iterator[str], key: Key) -> Any:
        for line in _lines(start, text):
            self._add(event_data(key.hide_in(line)))
            if self._joined.has_error:
                return self._joined.body()
            if self._stop is not None and self._stop():
                self.is_stopped = True
                return self.stopped_body()
        if not self._joined.is_complete:
            raise NoCompletionError("ended its reply before the answer was complete")
        return self._joined.body()

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
            shown = self._hidden.add(self._pieces.add(piece))
            if shown:
                self._on_text(shown)


def _lines(start: str, text: Iterator[str]) -> Iterator[str]:
    """Yield the lines of a text in pieces. Lines may end with a carriage return, too."""
    begun: list[str] = []
    for piece in chain((start,), text):
        first, *others = re.split(r"[\r\n]", piece)
        begun.append(first)
        for other in others:
            yield "".join(begun)
            begun = [other]
    yield "".join(begun)


def read_error(response: httpx2.Response) -> str:
    """Return the start of the body of an error."""
    return "".join(_texts(response, MAX_ERROR_BODY))


def _texts(response: httpx2.Response, limit: int | None = None) -> Iterator[str]:
    """Yield the body as text, of at most `limit` bytes. The client's own limits end long ones."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    size = 0
    for chunk in response.iter_bytes():
        yield decoder.decode(chunk if limit is None else chunk[: limit - size])
        size += len(chunk)
        if limit is not None and size >= limit:
            break
    yield decoder.decode(b"", final=True)

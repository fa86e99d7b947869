"""The text of a streamed answer over several tries: no piece is shown twice."""

from collections.abc import Callable

from vipllava_cli.engine.server.reply import Reply
from vipllava_cli.errors import GenerationError


class ShownText:
    """Passes the pieces of an answer on. A try after a cut stream repeats its start."""

    def __init__(
        self, on_text: Callable[[str], None], stop: Callable[[], bool] | None = None
    ) -> None:
        self._on_text = on_text
        self._stop = stop
        self._shown = ""
        self._current = ""
        self.reply: Reply | None = None

    def start_reply(self) -> Reply:
        """Start another try."""
        self._current = ""
        self.reply = Reply(self._add, self._stop)
        return self.reply

    def finish(self, text: str) -> None:
        """Show what is left of the answer: all of it if the server did not stream."""
        if text.startswith(self._shown):
            self._show(text)

    def _add(self, piece: str) -> None:
        self._current += piece
        self._show(self._current)

    def _show(self, text: str) -> None:
        if not (text.startswith(self._shown) or self._shown.startswith(text)):
            raise GenerationError(
                "the server cut its answer off, and its next answer is another one: ask again"
            )
        new = text[len(self._shown) :]
        if new:
            self._shown = text
            self._on_text(new)

"""The prompt on a terminal: line editing, history, completion, several lines, an editor."""

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.history import DummyHistory, FileHistory, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.search import stop_search

from vipllava_cli.cli.repl.plain_input import LineAbandoned, is_closed, strip_quotes
from vipllava_cli.cli.terminal.messages import one_line

MAX_PASTED = 50_000  # letters; more is no question, and takes seconds to lay out

# The words that may follow each command's name; None stands for a path.
Arguments = Mapping[str, tuple[str, ...] | None]


class TerminalPrompt:
    """Reads what somebody types. `history` is a file that exists, or None for no history at all."""

    def __init__(
        self, arguments: Arguments, history: Path | None, note: Callable[[str], None]
    ) -> None:
        self._note = note
        self._aside: Callable[[str], str] | None = None
        self._session: PromptSession[str] = PromptSession(
            history=_History(history, note) if history else InMemoryHistory(),
            completer=_Commands(arguments),
            complete_while_typing=False,
            key_bindings=self._keys(),
            multiline=True,
            prompt_continuation="  ",
        )
        self._questions: PromptSession[str] = PromptSession(
            history=DummyHistory(), key_bindings=_interrupt_keys()
        )

    def read(self) -> str:
        """What was typed. Raises EOFError at Ctrl-D, KeyboardInterrupt at Ctrl-C."""
        text = ""
        while True:
            self._aside, self._session.app.erase_when_done = None, False
            text = _prompted(self._session, "> ", text)
            if self._aside is None:
                return strip_quotes(text)
            text = self._aside(text)

    def confirm(self, question: str) -> bool:
        """Yes unless the answer begins with an n."""
        answer = _prompted(self._questions, f"{one_line(question)} [Y/n] ")
        return not answer.strip().lower().startswith("n")

    def _keys(self) -> KeyBindings:
        """Enter sends, except within three quotes; Alt-Enter begins a line; Ctrl-G opens an editor."""
        keys = _interrupt_keys()

        @keys.add("enter", filter=~is_searching)
        def _(event: KeyPressEvent) -> None:
            if is_closed(event.current_buffer.text):
                event.current_buffer.validate_and_handle()
            else:
                event.current_buffer.insert_text("\n")

        @keys.add("escape", "enter", filter=~is_searching)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add(Keys.Vt100MouseEvent)
        def _(event: KeyPressEvent) -> None:
            """A colour code among pasted text looks like one, and prompt_toolkit's own reader of them
            fails over it; the mouse is the terminal's own here.
            """

        @keys.add(Keys.BracketedPaste)
        def _(event: KeyPressEvent) -> None:
            pasted = event.data.replace("\r\n", "\n").replace("\r", "\n")
            if len(pasted) <= MAX_PASTED:
                event.current_buffer.insert_text(pasted)
            else:
                self._step_aside(event, lambda text: self._without_paste(text, len(pasted)))

        @keys.add("c-g", filter=~is_searching)
        def _(event: KeyPressEvent) -> None:
            self._step_aside(event, lambda text: _edited(text, self._note))

        return keys

    def _step_aside(self, event: KeyPressEvent, work: Callable[[str], str]) -> None:
        """Leave the line for something else that has the terminal, and come back to it. Within the
        application a Ctrl-C at the wrong moment would have it wait for ever.
        """
        if event.app.future is not None and not event.app.future.done():
            if is_searching():
                stop_search()
            self._aside, event.app.erase_when_done = work, True
            event.app.exit(result=self._session.default_buffer.text)

    def _without_paste(self, text: str, letters: int) -> str:
        self._note(f"a text of {letters} letters was not taken: at most {MAX_PASTED} are")
        return text


def _prompted(session: PromptSession[str], message: str, begun: str = "") -> str:
    """What was typed, after the beginning that was there. Before the terminal gives its keys away, and
    afterwards, a Ctrl-C is a signal: it waits then, as asyncio would not survive it at its own
    beginning and end.
    """
    app, missed = session.app, False

    def interrupted(number: int, frame: object) -> None:
        nonlocal missed
        if app.loop is not None and app.is_running and not app.is_done:
            app.loop.call_soon_threadsafe(app.key_processor.send_sigint)
        else:
            missed = True

    def began() -> None:
        if missed:
            app.exit(exception=KeyboardInterrupt)

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        text = session.prompt(message, default=begun, pre_run=began, handle_sigint=False)
    finally:
        signal.signal(signal.SIGINT, before)
    if missed:
        raise KeyboardInterrupt
    return text


class _History(FileHistory):
    """A history that goes on without its file when that cannot be written."""

    def __init__(self, path: Path, note: Callable[[str], None]) -> None:
        super().__init__(str(path))
        self._note: Callable[[str], None] | None = note

    def load_history_strings(self) -> Iterable[str]:
        """Those of the file, the newest first."""
        try:
            return super().load_history_strings()
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        """Append to the file."""
        try:
            super().store_string(string)
        except OSError as error:
            if self._note:
                self._note(f"the history cannot be written: {error.strerror}")
            self._note = None


class _Commands(Completer):
    """Completes the names of commands, and what may follow them."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._paths = PathCompleter(expanduser=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """See `Completer`."""
        text = document.text_before_cursor
        if not text.startswith("/"):
            return
        name, space, rest = text.partition(" ")
        if not space:
            yield from _beginning(name, self._arguments)
            return
        follows = self._arguments.get(name, ())
        if follows is None:
            for path in self._paths.get_completions(Document(rest), complete_event):
                folder = "/" if path.display_text.endswith("/") else ""
                yield Completion(path.text + folder, path.start_position, path.display)
        else:
            yield from _beginning(rest, follows)


def _beginning(text: str, words: Iterable[str]) -> Iterable[Completion]:
    return (Completion(word, -len(text)) for word in words if word.startswith(text))


def _interrupt_keys() -> KeyBindings:
    """Ctrl-C gives a line up; without one it interrupts."""
    keys = KeyBindings()

    @keys.add("c-c", filter=~is_searching)
    @keys.add(Keys.SIGINT)
    def _(event: KeyPressEvent) -> None:
        waits = event.app.future is not None and not event.app.future.done()
        if waits:  # else the line is finished, and the signal came a moment too late
            if is_searching():  # the next line would still be searched
                stop_search()
            meant = LineAbandoned if event.app.current_buffer.text else KeyboardInterrupt
            event.app.exit(exception=meant, style="class:aborting")

    return keys


def _edited(text: str, note: Callable[[str], None]) -> str:
    """The text as it comes back from the user's editor; as it was where there is none, or it failed."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "question.txt"
        path.write_bytes(text.encode("utf-8", "replace"))
        try:
            ended = subprocess.run([*shlex.split(editor), str(path)], check=False)
            if ended.returncode == 0:
                return path.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
            note(f"the editor {editor} ended with {ended.returncode}: the question is as it was")
        except (OSError, ValueError) as error:
            note(f"the editor {editor} did not start ({error}): set EDITOR to one that does")
    return text

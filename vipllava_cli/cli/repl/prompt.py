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

from vipllava_cli.cli.repl.plain_input import LineAbandoned, ask_yes_no, is_closed, strip_quotes
from vipllava_cli.cli.repl.typed_paths import unquoted_path
from vipllava_cli.cli.terminal.keyboard import Keyboard
from vipllava_cli.sources.folder import image_suffixes

MAX_PASTE_LENGTH = 50_000  # characters; prompt_toolkit takes seconds to lay out more

# For each command, the words that Tab completes after its name; None stands for a path.
Completions = Mapping[str, tuple[str, ...] | None]


class TerminalPrompt:
    """Reads what a person types. `history` is an existing file, or None to keep it in memory."""

    def __init__(
        self,
        completions: Completions,
        history: Path | None,
        note: Callable[[str], None],
        keyboard: Keyboard,
    ) -> None:
        self._note = note
        self._keyboard = keyboard
        self._pending_edit: Callable[[str], str] | None = None
        self._session: PromptSession[str] = PromptSession(
            history=_NotedHistory(history, note) if history else InMemoryHistory(),
            completer=_CommandCompleter(completions),
            complete_while_typing=False,
            key_bindings=self._key_bindings(),
            multiline=True,
            prompt_continuation="  ",
        )
        self._confirm_session: PromptSession[str] = PromptSession(
            history=DummyHistory(), key_bindings=_interrupt_keys()
        )

    def read(self) -> str:
        """See `LineInput.read`."""
        text = ""
        while True:
            self._pending_edit, self._session.app.erase_when_done = None, False
            text = _prompt(self._session, "> ", self._keyboard, text)
            if self._pending_edit is None:
                return strip_quotes(text)
            with self._keyboard.echoing():
                text = self._pending_edit(text)

    def confirm(self, question: str) -> bool:
        """Return whether the user agrees."""
        return ask_yes_no(
            question, lambda text: _prompt(self._confirm_session, text, self._keyboard)
        )

    def _key_bindings(self) -> KeyBindings:
        """Enter sends the text, but adds a line between quotes. Ctrl-G opens an editor."""
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
            """Ignore mouse events: the prompt uses none. A colour code in pasted text looks like a
            mouse event, and prompt_toolkit's own handler fails on it.
            """

        @keys.add(Keys.BracketedPaste)
        def _(event: KeyPressEvent) -> None:
            pasted = event.data.replace("\r\n", "\n").replace("\r", "\n")
            if len(pasted) <= MAX_PASTE_LENGTH:
                event.current_buffer.insert_text(pasted)
            else:
                self._suspend(event, lambda text: self._refuse_paste(text, len(pasted)))

        @keys.add("c-g", filter=~is_searching)
        def _(event: KeyPressEvent) -> None:
            self._suspend(event, lambda text: _edit(text, self._note))

        return keys

    def _suspend(self, event: KeyPressEvent, edit: Callable[[str], str]) -> None:
        """Leave the prompt, give the terminal to `edit`, and prompt again with the text it returns.

        If `edit` ran inside the application, a Ctrl-C could block the application forever.
        """
        if event.app.future is not None and not event.app.future.done():
            if is_searching():
                stop_search()
            self._pending_edit, event.app.erase_when_done = edit, True
            event.app.exit(result=self._session.default_buffer.text)

    def _refuse_paste(self, text: str, length: int) -> str:
        self._note(
            f"the pasted text has {length} characters and was ignored: the limit is"
            f" {MAX_PASTE_LENGTH}"
        )
        return text


def _prompt(
    session: PromptSession[str], message: str, keyboard: Keyboard, default: str = ""
) -> str:
    """Prompt for a text that starts as `default`. Raises EOFError, KeyboardInterrupt.

    Before prompt_toolkit sets the terminal to raw mode, and after it resets it, Ctrl-C is a signal.
    asyncio does not survive a KeyboardInterrupt in its setup and cleanup, so a signal that comes
    there is raised afterwards.
    """
    app, interrupted = session.app, False

    def on_signal(number: int, frame: object) -> None:
        nonlocal interrupted
        if app.loop is not None and app.is_running and not app.is_done:
            app.loop.call_soon_threadsafe(app.key_processor.send_sigint)
        else:
            interrupted = True

    def before_run() -> None:
        if interrupted:
            app.exit(exception=KeyboardInterrupt)

    def redraw() -> None:
        app.input.raw_mode().__enter__()
        app.renderer.reset()
        app.invalidate()

    def after_stop() -> None:
        if app.loop is not None and app.is_running and not app.is_done:
            app.loop.call_soon_threadsafe(redraw)

    previous = signal.signal(signal.SIGINT, on_signal)
    try:
        with keyboard.lent(after_stop):
            text = session.prompt(message, default=default, pre_run=before_run, handle_sigint=False)
    finally:
        signal.signal(signal.SIGINT, previous)
    if interrupted:
        raise KeyboardInterrupt
    return text


class _NotedHistory(FileHistory):
    """A history file. If it cannot be written, prints one note and keeps entries in memory."""

    def __init__(self, path: Path, note: Callable[[str], None]) -> None:
        super().__init__(str(path))
        self._note: Callable[[str], None] | None = note

    def load_history_strings(self) -> Iterable[str]:
        """Return the entries of the file, newest first; none if it cannot be read."""
        try:
            return super().load_history_strings()
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        """Append an entry to the file."""
        try:
            super().store_string(string)
        except OSError as error:
            if self._note:
                self._note(f"the history cannot be written: {error.strerror}")
            self._note = None


class _CommandCompleter(Completer):
    """Completes the path of an image, the names of slash commands, and the word or path after them."""

    def __init__(self, completions: Completions) -> None:
        self._completions = completions
        self._paths = PathCompleter(expanduser=True)
        self._images = PathCompleter(
            expanduser=True,
            file_filter=lambda name: os.path.isdir(name) or name.lower().endswith(image_suffixes()),
        )

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """See `Completer`."""
        text = document.text_before_cursor
        name, space, argument = text.partition(" ")
        if not name.startswith("/") or "/" in name[1:]:
            yield from _complete_path(self._images, text, complete_event)
            return
        if not space:
            yield from _complete_word(name, self._completions)
            return
        words = self._completions.get(name, ())
        if words is None:
            yield from _complete_path(self._paths, argument, complete_event)
        else:
            yield from _complete_word(argument, words)


def _complete_path(
    paths: PathCompleter, text: str, complete_event: CompleteEvent
) -> Iterable[Completion]:
    for path in paths.get_completions(Document(unquoted_path(text)), complete_event):
        slash = "/" if path.display_text.endswith("/") else ""
        yield Completion(path.text + slash, path.start_position, path.display)


def _complete_word(text: str, words: Iterable[str]) -> Iterable[Completion]:
    return (Completion(word, -len(text)) for word in words if word.startswith(text))


def _interrupt_keys() -> KeyBindings:
    """Ctrl-C discards a line that has text; on an empty line it raises KeyboardInterrupt."""
    keys = KeyBindings()

    @keys.add("c-c", filter=~is_searching)
    @keys.add(Keys.SIGINT)
    def _(event: KeyPressEvent) -> None:
        is_reading = event.app.future is not None and not event.app.future.done()
        if is_reading:  # otherwise the signal came just after the line was sent
            if is_searching():  # otherwise the next prompt would start in search mode
                stop_search()
            has_text = event.app.current_buffer.text
            error = LineAbandoned if has_text else KeyboardInterrupt
            event.app.exit(exception=error, style="class:aborting")

    return keys


def _edit(text: str, note: Callable[[str], None]) -> str:
    """Open the text in the user's editor. If the editor fails, print a note and keep the text."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "question.txt"
        path.write_bytes(text.encode("utf-8", "replace"))
        try:
            process = subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603 - the user's own editor
            if process.returncode == 0:
                return path.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
            note(f"the editor {editor} failed with exit code {process.returncode}: text kept")
        except (OSError, ValueError) as error:
            note(f"the editor {editor} did not start ({error}): set EDITOR to another one")
    return text

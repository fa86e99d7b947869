"""The prompt on a terminal: line editing, history, completion, several lines, an editor."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from prompt_toolkit import Application, PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.history import DummyHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.search import stop_search

from vipllava_cli.cli.repl.history import BoundedHistory
from vipllava_cli.cli.repl.key_parser import MAX_PASTE_LENGTH, Paste, bound_keys
from vipllava_cli.cli.repl.line_limits import LineLimits, draw_safely, without_macros
from vipllava_cli.cli.repl.path_completion import complete_path
from vipllava_cli.cli.repl.plain_input import LineAbandoned, ask_yes_no, is_closed, strip_quotes
from vipllava_cli.cli.repl.typed_paths import unquoted_path
from vipllava_cli.cli.repl.unknown_commands import LEAVE
from vipllava_cli.cli.terminal.keyboard import Keyboard
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.storage.temporary_folder import temporary_folder

_FAREWELL = re.compile(rf"{LEAVE}\s*[\r\n]\s*\Z")

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
        self._is_leaving = False
        self._session: PromptSession[str] = PromptSession(
            history=BoundedHistory(history, note),
            completer=_CommandCompleter(completions),
            complete_while_typing=False,
            complete_in_thread=True,  # a folder may be slow, and Ctrl-C must not wait for it
            key_bindings=self._key_bindings(),
            multiline=True,
            prompt_continuation="  ",
        )
        self._confirm_session: PromptSession[str] = PromptSession(
            history=DummyHistory(), key_bindings=_interrupt_keys()
        )
        draw_safely()
        self._limits = _limit(self._session, self._tell)
        self._confirm_limits = _limit(self._confirm_session, lambda message: None)

    def read(self) -> str:
        """See `LineInput.read`."""
        text = ""
        self._limits.forget()
        while True:
            self._pending_edit, self._session.app.erase_when_done = None, False
            self._limits.start(text)
            text = _prompt(self._session, "> ", self._keyboard, text)
            if self._pending_edit is None:
                return strip_quotes(text)
            with self._keyboard.echoing():
                text = self._pending_edit(text)
            if self._is_leaving:
                return LEAVE

    def confirm(self, question: str) -> bool:
        """Return whether the user agrees."""
        self._confirm_limits.forget()
        self._confirm_limits.start("")
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
            paste = event.data
            if isinstance(paste, Paste) and (not paste.is_ended or paste.length > len(paste)):
                self._suspend(event.app, partial(self._refuse_paste, paste=paste))
            else:
                event.current_buffer.insert_text(paste.replace("\r\n", "\n").replace("\r", "\n"))

        @keys.add("c-g", filter=~is_searching)
        def _(event: KeyPressEvent) -> None:
            self._suspend(event.app, lambda text: _edit(text, self._note))

        return keys

    def _tell(self, message: str) -> None:
        """Print a note above the prompt."""

        def tell(text: str) -> str:
            self._note(message)
            return text

        self._suspend(get_app(), tell)

    def _suspend(self, app: Application[str], edit: Callable[[str], str]) -> None:
        """Leave the prompt, give the terminal to `edit`, and prompt again with the text it returns.

        If `edit` ran inside the application, a Ctrl-C could block the application forever.
        """
        if app.future is not None and not app.future.done():
            if is_searching():
                stop_search()
            self._pending_edit, app.erase_when_done = edit, True
            app.exit(result=self._session.default_buffer.text)

    def _refuse_paste(self, text: str, *, paste: Paste) -> str:
        # Somebody who could not end a paste typed this.
        self._is_leaving = not paste.is_ended and _FAREWELL.search(paste) is not None
        if self._is_leaving:
            return text
        why = f"the limit is {MAX_PASTE_LENGTH}" if paste.is_ended else "its end did not come"
        self._note(f"the pasted text has {paste.length} characters and was ignored: {why}")
        return text


def _limit(session: PromptSession[str], tell: Callable[[str], None]) -> LineLimits:
    """Bound the keys and the text of a prompt. `tell` prints a note above it."""
    bound_keys(session.app.input)
    limits = LineLimits(session, tell)
    own = [session.key_bindings] if session.key_bindings else []
    session.key_bindings = merge_key_bindings([*own, limits.refuse_repeats()])
    return limits


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


class _CommandCompleter(Completer):
    """Completes the path of an image, the names of slash commands, and the word or path after them."""

    def __init__(self, completions: Completions) -> None:
        self._completions = completions

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """See `Completer`."""
        text = document.text_before_cursor
        name, space, argument = text.partition(" ")
        if not name.startswith("/") or "/" in name[1:]:
            yield from complete_path(unquoted_path(text), _names_image)
            return
        if not space:
            yield from _complete_word(name, self._completions)
            return
        words = self._completions.get(name, ())
        if words is None:
            yield from complete_path(unquoted_path(argument))
        else:
            yield from _complete_word(argument, words)


def _names_image(name: str) -> bool:
    return name.lower().endswith(image_suffixes())


def _complete_word(text: str, words: Iterable[str]) -> Iterator[Completion]:
    return (Completion(word, -len(text)) for word in words if word.startswith(text))


def _interrupt_keys() -> KeyBindings:
    """Ctrl-C discards a line that has text; on an empty line it raises KeyboardInterrupt."""
    keys = KeyBindings()
    without_macros(keys)

    @keys.add("c-c", filter=~is_searching, eager=True)
    @keys.add(Keys.SIGINT, eager=True)
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
    with temporary_folder() as folder:
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

"""The slash commands about the session: /set, /save, /load."""

from dataclasses import replace

from vipllava_cli.cli.repl.image_commands import (
    describe_image,
    note_small_mark,
    warn_of_photograph,
)
from vipllava_cli.cli.repl.session import ChatSession
from vipllava_cli.cli.repl.settings import describe_setting, describe_settings, set_value
from vipllava_cli.cli.repl.typed_paths import typed_path
from vipllava_cli.errors import UsageError
from vipllava_cli.flows.chat.session_file import read_session, resume_chat
from vipllava_cli.flows.chat.state import RecordedTurn

MAX_HISTORY = 10  # turns to print when a conversation is resumed


def set_or_list(session: ChatSession, argument: str) -> None:
    """Change a setting, or print all settings. Raises UsageError."""
    name, _, value = argument.replace("=", " ", 1).partition(" ")
    if not name:
        session.messages.tell_pairs(describe_settings(session.chat))
        return
    if not value.strip():
        session.messages.tell(describe_setting(session.chat, name))
        return
    set_value(session.chat, name, value.strip())
    session.messages.say(f"{name} is {value.strip()}")


def save(session: ChatSession, argument: str) -> None:
    """Save the conversation to a file, now and after each change. Raises UsageError, InputError."""
    name = typed_path(argument) or session.autosave.file
    if not name:
        raise UsageError("/save needs a file name: /save FILE")
    session.autosave.save_to(name, session.chat.state)
    session.messages.say(f"saved to {name}: later turns are saved there too")


def load(session: ChatSession, argument: str) -> None:
    """Replace the conversation with that of a session file. Raises UsageError, InputError."""
    if not argument:
        raise UsageError("/load needs a file name: /load FILE")
    saved = read_session(typed_path(argument))
    resumed = resume_chat(saved, session.chat.engine.info.name)
    chat, messages = session.chat, session.messages
    chat.state, chat.settings = resumed.state, replace(chat.settings, window=saved.window)
    messages.note(*resumed.notes)
    left, session.autosave.file = session.autosave.file, None
    if left:  # that file holds the replaced conversation
        messages.note(f"later turns are not saved to {left}: /save FILE saves them")
    show_history(session)
    note_small_mark(session)
    warn_of_photograph(session)


def show_history(session: ChatSession) -> None:
    """Print the last turns of a resumed conversation, then its image."""
    turns = session.chat.state.turns
    earlier = len(turns) - MAX_HISTORY
    if earlier > 0:
        session.messages.tell(f"({earlier} earlier turns)")
    for turn in turns[-MAX_HISTORY:]:
        session.messages.tell(f"> {turn.question}\n{turn.answer}{_suffix(turn)}")
    session.messages.say(describe_image(session.chat.state))


def _suffix(turn: RecordedTurn) -> str:
    return " (stopped)" if turn.record.finish_reason == "stopped" else ""

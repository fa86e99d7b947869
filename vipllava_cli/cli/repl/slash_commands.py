"""The commands of a conversation: a table of names, what follows them, and what they do."""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL import Image

from vipllava_cli.cli.repl.session import ChatSession
from vipllava_cli.cli.repl.settings import SETTINGS, describe_settings, set_value
from vipllava_cli.cli.terminal.answers import AnswerTask
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.flows.chat.chat import ChatState, RecordedTurn
from vipllava_cli.flows.chat.session_file import read_session, resume
from vipllava_cli.flows.small_marks import find_small_mark
from vipllava_cli.images.square import model_view
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.parse import mark_to_json, parse_mark
from vipllava_cli.marks.types import MASK_SHAPES, SHAPES, Mark
from vipllava_cli.storage.files import STANDARD_INPUT


@dataclass(frozen=True)
class SlashCommand:
    """A command: what follows its name, what it does in a line, and the function that does it.
    `follows` are words to complete, None is a path.
    """

    form: str
    help: str
    run: Callable[[ChatSession, str], None]
    follows: tuple[str, ...] | None = ()


def run_slash_command(session: ChatSession, line: str) -> None:
    """Do what a line that begins with / says. Raises UsageError for an unknown command, EOFError for
    the wish to leave.
    """
    name, _, argument = line.strip().partition(" ")
    command = SLASH_COMMANDS.get(name)
    if command is None:
        raise UsageError(_unknown(name))
    command.run(session, argument.strip())


def _unknown(name: str) -> str:
    if "/" in name[1:]:
        return f"{short_repr(name)} is no command, and there is no image of this name"
    near = difflib.get_close_matches(name, SLASH_COMMANDS, 1)
    advice = f"did you mean {near[0]}?" if near else "/help lists the commands"
    return f"there is no command {short_repr(name)}: {advice}"


# --- answers ---------------------------------------------------------------------------------


def answer(session: ChatSession, work: AnswerTask) -> None:
    """Show the answer that the work makes, keep the conversation, and say what a user should know."""
    turn = session.renderer.answer(work)
    if turn is None:
        return
    session.autosave.save(session.chat.state)
    if turn.record.finish_reason == "stopped":
        session.messages.note("stopped here, and kept as far as it went: /more goes on")
    elif turn.record.finish_reason == "length":
        session.messages.note(
            f"the answer was cut at {turn.record.answer_tokens} tokens: /more goes on,"
            " /set max-new-tokens N allows more"
        )
    if session.chat.is_nearly_full():
        session.messages.note(
            f"the conversation fills {session.chat.used} of the {session.chat.conversation.max_tokens} tokens that"
            " the model holds: soon its oldest turns will be left out; /reset begins anew"
        )
    reply = session.chat.reply
    if reply:
        session.messages.detail(
            f"{reply.answer.prompt_tokens} + {reply.answer.answer_tokens} tokens,"
            f" {reply.answer.seconds:.3f} s"
        )


def _retry(session: ChatSession, argument: str) -> None:
    answer(session, session.chat.retry)


def _more(session: ChatSession, argument: str) -> None:
    answer(session, session.chat.more)


def _undo(session: ChatSession, argument: str) -> None:
    taken = session.chat.state.turns[-1:]
    session.chat.state = session.chat.state.without_last()
    session.autosave.save(session.chat.state)
    session.messages.say(f"taken back: {taken[0].question}")


def _reset(session: ChatSession, argument: str) -> None:
    state = session.chat.state
    session.chat.state = ChatState(state.marked, state.zoom)
    session.autosave.save(session.chat.state)
    session.messages.say("the conversation begins anew; image and marks are as they were")


# --- image and marks -------------------------------------------------------------------------


def load_image(session: ChatSession, source: str) -> None:
    """Go on over another image. Raises UsageError, InputError."""
    if not source or source == STANDARD_INPUT:
        raise UsageError("say which image: /image PATH")
    session.chat.change_image(open_image(os.path.expanduser(source)))
    session.messages.say(describe_image(session.chat.state))
    session.autosave.save(session.chat.state)


def describe_image(state: ChatState) -> str:
    """The image and its marks in a line."""
    if state.marked is None:
        return "no image yet: /image PATH gives one"
    width, height = state.marked.file.size
    marks = ", ".join(f"{mark.color.name} {mark.shape}" for mark in state.marked.marks)
    return f"{state.marked.file.source}, {width}x{height}, {marks or 'no marks'}"


def _marker(shape: str) -> Callable[[ChatSession, str], None]:
    def add(session: ChatSession, argument: str) -> None:
        if not argument:
            raise UsageError(f"say where: /{shape} [COLOUR:]{SHAPES[shape].syntax}")
        settings = session.chat.settings
        spec = parse_mark(shape, argument, settings.units)
        _added(session, session.chat.add(spec))

    return add


def _added(session: ChatSession, mark: Mark) -> None:
    marks = session.chat.state.marked_image.marks
    session.messages.say(f"{len(marks)} {describe_mark(mark)}")
    warn_small_mark(session)
    session.autosave.save(session.chat.state)


def warn_small_mark(session: ChatSession) -> None:
    """Say that a mark is smaller than what the model can tell apart."""
    small = session.chat.state.marked and find_small_mark(
        session.chat.engine, session.chat.state.shown
    )
    if small:
        session.messages.note(
            f"the {small.color.name} {small.shape} is smaller than one patch of what the model sees"
            + (" even so" if session.chat.state.zoom else ": /set zoom on looks closer")
        )


def describe_mark(mark: Mark) -> str:
    """`box red:10,20,110,220`, as it can be typed again."""
    coords = mark_to_json(mark)["coords"]
    parts = coords if isinstance(coords[0], list) else [coords]
    numbers = " and ".join(",".join(f"{value:g}" for value in part) for part in parts)
    return f"{mark.shape} {mark.color}:{numbers}"


def _marks(session: ChatSession, argument: str) -> None:
    marks = session.chat.state.marked_image.marks
    lines = [f"{number} {describe_mark(mark)}" for number, mark in enumerate(marks, 1)]
    session.messages.tell("\n".join(lines) or "no marks")


def _unmark(session: ChatSession, argument: str) -> None:
    if argument != "all" and not (
        argument.isascii() and argument.isdecimal() and len(argument) < 7
    ):
        raise UsageError(f"say which mark: /unmark N or /unmark all, not {short_repr(argument)}")
    session.chat.remove(None if argument == "all" else int(argument))
    session.messages.say(describe_image(session.chat.state))
    session.autosave.save(session.chat.state)


def _pick(session: ChatSession, argument: str) -> None:
    from vipllava_cli.cli.picker import as_corners, pick_boxes

    for box in pick_boxes(session.chat.state.marked_image.file.image):
        _added(session, session.chat.add(parse_mark("box", as_corners(box))))


def _show(session: ChatSession, argument: str) -> None:
    from vipllava_cli.cli.terminal.image import show

    show(_drawn_for_eyes(session))


def _view(session: ChatSession, argument: str) -> None:
    from vipllava_cli.cli.terminal.image import show

    show(model_view(_drawn_for_eyes(session), session.chat.engine.info.image_side))


def _drawn_for_eyes(session: ChatSession) -> Image.Image:
    shown = session.chat.state.shown
    if session.plain:
        raise UsageError(
            "images are not drawn with --plain: `vipllava annotate -o FILE` writes one"
        )
    return shown.drawn()


# --- settings, sessions and the rest ---------------------------------------------------------


def _set(session: ChatSession, argument: str) -> None:
    name, _, value = argument.partition(" ")
    if not name:
        session.messages.tell_pairs(describe_settings(session.chat))
        return
    set_value(session.chat, name, value.strip())
    session.messages.say(f"{name} is {value.strip()}")


def _save(session: ChatSession, argument: str) -> None:
    name = os.path.expanduser(argument) or session.autosave.file
    if not name:
        raise UsageError("say where: /save FILE")
    session.autosave.save_to(name, session.chat.state)
    session.messages.say(f"saved to {name}, and kept there from now on")


def _load(session: ChatSession, argument: str) -> None:
    if not argument:
        raise UsageError("say what: /load FILE")
    resumed = resume(read_session(os.path.expanduser(argument)), session.chat.engine.info.name)
    session.chat.state = resumed.state
    session.autosave.file = None  # the file that was kept holds the conversation before
    for note in resumed.notes:
        session.messages.note(note)
    show_history(session)


def show_history(session: ChatSession, most: int = 10) -> None:
    """The last turns of a conversation that goes on."""
    turns = session.chat.state.turns
    if len(turns) > most:
        session.messages.tell(f"({len(turns) - most} earlier turns)")
    for turn in turns[-most:]:
        session.messages.tell(f"> {turn.question}\n{turn.answer}{_end(turn)}")
    session.messages.say(describe_image(session.chat.state))


def _end(turn: RecordedTurn) -> str:
    return " (stopped)" if turn.record.finish_reason == "stopped" else ""


def _stats(session: ChatSession, argument: str) -> None:
    chat, info = session.chat, session.chat.engine.info
    lines = [
        f"{info.name} at {info.revision}, {info.dtype} on {info.device}",
        f"{len(chat.state.turns)} turns, {chat.state.dropped_turns} of them left out",
        f"{chat.used} of {chat.conversation.max_tokens} tokens",
    ]
    if chat.reply:
        answer = chat.reply.answer
        lines.append(
            f"last answer: {chat.reply.prefill_tokens} of {answer.prompt_tokens} tokens read, first token after"
            f" {chat.reply.first_token_seconds:.3f} s, {answer.answer_tokens} tokens in {answer.seconds:.3f} s"
        )
    session.messages.tell("\n".join(lines))


def _help(session: ChatSession, argument: str) -> None:
    commands = [
        (f"{name} {slash.form}".rstrip(), slash.help) for name, slash in SLASH_COMMANDS.items()
    ]
    session.messages.tell_pairs([*commands, *_KEYS])


_KEYS = (
    ('Alt-Enter, or """ … """', "several lines"),
    ("Tab", "complete a command, a path or a setting"),
    ("Ctrl-G", "write in an editor"),
    ("Ctrl-C", "stop the answer; twice at the prompt leaves"),
)


def _exit(session: ChatSession, argument: str) -> None:
    raise EOFError


def _mark_slash(shape: str) -> SlashCommand:
    follows = None if shape in MASK_SHAPES else ()
    form = f"[COLOUR:]{_FORMS.get(shape, SHAPES[shape].syntax)}"
    return SlashCommand(form, f"draw one {shape} more", _marker(shape), follows)


_FORMS = {"arrow": "X1,Y1,X2,Y2|X,Y", **dict.fromkeys(MASK_SHAPES, "X1,Y1,…|FILE")}


SLASH_COMMANDS: Mapping[str, SlashCommand] = {
    "/image": SlashCommand("PATH", "go on over another image", load_image, None),
    **{f"/{shape}": _mark_slash(shape) for shape in SHAPES},
    "/marks": SlashCommand("", "list the marks", _marks),
    "/unmark": SlashCommand("N|all", "take a mark away", _unmark, ("all",)),
    "/pick": SlashCommand("", "drag boxes with the mouse", _pick),
    "/show": SlashCommand("", "draw the marked image here", _show),
    "/view": SlashCommand("", "draw what the model sees", _view),
    "/undo": SlashCommand("", "take the last question back", _undo),
    "/retry": SlashCommand("", "answer the last question again", _retry),
    "/more": SlashCommand("", "go on with an answer that was cut", _more),
    "/reset": SlashCommand("", "begin the conversation anew", _reset),
    "/set": SlashCommand("[NAME VALUE]", "change a setting, or list them", _set, tuple(SETTINGS)),
    "/save": SlashCommand("FILE", "keep the conversation in a file", _save, None),
    "/load": SlashCommand("FILE", "go on with one that was saved", _load, None),
    "/stats": SlashCommand("", "tokens, speed, model", _stats),
    "/help": SlashCommand("", "this list", _help),
    "/exit": SlashCommand("", "leave, as Ctrl-D does", _exit),
}

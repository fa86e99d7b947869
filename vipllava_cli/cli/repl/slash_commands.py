"""The commands of a conversation: a table of names, what follows them, and what they do."""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL import Image

from vipllava_cli.cli.repl.session import Room
from vipllava_cli.cli.repl.settings import SETTINGS, described, set_value
from vipllava_cli.cli.terminal.answers import Work
from vipllava_cli.errors import UsageError, short
from vipllava_cli.flows.ask import small_mark
from vipllava_cli.flows.chat.chat import ChatTurn, Talk
from vipllava_cli.flows.chat.session_file import read_session, resume
from vipllava_cli.images.fetch import STANDARD_INPUT
from vipllava_cli.images.load import model_view
from vipllava_cli.marks.marked_image import read_picture
from vipllava_cli.marks.parse import mark_to_json, parse_mark, with_style
from vipllava_cli.marks.types import FROM_PICTURE, SHAPES, Mark


@dataclass(frozen=True)
class Slash:
    """A command: what follows its name, what it does in a line, and the function that does it.
    `follows` are words to complete, None is a path.
    """

    form: str
    help: str
    run: Callable[[Room, str], None]
    follows: tuple[str, ...] | None = ()


def run_slash(room: Room, line: str) -> None:
    """Do what a line that begins with / says. Raises UsageError for an unknown command, EOFError for
    the wish to leave.
    """
    name, _, argument = line.strip().partition(" ")
    command = SLASHES.get(name)
    if command is None:
        raise UsageError(_unknown(name))
    command.run(room, argument.strip())


def _unknown(name: str) -> str:
    if "/" in name[1:]:
        return f"{short(name)} is no command, and there is no picture of this name"
    near = difflib.get_close_matches(name, SLASHES, 1)
    advice = f"did you mean {near[0]}?" if near else "/help lists the commands"
    return f"there is no command {short(name)}: {advice}"


# --- answers ---------------------------------------------------------------------------------


def answer(room: Room, work: Work) -> None:
    """Show the answer that the work makes, keep the conversation, and say what a user should know."""
    turn = room.speaker.answer(work)
    if turn is None:
        return
    room.keeper.keep(room.chat.talk)
    if turn.record.finish_reason == "stopped":
        room.messages.note("stopped here, and kept as far as it went: /more goes on")
    elif turn.record.finish_reason == "length":
        room.messages.note(
            f"the answer was cut at {turn.record.answer_tokens} tokens: /more goes on,"
            " /set max-new-tokens N allows more"
        )
    if room.chat.is_nearly_full():
        room.messages.note(
            f"the conversation fills {room.chat.used} of the {room.chat.conversation.most} tokens that"
            " the model holds: soon its oldest turns will be left out; /reset begins anew"
        )
    reply = room.chat.reply
    if reply:
        room.messages.detail(
            f"{reply.answer.prompt_tokens} + {reply.answer.answer_tokens} tokens,"
            f" {reply.answer.seconds:.3f} s"
        )


def _retry(room: Room, argument: str) -> None:
    answer(room, room.chat.retry)


def _more(room: Room, argument: str) -> None:
    answer(room, room.chat.more)


def _undo(room: Room, argument: str) -> None:
    taken = room.chat.talk.turns[-1:]
    room.chat.talk = room.chat.talk.without_last()
    room.keeper.keep(room.chat.talk)
    room.messages.say(f"taken back: {taken[0].question}")


def _reset(room: Room, argument: str) -> None:
    talk = room.chat.talk
    room.chat.talk = Talk(talk.marked, talk.zoom)
    room.keeper.keep(room.chat.talk)
    room.messages.say("the conversation begins anew; picture and marks are as they were")


# --- picture and marks -------------------------------------------------------------------------


def open_picture(room: Room, source: str) -> None:
    """Go on over another picture. Raises UsageError, InputError."""
    if not source or source == STANDARD_INPUT:
        raise UsageError("say which picture: /image PATH")
    room.chat.look_at(read_picture(os.path.expanduser(source)))
    room.messages.say(described_picture(room.chat.talk))
    room.keeper.keep(room.chat.talk)


def described_picture(talk: Talk) -> str:
    """The picture and its marks in a line."""
    if talk.marked is None:
        return "no picture yet: /image PATH gives one"
    width, height = talk.marked.file.size
    marks = ", ".join(f"{mark.color.name} {mark.shape}" for mark in talk.marked.marks)
    return f"{talk.marked.file.source}, {width}x{height}, {marks or 'no marks'}"


def _marker(shape: str) -> Callable[[Room, str], None]:
    def add(room: Room, argument: str) -> None:
        if not argument:
            raise UsageError(f"say where: /{shape} [COLOUR:]{SHAPES[shape].form}")
        settings = room.chat.settings
        spec = parse_mark(shape, argument, settings.units)
        _added(room, room.chat.add(with_style(spec, width=settings.width, alpha=settings.alpha)))

    return add


def _added(room: Room, mark: Mark) -> None:
    marks = room.chat.talk.picture.marks
    room.messages.say(f"{len(marks)} {described_mark(mark)}")
    warn_of_small_mark(room)
    room.keeper.keep(room.chat.talk)


def warn_of_small_mark(room: Room) -> None:
    """Say that a mark is smaller than what the model can tell apart."""
    small = room.chat.talk.marked and small_mark(room.chat.engine, room.chat.talk.shown)
    if small:
        room.messages.note(
            f"the {small.color.name} {small.shape} is smaller than one patch of what the model sees"
            + (" even so" if room.chat.talk.zoom else ": /set zoom on looks closer")
        )


def described_mark(mark: Mark) -> str:
    """`box red:10,20,110,220`, as it can be typed again."""
    coords = mark_to_json(mark)["coords"]
    parts = coords if isinstance(coords[0], list) else [coords]
    numbers = " and ".join(",".join(f"{value:g}" for value in part) for part in parts)
    return f"{mark.shape} {mark.color}:{numbers}"


def _marks(room: Room, argument: str) -> None:
    marks = room.chat.talk.picture.marks
    lines = [f"{number} {described_mark(mark)}" for number, mark in enumerate(marks, 1)]
    room.messages.tell("\n".join(lines) or "no marks")


def _unmark(room: Room, argument: str) -> None:
    if argument != "all" and not (
        argument.isascii() and argument.isdecimal() and len(argument) < 7
    ):
        raise UsageError(f"say which mark: /unmark N or /unmark all, not {short(argument)}")
    room.chat.remove(None if argument == "all" else int(argument))
    room.messages.say(described_picture(room.chat.talk))
    room.keeper.keep(room.chat.talk)


def _pick(room: Room, argument: str) -> None:
    from vipllava_cli.cli.picker import as_corners, pick_boxes

    for box in pick_boxes(room.chat.talk.picture.file.picture):
        _added(room, room.chat.add(parse_mark("box", as_corners(box))))


def _show(room: Room, argument: str) -> None:
    from vipllava_cli.cli.terminal.image import show

    show(_drawn_for_eyes(room))


def _view(room: Room, argument: str) -> None:
    from vipllava_cli.cli.terminal.image import show

    show(model_view(_drawn_for_eyes(room), room.chat.engine.info.view))


def _drawn_for_eyes(room: Room) -> Image.Image:
    shown = room.chat.talk.shown
    if room.plain:
        raise UsageError(
            "pictures are not drawn with --plain: `vipllava annotate -o FILE` writes one"
        )
    return shown.drawn()


# --- settings, sessions and the rest ---------------------------------------------------------


def _set(room: Room, argument: str) -> None:
    name, _, value = argument.partition(" ")
    if not name:
        room.messages.tell_pairs(described(room.chat))
        return
    set_value(room.chat, name, value.strip())
    room.messages.say(f"{name} is {value.strip()}")


def _save(room: Room, argument: str) -> None:
    name = os.path.expanduser(argument) or room.keeper.file
    if not name:
        raise UsageError("say where: /save FILE")
    room.keeper.keep_in(name, room.chat.talk)
    room.messages.say(f"saved to {name}, and kept there from now on")


def _load(room: Room, argument: str) -> None:
    if not argument:
        raise UsageError("say what: /load FILE")
    resumed = resume(read_session(os.path.expanduser(argument)), room.chat.engine.info.name)
    room.chat.talk = resumed.talk
    room.keeper.file = None  # the file that was kept holds the conversation before
    for note in resumed.notes:
        room.messages.note(note)
    tell_so_far(room)


def tell_so_far(room: Room, most: int = 10) -> None:
    """The last turns of a conversation that goes on."""
    turns = room.chat.talk.turns
    if len(turns) > most:
        room.messages.tell(f"({len(turns) - most} earlier turns)")
    for turn in turns[-most:]:
        room.messages.tell(f"> {turn.question}\n{turn.answer}{_end(turn)}")
    room.messages.say(described_picture(room.chat.talk))


def _end(turn: ChatTurn) -> str:
    return " (stopped)" if turn.record.finish_reason == "stopped" else ""


def _stats(room: Room, argument: str) -> None:
    chat, info = room.chat, room.chat.engine.info
    lines = [
        f"{info.name} at {info.revision}, {info.dtype} on {info.device}",
        f"{len(chat.talk.turns)} turns, {chat.talk.left_out} of them left out",
        f"{chat.used} of {chat.conversation.most} tokens",
    ]
    if chat.reply:
        answer = chat.reply.answer
        lines.append(
            f"last answer: {chat.reply.read} of {answer.prompt_tokens} tokens read, first token after"
            f" {chat.reply.wait:.3f} s, {answer.answer_tokens} tokens in {answer.seconds:.3f} s"
        )
    room.messages.tell("\n".join(lines))


def _help(room: Room, argument: str) -> None:
    commands = [(f"{name} {slash.form}".rstrip(), slash.help) for name, slash in SLASHES.items()]
    room.messages.tell_pairs([*commands, *_KEYS])


_KEYS = (
    ('Alt-Enter, or """ … """', "several lines"),
    ("Tab", "complete a command, a path or a setting"),
    ("Ctrl-G", "write in an editor"),
    ("Ctrl-C", "stop the answer; twice at the prompt leaves"),
)


def _exit(room: Room, argument: str) -> None:
    raise EOFError


def _mark_slash(shape: str) -> Slash:
    follows = None if shape in FROM_PICTURE else ()
    form = f"[COLOUR:]{_FORMS.get(shape, SHAPES[shape].form)}"
    return Slash(form, f"draw one {shape} more", _marker(shape), follows)


_FORMS = {"arrow": "X1,Y1,X2,Y2|X,Y", **dict.fromkeys(FROM_PICTURE, "X1,Y1,…|FILE")}


SLASHES: Mapping[str, Slash] = {
    "/image": Slash("PATH", "go on over another picture", open_picture, None),
    **{f"/{shape}": _mark_slash(shape) for shape in SHAPES},
    "/marks": Slash("", "list the marks", _marks),
    "/unmark": Slash("N|all", "take a mark away", _unmark, ("all",)),
    "/pick": Slash("", "drag boxes with the mouse", _pick),
    "/show": Slash("", "draw the marked picture here", _show),
    "/view": Slash("", "draw what the model sees", _view),
    "/undo": Slash("", "take the last question back", _undo),
    "/retry": Slash("", "answer the last question again", _retry),
    "/more": Slash("", "go on with an answer that was cut", _more),
    "/reset": Slash("", "begin the conversation anew", _reset),
    "/set": Slash("[NAME VALUE]", "change a setting, or list them", _set, tuple(SETTINGS)),
    "/save": Slash("FILE", "keep the conversation in a file", _save, None),
    "/load": Slash("FILE", "go on with one that was saved", _load, None),
    "/stats": Slash("", "tokens, speed, model", _stats),
    "/help": Slash("", "this list", _help),
    "/exit": Slash("", "leave, as Ctrl-D does", _exit),
}

"""The slash commands about the image and its marks: /image, /box, …, /marks, /unmark, /pick, /show."""

from collections.abc import Callable
from dataclasses import replace

from vipllava_cli.cli.image_source import open_named_image
from vipllava_cli.cli.repl.session import ChatSession
from vipllava_cli.cli.repl.turn_commands import show_answer
from vipllava_cli.cli.repl.typed_paths import split_source, typed_path
from vipllava_cli.cli.terminal.answer_marks import describe_mark
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.flows.chat.chat import WINDOW_SETTING
from vipllava_cli.flows.chat.state import ChatState
from vipllava_cli.flows.small_marks import find_small_mark
from vipllava_cli.images.source import (
    CLIPBOARD,
    FIRST_FRAME,
    display_name,
    parse_source,
    record_name,
)
from vipllava_cli.images.square import model_view
from vipllava_cli.marks.json_marks import mark_from_json, mark_to_json
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.shape_table import SHAPES
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.storage.files import STANDARD_INPUT, same_file

_MAX_NUMBER_LENGTH = 6  # digits of a mark's number


def open_chat_image(session: ChatSession, argument: str) -> None:
    """Change to another image, and ask the question after it. Raises UsageError, InputError."""
    source, question = split_source(argument)
    if not source or source == STANDARD_INPUT:
        raise UsageError("/image needs a path: /image PATH")
    change_image(session, source)
    if question:
        _ask(session, question)


def ask_about_image(session: ChatSession, source: str, question: str) -> None:
    """Ask about an image. The open image keeps its marks; another one replaces it."""
    if not _is_open(session, source):
        change_image(session, source)
    _ask(session, question)


def _is_open(session: ChatSession, name: str) -> bool:
    """Return whether an image is that of the conversation. The clipboard may hold another one now."""
    marked = session.chat.state.marked
    if marked is None or name == CLIPBOARD:
        return False
    new, current = parse_source(record_name(name)), parse_source(marked.file.source)
    is_same = new.location == current.location or same_file(new.location, current.location)
    return is_same and (new.frame or FIRST_FRAME) == (current.frame or FIRST_FRAME)


def change_image(session: ChatSession, source: str) -> None:
    """Change to another image and keep the turns. Raises InputError."""
    window = session.chat.settings.window
    file = open_named_image(
        source,
        session.messages,
        window=window,
        frame_choice="/image PATH#frame=N",
        window_choice=WINDOW_SETTING,
    )
    session.chat.change_image(file)
    session.messages.say(describe_image(session.chat.state))
    warn_of_photograph(session)
    session.save()


def _ask(session: ChatSession, question: str) -> None:
    show_answer(session, lambda on_text, stop: session.chat.ask(question, on_text, stop))


def describe_image(state: ChatState) -> str:
    """Describe the image and its marks on one line."""
    if state.marked is None:
        return "no image yet: /image PATH opens one"
    width, height = state.marked.file.size
    marks = ", ".join(f"{mark.color.name} {mark.shape}" for mark in state.marked.marks)
    return f"{display_name(state.marked.file.source)}, {width}x{height}, {marks or 'no marks'}"


def note_small_mark(session: ChatSession) -> None:
    """Print a note if a mark is too small for the model."""
    state = session.chat.state
    small = state.marked and find_small_mark(
        session.chat.engine.info.view_size, session.chat.input_image
    )
    if small:
        session.messages.note(
            f"the {small.color.name} {small.shape} is smaller than one patch of the model's view"
            + (", even with zoom" if state.zoom else ": /set zoom on enlarges it")
        )


def warn_of_photograph(session: ChatSession) -> None:
    """Print a warning if the image is a photograph that the model does not know, once per image."""
    marked = session.chat.state.marked
    if marked is not None:
        session.photo_warning.warn_of(marked.file, session.messages)


def mark_adder(shape: str) -> Callable[[ChatSession, str], None]:
    """Return the command that adds a mark of this shape."""

    def add(session: ChatSession, argument: str) -> None:
        if not argument:
            syntax = SHAPES[shape].syntax
            raise UsageError(f"/{shape} needs coordinates: /{shape} [COLOUR:]{syntax}")
        spec = parse_mark(shape, argument, session.chat.settings.units)
        _add_mark(session, replace(spec, file=spec.file and typed_path(spec.file)))

    return add


def _add_mark(session: ChatSession, spec: MarkSpec) -> None:
    mark = session.chat.add_mark(spec)
    number = len(session.chat.state.marked_image.marks)
    session.messages.say(f"{number} {describe_mark(mark)}")
    note_small_mark(session)
    session.save()


def list_marks(session: ChatSession, argument: str) -> None:
    """Print the marks with their numbers."""
    marks = session.chat.state.marked_image.marks
    lines = [f"{number} {describe_mark(mark)}" for number, mark in enumerate(marks, 1)]
    session.messages.tell("\n".join(lines) or "no marks")


def unmark(session: ChatSession, argument: str) -> None:
    """Remove the mark with this number, or all marks. Raises UsageError."""
    if not argument:
        raise UsageError("/unmark needs a mark's number or all: /unmark N|all; /marks lists them")
    is_number = argument.isascii() and argument.isdecimal() and len(argument) <= _MAX_NUMBER_LENGTH
    if argument != "all" and not is_number:
        raise UsageError(
            f"/unmark needs a mark's number or the word all, not {short_repr(argument)};"
            " /marks lists the marks"
        )
    session.chat.remove_mark(None if argument == "all" else int(argument))
    session.messages.say(describe_image(session.chat.state))
    session.save()


def use(session: ChatSession, argument: str) -> None:
    """Add the marks that the last answer points at, or the one with this number. Raises UsageError."""
    found = session.chat.answer_marks
    if not found:
        raise UsageError(
            'the last answer points at nothing on this image: ask for boxes, such as "Where is the'
            ' cat? Answer with its box."'
        )
    numbers = range(1, len(found) + 1)
    if argument:
        is_number = argument.isascii() and argument.isdecimal()
        if not (is_number and len(argument) <= _MAX_NUMBER_LENGTH and int(argument) in numbers):
            expected = "only 1" if len(found) == 1 else f"1 to {len(found)}"
            raise UsageError(
                f"/use takes the number of a mark of the last answer, {expected}, not"
                f" {short_repr(argument)}; /use alone adds all of them"
            )
        numbers = range(int(argument), int(argument) + 1)
    added = 0
    for number in numbers:
        marks, mark = session.chat.state.marked_image.marks, found[number - 1]
        if any((each.shape, each.parts) == (mark.shape, mark.parts) for each in marks):
            continue
        spec = mark_from_json(mark_to_json(mark))
        is_taken = any(each.color == spec.color for each in marks)
        _add_mark(session, replace(spec, color=None) if is_taken else spec)
        added += 1
    if not added:
        session.messages.say("already on the image; /marks lists the marks")


def pick(session: ChatSession, argument: str) -> None:
    """Add marks that the user draws in a window. Raises UsageError without a display."""
    from vipllava_cli.cli.picker.pick import pick_marks
    from vipllava_cli.cli.picker.screen import check_display

    marked = session.chat.state.marked_image
    check_display("/pick", "type the marks, such as /box X1,Y1,X2,Y2")
    style = session.chat.settings.style
    try:
        picked = pick_marks(marked.file.image, marked.marks, style, numbers=marked.numbers)
    except KeyboardInterrupt:  # cancels the window, and not the chat
        picked = None
    if not picked:
        session.messages.say("no marks drawn" if picked is not None else "cancelled: no mark added")
    for mark in picked or ():
        _add_mark(session, mark_from_json(mark_to_json(mark)))


def show_image(session: ChatSession, argument: str) -> None:
    """Show the marked image in the terminal, with the marks that the last answer points at."""
    from vipllava_cli.cli.terminal.image import show

    show(replace(_input_image(session), answer_marks=session.chat.answer_marks).drawn())


def show_model_view(session: ChatSession, argument: str) -> None:
    """Show the image that the model receives, resized if the model sees a square of one size."""
    from vipllava_cli.cli.terminal.image import show

    image, info = _input_image(session), session.chat.engine.info
    sent, side = image.for_model(is_padded=info.pads_image), info.image_side
    show(sent if side is None else model_view(sent, side))


def _input_image(session: ChatSession) -> MarkedImage:
    """Return the image for the model. Raises UsageError without one, and with --plain."""
    image = session.chat.input_image
    if session.is_plain:
        raise UsageError(
            "--plain shows no images: `vipllava annotate IMAGE -o FILE` writes one to a file"
        )
    return image

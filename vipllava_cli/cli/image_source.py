"""Open an image that the user names, and help with a name that leads nowhere."""

import difflib
import os
import re

from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.source import CLIPBOARD, Source, display_name, parse_source
from vipllava_cli.marks.marked_image import ImageFile, open_image
from vipllava_cli.sources.folder import image_suffixes

_MIN_SIMILARITY = 0.75  # of two names without suffix: one wrong letter in four
_MAX_LISTED_FILES = 10_000  # in a folder that is searched for similar names


def open_named_image(
    name: str, messages: Messages, frame: int | None = None, *, frame_choice: str = "--frame N"
) -> ImageFile:
    """Open the image with this name, at the frame of `--frame`. Print a note about other frames.

    `frame_choice` is what the note names to choose one. Raises InputError, UsageError.
    """
    source = parse_source(name)
    if frame is not None and source.frame not in (None, frame):
        raise UsageError(f"{name} and --frame {frame} choose two frames: give one of them")
    check_exists(source)
    file = open_image(name, frame)
    note = file.frame_note(frame_choice)
    if note:
        messages.note(f"{display_name(file.source)}: {note}")
    return file


def image_path(name: str) -> str:
    """Return where the image with this name is, to compare it with the paths of outputs."""
    return parse_source(name).location


def check_exists(source: Source) -> None:
    """Raise InputError, with a similar name if there is one, for a file that does not exist."""
    path = source.location
    if not path or not source.is_local or os.path.lexists(path):
        return
    is_clipboard = f"{path.lower()}:" == CLIPBOARD
    similar = CLIPBOARD if is_clipboard else find_similar_image(path)
    advice = f"did you mean {similar}?" if similar else "check the name of the image"
    raise InputError(f"there is no file {display_name(path)}: {advice}")


def find_similar_image(path: str) -> str | None:
    """Find the image in the same folder whose name is closest to that of a missing file.

    A name that differs in a number is another image, and never the one that was meant.
    """
    folder, wanted = os.path.split(path)
    try:
        with os.scandir(folder or os.curdir) as entries:
            names = [
                entry.name for entry, _ in zip(entries, range(_MAX_LISTED_FILES), strict=False)
            ]
    except OSError:
        return None
    stem = _stem(wanted)
    stems = {
        name: _stem(name)
        for name in sorted(names)
        if name.lower().endswith(image_suffixes()) and _numbers(_stem(name)) == _numbers(stem)
    }
    close = difflib.get_close_matches(stem, stems.values(), 1, _MIN_SIMILARITY)
    found = next((name for name in stems if stems[name] in close), None)
    return found and os.path.join(folder, found)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].lower()


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)

"""Open an image that the user names, and help with a name that leads nowhere."""

import os

from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.source import CLIPBOARD, Source, display_name, parse_source
from vipllava_cli.images.stretch import WINDOW_OPTION
from vipllava_cli.images.window import Window
from vipllava_cli.marks.marked_image import ImageFile, open_image
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.storage.files import check_folders_open
from vipllava_cli.storage.similar_names import find_similar
from vipllava_cli.storage.zip_archive import find_member


def open_named_image(
    name: str,
    messages: Messages,
    frame: int | None = None,
    *,
    window: Window | None = None,
    frame_choice: str = "--frame N",
    window_choice: str = WINDOW_OPTION,
) -> ImageFile:
    """Open and decode the image with this name. Print notes about its frames and values.

    `frame_choice` and `window_choice` are what the notes name to choose others. Raises InputError,
    UsageError.
    """
    source = parse_source(name)
    if frame is not None and source.frame not in (None, frame):
        raise UsageError(f"{name} and --frame {frame} choose two frames: give one of them")
    check_exists(source)
    file = open_image(name, frame, window)
    # Decode now: report a damaged image before a model loads.
    for note in filter(None, (file.frame_note(frame_choice), file.value_note(window_choice))):
        messages.note(f"{display_name(file.source)}: {note}")
    return file


def image_path(name: str) -> str:
    """Return where the image with this name is, to compare it with the paths of outputs."""
    return parse_source(name).location


def check_exists(source: Source) -> None:
    """Raise InputError, with a similar name if there is one, for a file that does not exist.

    A file in a folder that cannot be opened is an InputError, too.
    """
    path = source.location
    if not path or not source.is_local or os.path.lexists(path) or find_member(path):
        return
    check_folders_open(path)
    is_clipboard = f"{path.lower()}:" == CLIPBOARD
    similar = CLIPBOARD if is_clipboard else find_similar_image(path)
    advice = f"did you mean {similar}?" if similar else "check the name of the image"
    raise InputError(f"there is no file {display_name(path)}: {advice}")


def find_similar_image(path: str) -> str | None:
    """Find the image beside a missing one whose name is closest to it."""
    return find_similar(path, _is_image_name)


def _is_image_name(name: str) -> bool:
    return name.lower().endswith(image_suffixes())

"""Read the image on the clipboard, through the system or a program such as xclip."""

import os
import sys

from PIL import UnidentifiedImageError

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.fetch import MAX_BYTES
from vipllava_cli.images.save import encode_in_memory
from vipllava_cli.storage.regular_files import read_regular

_NO_IMAGE = "the clipboard holds no image: copy an image, not its file or address, or give a file"


def read_clipboard() -> bytes:
    """Return the encoded image on the clipboard.

    Raises InputError if there is none, and UsageError if the system lacks the program that reads it.
    """
    from PIL import ImageGrab

    try:
        content = ImageGrab.grabclipboard()
    except NotImplementedError:  # Pillow found no program
        raise UsageError(_missing_program()) from None
    except UnidentifiedImageError:
        raise InputError(_NO_IMAGE) from None
    except OSError as error:
        if not _has_clipboard():
            raise UsageError(_missing_program()) from None
        reason = " ".join(str(error).split())
        raise InputError(
            f"the clipboard cannot be read ({reason}): copy the image again, or give a file"
        ) from None
    if content is None:
        raise InputError(_NO_IMAGE)
    if isinstance(content, list):  # Windows: files that were copied in the Explorer
        return _read_only_file(content)
    return encode_in_memory(content, "the image on the clipboard")


def _read_only_file(names: list[str]) -> bytes:
    if len(names) != 1:
        raise InputError(
            f"the clipboard holds {len(names)} files: copy one image, or give the files to"
            " `vipllava batch`"
        )
    try:
        return read_regular(names[0], MAX_BYTES)
    except OSError as error:
        raise InputError(f"{names[0]} on the clipboard cannot be read: {error.strerror}") from None


def _has_clipboard() -> bool:
    """Return whether the process can reach a clipboard: on Linux, that of its display."""
    displays = (os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY"))
    return sys.platform != "linux" or any(displays)


def _missing_program() -> str:
    """Name the package to install for the user's display."""
    if not _has_clipboard():
        return "there is no display, and so no clipboard: give a file, or - for standard input"
    package = "wl-clipboard" if os.environ.get("WAYLAND_DISPLAY") else "xclip"
    return (
        f"reading the clipboard needs the package {package}: on Debian and Ubuntu,"
        f" `apt-get install {package}`"
    )

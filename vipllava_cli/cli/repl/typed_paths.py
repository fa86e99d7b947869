"""Text that a person typed, pasted or dropped -> a path, and the question after it.

A path may be in quotes, have backslashes before special characters, start with `~`, or be a file://
address. Terminals write the path of a dropped file in any of these forms.
"""

import os
import re
from functools import cache

from vipllava_cli.images.source import CLIPBOARD, is_address, local_path, parse_source
from vipllava_cli.sources.folder import image_suffixes

MAX_PATH_LENGTH = 4096  # characters

# A backslash before a letter or a digit is no escape: no terminal writes it, and `C:\photos` has it.
_ESCAPE = r"\\(?P<escaped>\W)|" if os.name != "nt" else ""
_PIECE = re.compile(
    r"'(?P<single>[^']*)'|\"(?P<double>(?:\\[\"\\$`]|[^\"])*)\"|"
    + _ESCAPE
    + r"(?P<space>\s)|(?P<plain>.)",
    re.DOTALL,
)
_ESCAPE_IN_QUOTES = re.compile(r"\\([\"\\$`])")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # two letters or more: no Windows drive


def typed_path(text: str) -> str:
    """Return the path that a text stands for. A text that names an existing file is that file."""
    name = text.strip()
    return name if os.path.lexists(name) else local_path(unquoted_path(name))


def unquoted_path(text: str) -> str:
    """Return a path without its quotes and escapes. The quote at the end may be missing."""
    word, _ = _read_word(text, stop_at_space=False)
    is_open = word[:1] in ("'", '"') and text[:1] == word[:1]
    return word[1:] if is_open else word


def split_image(line: str) -> tuple[str, str] | None:
    """Split a line into an image and the question after it, which may be empty.

    The line starts with the path of an existing image file, with an address that ends like one, or
    with `clipboard:`; else returns None.
    """
    text = line.strip()
    first_line = text.partition("\n")[0]
    word, end = _read_word(first_line[: MAX_PATH_LENGTH + 1])
    # A path without quotes may contain spaces: the longest one that exists counts.
    ends = [match.end() for match in _image_name_ends().finditer(first_line[:MAX_PATH_LENGTH])]
    for length in (*reversed(ends), end):
        path = typed_path(first_line[:length])
        if names_image(path) and os.path.isfile(parse_source(path).location):
            return path, text[length:].strip()
    if word == CLIPBOARD or (is_address(word) and names_image(word)):
        return word, text[end:].strip()
    return None


def split_source(argument: str) -> tuple[str, str]:
    """Split the argument of /image into a file or an address, and the question after it.

    A text without an existing file is one path, unless its first word looks like an image.
    """
    whole = typed_path(argument)
    if os.path.lexists(whole):
        return whole, ""
    word, end = _read_word(argument)
    path = local_path(word)
    is_source = _SCHEME.match(word) or names_image(word) or os.path.isfile(path)
    return split_image(argument) or ((path, argument[end:].strip()) if is_source else (whole, ""))


def find_missing_image(line: str) -> str | None:
    """Return the first word of a line if it is written like the name of an image file."""
    word = local_path(_read_word(line.strip()[: MAX_PATH_LENGTH + 1])[0])
    is_missing = names_image(word) and not os.path.lexists(parse_source(word).location)
    return word if is_missing else None


def names_image(word: str) -> bool:
    """Return whether a path or an address ends like the name of an image file."""
    path = re.split(r"[?#]", word)[0] if is_address(word) else parse_source(word).location
    stem, suffix = os.path.splitext(path)
    return bool(stem) and suffix.lower() in image_suffixes()


def _read_word(text: str, *, stop_at_space: bool = True) -> tuple[str, int]:
    """Remove the quotes and escapes of the first word, or of all text. Returns also where it ends."""
    word = ""
    for piece in _PIECE.finditer(text):
        if stop_at_space and piece.lastgroup == "space":
            return word, piece.start()
        value = piece[piece.lastgroup or 0]
        word += _ESCAPE_IN_QUOTES.sub(r"\1", value) if piece.lastgroup == "double" else value
    return word, len(text)


@cache
def _image_name_ends() -> re.Pattern[str]:
    """Match the suffix of an image's name, and its frame, before a space or at the end."""
    suffixes = "|".join(map(re.escape, image_suffixes()))
    return re.compile(rf"(?:{suffixes})(?:#frame=[0-9]+)?(?=\s|$)", re.IGNORECASE)

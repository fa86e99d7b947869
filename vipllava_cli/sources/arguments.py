"""The SOURCE arguments of `vipllava batch` as typed -> paths: `~`, `file://` and patterns."""

import glob
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.source import display_name, is_any_address, parse_source
from vipllava_cli.sources.folder import image_suffixes, iter_subfolders
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.files import STANDARD_INPUT, check_folders_open
from vipllava_cli.storage.similar_names import advise_on_name
from vipllava_cli.storage.zip_archive import find_member

_NAME_ADVICE = "check the name of the source"
_PATTERN = re.compile(r"[*?\[]")
# A pattern with the part `**`: what is before and after it.
_RECURSIVE = re.compile(r"(|.*?/)\*\*(?:/(.*))?", re.DOTALL)


class SourceNames(NamedTuple):
    """The names of sources that exist: paths, addresses or `-`. `notes` are for the user."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def parse_arguments(arguments: Sequence[str], questions: Sequence[str] = ()) -> SourceNames:
    """Expand `~`, `file://` and patterns, and drop repeated names.

    `questions` are those of the command line. Raises InputError for a name that does not exist and a
    pattern without a match, UsageError for standard input given twice, for a path with spaces that
    came in parts, and for a question without quotes.
    """
    _check_question(arguments, questions)
    if arguments.count(STANDARD_INPUT) > 1:
        raise UsageError("standard input can be read only once: give - once")
    names: list[str] = []
    notes: list[str] = []
    for at, argument in enumerate(arguments):
        _check_quotes(arguments[at:])
        found = _expand(argument)
        names += found.names
        notes += found.notes
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(_normal(name), name)
    return SourceNames(tuple(first.values()), tuple(notes))


def is_image_name(name: str) -> bool:
    """Return whether a source is one image: an address, or a file with the suffix of an image."""
    path = parse_source(name).location
    return is_any_address(name) or (
        path.lower().endswith(image_suffixes()) and not os.path.isdir(path)
    )


def _normal(name: str) -> str:
    return name if is_any_address(name) or name == STANDARD_INPUT else os.path.normpath(name)


def _expand(argument: str) -> SourceNames:
    if argument == STANDARD_INPUT or is_any_address(argument):
        return SourceNames((argument,))
    source = parse_source(argument)
    path = source.location
    if os.path.lexists(path) or find_member(path):
        return SourceNames((str(source),))
    if _PATTERN.search(path):
        return _match(path)
    check_folders_open(path)
    raise InputError(
        f"there is no file or folder {display_name(path) or repr(path)}: {_advice(path)}"
    )


# --- patterns --------------------------------------------------------------------------------


def _match(pattern: str) -> SourceNames:
    """Find the files and folders that match, in natural order.

    Among images, other files are skipped: `photos/*` also matches notes and labels.
    """
    from natsort import natsorted, ns

    matches = natsorted(sorted(set(_iter_matches(pattern))), alg=ns.PATH | ns.IGNORECASE)
    if not matches:
        raise InputError(f"no file or folder matches {pattern}: {_question_advice(pattern)}")
    if not any(map(is_image_name, matches)):
        return SourceNames(tuple(matches))
    is_recursive = "**" in pattern  # matches the images in the folders, too
    images = [
        path
        for path in matches
        if is_image_name(path) or (os.path.isdir(path) and not is_recursive)
    ]
    others = sum(not is_image_name(path) and not os.path.isdir(path) for path in matches)
    are = "is not an image" if others == 1 else "are not images"
    note = f"{pattern}: skipped {count_noun(others, 'file')} that {are}"
    return SourceNames(tuple(images), (note,) if others else ())


def _iter_matches(pattern: str) -> Iterator[str]:
    """Iterate over the paths that match. `**` visits each folder once: links may form cycles."""
    recursive = _RECURSIVE.fullmatch(pattern)
    if not recursive:
        yield from glob.iglob(pattern, recursive=True)  # with backslashes, on Windows
        return
    head, tail = recursive.groups()
    for top in glob.iglob(head) if head else ("",):
        for subfolder in iter_subfolders(top or os.curdir):
            folder = glob.escape(os.path.join(top, subfolder))
            yield from _iter_matches(os.path.join(folder, tail or "*"))


# --- names that do not exist -----------------------------------------------------------------


def _check_quotes(arguments: Sequence[str]) -> None:
    """Raise UsageError if the first argument exists only together with the ones after it."""
    first = parse_source(arguments[0]).location
    if os.path.lexists(first) or find_member(first):
        return
    for count in range(2, len(arguments) + 1):
        path = " ".join(arguments[:count])
        if os.path.exists(os.path.expanduser(path)):
            raise UsageError(f"{path} is one path: put it in quotes, as in {shlex.quote(path)}")


def _advice(path: str) -> str:
    return advise_on_name(path, _question_advice(path))


def _question_advice(text: str) -> str:
    """Say where a question goes, for a text that may be one."""
    is_question = len(text.split()) > 2 and not os.path.dirname(text)
    if is_question:
        return f"give the question with --question {shlex.quote(text)}"
    return _NAME_ADVICE


def _check_question(sources: Sequence[str], questions: Sequence[str]) -> None:
    """Raise UsageError for the words of a question without quotes among the sources."""
    if not questions or len(questions[-1].split()) != 1:
        return
    words = [each for each in sources if _is_word(each)]
    if words:
        question = shlex.quote(" ".join([questions[-1], *words]))
        raise UsageError(
            f"there is no file or folder {words[0]}: put the question in quotes, --question {question}"
        )


def _is_word(text: str) -> bool:
    """Return whether a text is no source, and no name that is like one."""
    is_path = os.path.lexists(text) or is_any_address(text) or text == STANDARD_INPUT
    return not is_path and not re.search(r"[/*.]", text) and _advice(text) == _NAME_ADVICE

"""The file or folder that the user probably meant by a name that does not exist."""

import difflib
import os
import re
from collections.abc import Callable
from itertools import islice

MIN_SIMILARITY = 0.75  # of two names without suffix: one wrong letter in four
MAX_LISTED_FILES = 10_000  # in a folder that is searched for similar names


def advise_on_name(
    path: str, advice: str, accepts: Callable[[str], bool] = lambda name: True
) -> str:
    """Return `did you mean NAME?` for a missing file or folder, or the advice if no name is similar."""
    similar = find_similar(path, accepts)
    return f"did you mean {similar}?" if similar else advice


def describe_missing_folder(path: str, advice: str) -> str:
    """Describe a path that should be a folder and is none."""
    if os.path.isfile(path):
        return f"{path} is a file: expected a folder; unpack an archive first"
    return f"there is no folder {path}: {advise_on_name(path, advice)}"


def find_similar(path: str, accepts: Callable[[str], bool] = lambda name: True) -> str | None:
    """Find the accepted file or folder beside a missing one whose name is closest to it.

    A name that differs in a number is another file, and never the one that was meant.
    """
    folder, wanted = os.path.split(path.rstrip(os.sep))
    try:
        with os.scandir(folder or os.curdir) as entries:
            names = sorted(entry.name for entry in islice(entries, MAX_LISTED_FILES))
    except OSError:
        return None
    stem = _stem(wanted)
    stems = {
        name: _stem(name)
        for name in names
        if accepts(name) and _numbers(_stem(name)) == _numbers(stem)
    }
    close = difflib.get_close_matches(stem, stems.values(), 1, MIN_SIMILARITY)
    close = close or [each for each in stems.values() if _is_swapped(stem, each)][:1]
    alike = [name for name in stems if stems[name] in close]
    if not alike:
        return None
    # Of names that differ only in the suffix, take the most similar one.
    best = max(alike, key=lambda name: difflib.SequenceMatcher(None, wanted, name).ratio())
    return os.path.join(folder, best)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].lower()


def _is_swapped(one: str, other: str) -> bool:
    """Return whether two neighbouring letters are in the other order: `cta` and `cat`."""
    return any(
        one[:at] + one[at + 1] + one[at] + one[at + 2 :] == other for at in range(len(one) - 1)
    )


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)

"""Find the name that the user probably meant."""

from collections.abc import Iterable

_MIN_PREFIX = 3  # characters: fewer fit too many names


def near(word: str, names: Iterable[str]) -> str | None:
    """Return the nearest of the names, or None if none is near.

    A name is near if one typing error in three characters makes it the word, if it starts with the
    word, or if it contains each part of the word: `max-tokens` is near `max-new-tokens`.
    """
    typed = _plain(word)
    distances = {name: edit_distance(typed, _plain(name)) for name in names}
    limit = max(1, len(typed) // 3) if len(typed) > 1 else 0
    close = {name: distance for name, distance in distances.items() if distance <= limit}
    if close:
        return min(close, key=close.__getitem__)
    parts = set(typed.split("-"))
    completed = [
        name
        for name in distances
        if len(typed) >= _MIN_PREFIX
        and (_plain(name).startswith(typed) or parts <= set(_plain(name).split("-")))
    ]
    return min(completed, key=len, default=None)


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return `; did you mean NAME?` for the nearest name, or nothing."""
    name = near(word, names)
    return "" if name is None else f"; did you mean {name}?"


def one_of(names: Iterable[str]) -> str:
    """Return `a, b or c`."""
    *head, last = names
    return f"{', '.join(head)} or {last}" if head else last


def edit_distance(one: str, other: str) -> int:
    """Count the inserted, deleted, replaced and swapped characters between two words."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        line = [row]
        for column, right in enumerate(other, 1):
            best = min(line[-1] + 1, last[column] + 1, last[column - 1] + (left != right))
            is_swapped = (
                row > 1 and column > 1 and (one[row - 2], other[column - 2]) == (right, left)
            )
            line.append(min(best, before[column - 2] + 1) if is_swapped else best)
        before, last = last, line
    return last[-1]


def _plain(name: str) -> str:
    return name.lstrip("-").lower().replace("_", "-")

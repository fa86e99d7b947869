"""Groups of names that mean the same: those of this package, and those of a file of the user."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.normalization import normalize
from vipllava_cli.storage.regular_files import read_regular

_MAX_BYTES = 16 << 20

Synonyms = Mapping[str, str]  # the normalized form of each name -> that of the first in its group

_EXAMPLE = "expected lines like car, automobile"


@cache
def common_synonyms() -> Synonyms:
    """Read the groups of this package."""
    lines = files(__package__).joinpath("synonyms.txt").read_text("utf-8").splitlines()
    return _merge({}, (names for _, names in _iter_groups(lines)))


def read_synonyms(file: Path) -> Synonyms:
    """Add the groups of a file to the common synonyms. Groups with a common name become one.

    A line is a group of names, separated by commas. Blank lines and lines that start with `#` are left
    out. Raises InputError for a line with one name, and for a name in two lines.
    """
    groups = list(_iter_groups(_read_lines(file)))
    if not groups:
        raise InputError(f"{file} lists no synonyms: {_EXAMPLE}")
    first_lines: dict[str, int] = {}
    for number, names in groups:
        if len(names) < 2:
            raise InputError(
                f"{file}, line {number}: expected two or more names separated by commas, like"
                f" car, automobile; found {short_repr(', '.join(names))}"
            )
        for name in names:
            line = first_lines.setdefault(normalize(name), number)
            if line != number:
                raise InputError(
                    f"{file}, line {number}: {short_repr(name)} is also in line {line}: keep it in one"
                    " group"
                )
    return _merge(common_synonyms(), (names for _, names in groups))


def _merge(synonyms: Synonyms, groups: Iterable[list[str]]) -> Synonyms:
    """Add groups. A group that shares names with known ones joins them."""
    merged = dict(synonyms)
    for names in groups:
        forms = [normalize(name) for name in names]
        joined = {merged[form] for form in forms if form in merged}
        merged |= dict.fromkeys([*forms, *(f for f in merged if merged[f] in joined)], forms[0])
    return merged


def _read_lines(file: Path) -> list[str]:
    try:
        return read_regular(file, _MAX_BYTES).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise InputError(f"{file} is not text: {_EXAMPLE}") from None


def _iter_groups(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the names of each line that is a group."""
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            names = (name.strip() for name in line.split(","))
            yield number, [name for name in names if name]

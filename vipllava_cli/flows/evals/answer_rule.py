"""The rule by which `compare` calls an answer equal to its truth: normalization and synonyms.

The scorers of benchmarks have definitions of their own, so that their scores stay comparable with
published ones.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.plurals import singular
from vipllava_cli.flows.evals.scorers import AND, ARTICLES, NUMBERS, OR, is_sublist, tokens

# The differences that the normalization ignores, in words of the output.
NORMALIZATION = ("case", "articles", "plurals", "punctuation", "number words")

_MEANINGFUL_SIGNS = "%&#@"  # Unicode calls these punctuation; `C#` is not `C`


@dataclass(frozen=True)
class AnswerRule:
    """When an answer equals its truth.

    A strict rule compares the texts as they are, apart from spaces around them. `synonyms` maps the
    normalized form of a name to the first name of its group; `source` is the file that lists them.
    """

    is_strict: bool = False
    synonyms: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def ignored(self) -> Sequence[str]:
        """The differences that do not count."""
        if self.is_strict:
            return ()
        return (*NORMALIZATION, f"the synonyms in {self.source}") if self.source else NORMALIZATION

    def key(self, text: str) -> str:
        """Return a text that is equal for equal answers."""
        if self.is_strict:
            return text.strip()
        words = " ".join(normalized_words(text))
        return self.synonyms.get(words, words)

    def is_correct(self, answer: str | None, truth: str) -> bool:
        """Return whether an answer equals its truth. A failed row has no answer and does not.

        A truth of parts joined by `<AND>` and `<OR>` is looked for in the answer: all parts are needed,
        any alternative suffices.
        """
        if answer is None:
            return False
        if AND in truth or OR in truth:
            parts = (part.split(OR) for part in truth.split(AND))
            return all(any(self.contains(answer, each) for each in part) for part in parts)
        return self.key(answer) == self.key(truth)

    def contains(self, answer: str, truth: str) -> bool:
        """Return whether the words of the truth are adjacent in the answer, or equal it."""
        if self.key(answer) == self.key(truth):
            return True
        return is_sublist(self._words(truth), self._words(answer))

    def _words(self, text: str) -> Sequence[str]:
        return text.split() if self.is_strict else normalized_words(text)


NORMALIZED = AnswerRule()  # the default, without synonyms


@lru_cache(maxsize=10_000)
def normalized_words(text: str) -> tuple[str, ...]:
    """Split a text into lower-case words without articles, plurals and punctuation; `two` is `2`.

    An article counts as a word where no word follows it: the answer `A` stays. A text without words
    stays complete.
    """
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    words = [word for word in tokens(folded) if not _is_punctuation(word)]
    if not words:
        return tuple(folded.casefold().split())
    kept = [word for word in words[:-1] if word not in ARTICLES]
    return tuple(NUMBERS.get(word) or singular(word) for word in (*kept, words[-1]))


def _is_punctuation(token: str) -> bool:
    is_sign = len(token) == 1 and token not in _MEANINGFUL_SIGNS
    return is_sign and unicodedata.category(token).startswith("P")


# --- synonyms --------------------------------------------------------------------------------


def read_synonyms(file: Path) -> AnswerRule:
    """Return the normalizing rule with the synonyms of a file.

    A line is a group of names, separated by commas. Blank lines and lines that start with `#` are left
    out. Raises InputError for a line with one name, and for a name that is in two groups.
    """
    groups: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for number, names in _iter_groups(file):
        if len(names) < 2:
            raise InputError(
                f"{file}, line {number}: expected two or more names separated by commas, like"
                f" car, automobile; found {short_repr(', '.join(names))}"
            )
        for name in names:
            words = " ".join(normalized_words(name))
            if numbers.setdefault(words, number) != number:
                raise InputError(
                    f"{file}, line {number}: {short_repr(name)} is also in line {numbers[words]}:"
                    " keep it in one group"
                )
            groups[words] = names[0]
    if not groups:
        raise InputError(f"{file} lists no synonyms: expected lines like car, automobile")
    return AnswerRule(synonyms=groups, source=file.name)


def _iter_groups(file: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise InputError(f"{file} is not text: expected lines like car, automobile") from None
    for number, line in enumerate(lines, 1):
        names = [name.strip() for name in line.split(",")]
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, [name for name in names if name]

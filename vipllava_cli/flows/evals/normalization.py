"""The normalized words of a text, by which `compare` calls answers equal.

The scorers of benchmarks have definitions of their own, so that their scores stay comparable with
published ones.
"""

import unicodedata
from functools import lru_cache

from vipllava_cli.flows.evals.plurals import singular
from vipllava_cli.flows.evals.scorers import ARTICLES, NUMBERS, tokens

# The differences that the normalization ignores, in words of the output.
IGNORED = ("case", "articles", "plurals", "punctuation", "number words")

_MEANINGFUL_SIGNS = "%&#@"  # Unicode calls these punctuation; `C#` is not `C`


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


def normalize(text: str) -> str:
    """Join the normalized words of a text."""
    return " ".join(normalized_words(text))

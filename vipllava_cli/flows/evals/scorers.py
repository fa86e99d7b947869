"""When an answer counts as right: as published, and by a second, lenient look."""

import re
import string

from vipllava_cli.flows.evals.dataset import Result

LETTERS = string.ascii_uppercase

# `A`, `(b)`, `C.`, `D: the dog`; `a dog` is no letter.
_LETTER = re.compile(
    r"\(?(?:(?P<only>[A-Za-z])\)?[.:]?|(?P<first>[A-Z])(?:\)|[.:]|\s*[-\u2013\u2014])\s.*)"
)
_SAID = re.compile(r"\b(?:answer|option|choice|letter)\b(?:\s+is)?\s*:?\s*\(?([A-Z])\b")
_ARTICLES = {"a", "an", "the"}
_TENS = "zero one two three four five six seven eight nine ten"
_TEENS = "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
_NUMBERS = {word: str(n) for n, word in enumerate(f"{_TENS} {_TEENS}".split())}


def published(result: Result) -> float:
    """The whole answer, stripped and lower-cased, is the truth: ViP-LLaVA's own rule."""
    return float((result.answer or "").strip().lower() == result.case.wanted.strip().lower())


def by_letter(result: Result) -> float:
    """The letter that an answer means: alone, before its text, named in a sentence, or by the text of
    the option alone.
    """
    answer, options = (result.answer or "").strip(), result.case.options
    found = _LETTER.fullmatch(answer)
    letter = (found["only"] or found["first"]).upper() if found else None
    if letter is None:
        said = set(_SAID.findall(answer))
        letter = said.pop() if len(said) == 1 else None
    if letter is None:
        plain = [_plain(option) for option in options]
        same = [LETTERS[at] for at, option in enumerate(plain) if option == _plain(answer)]
        letter = same[0] if len(same) == 1 else None
    wanted = result.case.wanted
    if result.case.scored:
        wanted = LETTERS[options.index(wanted)]
    return float(letter == wanted)


def by_phrase(result: Result) -> float:
    """The same words, but for case, articles, punctuation, and numbers as words or digits."""
    return float(_plain(result.answer or "") == _plain(result.case.wanted))


def _plain(text: str) -> tuple[str, ...]:
    words = re.findall(r"[^\W_]+", text.lower())
    return tuple(_NUMBERS.get(word, word) for word in words if word not in _ARTICLES)

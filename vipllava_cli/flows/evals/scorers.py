"""The definition of a correct answer: one normalization of text, and all scorers.

A scorer gives a result a score from 0 to 1. `SCORERS` holds all of them by name. Several of them
compare two texts, the answer and the target; the exact judge uses one of these directly. `compare` with a
truth has a rule of its own, in `answer_rule.py`.
"""

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from vipllava_cli.flows.evals.dataset import Case, Groups, Result

Scorer = Callable[[Result], float]
TextMatch = Callable[[str, str], bool]

LETTERS = string.ascii_uppercase
AND, OR = "<AND>", "<OR>"  # in a target: every part is needed; any alternative suffices


# --- comparing texts -------------------------------------------------------------------------


def normalize(text: str) -> str:
    """Fold case, collapse spaces, and remove full stops at the end."""
    return " ".join(text.casefold().split()).rstrip(".")


def exact(answer: str, target: str) -> bool:
    """Compare the complete texts, stripped and in lower case. Source: ViP-LLaVA's evaluation code."""
    return answer.strip().lower() == target.strip().lower()


def normalized(answer: str, target: str) -> bool:
    """Compare the normalized texts."""
    return normalize(answer) == normalize(target)


def phrase(answer: str, target: str) -> bool:
    """Compare the words without articles and punctuation. `two` equals `2`."""
    return _content_words(answer) == _content_words(target)


def contains(answer: str, target: str) -> bool:
    """Look for the words of every `<AND>` part of the target, by any of its `<OR>` alternatives.

    The words must be adjacent and in order. A target without words matches only an answer without
    words.
    """
    words = tokens(answer)
    return all(
        any(is_sublist(tokens(alternative), words) for alternative in part.split(OR))
        for part in target.split(AND)
    )


ARTICLES = {"a", "an", "the"}
_TENS = "zero one two three four five six seven eight nine ten"
_TEENS = "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
NUMBERS = {word: str(n) for n, word in enumerate(f"{_TENS} {_TEENS}".split())}

# Numbers with the signs that join their digits, words, and other signs without punctuation.
_TOKENS = re.compile(
    r"(?:(?<!\w)-)?\d+(?:[.,/:]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)*|[^\w\s.,;:!?\"'()\[\]\u2019-]"
)


def _content_words(text: str) -> tuple[str, ...]:
    words = re.findall(r"[^\W_]+", normalize(text))
    return tuple(NUMBERS.get(word, word) for word in words if word not in ARTICLES)


def tokens(text: str) -> list[str]:
    """Split into words, numbers and signs. A text of punctuation alone is one token."""
    found: list[str] = _TOKENS.findall(text.casefold())
    return found or text.casefold().split()


def is_sublist(part: Sequence[str], words: Sequence[str]) -> bool:
    """Return whether `part` is a run of adjacent words. An empty part needs an empty list."""
    if not part:
        return not words
    return any(words[at : at + len(part)] == part for at in range(len(words) - len(part) + 1))


# --- multiple choice and lists ---------------------------------------------------------------

# `A`, `(b)`, `C.`, `D: the dog`. `a dog` is not a letter.
_LETTER = re.compile(
    r"\(?(?:(?P<only>[A-Za-z])\)?[.:]?|(?P<first>[A-Z])(?:\)|[.:]|\s*[-\u2013\u2014])\s.*)"
)
_NAMED_LETTER = re.compile(
    r"\b(?i:answer|option|choice|letter)\b(?:\s+is)?\s*:?\s*\(?([A-Z])\b"
    r"|^\s*(?i:answer|option|choice|letter)\s*:?\s*\(?([a-z])\)?[.:]?\s*$"
    r"|\(([A-Z])\)|\b([A-Z])\b(?= is (?:the )?(?:correct|right|best))"
)
_DECORATION = re.compile(r"\*+|`|\$|\\(?:boxed|text|mathbf|textbf)\{([^{}]*)\}|</?answer>")


def find_letter(answer: str, options: Sequence[str]) -> str | None:
    """Find the letter that an answer means, or None.

    The letter is alone, stands before its text, is named in a sentence, or belongs to the only
    option with the words of the answer. Signs of Markdown and LaTeX around it do not count.
    """
    answer = _DECORATION.sub(lambda match: match[1] or "", answer).strip()
    match = _LETTER.fullmatch(answer)
    # `x` alone is the text of an option, if the options are A to D.
    if match and (found := (match["only"] or match["first"]).upper()) in LETTERS[: len(options)]:
        return str(found)
    named = {next(filter(None, match.groups())).upper() for match in _NAMED_LETTER.finditer(answer)}
    if len(named) == 1:
        return str(named.pop())
    same = [LETTERS[at] for at, option in enumerate(options) if option and phrase(answer, option)]
    return same[0] if len(same) == 1 else None


def letter(result: Result) -> float:
    """Score 1 if the answer means the letter of the target."""
    case = result.case
    target = LETTERS[case.options.index(case.target)] if case.by_text else case.target
    return float(find_letter(result.answer or "", case.options) == target)


def first_letter(result: Result) -> float:
    """Score 1 if the first A, B, C or D of the answer, in upper case, is the letter of the target.

    Source: VP-Bench's evaluation code. It takes the A of "Answer: D".
    """
    answer = (result.answer or "").upper()
    found = next((letter for letter in answer if letter in LETTERS[:4]), answer.strip())
    return float(found == result.case.target)


def items(result: Result) -> float:
    """Score the overlap of two lists like `a dog, a cat and a tree`: shared items by all items."""
    named, shown = _items(result.answer or ""), _items(result.case.target)
    return len(named & shown) / len(named | shown)


def _items(text: str) -> set[str]:
    return {item.strip() for item in normalize(text).replace(" and ", ", ").split(",")}


# --- the table -------------------------------------------------------------------------------


def _score_texts(matches: TextMatch) -> Scorer:
    return lambda result: float(matches(result.answer or "", result.case.target))


SCORERS: Mapping[str, Scorer] = {
    **{match.__name__: _score_texts(match) for match in (exact, normalized, phrase, contains)},
    "letter": letter,
    "first_letter": first_letter,
    "items": items,
}


def combine(id: str, parts: Sequence[Result], scorer: Scorer, groups: Groups) -> Result:
    """Combine results that count only together: `yes` if all of them score 1, else `no`.

    The combined result fails if one of the parts failed. Its target is `yes`.
    """
    case = Case("", "yes", groups)
    if any(part.answer is None for part in parts):
        return Result(id, case, None)
    result = Result(id, case, "no")
    return replace(result, answer="yes") if all(scorer(part) == 1 for part in parts) else result

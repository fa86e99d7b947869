"""The choices of a question on a server: the words that ask for one, and its probability.

A server scores no given text. It gives the log-probabilities of the tokens that it wrote and of the
likeliest tokens in their places. They tell the choices apart where those begin differently.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vipllava_cli.engine.base import Choice

TOP_TOKENS = 20  # the most that servers give
_MISSING = -1000.0  # servers write -9999 for "unknown"
_MAX_UNCLEAR = 0.05  # probability of tokens that several choices begin with
_MIN_KNOWN = 0.5  # probability of all choices together; below, the model says something else
_EDGES = " \t\n\"'`*.,;:!()[]\u201c\u201d\u2018\u2019"


def ask_for_choice(question: str, choices: Sequence[str], rejected: str | None = None) -> str:
    """Return the question with its choices. `rejected` is an answer that was none of them."""
    listed = "\n".join(f"- {choice}" for choice in choices)
    again = "" if rejected is None else f"\n({rejected[:80]!r} is none of them.)"
    return (
        f"{question}\nAnswer with exactly one of these choices, word for word, and with nothing"
        f" else:\n{listed}{again}"
    )


def find_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that an answer is, apart from case and punctuation around it.

    Of letters, also the one before its text or in a sentence: `B. a dog`, `The answer is (B)`.
    """
    plain = _plain(text)
    by_plain = {_plain(choice): choice for choice in reversed(choices)}
    found = next((c for c in choices if c == text.strip()), None) or by_plain.get(plain)
    return found or _named_letter(text, choices)


_NAMED_LETTER = re.compile(
    r"^[\s*(]*([A-Z])\**[).:]\s|\b(?i:answer|option|choice|letter)\b(?:\s+is)?[\s:*(]*([A-Z])\b"
)


def _named_letter(text: str, choices: Sequence[str]) -> str | None:
    """Return the only letter that an answer names, None if the choices are no letters."""
    if not all(len(choice) == 1 and choice.isupper() for choice in choices):
        return None
    named = {match[1] or match[2] for match in _NAMED_LETTER.finditer(text)}
    return named.pop() if len(named) == 1 and named <= set(choices) else None


def _plain(text: str) -> str:
    stripped = text.strip().removeprefix("- ").strip(_EDGES)
    return re.sub(r"\s+", " ", stripped).casefold() or text.strip().casefold()


@dataclass(frozen=True)
class _Token:
    """A place of the reply: the token there, and the likeliest tokens with their log-probabilities."""

    text: str
    alternatives: Mapping[str, float]


def has_usable_probabilities(listed: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether log-probabilities vary, are finite, and at most 0."""
    values = [value for each in listed for value in _values(each)]
    known = [value for value in values if value is None or value > _MISSING]
    if any(value is None or not math.isfinite(value) or value > 1e-6 for value in known):
        return False
    return len({round(value, 6) for value in known if value is not None}) > 1


def _values(each: Mapping[str, Any]) -> Iterator[float | None]:
    for part in (each, *_dicts(each.get("top_logprobs"))):
        value = part.get("logprob")
        yield float(value) if isinstance(value, int | float) else None


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def score_choices(
    text: str, listed: Sequence[Mapping[str, Any]], choices: Sequence[str]
) -> tuple[Choice, ...]:
    """Return the choices with their probabilities; none if the tokens do not tell them apart.

    `text` is the answer that the tokens of `listed` end with. The likelihood of a choice is that of its
    tokens up to the first that no other choice has. A choice outside the likeliest tokens has the
    likelihood of the last of them.
    """
    tokens = _answer_tokens(text, listed)
    masses, floor = _masses(tokens, tuple(map(_plain, choices)))
    known = math.fsum(masses.values())
    if known < _MIN_KNOWN:
        return ()
    likelihoods = [
        math.log(mass) if (mass := masses.get(_plain(choice), 0.0)) > 0 else floor
        for choice in choices
    ]
    total = math.fsum(map(math.exp, likelihoods))
    return tuple(
        Choice(choice, min(value, 0.0), math.exp(value) / total)
        for choice, value in zip(choices, likelihoods, strict=True)
    )


def _answer_tokens(text: str, listed: Sequence[Mapping[str, Any]]) -> list[_Token]:
    """Return the tokens of the answer, without those of thoughts before it."""
    tokens = [_token(each) for each in listed]
    for start in range(len(tokens)):
        if "".join(token.text for token in tokens[start:]).strip() == text.strip():
            return tokens[start:]
    return []


def _token(each: Mapping[str, Any]) -> _Token:
    parts = (each, *_dicts(each.get("top_logprobs")))
    texts = {str(part.get("token", "")): float(part.get("logprob") or 0.0) for part in parts}
    return _Token(str(each.get("token", "")), texts)


def _masses(tokens: Sequence[_Token], choices: Sequence[str]) -> tuple[dict[str, float], float]:
    """Return the probability of each choice that the tokens tell apart, and the least that they know.

    No probabilities if too much belongs to tokens that several choices begin with.
    """
    masses: dict[str, float] = {}
    before, path, unclear, floor = "", 0.0, 0.0, 0.0
    for token in tokens:
        for text, value in token.alternatives.items():
            fitting = _fitting(before + text, choices)
            floor = min(floor, path + max(value, _MISSING))
            if len(fitting) == 1:
                masses[fitting[0]] = masses.get(fitting[0], 0.0) + math.exp(path + value)
            elif fitting and text != token.text:
                unclear += math.exp(path + value)
        before += token.text
        path += token.alternatives[token.text]
        if len(_fitting(before, choices)) < 2:
            break
    else:  # the reply ended where one choice ends and another goes on
        if _plain(before) in choices:
            masses[_plain(before)] = math.exp(path)
    return ({} if unclear > _MAX_UNCLEAR else masses), floor


def _fitting(start: str, choices: Sequence[str]) -> list[str]:
    """Return the choices that a text is the start of, or that it ends after."""
    begun = start.lstrip(_EDGES).casefold()
    if not begun:
        return []
    fitting = [choice for choice in choices if choice.startswith(begun)]
    return fitting or [choice for choice in choices if begun.rstrip(_EDGES) == choice]

"""Rules for the fields of a checkpoint's JSON files: kinds, ranges and lengths."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vipllava_cli.errors import ModelError, short_repr


@dataclass(frozen=True)
class Rule:
    """What a field may contain: in words for a message, and as a test."""

    expected: str
    accepts: Callable[[Any], bool]


Rules = Mapping[str, Rule]


def whole(low: int, high: int) -> Rule:
    """Accept whole numbers of a range."""
    return Rule(f"a whole number from {low} to {high}", lambda value: _is_whole(value, low, high))


def number(low: float, high: float) -> Rule:
    """Accept numbers of a range."""
    return Rule(f"a number from {low:g} to {high:g}", lambda value: _is_number(value, low, high))


def numbers(count: int, low: float, high: float) -> Rule:
    """Accept a list of so many numbers of a range."""
    return Rule(
        f"{count} numbers from {low:g} to {high:g}",
        lambda value: (
            isinstance(value, list)
            and len(value) == count
            and all(_is_number(each, low, high) for each in value)
        ),
    )


def one_or_more(low: int, high: int, max_count: int) -> Rule:
    """Accept a whole number, or a list of 1 to `max_count` of them."""
    return Rule(
        f"one or up to {max_count} whole numbers from {low} to {high}",
        lambda value: (
            _is_whole(value, low, high)
            or (
                isinstance(value, list)
                and 0 < len(value) <= max_count
                and all(_is_whole(each, low, high) for each in value)
            )
        ),
    )


def one_of(choices: Collection[str]) -> Rule:
    """Accept these texts."""
    words = sorted(choices)
    return Rule(
        f"{', '.join(words[:-1])} or {words[-1]}" if words[1:] else words[0], choices_test(words)
    )


def choices_test(choices: Collection[str]) -> Callable[[Any], bool]:
    """Return a test for texts of a collection."""
    return lambda value: isinstance(value, str) and value in choices


def optional(rule: Rule) -> Rule:
    """Accept null, too."""
    return Rule(f"{rule.expected}, or null", lambda value: value is None or rule.accepts(value))


def mapping(max_count: int) -> Rule:
    """Accept an object of numbers, texts and lists of numbers."""
    return Rule(
        f"an object of up to {max_count} numbers and texts",
        lambda value: (
            isinstance(value, dict)
            and len(value) <= max_count
            and all(map(_is_plain, value.values()))
        ),
    )


def text(max_length: int) -> Rule:
    """Accept a text up to a length."""
    return Rule(
        f"a text of at most {max_length} characters",
        lambda value: isinstance(value, str) and len(value) <= max_length,
    )


FLAG = Rule("true or false", lambda value: isinstance(value, bool))

_MAX_NUMBER = 1e9
_MAX_LIST = 1024


def check_fields(values: Mapping[str, Any], rules: Rules, where: str) -> dict[str, Any]:
    """Return the fields that have a rule. Raises ModelError if one breaks it.

    `where` starts the message, as in `my-model: config.json: text_config.`
    """
    for field, rule in rules.items():
        if field in values and not rule.accepts(values[field]):
            raise ModelError(
                f"{where}{field} is {short_repr(values[field])}: expected {rule.expected}"
            )
    return {field: value for field, value in values.items() if field in rules}


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: object, low: float, high: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and low <= value <= high  # type: ignore[operator]  # False for NaN


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= _MAX_LIST and all(
            _is_number(each, -_MAX_NUMBER, _MAX_NUMBER) for each in value
        )
    if isinstance(value, str):
        return len(value) <= _MAX_LIST
    return value is None or isinstance(value, bool) or _is_number(value, -_MAX_NUMBER, _MAX_NUMBER)

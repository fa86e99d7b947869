"""The question of each field, and the question of a record that asks about all of them."""

import re
from collections.abc import Sequence

from vipllava_cli.engine.fields import YES_NO, Field, FieldType

# The start of a name -> the words around the mark, for a field that is yes or no.
_VERBS = (("is", "Is {thing} {rest}?"), ("has", "Does {thing} have {rest}?"))
_YES_NO = "Is {thing} {rest}?"
_MARKED = "What is the {name} of {thing}?"
_UNMARKED = "What is the {name} in this image?"


def fields_question(fields: Sequence[Field], *, has_marks: bool) -> str:
    """Return the questions of all fields as typed, one a line: the question of a record."""
    return "\n".join(
        field.question or default_question(field, has_marks=has_marks) for field in fields
    )


def split_question(question: str) -> list[str]:
    """Split the question of a record into those of its fields."""
    return question.split("\n")


def default_question(field: Field, *, has_marks: bool) -> str:
    """Word the question of a field without one: about the first mark, else about the image."""
    name = field.title or words_of_name(field.name)
    thing = "{1}" if has_marks else "this image"
    if not _is_yes_no(field):
        return (_MARKED if has_marks else _UNMARKED).format(name=_literal(name), thing=thing)
    verb, _, rest = name.partition(" ")
    template = next((form for start, form in _VERBS if start == verb.lower() and rest), None)
    rest = rest if template else name
    return (template or _YES_NO).format(thing=thing, rest=_literal(rest))


def words_of_name(name: str) -> str:
    """Return the name of a field as words: `paint_color` and `paintColor` are `paint color`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", name)
    words = re.sub(r"[\s_-]+", " ", spaced).strip()
    return words if spaced == name else words.lower()


def _is_yes_no(field: Field) -> bool:
    """Return whether yes and no answer the question: `yes|no|unclear` does so, too."""
    return field.type is FieldType.boolean or {*map(str.lower, field.choices)} >= {*YES_NO}


def _literal(text: str) -> str:
    """Keep braces of a name from being read as a placeholder."""
    return text.replace("{", "(").replace("}", ")")

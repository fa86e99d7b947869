"""Parse the fields of `--fields`: `material: metal|wood; damaged "is {1} broken?": yes|no`."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vipllava_cli.engine.fields import Field, FieldType, boolean_field
from vipllava_cli.engine.prompts.choices import check_choices
from vipllava_cli.errors import InputError, short_repr

EXAMPLE = "material: metal|wood|plastic; damaged: yes|no; text: free"
MAX_NAME = 60  # characters

# The words for a type of value, as people write them.
_TYPES: Mapping[str, FieldType] = {
    "free": FieldType.text,
    "text": FieldType.text,
    "string": FieldType.text,
    "str": FieldType.text,
    "integer": FieldType.integer,
    "int": FieldType.integer,
    "number": FieldType.number,
    "float": FieldType.number,
    "boolean": FieldType.boolean,
    "bool": FieldType.boolean,
}
_TYPE_NAMES = "free, integer, number or boolean"

_SIGNS = ":;|\n"  # outside of quotes, these end a text


@dataclass(frozen=True)
class _Token:
    """A sign, or a text. A text in quotes may hold any character."""

    text: str
    is_sign: bool = False
    is_quoted: bool = False


def parse_fields(text: str) -> tuple[Field, ...]:
    """Parse fields, separated by `;` or line ends. Raises InputError."""
    fields = [_parse_field(tokens) for tokens in _split(_tokens(text), ";\n") if tokens]
    if not fields:
        raise InputError(f'expected fields like "{EXAMPLE}", found none')
    check_names(field.name for field in fields)
    return tuple(fields)


def check_names(names: Iterable[str]) -> None:
    """Raise InputError for a name that cannot be used, and for two equal names."""
    seen: set[str] = set()
    for name in names:
        if len(name) > MAX_NAME or not name.isprintable():
            raise InputError(
                f"the name of a field is a short text of at most {MAX_NAME} characters, not"
                f" {short_repr(name)}"
            )
        if name.casefold() in seen:
            raise InputError(
                f"two fields have the name {short_repr(name)}: give each a name of its own"
            )
        seen.add(name.casefold())


# --- tokens ----------------------------------------------------------------------------------

_QUOTED = re.compile(
    r"""(?P<quote>["'])(?P<text>(?:\\.|(?!(?P=quote))[^\\])*)(?P=quote)""", re.DOTALL
)
_BARE = re.compile(r"(?:\\.|[^:;|\n\\])+", re.DOTALL)


def _tokens(text: str) -> list[_Token]:
    """Split into signs and texts. A quote opens where a text or a question may start."""
    tokens: list[_Token] = []
    place = 0
    while place < len(text):
        rest = text[place]
        if rest in _SIGNS:
            tokens.append(_Token(rest, is_sign=True))
            place += 1
        elif rest.isspace():
            place += 1
        elif rest in "\"'":
            quoted = _QUOTED.match(text, place)
            if quoted is None:
                raise InputError(f"the quote in {short_repr(text[place:])} is not closed")
            words = " ".join(_unescape(quoted["text"]).split())
            tokens.append(_Token(words, is_quoted=True))
            place = quoted.end()
        else:
            place = _add_bare(tokens, text, place)
    return tokens


def _add_bare(tokens: list[_Token], text: str, place: int) -> int:
    """Add the text at a place, up to a sign or to quotes after a space. Returns the place behind it."""
    found = _BARE.match(text, place)
    if found is None:
        raise InputError(f"a \\ at the end of {short_repr(text)} escapes nothing")
    end = found.end()
    quote = re.compile(r"""\s(?=["'])""").search(text, place, end)
    if quote:
        end = quote.start()
    words = " ".join(_unescape(text[place:end]).split())
    tokens.append(_Token(words))
    return end


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _split(tokens: Iterable[_Token], signs: str) -> list[list[_Token]]:
    """Split tokens at these signs."""
    parts: list[list[_Token]] = [[]]
    for token in tokens:
        if token.is_sign and token.text in signs:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


# --- one field -------------------------------------------------------------------------------


def _parse_field(tokens: Sequence[_Token]) -> Field:
    """Parse a name, perhaps a question in quotes, a colon, and the values. Raises InputError."""
    head, *values = _split(tokens, ":")
    name, question = _name_and_question(head)
    if not values:
        raise InputError(
            f'the field {short_repr(name)} has no values: expected "{name}: yes|no" or "{name}: free"'
        )
    if len(values) > 1:
        raise InputError(
            f"the field {short_repr(name)} has two colons: put ; between fields, and a text with a"
            " colon in quotes"
        )
    return _make_field(name, question, _split(values[0], "|"))


def _name_and_question(head: Sequence[_Token]) -> tuple[str, str | None]:
    texts = [token for token in head if not token.is_sign]
    if len(texts) < len(head):
        raise InputError(
            f'{_quote_all(head)} has a | before its colon: expected a name, as in "{EXAMPLE}"'
        )
    if not texts or not texts[0].text:
        raise InputError(f'a field has no name: expected fields like "{EXAMPLE}"')
    name, *others = texts
    if not others:
        return name.text, None
    if len(others) > 1 or not others[0].is_quoted:
        raise InputError(
            f"expected a name and perhaps one question in quotes before the colon, found"
            f" {_quote_all(head)}"
        )
    if not others[0].text:
        raise InputError(f"the question of the field {short_repr(name.text)} is empty")
    return name.text, others[0].text


def _make_field(name: str, question: str | None, parts: Sequence[Sequence[_Token]]) -> Field:
    if any(len(part) > 1 for part in parts):
        raise InputError(
            f"the field {short_repr(name)} has text beside quotes: put the complete value into them"
        )
    values = [part[0] if part else _Token("") for part in parts]
    if len(values) > 1:
        return _choice_field(name, question, [value.text for value in values])
    value = values[0]
    kind = None if value.is_quoted else _TYPES.get(value.text.casefold())
    if kind is None:
        found = f"one value, {short_repr(value.text)}" if value.text else "no values"
        raise InputError(
            f"the field {short_repr(name)} has {found}: expected two or more choices like metal|wood,"
            f" or {_TYPE_NAMES}"
        )
    if kind is FieldType.boolean:
        return boolean_field(name, question)
    return Field(name, kind, question)


def _choice_field(name: str, question: str | None, choices: list[str]) -> Field:
    checked = named(name, lambda: check_choices(choices, '"cat|dog"'))
    return Field(name, FieldType.choice, question, checked, checked)


def named(name: str, check: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """Check the choices of a field, and name the field in an error. Raises InputError."""
    try:
        return check()
    except InputError as error:
        raise InputError(f"the field {short_repr(name)}: {error}") from None


def _quote_all(tokens: Sequence[_Token]) -> str:
    return short_repr(" ".join(token.text for token in tokens))

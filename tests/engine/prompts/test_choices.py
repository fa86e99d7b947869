"""Lists of answers to choose from."""

import pytest

from vipllava_cli.engine.prompts.choices import parse_choices
from vipllava_cli.errors import InputError


@pytest.mark.parametrize("text", ["a dog, a cat", '["a dog", " a cat "]'])
def test_choices_are_separated_by_commas_or_a_json_list(text: str) -> None:
    assert parse_choices(text) == ("a dog", "a cat")


def test_a_json_list_may_contain_commas() -> None:
    assert parse_choices('["red, blue", "lime"]') == ("red, blue", "lime")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a dog", "two or more different answers"),
        ("a dog,a dog", "two or more different answers"),
        ("a dog,,a cat", "is empty or not text"),
        ('["a dog", 3]', "is empty or not text"),
        ('["a dog"', "is not a JSON list"),
        ("a dog,a ### cat", "control word"),
    ],
)
def test_invalid_choices_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_choices(text)

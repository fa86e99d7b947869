"""Values and names in messages."""

import pytest

from vipllava_cli.errors import short_name, short_repr


@pytest.mark.parametrize(
    "value",
    [None, "a", 1.5, [], {}, (1, 2), [1, "a", {"b": None}], {"a": [1, 2], "b": "c"}],
)
def test_a_short_value_is_its_repr(value: object) -> None:
    assert short_repr(value) == repr(value)


def test_a_long_value_is_cut() -> None:
    assert short_repr("x" * 100) == "'" + "x" * 38 + "…"
    assert short_repr(list(range(100))) == repr(list(range(100)))[:39] + "…"
    assert short_repr(10**5000) == "a huge number"  # Python refuses to write it


def test_a_value_that_contains_itself_is_cut() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert short_repr(loop) == "[" * 39 + "…"
    grown: list[object] = ["x"]
    for _ in range(60):  # its complete text would have 2^60 parts
        grown = [grown, grown]
    assert short_repr(grown) == "[" * 39 + "…"


def test_a_long_name_loses_its_middle() -> None:
    assert short_name("a" * 200) == "a" * 200
    short = short_name("a" * 5000 + ".jpg")
    assert len(short) == 200
    assert short.endswith("a.jpg")

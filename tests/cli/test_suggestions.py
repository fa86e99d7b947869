"""Suggestions: only names that are near."""

import pytest

from vipllava_cli.cli.suggestions import did_you_mean, edit_distance, near, one_of

COMMANDS = ("ask", "annotate", "batch", "chat", "report", "compare", "eval", "models")
OPTIONS = ("--box", "--temperature", "--max-new-tokens", "--max-memory", "--model")


@pytest.mark.parametrize(
    ("word", "names", "expected"),
    [
        ("asq", COMMANDS, "ask"),
        ("bacth", COMMANDS, "batch"),
        ("annot", COMMANDS, "annotate"),
        ("Chat", COMMANDS, "chat"),
        ("street", COMMANDS, None),
        ("as", COMMANDS, "ask"),
        ("x", COMMANDS, None),
        ("--temprature", OPTIONS, "--temperature"),
        ("--max-tokens", OPTIONS, "--max-new-tokens"),
        ("--max_new_tokens", OPTIONS, "--max-new-tokens"),
        ("--mdoel", OPTIONS, "--model"),
        ("--colour", OPTIONS, None),
    ],
)
def test_only_a_near_name_is_suggested(
    word: str, names: tuple[str, ...], expected: str | None
) -> None:
    assert near(word, names) == expected
    assert did_you_mean(word, names) == (f"; did you mean {expected}?" if expected else "")


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "abc", 3), ("box", "box", 0), ("bxo", "box", 1), ("kitten", "sitting", 3)],
)
def test_edits_are_counted(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == edit_distance(other, one) == distance


def test_a_list_of_names() -> None:
    assert one_of(["a"]) == "a"
    assert one_of(["a", "b", "c"]) == "a, b or c"

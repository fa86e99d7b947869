"""The prompt for a judge, and its reply."""

import pytest

from tests.support.judge import row
from vipllava_cli.flows.evals.judges.instructions import messages, read_score


def test_a_repeated_request_has_a_reminder() -> None:
    first, second = (messages(row("a"), again=again) for again in (False, True))
    assert first[:-1] == second[:-1]
    assert "one number" in str(second[-1])
    assert "one number" not in str(first[-1])


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("0.7", 0.7), ("1", 1.0), ("0", 0.0), (" 0.3 because it is near", 0.3), ("1.0\nGood", 1.0),
        ("", None), ("  ", None), ("0.7.", None), ("1.1", None), ("-0.1", None), ("nan", None),
        ("inf", None), ("Grade: 1.0", None), ("half", None),
    ],
)  # fmt: skip
def test_the_score_is_the_first_word_of_a_reply(reply: str, score: float | None) -> None:
    assert read_score(reply) == score

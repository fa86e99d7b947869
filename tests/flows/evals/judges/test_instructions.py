"""The prompt for a judge."""

from tests.support.judge import row
from vipllava_cli.flows.evals.judges.instructions import messages


def test_a_repeated_request_has_a_reminder() -> None:
    first, second = (messages(row("a"), again=again) for again in (False, True))
    assert first[:-1] == second[:-1]
    assert "one number" in str(second[-1])
    assert "one number" not in str(first[-1])

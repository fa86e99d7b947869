"""`vipllava help` and `vipllava version`."""

import pytest

from tests.conftest import Run
from tests.support.commands import assert_error_line
from vipllava_cli.errors import ExitCode


@pytest.mark.parametrize("words", [[], ["ask"], ["models"], ["models", "pull"], ["config", "set"]])
def test_help_prints_the_help_of_the_words(run: Run, words: list[str]) -> None:
    result = run("help", *words)
    assert result.code == 0
    assert result.stdout.strip() == run(*words, "--help").stdout.strip()
    assert " ".join(["Usage: vipllava", *words]) in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["aks"], "unknown command 'aks'; did you mean `vipllava help ask`?"),
        (["models", "pul"], "did you mean `vipllava help models pull`?"),
        (["ask", "me"], "unexpected 'me': vipllava ask takes only image and questions"),
    ],
)
def test_help_of_unknown_words_is_wrong_usage(run: Run, words: list[str], message: str) -> None:
    assert_error_line(run("help", *words), ExitCode.USAGE, message)

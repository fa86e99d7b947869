"""The likely mistakes of each subcommand: one line each, whose advice works when it is followed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate_commands import iter_commands
from tests.conftest import Finished
from tests.support import judge
from tests.support.advice import follow
from tests.support.comparisons import write_answers
from tests.support.docs_folder import Shell, open_shell
from tests.support.mistakes import CLOSED_PIPE, KINDS, MISTAKES, Mistake

pytestmark = [pytest.mark.model, pytest.mark.slow]
pytest_plugins = ("tests.support.hub_fixtures",)

PREPARED = {"models remove": "vipllava models pull 7b"}
MAX_STEPS = 3  # advice may lead to a second mistake of the same line


@pytest.fixture
def shell(tmp_path: Path, environment: dict[str, str]) -> Iterator[Shell]:
    """Open a shell in which `7b` is the shipped model, and the judge gives every answer 1.0."""
    with judge.serving(judge.JudgeServer(grade="1.0")) as server:
        servers = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "key"}
        shell = open_shell(tmp_path, {**environment, **servers})
        write_answers(shell.folder, "results.jsonl", ["a cat"])  # an example of `report` names it
        yield shell


@pytest.mark.parametrize("subcommand", MISTAKES)
def test_the_advice_of_each_mistake_works(subcommand: str, shell: Shell) -> None:
    if subcommand in PREPARED:
        assert shell.run_in_pipe(PREPARED[subcommand]).code == 0
    for mistake in MISTAKES[subcommand]:
        if mistake.kind == CLOSED_PIPE:
            check_closed_pipe(mistake, shell)
        else:
            check_advice(mistake, shell)


def check_closed_pipe(mistake: Mistake, shell: Shell) -> None:
    """Run the line with a reader that has ended. There is no message about it."""
    *writers, _ = mistake.line.split(" | ")
    line = f"{{ sleep 0.1; {' | '.join(writers)}; }} | true; exit ${{PIPESTATUS[0]}}"
    done = shell.run_in_pipe(line)
    assert done.code == mistake.code, (mistake, done)
    assert "error: " not in done.stderr, (mistake, done)
    assert "Traceback" not in done.stderr, (mistake, done)


def check_advice(mistake: Mistake, shell: Shell) -> None:
    """Run a line, and what its error line advises, until the command works."""
    line, done = mistake.line, shell.run_in_pipe(mistake.line)
    assert done.code == mistake.code, (mistake, done)
    assert done.code == 0 or is_one_error_line(done), (mistake, done)
    for _ in range(MAX_STEPS):
        advised = follow(line, advice_of(done))
        if done.code == 0 and advised is None:
            return
        assert advised is not None, (line, done)
        line, done = advised, shell.run_in_pipe(advised)
        assert done.code == 0 or is_one_error_line(done), (mistake, line, done)
    raise AssertionError(f"the advice does not lead on: {mistake}, {line}, {done}")


def advice_of(done: Finished) -> str:
    """Return the error line, or the notes of a command that works."""
    lines = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "note: "))]
    return "\n".join(line for line in lines if "default model" not in line)


def is_one_error_line(done: Finished) -> bool:
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    return len(lines) == 1 and lines[0].startswith("error: ") and done.stdout == ""


def test_every_subcommand_has_its_mistakes() -> None:
    listed = {
        context.command_path.removeprefix("vipllava ")
        for context, command in iter_commands()
        if not hasattr(command, "commands") and not command.hidden
    }
    assert set(MISTAKES) == listed
    assert all(tuple(each.kind for each in rows) == KINDS for rows in MISTAKES.values())


def test_advice_that_does_not_help_is_noticed(shell: Shell) -> None:
    with pytest.raises(AssertionError):
        check_advice(Mistake("typo", "vipllava ask nothing.jpg 'what is it?'", 3), shell)

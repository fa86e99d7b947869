"""JSON: one line in a pipe, indented on a terminal."""

import json

import pytest

from tests.conftest import Run
from tests.support.terminal import run_in_terminal

COMMANDS = [["models", "list", "--json"], ["config", "show", "--json"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_one_line_in_a_pipe(run: Run, command: list[str]) -> None:
    result = run(*command)
    assert (result.code, result.stdout.count("\n")) == (0, 1)
    assert json.loads(result.stdout)


@pytest.mark.terminal
@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_indented_on_a_terminal(run: Run, command: list[str]) -> None:
    shown = run_in_terminal(*command).decode()
    assert len(shown.splitlines()) > 10
    assert json.loads(shown) == json.loads(run(*command).stdout)


@pytest.mark.model
@pytest.mark.usefixtures("opened_once")
def test_records_are_one_per_line_in_a_pipe(run: Run) -> None:
    ask = ("ask", "sample_images/zoo-red-box.png", "what is it?", "what is in the red box?")
    lines = run(*ask, "--json").stdout.splitlines()
    assert [json.loads(line)["schema"] for line in lines] == [1, 1]

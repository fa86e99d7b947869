"""Subcommands are imported when they run, and the overview knows their summaries without them."""

import inspect
from importlib import import_module
from typing import Any

import pytest
import typer

from tests.cli.test_app import modules_after
from vipllava_cli.cli.app import ENTRIES, app

PACKAGE = "vipllava_cli.cli.commands."


def imported(*arguments: str) -> set[str]:
    """Return the modules of subcommands that one command line imports."""
    names = modules_after([list(arguments)])
    return {name.removeprefix(PACKAGE) for name in names if name.startswith(PACKAGE)}


def test_the_overview_imports_no_subcommand() -> None:
    assert imported("--help") == set()


def test_a_subcommand_imports_no_other() -> None:
    assert imported("version") == {"help"}
    assert imported("annotate", "--help") == {"annotate"}


@pytest.mark.parametrize("name", [name for name, each in ENTRIES.items() if each.module])
def test_the_overview_shows_the_beginning_of_the_help(name: str) -> None:
    entry = ENTRIES[name]
    body = getattr(import_module(PACKAGE + entry.module), entry.function)
    assert inspect.cleandoc(body.__doc__ or "").split("\n\n")[:2] == [entry.summary, entry.example]


def test_every_module_of_subcommands_is_in_the_overview() -> None:
    program: Any = typer.main.get_command(app)
    functions = set()
    for command in program.commands.values():
        for each in getattr(command, "commands", {"": command}).values():
            assert each.help, each.name
            functions.add((each._module.removeprefix(PACKAGE), each._function))
    decorated = set()
    for module in {module for module, _ in functions}:
        for name, value in vars(import_module(PACKAGE + module)).items():
            if hasattr(value, "__signature__") and value.__module__ == PACKAGE + module:
                decorated.add((module, name))
    assert functions == decorated

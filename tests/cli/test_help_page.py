"""The end of the help: environment variables, and the page about the subcommand."""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from tests.conftest import ROOT, Run
from vipllava_cli.cli.help_page import ENVIRONMENT, PAGES


def test_the_help_of_the_program_lists_the_variables(run: Run) -> None:
    shown = run("--help").stdout
    for name in ENVIRONMENT:
        assert name in shown
    assert "NO_COLOR" not in run("ask", "--help").stdout


def test_the_variables_of_the_code_are_listed() -> None:
    listed = {name for names in ENVIRONMENT for name in names.split(", ")}
    code = "\n".join(path.read_text() for path in (ROOT / "vipllava_cli").rglob("*.py"))
    read = set(re.findall(r'environ(?:\.get\(|\[)\s*"(\w+)"', code)) - {"TERM", "DISPLAY"}
    read |= {f"{prefix}NAME" for prefix in re.findall(r'"(VIPLLAVA_\w+_)"', code)}
    assert {name for name in read if name.startswith(("VIP", "HF", "VISUAL", "EDITOR"))} <= listed


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ([], "index.md"),
        (["ask"], "ask.md"),
        (["models", "pull"], "models.md"),
        (["models", "add"], "servers.md"),
        (["eval"], "eval"),
    ],
)
def test_the_last_line_is_the_address_of_a_page(run: Run, words: list[str], page: str) -> None:
    last = run(*words, "--help").stdout.rstrip().splitlines()[-1]
    assert last.startswith(" Documentation: file://")
    path = Path(unquote(urlparse(last.partition(": ")[2]).path))
    assert path.is_file()
    assert path.name.startswith(page)


def test_the_wheel_contains_the_pages() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {f"docs/{name}" for name in (*PAGES.values(), "index.md")} <= set(included)
    for source, target in included.items():
        assert (ROOT / source).exists()
        assert target == f"vipllava_cli/{source}"

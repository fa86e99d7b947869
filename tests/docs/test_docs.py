"""The documentation agrees with the program: links, command lines, options, fields, exit codes."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.exceptions import TyperException

import vipllava_cli
from tests.conftest import ROOT
from tests.support.pages import PAGES, USER_PAGES, Page
from vipllava_cli.cli.app import app
from vipllava_cli.errors import ExitCode
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.shape_table import SHAPES
from vipllava_cli.storage.records import SCHEMA, Record, Request

PROGRAM = "vipllava"
ROOT_COMMAND: Any = typer.main.get_command(app)


def page_id(page: Page) -> str:
    return page.path.relative_to(ROOT).as_posix()


def page(name: str) -> Page:
    return next(page for page in PAGES if page_id(page) == name)


def commands_in(line: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of the program in a shell line with pipes."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&")
    lexer.whitespace_split = True
    call: list[str] = []
    for word in (*lexer, "|"):
        if set(word) <= set("|;&"):
            if call and Path(call[0]).name == PROGRAM:
                yield call[1:]
            call = []
        else:
            call.append(word)


def parse(arguments: list[str]) -> None:
    """Parse a command line as the program does, without running it. Raises TyperException."""
    command, name = ROOT_COMMAND, PROGRAM
    context = command.make_context(name, ["ask"], resilient_parsing=True)
    arguments = command.with_command(context, arguments)
    while hasattr(command, "commands"):
        name, *arguments = arguments
        if name not in command.commands:
            raise TyperException(f"no subcommand {name}")
        command = command.commands[name]
        if hasattr(command, "commands"):
            context = type(context)(command, info_name=name, parent=context)
    made = command.make_context(name, arguments, parent=context)
    asked = ("questions", "fields", "schema")
    if name == "ask" and not any(map(made.params.get, asked)):  # `ask` itself checks them
        raise TyperException("no question")


COMMAND_LINES = [
    pytest.param(arguments, id=f"{page_id(page)}:{shlex.join(arguments)}")
    for page in PAGES
    for line in page.shell_lines()
    if PROGRAM in line and "[OPTIONS]" not in line
    for arguments in commands_in(line)
]


@pytest.mark.parametrize("arguments", COMMAND_LINES)
def test_a_command_line_in_a_code_block_parses(arguments: list[str]) -> None:
    parse(arguments)


def test_there_are_command_lines_for_every_subcommand() -> None:
    shown = {param.values[0][0] for param in COMMAND_LINES}  # type: ignore[index]
    assert shown >= set(ROOT_COMMAND.commands)
    assert {word.rpartition("/")[0] for word in shown - set(ROOT_COMMAND.commands)} == {
        "sample_images"
    }


@pytest.mark.parametrize(
    "wrong",
    ["nonesuch", "ask a.png", "ask a.png hello --nonesuch", "plan 7b --quantize int3", "eval nope"],
)
def test_a_wrong_command_line_does_not_parse(wrong: str) -> None:
    with pytest.raises(TyperException):
        parse(wrong.split())


def options_of(command: Any) -> set[str]:
    """Return the options of a command and of all its subcommands."""
    own = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return own.union({"--help"}, *map(options_of, getattr(command, "commands", {}).values()))


@pytest.mark.parametrize("page", USER_PAGES, ids=page_id)
def test_subcommands_and_options_in_the_text_exist(page: Page) -> None:
    for span in page.spans:
        words = span.split()
        command = ROOT_COMMAND
        if words[0] == PROGRAM:
            for word in words[1:]:
                if not hasattr(command, "commands") or word.isupper() or word.startswith("-"):
                    break
                assert word in command.commands, span
                command = command.commands[word]
        elif not words[0].startswith("--"):
            continue
        named = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert named <= options_of(command), span


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_resolve(page: Page) -> None:
    for link in page.links:
        if not link.startswith(("http://", "https://", "#")):
            target = link.partition("#")[0]
            assert (page.path.parent / target).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_paths_of_modules_exist(page: Page) -> None:
    """A path in the text starts at the root of the repository or of the package."""
    roots = (ROOT, ROOT / "vipllava_cli")
    folders = {path.name for root in roots for path in root.iterdir() if path.is_dir()} - {"build"}
    for span in page.spans:
        if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", span) and span.partition("/")[0] in folders:
            assert any((root / span).exists() for root in roots), span


def test_the_tables_that_contributors_extend_are_in_the_named_files() -> None:
    path, tables = "", []
    for file, table in re.findall(
        r"`([\w/]+\.py)`:|`(_?[A-Z_]{4,})`", page("CONTRIBUTING.md").source.partition("## Add a")[2]
    ):
        path = file or path
        if table:
            tables.append(table)
            code = (ROOT / "vipllava_cli" / path).read_text(encoding="utf-8")
            assert re.search(rf"^{table}\b", code, re.MULTILINE), f"{path} has no {table}"
    assert {"SHAPES", "_DRAWERS", "READERS", "BENCHMARKS"} <= set(tables)


def test_the_architecture_page_lists_the_layers_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(each["layers"] for each in contracts["contracts"] if each["id"] == "layers")
    text = page("docs/architecture.md").source.partition("## Layers")[2].partition("## Rules")[0]
    assert re.findall(r"^(training|vipllava_cli\.\w+) ", text, re.MULTILINE) == layers


def test_the_api_page_has_a_reference_for_every_public_name() -> None:
    shown = re.findall(
        r"^::: vipllava_cli\.(\w+)$", page("docs/python-api.md").source, re.MULTILINE
    )
    assert sorted([*shown, "__version__"]) == sorted(vipllava_cli.__all__)


def test_the_records_page_describes_every_field() -> None:
    request = Request("", "", "", None, None, (), False, None, "", "", "", "", {})
    row = Record(request, choices=()).to_json()
    text = page("docs/records.md").text.partition("## Marks")[0]
    assert set(row) <= set(re.findall(r"`(\w+)`", text))
    assert f"The schema version is {SCHEMA}." in " ".join(text.split())


def test_the_troubleshooting_page_describes_every_exit_code() -> None:
    rows = re.findall(r"^\| (\d+) \|", page("docs/troubleshooting.md").text, re.MULTILINE)
    assert [int(row) for row in rows] == sorted(ExitCode)


@pytest.mark.parametrize("name", ["docs/marks.md", "docs/records.md"])
def test_every_shape_is_described(name: str) -> None:
    for shape in SHAPES:
        assert re.search(rf"`(--)?{shape}`", page(name).text), shape


def test_every_colour_of_the_model_is_described() -> None:
    text = page("docs/marks.md").text
    assert all(color.name in text for color in MODEL_COLORS)


def test_every_page_is_in_the_navigation() -> None:
    config = (ROOT / "mkdocs.yml").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"files.md"}
    assert pages == set(re.findall(r": ([\w-]+\.md)$", config, re.MULTILINE))


@pytest.mark.slow
def test_the_website_builds_without_warnings(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for path in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:)', path.read_text())
        assert not loaded, f"{path.name} loads from the network"

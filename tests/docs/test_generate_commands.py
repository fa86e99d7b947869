"""The committed generated pages equal what the program gives now."""

from pathlib import Path

import pytest

from docs.generate_commands import PAGES, iter_commands, main
from tests.conftest import ROOT


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_generated_page_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path](), "run `make docs`"


def test_generating_twice_gives_the_same_text() -> None:
    assert [make() for make in PAGES.values()] == [make() for make in PAGES.values()]


def test_the_reference_has_a_section_for_every_subcommand_and_no_escape_sequence() -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    paths = [context.command_path for context, _ in iter_commands()]
    assert [line[3:] for line in page.splitlines() if line.startswith("## vipllava")] == paths
    assert "\x1b" not in page


def test_the_reference_names_every_option_of_every_subcommand() -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    for context, command in iter_commands():
        section = page.partition(f"## {context.command_path}\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            if parameter.name != "help":
                assert all(f"`{name}`" in section for name in parameter.opts), parameter.opts


def test_check_names_a_page_that_is_not_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("old\n")
    monkeypatch.setattr("docs.generate_commands.ROOT", tmp_path)
    monkeypatch.setattr("docs.generate_commands.PAGES", {page: lambda: "new\n"})
    assert main(["--check"]) == 1
    assert (page.read_text(), capsys.readouterr().err) == (
        "old\n",
        "error: page.md is not current: run `make docs`\n",
    )
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert page.read_text() == "new\n"


def test_a_value_with_alternatives_inside_is_one_form() -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert r"| `--fields` | `NAME: A\|B; …` |" in page
    assert "| `--mask` | `[COLOUR:]X1,Y1,…` or `FILE[:VALUE]` |" in page

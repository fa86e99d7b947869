"""Write the generated pages of the documentation: `make docs`.

`commands.md` and the man page `vipllava.1` describe every subcommand as the program defines it,
`files.md` every module by its docstring. With `--check`, write nothing and fail if a page is not current.
"""

import ast
import enum
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import typer

from docs.man_page import man_page
from vipllava_cli.cli.app import app
from vipllava_cli.cli.repl.settings import SETTINGS
from vipllava_cli.cli.repl.slash_commands import SLASH_COMMANDS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "vipllava_cli"
NOTICE = "<!-- Written by docs/generate_commands.py: run `make docs` to update it. -->"
DEFAULT_PANEL = "Options"


# --- commands.md -----------------------------------------------------------------------------


def commands_page() -> str:
    """Return the command reference: the program and every subcommand with their options."""
    sections = [
        "# Command reference",
        NOTICE,
        "`vipllava COMMAND --help` prints the same.",
        "## Without a subcommand",
        "```text\nvipllava [OPTIONS]\n```",
        *_option_sections(*program()),
    ]
    for context, command in iter_commands():
        sections += _command_sections(context, command)
    sections += ["## Commands in a chat", _table(("command", "effect"), _slash_rows())]
    sections += ["### Settings of `/set`", _table(("setting", "values"), _setting_rows())]
    return "\n\n".join(sections) + "\n"


def program() -> tuple[Any, Any]:
    """Return the program with its context."""
    root: Any = typer.main.get_command(app)
    return root.make_context("vipllava", ["ask"], resilient_parsing=True), root


def iter_commands() -> Iterator[tuple[Any, Any]]:
    """Yield each listed subcommand with its context, a group before its own subcommands."""
    yield from _walk(*program())


def _walk(parent: Any, group: Any) -> Iterator[tuple[Any, Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        context = type(parent)(command, info_name=name, parent=parent)
        yield context, command
        if hasattr(command, "commands"):
            yield from _walk(context, command)


def _command_sections(context: Any, command: Any) -> Iterator[str]:
    summary, _, example = (command.help or "").partition("\n\n")
    yield f"## {context.command_path}"
    yield summary
    yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```"
    if example:
        yield f"Example:\n\n```sh\n{example.strip()}\n```"
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    if arguments:
        rows = [(f"`{each.name}`", _values(each), _help(each)) for each in arguments]
        yield _table(("argument", "value", "meaning"), rows)
    yield from _option_sections(context, command)


def _option_sections(context: Any, command: Any) -> Iterator[str]:
    panels: dict[str, list[tuple[str, ...]]] = {}
    for option in command.get_params(context):
        if option.param_type_name == "option" and not option.hidden and option.name != "help":
            panel = panels.setdefault(option.rich_help_panel or DEFAULT_PANEL, [])
            panel.append((_names(option), _values(option), _default(option), _help(option)))
    for title, options in panels.items():
        yield f"**{title}**"
        yield _table(("option", "value", "default", "meaning"), options)


def _names(option: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _values(parameter: Any) -> str:
    """Return what a value looks like; empty for a flag and for plain text."""
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        forms: Sequence[str] = [each.value for each in kind]
    else:
        metavar = parameter.metavar or ""
        forms = [metavar] if " " in metavar else metavar.split("|")  # a form with spaces is a text
    return " or ".join(f"`{form}`" for form in forms if form)


def _default(option: Any) -> str:
    default = option.default
    if default is None or default is False or not option.show_default:
        return ""
    return f"`{default.value if isinstance(default, enum.Enum) else default}`"


def _help(parameter: Any) -> str:
    text = " ".join((parameter.help or "").split())
    if parameter.envvar:
        text += f" Environment variable: `{parameter.envvar}`."
    return text


def _slash_rows() -> Iterator[tuple[str, ...]]:
    for name, slash in SLASH_COMMANDS.items():
        yield f"`{name} {slash.form}`".replace(" `", "`"), slash.help


def _setting_rows() -> Iterator[tuple[str, ...]]:
    for name, setting in SETTINGS.items():
        yield f"`{name}`", setting.form


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table without empty columns. Escapes `|` and `<` in cells."""
    cells = list(rows)
    used = [any(row[at] for row in cells) for at in range(len(head))]
    lines = [list(compress(line, used)) for line in (head, ["---"] * len(head), *cells)]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in line) + " |"
        for line in lines
    )


# --- files.md --------------------------------------------------------------------------------


def files_page() -> str:
    """Return a table of the modules of each folder of the package, by their docstrings."""
    sections = [NOTICE]
    folders = sorted({path.parent for path in PACKAGE.rglob("*.py")})
    for folder in folders:
        modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
        if not modules:
            continue
        sections.append(f"### `{folder.relative_to(ROOT).as_posix()}/`")
        sections.append(_summary(folder / "__init__.py"))
        rows = [(f"`{path.name}`", _summary(path)) for path in modules]
        sections.append(_table(("file", "content"), rows))
    return "\n\n".join(sections) + "\n"


def _summary(path: Path) -> str:
    """Return the first paragraph of a module's docstring as one line; empty if it has none."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


# --- the script ------------------------------------------------------------------------------

PAGES: Mapping[Path, Callable[[], str]] = {
    ROOT / "docs/commands.md": commands_page,
    ROOT / "docs/files.md": files_page,
    ROOT / "docs/vipllava.1": lambda: man_page(list(iter_commands()), program()),
}


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` name the pages that are not current. Returns the exit code."""
    changed = [
        path
        for path, make in PAGES.items()
        if not path.exists() or path.read_text(encoding="utf-8") != make()
    ]
    for path in changed:
        if "--check" in arguments:
            sys.stderr.write(f"error: {path.relative_to(ROOT)} is not current: run `make docs`\n")
        else:
            path.write_text(PAGES[path](), encoding="utf-8")
    return int(bool(changed) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

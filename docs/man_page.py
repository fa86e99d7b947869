"""The man page `vipllava.1`, from the same definitions as `--help`.

`docs/generate_commands.py` writes it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vipllava_cli import __version__
from vipllava_cli.cli.help_page import ENVIRONMENT
from vipllava_cli.cli.words import value_form

ROOT = Path(__file__).parent.parent
NOTICE = r".\" Written by docs/generate_commands.py: run `make docs` to update it."
COMMON = 3  # subcommands: an option of as many is described once, in its own section


def man_page(commands: Sequence[tuple[Any, Any]], program: tuple[Any, Any]) -> str:
    """Return the page in roff. `commands` has each subcommand with its context, `program` itself."""
    counts = Counter(
        entry
        for context, command in commands
        for entry in {_entry(each) for each in _options(context, command)}
    )
    common = {entry for entry, count in counts.items() if count >= COMMON}
    description = program[1].help
    summary = description.rstrip(".")
    lines = [
        NOTICE,
        f'.TH VIPLLAVA 1 "" "vipllava {__version__}" "User Commands"',
        ".SH NAME",
        rf"vipllava \- {_text(summary[0].lower() + summary[1:])}",
        ".SH SYNOPSIS",
        r".B vipllava",
        r"\fICOMMAND\fR [\fIOPTIONS\fR] [\fIARGUMENTS\fR]",
        ".br",
        ".B vipllava",
        r"\fIIMAGE\fR \fIQUESTION\fR [\fIOPTIONS\fR]",
        ".SH DESCRIPTION",
        _text(description),
        _text("Without a command, an image in front means ask."),
        ".SH OPTIONS",
        *_list(_entry(option) for option in _options(*program)),
        ".SH COMMANDS",
    ]
    for context, command in commands:
        lines += _command(context, command, common)
    lines += [".SH COMMON OPTIONS", *_common_options(commands, common)]
    lines += [".SH ENVIRONMENT", *_list(ENVIRONMENT.items())]
    lines += [".SH FILES", *_list([("$XDG_CONFIG_HOME/vipllava/settings.json", _SETTINGS_HELP)])]
    lines += [".SH EXIT STATUS", *_list(_exit_codes())]
    return "\n".join(lines) + "\n"


_SETTINGS_HELP = "The settings of `vipllava config`. `vipllava config path` prints its path."


def _command(context: Any, command: Any, common: set[tuple[str, str]]) -> Iterator[str]:
    summary, _, example = (command.help or "").partition("\n\n")
    yield f'.SS "{context.command_path}"'
    yield _text(summary)
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield from (".PP", "Usage:", rf"\fB{_text(' '.join(usage.split()))}\fR")
    if example:
        yield from (".PP", "Example:", ".PP", ".nf", ".RS", _text(example.strip()), ".RE", ".fi")
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    yield from _list((each.metavar or each.name, each.help or "") for each in arguments)
    own, shared = [], []
    for option in _options(context, command):
        if _entry(option) in common:
            shared.append(max(option.opts, key=len))
        else:
            own.append(_entry(option))
    yield from _list(own)
    if shared:
        yield from (".PP", _text(f"Common options: {', '.join(shared)}."))


def _common_options(
    commands: Iterable[tuple[Any, Any]], common: set[tuple[str, str]]
) -> Iterator[str]:
    panels: dict[str, dict[tuple[str, str], None]] = {}
    for context, command in commands:
        for option in _options(context, command):
            if _entry(option) in common:
                panel = (option.rich_help_panel or "Other").partition(" (")[0]
                panels.setdefault(panel, {})[_entry(option)] = None
    for panel, entries in panels.items():
        yield f'.SS "{panel}"'
        yield from _list(entries)


def _options(context: Any, command: Any) -> Iterator[Any]:
    for option in command.get_params(context):
        if option.param_type_name == "option" and not option.hidden and option.name != "help":
            yield option


def _entry(option: Any) -> tuple[str, str]:
    """Return how an option is written, and what it means."""
    form = "" if option.is_flag else f" {option.metavar or value_form(option)}"
    text = " ".join((option.help or "").split())
    default = option.default
    if option.show_default and default is not None and default is not False:
        text += f" (default: {getattr(default, 'value', default)})"
    return ", ".join(option.opts) + form, text


def _exit_codes() -> list[tuple[str, str]]:
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    return re.findall(r"^\| (\d[\d, ]*) \| (.*?) \|", page, re.MULTILINE)


def _list(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield terms in bold, each with its description."""
    for term, text in entries:
        yield from (".TP", rf"\fB{_text(term)}\fR", _text(text))


def _text(text: str) -> str:
    """Escape a text for roff, and turn Markdown's code into bold."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    escaped = escaped.replace("…", "...")
    bold = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", escaped)
    return "\n".join(rf"\&{line}" if line.startswith(".") else line for line in bold.splitlines())

"""Describe wrong usage in one line: what was expected, what was found, an example that works."""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from typer._click.exceptions import (
    BadParameter,
    MissingParameter,
    NoArgsIsHelpError,
    NoSuchOption,
)
from typer.exceptions import TyperException

from vipllava_cli.cli.options import OLD_NAMES, OPTION_KEYS
from vipllava_cli.cli.suggestions import did_you_mean, near, one_of
from vipllava_cli.cli.words import value_form
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.marks.shape_table import MAX_WIDTH
from vipllava_cli.storage.number_text import parse_number, parse_whole

_PYDANTIC_PREFIX = "Value error, "
_MIN_CHOICE = 3  # characters
MODEL_KEYS = ("model", "revision")  # settings that are not in OPTION_KEYS
HELP = "help"  # the subcommand, which some type after another one
WORDS = "words"  # the key of `ctx.meta` that holds the words after the name of a group


def describe_usage_error(error: TyperException) -> str:
    """Return the message of an exception of Typer. It is empty if Typer has printed the help."""
    match error:
        case NoArgsIsHelpError():
            return ""
        case MissingParameter():
            return _missing(error)
        case BadParameter():
            return _invalid(error)
        case NoSuchOption():
            return _unknown_option(error)
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}: see {help_command(context)}" if context else message


def unexpected_arguments(
    context: Any, extra: list[str], values: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Describe arguments that no parameter of the command takes.

    `values` are those of the parameters. A path with spaces and without quotes ends in `extra`.
    """
    names = [each.name for each in _arguments(context.command)]
    path = _join_path(str(values[names[-1]]), extra) if names and values.get(names[-1]) else None
    if path:
        return f"{path} is one path: put it in quotes, as in {_path(context)} {shlex.quote(path)}"
    takes = f"takes only {_and(names)}" if names else "takes no arguments"
    found = ", ".join(map(short_repr, extra[:3])) + (", …" if extra[3:] else "")
    return f"unexpected {found}: {_path(context)} {takes}{_example(context, ', as in ')}"


def _join_path(first: str, extra: list[str]) -> str | None:
    """Return the file that the last argument and the ones after it name together."""
    if os.path.exists(first):
        return None
    paths = (" ".join([first, *extra[:count]]) for count in range(1, len(extra) + 1))
    return next((path for path in paths if os.path.isfile(os.path.expanduser(path))), None)


def unknown_command(
    context: Any, word: str, rest: Sequence[str] = (), *, is_root: bool, is_help: bool = False
) -> str:
    """Describe a word that is no subcommand of a group, and for the program no image.

    `rest` are the words after it. `is_help`: the user asks `vipllava help` about it.
    """
    if is_root and os.path.isfile(word):
        return f"{short_repr(word)} is neither a command nor an image: {_list_commands(context)}"
    group = context.command
    paths = {name: name for name, each in group.commands.items() if not each.hidden}
    for name in tuple(paths):  # `vipllava pull` probably means `vipllava models pull`
        nested = getattr(group.commands[name], "commands", {})
        paths |= {
            each: f"{name} {each}"
            for each in nested
            if each not in paths and not nested[each].hidden
        }
    what = f"unknown command {short_repr(word)}" + (", and no such file" if is_root else "")
    if rest and rest[0] in group.commands:
        is_nested = word in getattr(group.commands[rest[0]], "commands", {})
        words = [rest[0], word, *rest[1:]] if is_nested else [*rest, word]
        return f"{what}: write the subcommand first, `{_path(context)} {shlex.join(words)}`"
    name = near(word, paths)
    if name is not None:
        program = f"vipllava {HELP}" if is_help else "vipllava"
        path = _path(context).replace("vipllava", program, 1)
        return f"{what}; did you mean `{path} {paths[name]}`?"
    if is_root and os.path.isdir(word):
        return f"{short_repr(word)} is a folder: `vipllava batch` asks about the images of a folder"
    similar = _find_similar_image(word) if is_root else None
    if similar:
        return f"{what}; did you mean {similar}?"
    if is_root and " " in word:
        return f"{what}: write the image before the question: vipllava IMAGE QUESTION"
    return f"{what}: {_list_commands(context)}"


def _find_similar_image(word: str) -> str | None:
    from vipllava_cli.cli.image_source import find_similar_image

    return find_similar_image(word)


def missing_command(context: Any) -> str:
    """Describe a command line without a subcommand."""
    return f"{_path(context)} needs a subcommand: {_list_commands(context)}"


def misplaced_option(option: str, command: str) -> str:
    """Describe an option in front of its subcommand."""
    return f"{option} belongs after the subcommand: vipllava {command} … {option}"


def help_command(context: Any) -> str:
    """Return the command that prints the help of this subcommand."""
    return f"`{_path(context)} --help`"


# Options whose lower bound is excluded: `MarkStyle` checks the bounds.
_STYLES: Mapping[str, str] = {
    "width": f"a number above 0 and at most {MAX_WIDTH:g}",
    "alpha": "a number above 0 and at most 1",
}


def check_number(parameter: Any, text: object) -> None:
    """Check the text of a number, before `int` and `float`, which accept more. Raises UsageError."""
    parse = _NUMBERS.get(parameter.type_descriptor.annotation)
    if parse is None or not isinstance(text, str):
        return
    try:
        parse(text)
    except ValueError:
        name = _long_name(parameter) if _is_option(parameter) else str(parameter.name)
        raise UsageError(
            f"invalid {name} {short_repr(text)}: expected {expected_value(parameter)}"
        ) from None


_NUMBERS: Mapping[Any, Callable[[str], float]] = {int: parse_whole, float: parse_number}


def expected_value(parameter: Any) -> str:
    """Describe the values that an option or argument takes; empty if any text is one."""
    kind = parameter.type_descriptor
    if kind.choices:
        return one_of(choice.value for choice in kind.choices)
    number = {int: "a whole number", float: "a number"}.get(kind.annotation)
    if number is None:
        return ""
    if parameter.name in _STYLES:
        return _STYLES[parameter.name]
    low, high = (
        None if bound is None else f"{bound:g}" for bound in (parameter.min, parameter.max)
    )
    if isinstance(parameter.max, int):
        high = str(parameter.max)
    if low is None:
        return number
    return f"{number} of at least {low}" if high is None else f"{number} from {low} to {high}"


# --- the kinds of errors ---------------------------------------------------------------------


def _missing(error: MissingParameter) -> str:
    context, first = error.ctx, error.param
    assert context is not None  # noqa: S101 - click sets it on every error of a command
    required = [each for each in context.command.params if each.required]
    missing = [each for each in required if each is first or each.name not in context.params]
    names = [
        f"{_long_name(each)} {value_form(each)}" if _is_option(each) else each.name
        for each in missing
    ]
    example = _example(context, ", as in ") or f": see {help_command(context)}"
    return f"{_path(context)} needs {_and(names)}{example}"


def _invalid(error: BadParameter) -> str:
    context, parameter = error.ctx, error.param
    if context is None or parameter is None:
        return error.format_message()
    name = _long_name(parameter) if _is_option(parameter) else str(parameter.name)
    source = context.get_parameter_source(parameter.name)
    match source and source.name:
        case "ENVIRONMENT":
            name = str(parameter.envvar)
        case "DEFAULT_MAP":
            from vipllava_cli.storage.settings import settings_file

            key = parameter.name.replace("_", "-")
            message = describe_invalid_value(key, error, f" in {settings_file()}")
            return f"{message}; `vipllava config unset {key}` removes it"
    return describe_invalid_value(name, error)


def describe_invalid_value(name: str, error: BadParameter, place: str = "") -> str:
    """Describe a value that an option or an argument refuses."""
    parameter: Any = error.param
    value = _refused_value(error)
    what = f"invalid {name}" + ("" if value is None else f" {short_repr(value)}") + place
    expected = expected_value(parameter)
    if not expected:  # the message of a parser of our own
        return f"{what}: {error.message.removeprefix(_PYDANTIC_PREFIX).rstrip('.')}"
    choices = [choice.value for choice in parameter.type_descriptor.choices or ()]
    # Of the shortest words, any two are near.
    suggestion = did_you_mean(str(value), choices) if len(str(value)) > _MIN_CHOICE else ""
    return f"{what}: expected {expected}{suggestion}"


def _refused_value(error: BadParameter) -> object:
    """Return the value that pydantic refused; None if it is unknown."""
    cause: Any = error.__cause__
    return cause.errors()[0].get("input") if hasattr(cause, "errors") else None


def _unknown_option(error: NoSuchOption) -> str:
    context, typed = error.ctx, error.option_name
    assert context is not None  # noqa: S101 - click sets it on every error of a command
    command = context.command
    what = f"unknown option {typed}"
    plain = typed.lstrip("-").replace("-", "_")
    if any(each.name in {plain, f"{plain}s"} for each in _arguments(command)):
        return f"{what}: write the {plain} without {typed}{_example(context, ', as in ')}"
    if plain in OPTION_KEYS + MODEL_KEYS and _takes_key(command):
        key = typed.lstrip("-")
        return f"{what}: write {key} without hyphens{_example(context, ', as in ')}"
    if plain in {"m", *MODEL_KEYS} and any(each.name == "name" for each in _arguments(command)):
        return f"{what}: write the name without {typed}{_example(context, ', as in ')}"
    name = _similar_option(typed, [n for each in command.get_params(context) for n in each.opts])
    if name is not None:
        return f"{what}; did you mean {name}?"
    others = [path for path, each in _subcommands(context.find_root().command) if _has(each, typed)]
    if others and hasattr(command, "commands"):
        typed_words = context.meta.get(WORDS, ())
        chosen = (path for path in others if path.rpartition(" ")[2] in typed_words)
        return misplaced_option(typed, next(chosen, others[0]))
    if others:
        where = f"{what} of {_path(context)}: it belongs to vipllava {others[0]}"
        return f"{where}; {help_command(context)} lists the options here"
    return _see(what, context)


def _takes_key(command: Any) -> bool:
    return any(each.name == "key" for each in _arguments(command))


def _similar_option(typed: str, names: list[str]) -> str | None:
    """Return the option that the user probably meant: for a letter, the one of the other case."""
    if typed.startswith("--"):
        accepted = {name: name for name in names if name.startswith("--")}
        accepted |= {old: name for name, old in OLD_NAMES.items() if name in accepted}
        name = near(typed, accepted)
        return None if name is None else accepted[name]
    return typed.swapcase() if typed.swapcase() in names else None


def _list_commands(context: Any) -> str:
    return f"{help_command(context)} lists the commands"


def _see(what: str, context: Any) -> str:
    return f"{what}: {help_command(context)} lists the options"


# --- words of the messages -------------------------------------------------------------------


def _arguments(command: Any) -> list[Any]:
    return [each for each in command.params if not _is_option(each)]


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _long_name(option: Any) -> str:
    return max(map(str, option.opts), key=len)


def _subcommands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the command of each listed subcommand, also of groups."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _subcommands(command, f"{path}{name} ")
        elif not command.hidden:
            yield f"{path}{name}", command


def _has(command: Any, option: str) -> bool:
    return any(option in each.opts for each in command.params)


def _path(context: Any) -> str:
    return str(context.command_path)


def _example(context: Any, before: str) -> str:
    """Return the first example of a command's help after `before`; nothing without an example."""
    example = (context.command.help or "").partition("\n\n")[2].partition("\n\n")[0].strip()
    return f"{before}`{example}`" if example else ""


def _and(names: list[str]) -> str:
    *head, last = names
    return f"{', '.join(head)} and {last}" if head else last

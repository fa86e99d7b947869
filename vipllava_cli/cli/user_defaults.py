"""The settings of `vipllava config`: the user's defaults of options, and where each value comes from.

The order is: option, environment variable, settings file, default. Typer resolves it, and checks each
value as the option does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

import typer
from typer._click.exceptions import BadParameter

from vipllava_cli.cli.options import OPTION_KEYS, AnswerOptions, ModelOptions
from vipllava_cli.cli.suggestions import did_you_mean, one_of
from vipllava_cli.cli.usage_errors import check_number, describe_invalid_value
from vipllava_cli.engine.options import DEFAULT_MODEL
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.storage.settings import UserSettings, settings_file

MODEL, REVISION = "model", "revision"
KEYS = tuple(name.replace("_", "-") for name in (MODEL, REVISION, *OPTION_KEYS))

_COMMAND = "ask"  # the subcommand that has all of these options


@dataclass(frozen=True)
class Effective:
    """The value that a run without the option uses. `origin` names its place for a person.

    `source` is `environment`, `settings` or `default`.
    """

    key: str
    value: Any
    source: str
    origin: str


def parse_key(text: str) -> str:
    """Return the key of a setting, in which `_` may stand for `-`. Raises UsageError."""
    key = text.lstrip("-").replace("_", "-")
    if key not in KEYS:
        raise UsageError(
            f"unknown setting {short_repr(text)}: expected {one_of(KEYS)}{did_you_mean(key, KEYS)}"
        )
    return key


def parse_value(context: typer.Context, key: str, text: str) -> str | int | float:
    """Check a value as the option does, and return it for the settings file. Raises UsageError."""
    parameter = definition(context, key)
    try:
        check_number(parameter, text)
        value = parameter.process_value(_ask_context(context, UserSettings()), text)
    except BadParameter as error:
        raise UsageError(describe_invalid_value(key, error)) from None
    except UsageError as error:  # an option that names itself
        raise UsageError(str(error).replace(f"--{key}", key)) from None
    _convert(parameter.name, value)
    checked: str | int | float = value.value if isinstance(value, Enum) else value
    return checked


def effective_settings(context: typer.Context, saved: UserSettings) -> Iterator[Effective]:
    """Yield the value of every setting for a run without options."""
    ask = _ask_context(context, saved)
    model_source = ""
    for key in KEYS:
        parameter = definition(context, key)
        value, found = parameter.consume_value(ask, {})
        source, origin = _SOURCES[found.name]
        if key == MODEL:
            model_source, value = source, value or DEFAULT_MODEL
        if key == REVISION and model_source != source:  # it belongs to the model of the settings
            value, (source, origin) = None, _SOURCES["DEFAULT"]
        value = value.value if isinstance(value, Enum) else value
        yield Effective(key, value, source, origin.format(variable=parameter.envvar))


def unknown_entries(saved: UserSettings) -> Iterator[str]:
    """Yield a warning for each entry of the settings file that is no setting of this version."""
    for name in saved.options:
        if name not in OPTION_KEYS:
            yield (
                f"{short_repr(name)} in {settings_file()} has no effect: it is not a setting"
                f"{did_you_mean(name, KEYS)}"
            )


_SOURCES = {
    "ENVIRONMENT": ("environment", "{variable}"),
    "DEFAULT_MAP": ("settings", "settings file"),
    "DEFAULT": ("default", "default"),
}


def definition(context: typer.Context, key: str) -> Any:
    """Return Typer's definition of the option of a setting."""
    program: Any = context.find_root().command
    parameters = program.commands[_COMMAND].params
    return next(each for each in parameters if each.name == key.replace("-", "_"))


def _ask_context(context: typer.Context, saved: UserSettings) -> Any:
    """Make a context of `ask` in which the saved settings are the defaults."""
    root: Any = context.find_root()
    defaults = {MODEL: saved.model, REVISION: saved.revision, **saved.options}
    command = root.command.commands[_COMMAND]
    return type(root)(command, info_name=_COMMAND, parent=root, default_map=defaults)


def _convert(name: str, value: Any) -> None:
    """Convert a value as a run does. Raises UsageError."""
    if name in {each.name for each in fields(ModelOptions)}:
        replace(ModelOptions(), **{name: value}).load_options()
    elif name in {each.name for each in fields(AnswerOptions)}:
        replace(AnswerOptions(), **{name: value}).options()

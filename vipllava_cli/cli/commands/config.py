"""`vipllava config`: show and change the user's settings."""

import shlex
import sys
from dataclasses import replace
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.completion import complete_setting_values, complete_settings
from vipllava_cli.cli.options import Json, OutputOptions
from vipllava_cli.errors import UsageError

_KEYS_HELP = "model, revision, or the name of an option without hyphens in front, like template."
Key = Annotated[str, typer.Argument(help=_KEYS_HELP, autocompletion=complete_settings)]


@command
def show(
    key: Annotated[
        str | None,
        typer.Argument(
            help="Print only the value of this setting.", autocompletion=complete_settings
        ),
    ] = None,
    *,
    json: Json = False,
    ctx: typer.Context,
) -> None:
    """Show every setting, its value and where the value comes from.

    vipllava config show
    """
    from vipllava_cli.cli.terminal.json_output import print_json
    from vipllava_cli.cli.terminal.messages import Messages, one_line
    from vipllava_cli.cli.terminal.settings import print_settings
    from vipllava_cli.cli.user_defaults import effective_settings, parse_key, unknown_entries
    from vipllava_cli.storage.settings import read_settings

    wanted, saved = None if key is None else parse_key(key), read_settings()
    for warning in unknown_entries(saved):
        Messages().warning(warning)
    found = [
        each for each in effective_settings(ctx, saved) if wanted is None or each.key == wanted
    ]
    if json:
        print_json({each.key: {"value": each.value, "source": each.source} for each in found})
    elif wanted is None:
        print_settings(found)
    else:
        (only,) = found
        sys.stdout.write("" if only.value is None else one_line(str(only.value)) + "\n")


@command
def set_value(
    key: Key,
    value: Annotated[
        str,
        typer.Argument(
            help="A value that the option takes.", autocompletion=complete_setting_values
        ),
    ],
    *,
    output: OutputOptions,
    ctx: typer.Context,
) -> None:
    """Set the default of an option. The option and its environment variable override it.

    vipllava config set template vicuna
    """
    from vipllava_cli.cli.default_model import set_default_model
    from vipllava_cli.cli.user_defaults import KEYS, MODEL, REVISION, parse_key, parse_value
    from vipllava_cli.storage.settings import read_settings, settings_file, write_settings

    messages = output.messages()
    if key not in KEYS and value in KEYS:
        raise UsageError(
            f"write the setting before its value: `vipllava config set {value} {shlex.quote(key)}`"
        )
    name, settings = parse_key(key), read_settings()
    if not value:
        raise UsageError(f"the value is empty: `vipllava config unset {name}` removes a setting")
    if name == MODEL:
        set_default_model(value, None, messages)
        return
    if name == REVISION:
        if settings.model is None:
            raise UsageError(
                "a revision belongs to a model: `vipllava models use NAME --revision REV` sets both"
            )
        set_default_model(settings.model, value, messages)
        return
    checked = parse_value(ctx, name, value)
    options = {**settings.options, name.replace("-", "_"): checked}
    write_settings(replace(settings, options=options))
    messages.say(f"{name} is now {checked} ({settings_file()})")


@command
def unset(key: Key, *, output: OutputOptions, ctx: typer.Context) -> None:
    """Remove a setting, so that the default applies again.

    vipllava config unset template
    """
    from vipllava_cli.cli.user_defaults import MODEL, REVISION, effective_settings, parse_key
    from vipllava_cli.storage.settings import read_settings, write_settings

    name, settings = parse_key(key), read_settings()
    if name == MODEL:
        changed = replace(settings, model=None, revision=None)
    elif name == REVISION:
        changed = replace(settings, revision=None)
    else:
        kept = {k: v for k, v in settings.options.items() if k != name.replace("-", "_")}
        changed = replace(settings, options=kept)
    messages = output.messages()
    if changed == settings:
        messages.note(f"{name} was not set")
        return
    write_settings(changed)
    now = next(each for each in effective_settings(ctx, changed) if each.key == name)
    is_open = now.value is None
    messages.say(
        f"{name} is no longer set" + ("" if is_open else f": now {now.value} ({now.origin})")
    )


@command
def path() -> None:
    """Print the path of the settings file.

    vipllava config path
    """
    from vipllava_cli.cli.terminal.escapes import safe
    from vipllava_cli.storage.settings import settings_file

    name = str(settings_file())
    sys.stdout.write((safe(name) if sys.stdout.isatty() else name) + "\n")

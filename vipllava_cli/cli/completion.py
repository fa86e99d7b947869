"""What the shell completes: names of models, subcommands and settings. Imports nothing heavy."""

import os
from collections.abc import Iterator
from typing import Any

import typer

from vipllava_cli.errors import UsageError

Completions = list[tuple[str, str]]  # the words, each with a description for zsh and fish


def complete_models() -> Completions:
    """Return the names that `--model` takes: the short ones, and those in the local cache."""
    from vipllava_cli.engine.hub.registry import BUNDLED

    shipped = ((name, "part of this package") for name in BUNDLED)
    return [*shipped, *_hub_models(), *_servers()]


def complete_hub_models() -> Completions:
    """Return the names that `models pull` takes: the usual ones, and an example of each family."""
    from vipllava_cli.engine.hub.families import FAMILIES, VIPLLAVA

    known = _hub_models()
    names = {name for name, _ in known}
    examples = [(row.example, row.name) for row in FAMILIES.values() if row.model_type != VIPLLAVA]
    return [*known, *(each for each in examples if each[0] not in names)]


def _hub_models() -> Completions:
    """Return the short names of models on the hub, and the names in the local cache."""
    from vipllava_cli.engine.hub.registry import PUBLISHED
    from vipllava_cli.storage.sizes import decimal_size

    named = [(name, f"download of {decimal_size(each.size)}") for name, each in PUBLISHED.items()]
    short_names = {published.repository for published in PUBLISHED.values()}
    return [*named, *(each for each in _cached() if each[0] not in short_names)]


def complete_downloaded_models() -> Completions:
    """Return the names that `models remove` takes."""
    from vipllava_cli.engine.hub.registry import PUBLISHED

    short_names = {published.repository: name for name, published in PUBLISHED.items()}
    downloaded = [(short_names.get(name, name), where) for name, where in _cached()]
    return [*downloaded, *_servers()]


def _cached() -> Iterator[tuple[str, str]]:
    from vipllava_cli.engine.hub.cached_names import cached_names

    return ((name, "on this machine") for name in cached_names())


def _servers() -> Completions:
    """Return the names of models on servers."""
    from vipllava_cli.storage.settings import read_settings

    try:
        servers = read_settings().servers
    except UsageError:  # a damaged file completes nothing
        return []
    return [(name, f"on a server: {entry.get('model', '')}") for name, entry in servers.items()]


def complete_settings() -> list[str]:
    """Return the keys of `vipllava config`."""
    from vipllava_cli.cli.user_defaults import KEYS

    return list(KEYS)


def complete_setting_values(ctx: typer.Context) -> list[str]:
    """Return the values of the setting whose key is already typed."""
    from vipllava_cli.cli.user_defaults import KEYS, MODEL, definition

    key = str(ctx.params.get("key") or "").replace("_", "-")
    if key == MODEL:
        return [name for name, _ in complete_models()]
    if key not in KEYS:
        return []
    return [choice.value for choice in definition(ctx, key).type_descriptor.choices or ()]


def join_equals_signs() -> None:
    """Rewrite the words that bash passes: it splits `--model=7` into three, at the `=`."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    current = os.environ.get("COMP_CWORD", "")
    if "=" not in words or not (current.isascii() and current.isdecimal() and len(current) < 10):
        return
    kept = [at for at, word in enumerate(words) if word != "=" or at >= int(current)]
    os.environ["COMP_WORDS"] = "\n".join(words[at] for at in kept)
    os.environ["COMP_CWORD"] = str(sum(at < int(current) for at in kept))


def keep_descriptions_on_one_line() -> None:
    """Let Rich wrap no description: fish and PowerShell take every line as a completion."""
    if "_VIPLLAVA_COMPLETE" in os.environ:
        os.environ["COLUMNS"] = "10000"


def complete_commands(ctx: typer.Context) -> list[str]:
    """Return the subcommands of the group that the words before it name."""
    command: Any = ctx.find_root().command
    for word in ctx.params.get("words") or ():
        command = getattr(command, "commands", {}).get(word)
    commands = getattr(command, "commands", {})
    return [name for name, each in commands.items() if not each.hidden]

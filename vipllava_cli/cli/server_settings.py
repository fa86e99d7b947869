"""Name models on servers in the settings: `vipllava models add` and `vipllava models remove`."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from vipllava_cli.errors import UsageError, short_repr

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages


def add_server(
    name: str,
    url: str,
    model: str,
    key_variable: str | None,
    prices: str | None,
    messages: "Messages",
) -> None:
    """Write a server model to the settings, and print how to use it. Raises UsageError."""
    from vipllava_cli.engine.server.config import make_server_model
    from vipllava_cli.engine.server.keys import find_key
    from vipllava_cli.storage.settings import read_settings, settings_file, write_settings

    server = make_server_model(
        name, url, model, key_variable, None if prices is None else _parse_prices(prices)
    )
    settings = read_settings()
    is_known = name in settings.servers
    servers = {**settings.servers, name: server.to_json()}
    write_settings(replace(settings, servers=servers))
    changed = "now means" if is_known else "means"
    messages.say(f"{name} {changed} {server.model} at {server.shown_url} ({settings_file()})")
    key = find_key(server)
    messages.note(
        f"its key is in {key.origin}"
        if key.value
        else f"if the server needs a key, set {server.key_variable}"
    )
    messages.say(f"check it with `vipllava doctor --model {name}`, use it with --model {name}")


def remove_server(name: str, messages: "Messages") -> None:
    """Remove a server model from the settings."""
    from vipllava_cli.storage.settings import read_settings, write_settings

    settings = read_settings()
    servers = {each: entry for each, entry in settings.servers.items() if each != name}
    is_default = settings.model == name
    model = None if is_default else settings.model
    write_settings(replace(settings, servers=servers, model=model))
    messages.say(f"removed the name {name}; its server is as it was")
    if is_default:
        messages.note(f"{name} was the default model: `vipllava models use` sets another")


def _parse_prices(text: str) -> tuple[float, float]:
    """Parse `--prices`. Raises UsageError."""
    try:
        prompt, answer = (float(part) for part in text.split(","))
    except ValueError:
        prompt = answer = math.nan
    if not (0 <= prompt < 1e9 and 0 <= answer < 1e9):
        raise UsageError(
            f"--prices are two numbers, like 0.25,2 for a million prompt and answer tokens, not"
            f" {short_repr(text)}"
        )
    return prompt, answer

"""Models on servers as tables and JSON. Shows where a key comes from, never the key."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.cli.terminal.models import table_console
from vipllava_cli.engine.server.config import ServerModel
from vipllava_cli.engine.server.keys import find_key


def print_servers(servers: Sequence[ServerModel], chosen: str) -> None:
    """Print one row for each server model, after an empty line. `*` marks the default model."""
    if not servers:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "name", "model on a server", "address"):
        table.add_column(heading, overflow="fold")
    for server in servers:
        table.add_row(
            "*" if server.name == chosen else "",
            Text(one_line(server.name)),
            Text(one_line(server.model)),
            Text(one_line(server.shown_url)),
        )
    console = table_console()
    console.print()
    console.print(table)


def server_to_json(server: ServerModel, chosen: str) -> dict[str, object]:
    """Return the row of a server model, with the names of the rows of other models."""
    return {
        "name": server.name,
        "default": server.name == chosen,
        "parameters": None,
        "size": None,
        "where": server.shown_url,
        "folder": None,
        "licence": None,
        "server_model": server.model,
    }


def server_facts(server: ServerModel) -> dict[str, object]:
    """Describe a server model for `models info`."""
    key = find_key(server)
    facts: dict[str, object] = {
        "name": server.name,
        "server": server.shown_url,
        "model": server.model,
        "key": f"in {key.origin}" if key.value else f"none; {server.key_variable} would hold it",
    }
    if server.prices:
        facts["prices"] = (
            f"{server.prices.prompt:g} for a million prompt tokens,"
            f" {server.prices.answer:g} for a million answer tokens"
        )
    return facts

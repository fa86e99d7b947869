"""The state of the servers, for `vipllava doctor`."""

from collections.abc import Callable
from typing import Any

from vipllava_cli.engine.server.client import ServerClient
from vipllava_cli.engine.server.config import ServerModel, find_server_model, server_models
from vipllava_cli.engine.server.engine import ServerEngine
from vipllava_cli.engine.server.failures import UnreachableError
from vipllava_cli.engine.server.image_check import check_images
from vipllava_cli.engine.server.keys import find_key
from vipllava_cli.errors import ModelError

Facts = dict[str, str]

_TIMEOUT = 30.0  # seconds: a server may load the model first
_MAX_LISTED = 5  # models in a line


def diagnose_servers(chosen: str, on_note: Callable[[str], None]) -> dict[str, Facts]:
    """Ask each server of the settings, and the chosen one. Raises UsageError for damaged settings."""
    servers = server_models()
    server = find_server_model(chosen)
    if server is not None:
        servers[chosen] = server
    return {f"server {name}": _diagnose(server, on_note) for name, server in servers.items()}


def _diagnose(server: ServerModel, on_note: Callable[[str], None]) -> Facts:
    """Return whether a server is reachable, has the model, and accepts images."""
    facts = {"address": server.shown_url, "model": server.model}
    try:
        key = find_key(server)
        facts["key"] = f"in {key.origin}" if key.value else f"none in {server.key_variable}"
        client = ServerClient(server, key, on_note, timeout=_TIMEOUT)
        facts["listed"] = _listing(client)
        facts["images"] = f"arrive: {check_images(ServerEngine(client))}"
    except ModelError as error:
        facts["refused"] = str(error)
    return facts


def _listing(client: ServerClient) -> str:
    """Say whether the server lists the model. Some servers list nothing, or load models on demand.

    Raises ModelError only if the server is unreachable.
    """
    try:
        listed = client.get_json("/models")
    except ModelError as error:
        if isinstance(error, UnreachableError):
            raise
        return f"unknown: {error}"
    names = list(_names(listed))
    if client.server.model in names:
        return "yes"
    if not names:
        return "unknown: the server lists no models"
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"no; the server lists {', '.join(names[:_MAX_LISTED])}{more}"


def _names(listed: Any) -> list[str]:
    rows = listed.get("data") if isinstance(listed, dict) else None
    names = [row.get("id") for row in rows or () if isinstance(row, dict)]
    return [name for name in names if isinstance(name, str)]

"""The engine of a stand-in server, for tests."""

from dataclasses import replace
from typing import Any

from tests.support.vision_server import MODEL, VisionServer
from vipllava_cli.engine.server.config import make_server_model
from vipllava_cli.engine.server.engine import ServerEngine
from vipllava_cli.engine.server.opening import DEFAULTS, open_server

QUICK = replace(DEFAULTS, pause=0.001, timeout=10.0)


def engine_at(
    server: VisionServer, notes: list[str] | None = None, model: str = MODEL, **options: Any
) -> ServerEngine:
    """Open a server's model. The engine retries at once, and `notes` receives its notes."""
    on_note = (notes if notes is not None else []).append
    chosen = make_server_model("box", server.url, model)
    return open_server(chosen, replace(QUICK, **options), on_note)

"""Open the engine of a server model."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from vipllava_cli.engine.server.client import PAUSE, TIMEOUT, ServerClient
from vipllava_cli.engine.server.config import (
    OPENAI_URL,
    ServerModel,
)
from vipllava_cli.engine.server.engine import PARALLEL, ServerEngine
from vipllava_cli.engine.server.image_check import check_images_once_a_day
from vipllava_cli.engine.server.keys import find_key
from vipllava_cli.errors import ModelError

_logger = logging.getLogger("vipllava")


@dataclass(frozen=True)
class ServerOptions:
    """How to use a server: requests at a time, seconds without a byte, the check of images.

    `pause` is the first wait after an error, in seconds.
    """

    parallel: int = PARALLEL
    timeout: float = TIMEOUT
    checks_images: bool = True
    pause: float = PAUSE


DEFAULTS = ServerOptions()


def open_server(
    server: ServerModel,
    options: ServerOptions | None = None,
    on_note: Callable[[str], None] | None = None,
) -> ServerEngine:
    """Return the engine of a server model, once a day after a check that images arrive.

    `on_note` receives lines for the user; without it, they are warnings of the log. Raises ModelError.
    """
    chosen = options or DEFAULTS
    key = find_key(server)
    if not key.value and server.url == OPENAI_URL:
        raise ModelError(f"{server.model} needs a key: set {server.key_variable}")
    client = ServerClient(
        server, key, on_note or _logger.warning, timeout=chosen.timeout, pause=chosen.pause
    )
    engine = ServerEngine(client, chosen.parallel)
    if chosen.checks_images:
        check_images_once_a_day(engine)
    return engine

"""Open the engine of a server model."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from vipllava_cli.engine.server.client import PAUSE, TIMEOUT, ServerClient
from vipllava_cli.engine.server.config import (
    OPENAI_URL,
    ServerModel,
)
from vipllava_cli.engine.server.engine import PARALLEL, ServerEngine
from vipllava_cli.engine.server.image_check import CheckInBackground, check_images_once_a_day
from vipllava_cli.engine.server.keys import find_key
from vipllava_cli.errors import ModelError

_logger = logging.getLogger("vipllava")


@dataclass(frozen=True)
class ServerOptions:
    """How to use a server: requests at a time, seconds without a byte, the check of images.

    `pause` is the first wait after an error, in seconds. Unless it `waits_for_check`, the opening returns
    at once, and the first question waits.
    """

    parallel: int = PARALLEL
    timeout: float = TIMEOUT
    checks_images: bool = True
    pause: float = PAUSE
    waits_for_check: bool = True


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
    note_open_key(client)
    engine = ServerEngine(client, chosen.parallel)
    if chosen.checks_images and chosen.waits_for_check:
        check_images_once_a_day(engine)
    elif chosen.checks_images:
        engine.wait_until_checked = CheckInBackground(engine).wait
    return engine


def note_open_key(client: ServerClient) -> None:
    """Say that others can read the key on its way to the server, if they can."""
    server, key = client.server, client.key
    if key.value and _is_open(server.url):
        client.on_note(
            f"the key in {key.origin} travels unencrypted to {server.shown_url}: use an https:// address"
        )


def _is_open(url: str) -> bool:
    """Return whether others can read what goes to an address: no encryption, and another machine."""
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/:?]", rest.removeprefix("["))[0]
    return scheme == "http" and not (host in ("localhost", "") or host.startswith("127."))

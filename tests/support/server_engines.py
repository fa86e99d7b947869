"""The engine of a stand-in server, and the home folder of its tests."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.vision_server import MODEL, VisionServer
from vipllava_cli.engine.server.config import make_server_model
from vipllava_cli.engine.server.engine import ServerEngine
from vipllava_cli.engine.server.opening import DEFAULTS, open_server

QUICK = replace(DEFAULTS, pause=0.001, timeout=10.0)


def server_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home folder. The environment holds no key. A fixture, see `conftest.py`."""
    folder = tmp_path / "home"
    monkeypatch.setenv("VIPLLAVA_HOME", str(folder))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "VIPLLAVA_KEY_BOX"):
        monkeypatch.delenv(name, raising=False)
    return folder


def engine_at(
    server: VisionServer, notes: list[str] | None = None, model: str = MODEL, **options: Any
) -> ServerEngine:
    """Open a server's model. The engine retries at once, and `notes` receives its notes."""
    on_note = (notes if notes is not None else []).append
    chosen = make_server_model("box", server.url, model)
    return open_server(chosen, replace(QUICK, **options), on_note)

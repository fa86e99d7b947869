"""The engine of a stand-in server, and the home folder and the rows of its tests."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

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


def write_rows(folder: Path, count: int, image: Path) -> Path:
    """Write a manifest of the rows `r0`, `r1`, … with the questions `what is number 0.` and so on."""
    rows = [
        {"id": f"r{n}", "image": str(image), "question": f"what is number {n}."}
        for n in range(count)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def manifest(folder: Path, count: int) -> Path:
    """Write rows as `write_rows` does, and the small image that they are about."""
    image = folder / "image.png"
    Image.new("RGB", (80, 60), "red").save(image)
    return write_rows(folder, count, image)


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the records of a run that has ended, or was killed."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]

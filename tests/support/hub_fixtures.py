"""Fixtures with a stand-in for the hub. A test module loads them by `pytest_plugins`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import StandInHub, serving
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED


def shipped_files() -> dict[str, bytes]:
    """Return the files of the shipped model, and two that no download needs."""
    files = {path.name: path.read_bytes() for path in BUNDLED["tiny"].iterdir() if path.is_file()}
    return {**files, "pytorch_model.bin": b"pickle", "notes.pdf": b"%PDF"}


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    """Serve the shipped model under the name of the public 7B."""
    with serving(StandInHub(PUBLISHED["7b"].repository, shipped_files())) as hub:
        yield hub


@pytest.fixture
def environment(hub: StandInHub, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a process that uses the stand-in hub."""
    return os.environ | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VIPLLAVA_HOME": str(tmp_path / "home"),
    }


@pytest.fixture
def online(hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process use the stand-in hub, whose client has already read the environment."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path / "home"))
    for name, value in {
        "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"),
        "HF_HUB_OFFLINE": False,
        "ENDPOINT": hub.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    }.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user an empty home, without settings or models."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path

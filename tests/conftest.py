"""What the tests share: the command run in this process, and small images."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer import testing

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.pop("VIPLLAVA_MODEL", None)
os.environ.pop("COLUMNS", None)  # readline leaves them behind where tests are typed in a terminal
os.environ.pop("LINES", None)
os.environ["VIPLLAVA_HOME"] = os.devnull  # nobody's own settings; a test that keeps some says where

from tests.support import warm
from tests.support.devices import kinds_of_devices
from tests.support.session_folders import remove_session_folders
from vipllava_cli.cli.app import app
from vipllava_cli.engine.base import Engine
from vipllava_cli.engine.open import open_engine

# To make the command anew for every call takes longer than most calls.
testing._get_command = cache(testing._get_command)  # type: ignore[attr-defined]

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "sample_images"


def _is_fast(config: pytest.Config) -> bool:
    """Return whether this run leaves out every test that needs a model, as `make test-fast` does."""
    return "not model" in config.option.markexpr


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip whole modules of model tests in a fast run: importing them would import torch."""
    if not _is_fast(config) or collection_path.suffix != ".py":
        return None
    return "\npytestmark = pytest.mark.model\n" in collection_path.read_text() or None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove what all tests shared, and fail a fast run that imported torch."""
    remove_session_folders()
    if _is_fast(session.config) and "torch" in sys.modules:
        raise pytest.UsageError("a test that is not marked `model` imported torch")


def pytest_configure(config: pytest.Config) -> None:
    """Fork workers from one process that has imported torch, so that each need not import it."""
    workers = config.getoption("numprocesses", None)
    if workers and not hasattr(config, "workerinput") and not _is_fast(config):
        # Torch would give each worker a thread for every core, and they would wait for each other.
        threads = max((os.cpu_count() or 1) // workers, 1)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        config.option.tx = [f"popen//python={warm.share()}"] * workers


@pytest.fixture(autouse=True)
def _devices() -> Iterator[None]:
    """Fail the test that harms a device of this machine, which root can."""
    before = kinds_of_devices()
    yield
    assert kinds_of_devices() == before, "this test replaced a device: make it again with mknod"


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str


Run = Callable[..., Finished]


@pytest.fixture
def run() -> Run:
    """Run `vipllava` with these arguments in this process."""

    def run_command(*arguments: str | Path, stdin: bytes | None = None) -> Finished:
        result = testing.CliRunner().invoke(
            app, [str(argument) for argument in arguments], input=stdin
        )
        return Finished(result.exit_code, result.stdout, result.stderr)

    return run_command


@cache
def open_once(model: str, **how: Any) -> Engine:
    """The engine that every test shares: to load the same weights takes most of a short one's time."""
    return open_engine(model, **how)


@pytest.fixture
def opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process share engines; none shows where its parts lie."""

    def opened(model: str, *, on_plan: object = None, **how: Any) -> Engine:
        return open_engine(model, **how) if "server_options" in how else open_once(model, **how)

    monkeypatch.setattr("vipllava_cli.cli.model_loading.open_engine", opened)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A grey image of 200x100 pixels."""
    path = tmp_path / "grey.png"
    Image.new("RGB", (200, 100), (128, 128, 128)).save(path)
    return path

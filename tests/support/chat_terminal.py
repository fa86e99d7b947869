"""`vipllava chat` in a terminal of its own."""

from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT
from tests.support.terminal import Terminal

TIMEOUT = 60  # seconds for each step, on any machine


def open_chat(
    module: str,
    *arguments: str,
    home: Path,
    folder: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> Terminal:
    """Start `chat` of a module that runs `vipllava`; by default in the root of the checkout."""
    environment = {
        "VIPLLAVA_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        **(env or {}),
    }
    return Terminal("-m", module, "chat", *arguments, env=environment, folder=folder)

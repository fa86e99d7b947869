"""The models that the scenarios use, by size."""

import json
import shutil
from pathlib import Path

from filelock import FileLock

SIZES = ("tiny", "mid", "7b")
FOLDER = Path(__file__).parent.parent / "build" / "checkpoints"


def find_or_make(size: str, folder: Path = FOLDER) -> str:
    """Return the name or folder of a model. Writes random weights if they are not there yet."""
    if size == "tiny":
        return size
    made = folder / size
    if not _is_made(made):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{size}.lock"):  # a quick run has two processes
            if not _is_made(made):
                _make(made)
    return str(made)


def _is_made(made: Path) -> bool:
    from benchmarks.make_checkpoint import make_config

    config = made / "config.json"
    return config.exists() and json.loads(config.read_text()) == make_config(made.name)


def _make(made: Path) -> None:
    from benchmarks.make_checkpoint import make

    unfinished = made.with_name(f"{made.name}.unfinished")
    for old in (made, unfinished):
        shutil.rmtree(old, ignore_errors=True)
    make(made.name, unfinished)
    unfinished.rename(made)

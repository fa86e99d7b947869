"""The models that the scenarios use, by size."""

import json
import shutil
from pathlib import Path

SIZES = ("tiny", "mid", "7b")
FOLDER = Path(__file__).parent.parent / "build" / "checkpoints"


def find_or_make(size: str, folder: Path = FOLDER) -> str:
    """Return the name or folder of a model. Writes random weights if they are not there yet."""
    if size == "tiny":
        return size
    from benchmarks.make_checkpoint import make, make_config

    made = folder / size
    if made.is_dir() and json.loads((made / "config.json").read_text()) == make_config(size):
        return str(made)
    unfinished = folder / f"{size}.unfinished"
    for old in (made, unfinished):
        shutil.rmtree(old, ignore_errors=True)
    make(size, unfinished)
    unfinished.rename(made)
    return str(made)

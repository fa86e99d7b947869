"""The names of the supported models in the local cache, for completion: imports no hub client."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vipllava_cli.engine.hub.checks.files import read_json
from vipllava_cli.engine.hub.families import FAMILIES
from vipllava_cli.errors import ModelError

# A part of a hub name starts and ends with a letter or digit, and has neither -- nor .. in it.
_PART = r"(\w(?:(?!--|\.\.)[\w.-]){0,95})(?<![.-])"
_FOLDER_NAME = re.compile(rf"models--{_PART}--{_PART}(?<!\.git)", re.ASCII)


def cached_names() -> Iterator[str]:
    """Yield the hub names of the models of supported families with files in the cache, sorted."""
    for name, folder in cached_folders():
        if any(_is_supported(config) for config in folder.glob("snapshots/*/config.json")):
            yield name


def cached_folders() -> Iterator[tuple[str, Path]]:
    """Yield the hub name and the folder of each cached model repository, of any architecture, sorted.

    Passes over folders whose names are no hub names, and reads no files.
    """
    from huggingface_hub import constants

    with suppress(OSError):
        for folder in sorted(Path(constants.HF_HUB_CACHE).iterdir()):
            if (found := _FOLDER_NAME.fullmatch(folder.name)) and folder.is_dir():
                yield f"{found[1]}/{found[2]}", folder


def _is_supported(config: Path) -> bool:
    with suppress(OSError, ModelError, AttributeError, TypeError):
        return read_json(config, "").get("model_type") in FAMILIES
    return False

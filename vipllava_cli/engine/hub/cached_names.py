"""The names of the VipLlava models in the local cache, for completion: imports no hub client."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vipllava_cli.engine.hub.registry import PUBLISHED

_FOLDER_PREFIX = "models--"
_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)  # the shell evaluates what it completes
_MAX_BYTES = 1_000_000
_MODEL_TYPE = PUBLISHED["7b"].config["model_type"]


def cached_names() -> Iterator[str]:
    """Yield the hub names of the VipLlava models that have files in the cache, sorted."""
    from huggingface_hub import constants

    for folder in sorted(Path(constants.HF_HUB_CACHE).glob(f"{_FOLDER_PREFIX}*--*")):
        if any(_is_vipllava(config) for config in folder.glob("snapshots/*/config.json")):
            name = folder.name.removeprefix(_FOLDER_PREFIX).replace("--", "/", 1)
            if _NAME.fullmatch(name):
                yield name


def _is_vipllava(config: Path) -> bool:
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        if config.is_file() and config.stat().st_size <= _MAX_BYTES:  # a pipe would never end
            found = json.loads(config.read_text(encoding="utf-8"))
            return bool(found.get("model_type") == _MODEL_TYPE)
    return False

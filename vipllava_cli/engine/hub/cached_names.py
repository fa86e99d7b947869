"""The names of the VipLlava models in the local cache, for completion: imports no hub client."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vipllava_cli.engine.hub.registry import PUBLISHED

_FOLDER_PREFIX = "models--"
_MODEL_TYPE = PUBLISHED["7b"].config["model_type"]


def cached_names() -> Iterator[str]:
    """Yield the hub names of the VipLlava models that have files in the cache, sorted."""
    from huggingface_hub import constants

    for folder in sorted(Path(constants.HF_HUB_CACHE).glob(f"{_FOLDER_PREFIX}*--*")):
        if any(_is_vipllava(config) for config in folder.glob("snapshots/*/config.json")):
            yield folder.name.removeprefix(_FOLDER_PREFIX).replace("--", "/", 1)


def _is_vipllava(config: Path) -> bool:
    with suppress(OSError, ValueError, AttributeError):
        return bool(json.loads(config.read_text(encoding="utf-8")).get("model_type") == _MODEL_TYPE)
    return False

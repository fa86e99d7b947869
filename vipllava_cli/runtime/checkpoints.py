"""Model names -> a folder on this machine that holds a whole checkpoint, or one clear line."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from vipllava_cli import __version__
from vipllava_cli.errors import ModelError, UsageError

MODEL_TYPE = "vipllava"
BUNDLED: Mapping[str, Path] = {"tiny": Path(__file__).parent.parent / "demo" / "weights"}
HUB_NAMES: Mapping[str, str] = {
    "7b": "llava-hf/vip-llava-7b-hf",
    "13b": "llava-hf/vip-llava-13b-hf",
}

_INDEX = "model.safetensors.index.json"
_WEIGHTS = "model.safetensors"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model")


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint; `revision` is the hub's commit, the package's version, or `local`."""

    name: str
    folder: Path
    revision: str


def find_checkpoint(name: str, revision: str | None = None) -> Checkpoint:
    """The checkpoint that a name stands for; nothing is downloaded. Raises ModelError."""
    if revision and (name in BUNDLED or os.path.isdir(name)):
        raise UsageError(f"--revision chooses among a hub's versions, and {name} is not on a hub")
    if name in BUNDLED:
        found = Checkpoint(name, BUNDLED[name], __version__)
    elif name in HUB_NAMES:
        found = _in_hub_cache(name, HUB_NAMES[name], revision)
    elif os.path.isdir(name):
        found = Checkpoint(name, Path(name), "local")
    elif name.count("/") == 1 and not name.startswith((".", "/", "~")):
        found = _in_hub_cache(name, name, revision)
    else:
        names = ", ".join([*BUNDLED, *HUB_NAMES])
        raise ModelError(
            f"there is no model {name!r}: expected {names}, a hub name like owner/name, or a folder"
        )
    _check(found.folder, name)
    return found


def _in_hub_cache(name: str, repository: str, revision: str | None) -> Checkpoint:
    try:
        folder = snapshot_download(repository, revision=revision, local_files_only=True)
    except LocalEntryNotFoundError:
        wanted = f" at revision {revision}" if revision else ""
        option = f" --revision {revision}" if revision else ""
        raise ModelError(
            f"the model {repository}{wanted} is not on this machine: fetch it with"
            f" `hf download {repository}{option}`"
        ) from None
    except HFValidationError as error:
        raise ModelError(f"{name!r} is no hub name: {str(error).splitlines()[0]}") from None
    return Checkpoint(name, Path(folder), Path(folder).name)


# --- what a whole checkpoint needs -----------------------------------------------------------


def _check(folder: Path, name: str) -> None:
    """Refuse, before torch is asked, what can never load."""
    config = _json(folder / "config.json", name)
    found = config.get("model_type")
    if found != MODEL_TYPE:
        raise ModelError(
            f"{name} is a {found or 'nameless'} model: expected a {MODEL_TYPE} checkpoint"
        )
    for part in ("vision_config", "text_config"):
        if not isinstance(config.get(part), dict):
            raise ModelError(f"{name}: config.json lacks {part}; get the checkpoint again")
    if not any((folder / file).is_file() for file in _TOKENIZERS):
        raise ModelError(f"{name} has no tokenizer: {_TOKENIZERS[0]} is missing from {folder}")
    missing = [file for file in _weight_files(folder, name) if not (folder / file).is_file()]
    if missing:
        raise ModelError(
            f"{name} is incomplete: {missing[0]} is missing"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
            + "; get the checkpoint again"
        )


def _weight_files(folder: Path, name: str) -> list[str]:
    if (folder / _INDEX).is_file():
        weight_map = _json(folder / _INDEX, name).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ModelError(f"{name}: {_INDEX} lists no weights; get the checkpoint again")
        return sorted(set(map(str, weight_map.values())))
    if not (folder / _WEIGHTS).is_file() and any(folder.glob("*.bin")):
        raise ModelError(
            f"{name} holds pickle weights only, which are not loaded because they can run code:"
            " expected safetensors; convert them or get another revision"
        )
    return [_WEIGHTS]


def _json(path: Path, name: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{name} is not a model folder: {path.name} is missing from {path.parent}"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: {path.name} cannot be read as JSON ({error})") from None
    if not isinstance(value, dict):
        raise ModelError(f"{name}: {path.name} holds no JSON object; get the checkpoint again")
    return value

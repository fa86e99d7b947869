"""Model names -> complete checkpoints on this machine. Every error is one line."""

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vipllava_cli.engine.hub.cache import has_cached_files, snapshot_folder
from vipllava_cli.engine.hub.names import (
    canonical_name,
    explain_absent,
    explain_model_type,
    explain_no_config,
    explain_unknown,
    similar_folder,
    suggest,
)
from vipllava_cli.engine.hub.outside_values import check_repository, check_revision
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED, TINY_REVISION
from vipllava_cli.errors import ModelError, UsageError

MODEL_TYPE = "vipllava"
INDEX_FILE = "model.safetensors.index.json"
WEIGHTS_FILE = "model.safetensors"

_MAX_HEADER_BYTES = 100 << 20  # the limit of the safetensors format
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model")


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on this machine.

    `revision` is the hub's commit, `TINY_REVISION`, or `local` for the user's own folder.
    """

    name: str
    folder: Path
    revision: str


@dataclass(frozen=True)
class HubName:
    """A repository of the hub at a branch, tag or commit."""

    repository: str
    revision: str


def find_checkpoint(name: str, revision: str | None = None) -> Checkpoint:
    """Find the complete checkpoint of a model without downloading anything.

    Raises ModelError for an unknown name and for a checkpoint that is missing or incomplete, and
    UsageError for a revision of a model that has none.
    """
    name = canonical_name(name)
    hub = hub_name(name, revision)
    if hub:
        checkpoint = _find_in_cache(name, hub, revision)
    elif name in BUNDLED:
        checkpoint = Checkpoint(name, BUNDLED[name], TINY_REVISION)
    else:
        checkpoint = Checkpoint(name, Path(name), "local")
    _check_complete(checkpoint.folder, name)
    return checkpoint


def hub_name(name: str, revision: str | None = None) -> HubName | None:
    """Resolve a model's name to a repository of the hub. None for a bundled model or a folder.

    Raises ModelError for an unknown name, and UsageError for a revision of a model that is not on
    the hub.
    """
    name = canonical_name(name)
    if name in BUNDLED or (name not in PUBLISHED and os.path.isdir(name)):
        if revision:
            raise UsageError(
                f"--revision selects a version on the hub, and {name} is not on the hub:"
                " leave it out"
            )
        return None
    if revision:
        check_revision(revision)
    if name in PUBLISHED:
        published = PUBLISHED[name]
        return HubName(published.repository, revision or published.revision)
    is_hub_name = name.count("/") == 1 and not name.startswith((".", "/", "~"))
    if is_hub_name and not os.path.isfile(name):
        check_repository(name)
        return HubName(name, revision or "main")
    raise ModelError(explain_unknown(name))


def pull_command(name: str, revision: str | None = None) -> str:
    """Format the command that downloads a model, for a message."""
    option = f" --revision {revision}" if revision else ""
    return f"`vipllava models pull {name}{option}`"


def _find_in_cache(name: str, hub: HubName, revision: str | None) -> Checkpoint:
    folder = snapshot_folder(hub.repository, hub.revision)
    if folder is None:
        at_revision = f" at revision {revision}" if revision else ""
        pull = pull_command(name, revision)
        if has_cached_files(hub.repository):
            raise ModelError(
                f"the model {hub.repository}{at_revision} is incomplete on this machine: {pull} downloads"
                " the rest"
            )
        if advice := explain_absent(hub.repository):
            raise ModelError(f"{hub.repository} {advice}")
        similar = suggest(hub.repository) or similar_folder(name)
        hint = f"use {similar}, or " if similar not in {"", hub.repository} else ""
        raise ModelError(
            f"the model {hub.repository}{at_revision} is not on this machine: {hint}download it with"
            f" {pull}"
        )
    return Checkpoint(name, folder, folder.name)


# --- what a complete checkpoint needs --------------------------------------------------------


def _check_complete(folder: Path, name: str) -> None:
    """Raise ModelError for a checkpoint that can never load. Imports no torch."""
    config = read_config(folder, name)
    for part in ("vision_config", "text_config"):
        if not isinstance(config.get(part), dict):
            raise ModelError(f"{name}: config.json lacks {part}; {_repair_advice(name)}")
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise ModelError(f"{name} has no tokenizer: {_TOKENIZER_FILES[0]} is missing from {folder}")
    missing = [file for file in weight_files(folder, name) if not (folder / file).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise ModelError(
            f"{name} is incomplete: {missing[0]} is missing{more}; {_repair_advice(name)}"
        )


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """Read the config.json of a VipLlava model. Raises ModelError for any other architecture."""
    config = _read_json_object(folder / "config.json", name)
    model_type = config.get("model_type")
    if model_type != MODEL_TYPE:
        raise ModelError(f"{name} {explain_model_type(model_type, config)}")
    return config


def weight_files(folder: Path, name: str) -> list[str]:
    """List the files that contain a checkpoint's weights, from its index if it has one.

    The files may not exist. Raises ModelError for a damaged index and for pickle weights.
    """
    if (folder / INDEX_FILE).is_file():
        weight_map = _read_json_object(folder / INDEX_FILE, name).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ModelError(f"{name}: {INDEX_FILE} lists no weights; {_repair_advice(name)}")
        return sorted(set(map(str, weight_map.values())))
    if not (folder / WEIGHTS_FILE).is_file() and any(folder.glob("*.bin")):
        raise ModelError(
            f"{name} has only pickle weights, which can run code and are not loaded:"
            " expected safetensors; convert them or get another revision"
        )
    return [WEIGHTS_FILE]


def weight_shapes(folder: Path, name: str) -> dict[str, list[int]]:
    """Read the shape of every weight from the headers of the files. Raises ModelError."""
    return {
        weight: entry["shape"]
        for file in weight_files(folder, name)
        for weight, entry in _read_header(folder / file, name).items()
        if weight != "__metadata__"
    }


def _read_header(path: Path, name: str) -> dict[str, Any]:
    """Read the JSON header of a safetensors file: 8 bytes of length, then the text."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            return dict(json.loads(file.read(min(length, _MAX_HEADER_BYTES))))
    except (OSError, ValueError, TypeError, struct.error):
        raise ModelError(f"{name}: {path.name} is damaged; {_repair_advice(name)}") from None


def _repair_advice(name: str) -> str:
    if os.path.isdir(name):
        return "get the checkpoint again"
    return f"repair it with {pull_command(name)}"


def _read_json_object(path: Path, name: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(explain_no_config(path.parent, name)) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: {path.name} cannot be read as JSON ({error})") from None
    if not isinstance(value, dict):
        raise ModelError(f"{name}: {path.name} is not a JSON object; {_repair_advice(name)}")
    return value

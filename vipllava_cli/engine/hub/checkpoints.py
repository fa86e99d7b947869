"""Model names -> a folder on this machine that holds a whole checkpoint, or one clear line."""

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.errors import HFValidationError

from vipllava_cli import __version__
from vipllava_cli.engine.hub.cache import begun, snapshot
from vipllava_cli.engine.hub.registry import PUBLISHED
from vipllava_cli.errors import ModelError, UsageError

MODEL_TYPE = "vipllava"
BUNDLED: Mapping[str, Path] = {"tiny": Path(__file__).parent.parent / "tiny"}

_INDEX = "model.safetensors.index.json"
_WEIGHTS = "model.safetensors"
_LONGEST_HEAD = 100 << 20
_TOKENIZERS = ("tokenizer.json", "tokenizer.model")


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint; `revision` is the hub's commit, the package's version, or `local`."""

    name: str
    folder: Path
    revision: str


@dataclass(frozen=True)
class HubName:
    """A repository of the hub, and the branch, tag or commit that is meant."""

    repository: str
    revision: str


def find_checkpoint(name: str, revision: str | None = None) -> Checkpoint:
    """The checkpoint that a name stands for; nothing is downloaded. Raises ModelError."""
    hub = hub_name(name, revision)
    if hub:
        found = _in_hub_cache(name, hub, revision)
    elif name in BUNDLED:
        found = Checkpoint(name, BUNDLED[name], __version__)
    else:
        found = Checkpoint(name, Path(name), "local")
    _check(found.folder, name)
    return found


def hub_name(name: str, revision: str | None = None) -> HubName | None:
    """What a model's name means on the hub; None for what lies in the package or in a folder.

    Raises ModelError for a name that means nothing, UsageError for a revision that means nothing.
    """
    if name in BUNDLED or (name not in PUBLISHED and os.path.isdir(name)):
        if revision:
            raise UsageError(
                f"--revision chooses among a hub's versions, and {name} is not on a hub"
            )
        return None
    if name in PUBLISHED:
        published = PUBLISHED[name]
        return HubName(published.repository, revision or published.revision)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return HubName(name, revision or "main")
    names = ", ".join([*BUNDLED, *PUBLISHED])
    raise ModelError(
        f"there is no model {name!r}: expected {names}, a hub name like owner/name, or a folder"
    )


def pull_command(name: str, revision: str | None = None) -> str:
    """What fetches a model, for a message."""
    option = f" --revision {revision}" if revision else ""
    return f"`vipllava models pull {name}{option}`"


def _in_hub_cache(name: str, hub: HubName, revision: str | None) -> Checkpoint:
    try:
        folder = snapshot(hub.repository, hub.revision)
    except HFValidationError as error:
        raise ModelError(f"{name!r} is no hub name: {str(error).splitlines()[0]}") from None
    if folder is None:
        wanted = f" at revision {revision}" if revision else ""
        pull = pull_command(name, revision)
        if begun(hub.repository):
            raise ModelError(
                f"the model {hub.repository}{wanted} is not whole on this machine: {pull} fetches"
                " the rest"
            )
        raise ModelError(
            f"the model {hub.repository}{wanted} is not on this machine: fetch it with {pull}"
        )
    return Checkpoint(name, folder, folder.name)


# --- what a whole checkpoint needs -----------------------------------------------------------


def _check(folder: Path, name: str) -> None:
    """Refuse, before torch is asked, what can never load."""
    config = read_config(folder, name)
    for part in ("vision_config", "text_config"):
        if not isinstance(config.get(part), dict):
            raise ModelError(f"{name}: config.json lacks {part}; {_mend(name)}")
    if not any((folder / file).is_file() for file in _TOKENIZERS):
        raise ModelError(f"{name} has no tokenizer: {_TOKENIZERS[0]} is missing from {folder}")
    missing = [file for file in weight_files(folder, name) if not (folder / file).is_file()]
    if missing:
        raise ModelError(
            f"{name} is incomplete: {missing[0]} is missing"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
            + f"; {_mend(name)}"
        )


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """The config.json of a model of our kind. Raises ModelError for any other."""
    config = _json(folder / "config.json", name)
    found = config.get("model_type")
    if found != MODEL_TYPE:
        raise ModelError(
            f"{name} is a {found or 'nameless'} model: expected a {MODEL_TYPE} checkpoint"
        )
    return config


def weight_files(folder: Path, name: str) -> list[str]:
    """The files that hold a checkpoint's weights, as its index lists them. Raises ModelError."""
    if (folder / _INDEX).is_file():
        weight_map = _json(folder / _INDEX, name).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ModelError(f"{name}: {_INDEX} lists no weights; {_mend(name)}")
        return sorted(set(map(str, weight_map.values())))
    if not (folder / _WEIGHTS).is_file() and any(folder.glob("*.bin")):
        raise ModelError(
            f"{name} holds pickle weights only, which are not loaded because they can run code:"
            " expected safetensors; convert them or get another revision"
        )
    return [_WEIGHTS]


def weight_shapes(folder: Path, name: str) -> dict[str, list[int]]:
    """The size of every weight, from the heads of the files. Raises ModelError."""
    return {
        weight: entry["shape"]
        for file in weight_files(folder, name)
        for weight, entry in _head(folder / file, name).items()
        if weight != "__metadata__"
    }


def _head(path: Path, name: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            return dict(json.loads(file.read(min(length, _LONGEST_HEAD))))
    except (OSError, ValueError, TypeError, struct.error):
        raise ModelError(f"{name}: {path.name} is damaged; {_mend(name)}") from None


def _mend(name: str) -> str:
    """What to do about a checkpoint that is not whole."""
    return (
        "get the checkpoint again" if os.path.isdir(name) else f"mend it with {pull_command(name)}"
    )


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
        raise ModelError(f"{name}: {path.name} holds no JSON object; {_mend(name)}")
    return value

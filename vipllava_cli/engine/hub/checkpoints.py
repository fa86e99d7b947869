"""Model names -> complete checkpoints on this machine. Every error is one line."""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vipllava_cli.engine.hub.cache import (
    cached_revisions,
    has_cached_files,
    snapshot_folder,
)
from vipllava_cli.engine.hub.checks.family_fields import check_family_config
from vipllava_cli.engine.hub.checks.family_images import PROCESSOR_RULES as FAMILY_PROCESSOR_RULES
from vipllava_cli.engine.hub.checks.family_images import check_family_images
from vipllava_cli.engine.hub.checks.family_weights import check_family_weights
from vipllava_cli.engine.hub.checks.fields import check_fields
from vipllava_cli.engine.hub.checks.files import (
    MAX_BYTES,
    check_files,
    read_json,
    reading,
    reads_checkpoint,
    regular_size,
)
from vipllava_cli.engine.hub.checks.schema import (
    check_config,
    check_generation,
    check_image_processor,
)
from vipllava_cli.engine.hub.checks.tokenizer import check_tokenizer
from vipllava_cli.engine.hub.checks.tokenizer_files import PROCESSOR_RULES, check_tokenizer_file
from vipllava_cli.engine.hub.checks.weights import check_weights, read_header
from vipllava_cli.engine.hub.config_defaults import VISION_DEFAULTS
from vipllava_cli.engine.hub.config_fixes import fix_config, untie_head
from vipllava_cli.engine.hub.families import FAMILIES, VIPLLAVA, ModelFamily
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
from vipllava_cli.engine.hub.stored_heads import stores_other_head
from vipllava_cli.errors import ModelError, UsageError, short_repr

INDEX_FILE = "model.safetensors.index.json"
WEIGHTS_FILE = "model.safetensors"

_SHARD_NAME = re.compile(r"\w[\w.-]{0,200}\.safetensors", re.ASCII)
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model")
_TOKENIZER_CONFIGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")

# The files that say how images are prepared, and the field of each that does; empty: the whole file.
PROCESSOR_FILES: Mapping[str, str] = {
    "processor_config.json": "image_processor",
    "preprocessor_config.json": "",
}


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
    with reading(name):
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
        if other := complete_revision(hub.repository):
            raise ModelError(
                f"the model {hub.repository} is on this machine at revision {other}, not"
                f" {hub.revision}: use --revision {other}, or download {hub.revision} with {pull}"
            )
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


def complete_revision(repository: str) -> str:
    """Return the first cached revision with a complete checkpoint, or an empty text."""
    for revision in cached_revisions(repository):
        with suppress(ModelError):
            find_checkpoint(repository, revision)
            return revision
    return ""


# --- what a complete checkpoint needs --------------------------------------------------------


def _check_complete(folder: Path, name: str) -> None:
    """Raise ModelError for a checkpoint that can never load. Imports no torch.

    Reads small files and the headers of the weights, and checks everything in them before anything is
    loaded, whatever the command.
    """
    check_files(folder, name)
    is_vipllava = read_config(folder, name)["model_type"] == VIPLLAVA
    tokenizers = _TOKENIZER_FILES if is_vipllava else _TOKENIZER_FILES[:1]
    if not any((folder / file).is_file() for file in tokenizers):
        raise ModelError(f"{name} has no tokenizer: {_TOKENIZER_FILES[0]} is missing from {folder}")
    files = weight_files(folder, name)
    missing = [file for file in files if regular_size(folder / file, name) is None]
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise ModelError(
            f"{name} is incomplete: {missing[0]} is missing{more}; {_repair_advice(name)}"
        )
    _check_contents(folder, name, _fingerprint(folder, files))


@lru_cache(maxsize=8)
def _check_contents(folder: Path, name: str, fingerprint: tuple[object, ...]) -> None:
    """Check the contents of a complete checkpoint, once for each state of its files."""
    shapes = weight_shapes(folder, name)
    config = fitted_config(folder, name)
    rows = _embedding_rows(config, shapes, name)
    check_generation(read_generation(folder, name), rows, name)
    for file, part in PROCESSOR_FILES.items():
        _check_processor(folder / file, part, config, name)
    tokenizer = folder / _TOKENIZER_FILES[0]
    if tokenizer.is_file():
        check_tokenizer(read_json(tokenizer, name, max_depth=None), rows, name)
    for file in _TOKENIZER_CONFIGS:
        values = _read_json_object(folder / file, name, may_be_missing=True)
        _refuse_code(values, file, name)
        check_tokenizer_file(values, file, rows, name)
    old_template = _read_json_object(folder / "chat_template.json", name, may_be_missing=True)
    check_fields(old_template, PROCESSOR_RULES, f"{name}: chat_template.json: ")


def _check_processor(path: Path, part: str, config: Mapping[str, Any], name: str) -> None:
    """Check a file of the processor, which may be missing. Raises ModelError."""
    where = f"{name}: {path.name}: "
    family = FAMILIES[config["model_type"]]
    processor = _read_json_object(path, name, may_be_missing=True)
    _refuse_code(processor, path.name, name)
    is_vipllava = family.model_type == VIPLLAVA
    check_fields(processor, PROCESSOR_RULES if is_vipllava else FAMILY_PROCESSOR_RULES, where)
    images = processor.get(part, {}) if part else processor
    if not isinstance(images, dict):
        raise ModelError(f"{where}{part} is {short_repr(images)}: expected an object")
    if is_vipllava:
        side = {**VISION_DEFAULTS, **config["vision_config"]}["image_size"]
        check_image_processor(images, side, path.name, name)
    else:
        check_family_images(images, config, family, where)


def _refuse_code(values: Mapping[str, Any], file: str, name: str) -> None:
    """Raise ModelError for a tokenizer or processor that is a program of the checkpoint."""
    if values.get("auto_map"):
        raise ModelError(
            f"{name}: {file} names code of the checkpoint (auto_map), which is never run: get a"
            " checkpoint that transformers loads without it"
        )


def _embedding_rows(
    config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], name: str
) -> int:
    """Return how many tokens have an embedding."""
    if config["model_type"] == VIPLLAVA:
        rows: int = config["text_config"]["vocab_size"]
        return rows
    return check_family_weights(config, shapes, name)


def _fingerprint(folder: Path, files: Iterable[str]) -> tuple[object, ...]:
    """Return what changes when one of the files changes."""
    found = []
    for file in (*MAX_BYTES, *files):
        with suppress(FileNotFoundError):
            status = (folder / file).stat()
            found.append((file, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


@reads_checkpoint
def read_config(folder: Path, name: str) -> dict[str, Any]:
    """Read the known fields of the config.json of a supported family.

    Raises ModelError for any other architecture, and for a field that is out of its range.
    """
    config = _read_json_object(folder / "config.json", name)
    family = _find_family(config, name)
    if family.model_type != VIPLLAVA:
        return check_family_config(config, family, name)
    for part in ("vision_config", "text_config"):
        if not isinstance(config.get(part), dict):
            raise ModelError(f"{name}: config.json lacks {part}; {_repair_advice(name)}")
    return check_config(config, name)


def _find_family(config: Mapping[str, Any], name: str) -> ModelFamily:
    """Return the family of a config.json. Raises ModelError for one that is not supported."""
    model_type = config.get("model_type")
    family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None or "mm_vision_tower" in config:
        raise ModelError(f"{name} {explain_model_type(model_type, config)}")
    return family


@reads_checkpoint
def fitted_config(folder: Path, name: str) -> dict[str, Any]:
    """Read the config.json of a complete checkpoint, with its published faults fixed.

    Raises ModelError if it does not fit the headers of the weights. Of other families than ViP-LLaVA,
    only the embeddings and the numbers of layers are compared.
    """
    shapes = weight_shapes(folder, name)
    config = read_config(folder, name)
    if config["model_type"] != VIPLLAVA:
        check_family_weights(config, shapes, name)
        has_head = any(weight.endswith("lm_head.weight") for weight in shapes)
        files = weight_files(folder, name) if has_head else []
        return untie_head(config) if stores_other_head(folder / file for file in files) else config
    config = fix_config(config, shapes, name)
    check_weights(config, shapes, name)
    return config


@reads_checkpoint
def read_generation(folder: Path, name: str) -> dict[str, Any]:
    """Read generation_config.json, which may be missing. Raises ModelError."""
    return _read_json_object(folder / "generation_config.json", name, may_be_missing=True)


@reads_checkpoint
def weight_files(folder: Path, name: str) -> list[str]:
    """List the files that contain a checkpoint's weights, from its index if it has no single file.

    The files may not exist. Raises ModelError for a damaged index and for pickle weights.
    """
    if regular_size(folder / WEIGHTS_FILE, name) is not None:  # transformers prefers it, too
        return [WEIGHTS_FILE]
    if (folder / INDEX_FILE).is_file():
        weight_map = _read_json_object(folder / INDEX_FILE, name).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ModelError(f"{name}: {INDEX_FILE} lists no weights; {_repair_advice(name)}")
        files = sorted(set(map(str, weight_map.values())))
        for file in files:
            if not _SHARD_NAME.fullmatch(file):
                raise ModelError(
                    f"{name}: {INDEX_FILE} names {short_repr(file)}: expected the name of a"
                    f" .safetensors file beside it; {_repair_advice(name)}"
                )
        return files
    if any(folder.glob("*.bin")):
        raise ModelError(
            f"{name} has only pickle weights, which can run code and are not loaded:"
            " expected safetensors; convert them or get another revision"
        )
    return [WEIGHTS_FILE]


@reads_checkpoint
def weight_shapes(folder: Path, name: str) -> dict[str, tuple[int, ...]]:
    """Read the shape of every weight from the headers of the files. Raises ModelError."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder, name):
        header = read_header(folder / file, name, _repair_advice(name))
        repeated = next((weight for weight in header if weight in shapes), None)
        if repeated is not None:
            raise ModelError(
                f"{name}: two files have the weight {short_repr(repeated)}; {_repair_advice(name)}"
            )
        shapes |= header
    return shapes


def _repair_advice(name: str) -> str:
    if os.path.isdir(name):
        return "get the checkpoint again"
    return f"repair it with {pull_command(name)}"


def _read_json_object(path: Path, name: str, *, may_be_missing: bool = False) -> dict[str, Any]:
    try:
        value = read_json(path, name)
    except FileNotFoundError:
        if may_be_missing:
            return {}
        raise ModelError(explain_no_config(path.parent, name)) from None
    if not isinstance(value, dict):
        raise ModelError(f"{name}: {path.name} is not a JSON object; {_repair_advice(name)}")
    return value

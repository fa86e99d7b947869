"""The list of models: those with a short name, and those in the local cache. Imports no torch."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from vipllava_cli.engine.hub.cache import (
    cached_repositories,
    cached_revisions,
    cached_size,
    has_cached_files,
    snapshot_folder,
)
from vipllava_cli.engine.hub.checkpoints import (
    complete_revision,
    find_checkpoint,
    hub_name,
    read_config,
    read_generation,
    weight_shapes,
)
from vipllava_cli.engine.hub.checks.schema import ignored_generation_fields
from vipllava_cli.engine.hub.families import FAMILIES
from vipllava_cli.engine.hub.names import canonical_name
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED
from vipllava_cli.errors import ModelError, short_repr

_PACKAGE_LICENCE = "Apache-2.0"
_MAX_FIELDS = 20  # names of a fact
_UNKNOWN_LICENCE = "see its page"


@dataclass(frozen=True)
class KnownModel:
    """A line of `models list`.

    `parameters` is None if the number is unknown. `size` is the bytes on this machine, or those to
    download. `where` is the folder of a complete model, and otherwise says what is missing.
    """

    name: str
    parameters: int | None
    size: int
    where: str
    licence: str


def known_models() -> Iterator[KnownModel]:
    """Yield the shipped model, the published ones, and others of supported families in the cache."""
    for name, folder in BUNDLED.items():
        parameters, size = count_parameters(folder, name), _folder_size(folder)
        yield KnownModel(name, parameters, size, "in this package", _PACKAGE_LICENCE)
    for name, published in PUBLISHED.items():
        where, is_complete = _locate(name)
        size = cached_size(published.repository) if is_complete else published.size
        yield KnownModel(name, published.parameters, size, where, published.licence)
    listed = {published.repository for published in PUBLISHED.values()}
    for name in cached_repositories():
        if name not in listed and _is_supported(name):
            where, is_complete = _locate(name)
            cached_parameters = count_parameters(Path(where), name) if is_complete else None
            yield KnownModel(name, cached_parameters, cached_size(name), where, _UNKNOWN_LICENCE)


def model_facts(name: str, revision: str | None = None) -> Mapping[str, object]:
    """Describe a model for `models info`, by the name of each fact.

    Raises ModelError for an unknown name, and for a model that is neither published nor cached.
    """
    name = canonical_name(name)
    hub = hub_name(name, revision)
    published = PUBLISHED.get(name)
    facts: dict[str, object] = {"name": name}
    if hub:
        facts |= {"repository": hub.repository, "revision": hub.revision}
        facts["licence"] = published.licence if published else _UNKNOWN_LICENCE
    elif name in BUNDLED:
        facts["licence"] = _PACKAGE_LICENCE
    try:
        checkpoint = find_checkpoint(name, revision)
    except ModelError as error:
        is_cached = hub is not None and snapshot_folder(hub.repository, hub.revision) is not None
        if published is None and not is_cached:
            raise
        facts["state"] = str(error)
        if published:
            facts |= {"parameters": published.parameters, "size": published.size}
            facts |= _shape_facts(published.config)
        return facts
    return {
        **facts,
        "state": "complete",
        "folder": str(checkpoint.folder),
        "commit": checkpoint.revision,
        "parameters": count_parameters(checkpoint.folder, name),
        "size": _folder_size(checkpoint.folder),
        **_shape_facts(read_config(checkpoint.folder, name)),
        **_ignored_facts(read_generation(checkpoint.folder, name)),
    }


def count_parameters(folder: Path, name: str) -> int:
    """Count the numbers in all weights of a checkpoint. Raises ModelError."""
    return sum(prod(shape) for shape in weight_shapes(folder, name).values())


def _ignored_facts(generation: Mapping[str, Any]) -> dict[str, object]:
    """Name the fields of a generation_config.json that the program does not use, if there are any."""
    fields = ignored_generation_fields(generation)
    shown = ", ".join(short_repr(field).strip("'") for field in fields[:_MAX_FIELDS])
    more = f" and {len(fields) - _MAX_FIELDS} more" if len(fields) > _MAX_FIELDS else ""
    return {"not used": f"{shown}{more} of generation_config.json"} if fields else {}


def _shape_facts(config: Mapping[str, Any]) -> dict[str, object]:
    """Describe the architecture. A published file leaves out what equals the library's default."""
    text, vision = config["text_config"], config["vision_config"]
    side, patch = _in_words(vision.get("image_size")), _in_words(vision.get("patch_size"))
    facts = {
        "family": FAMILIES[config["model_type"]].name,
        "decoder layers": text.get("num_hidden_layers"),
        "hidden size": text.get("hidden_size"),
        "vocabulary": text.get("vocab_size"),
        "image view": f"{side} pixels in patches of {patch}"
        if side
        else f"patches of {patch} pixels",
    }
    if not patch:
        del facts["image view"]
    return {fact: value for fact, value in facts.items() if value is not None}


def _in_words(size: Any) -> str:
    """Write a side, or a height and a width. Empty if there is none."""
    sides = size if isinstance(size, list) else [size]
    return " x ".join(map(str, dict.fromkeys(sides))) if size else ""


def _locate(name: str) -> tuple[str, bool]:
    """Return the folder of a complete model, or its state; and whether it is complete."""
    try:
        return str(find_checkpoint(name).folder), True
    except ModelError:
        hub = hub_name(name)
        if hub is None or not has_cached_files(hub.repository):
            return "not downloaded", False
        other = complete_revision(hub.repository)
        return (f"at revision {other}" if other else "incomplete"), False


def _is_supported(repository: str) -> bool:
    for revision in cached_revisions(repository):
        folder = snapshot_folder(repository, revision)
        with suppress(ModelError):
            if folder and read_config(folder, repository):
                return True
    return False


def _folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())

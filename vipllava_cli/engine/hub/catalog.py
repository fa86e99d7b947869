"""The models that have a name or are on this machine, and what is known about them without torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from vipllava_cli.engine.hub.cache import (
    begun,
    cached_repositories,
    local_size,
    snapshot,
)
from vipllava_cli.engine.hub.checkpoints import (
    BUNDLED,
    MODEL_TYPE,
    find_checkpoint,
    hub_name,
    read_config,
    weight_shapes,
)
from vipllava_cli.engine.hub.registry import PUBLISHED
from vipllava_cli.errors import ModelError

OWN_LICENCE = "Apache-2.0"
UNKNOWN = "see its page"


@dataclass(frozen=True)
class KnownModel:
    """`parameters` is None for what was not counted. `size` is that of its files, here or to come;
    `where` is its folder when it is whole, and otherwise says what is missing.
    """

    name: str
    parameters: int | None
    size: int
    where: str
    licence: str
    whole: bool


def known_models() -> Iterator[KnownModel]:
    """The shipped model, the public ones, and others of their kind in the hub's cache."""
    for name, folder in BUNDLED.items():
        yield KnownModel(
            name,
            count_parameters(folder, name),
            _size(folder),
            "in this package",
            OWN_LICENCE,
            True,
        )
    for name, published in PUBLISHED.items():
        where, whole = _where(name)
        size = published.size if not whole else local_size(published.repository)
        yield KnownModel(name, published.parameters, size, where, published.licence, whole)
    listed = {published.repository for published in PUBLISHED.values()}
    for repository in cached_repositories():
        if repository not in listed and _is_ours(repository):
            where, whole = _where(repository)
            parameters = count_parameters(Path(where), repository) if whole else None
            yield KnownModel(repository, parameters, local_size(repository), where, UNKNOWN, whole)


def facts(name: str, revision: str | None = None) -> Mapping[str, object]:
    """What `models info` says, by name. Raises ModelError for a name that means nothing."""
    hub = hub_name(name, revision)
    published = PUBLISHED.get(name)
    known: dict[str, object] = {"name": name}
    if hub:
        known |= {"repository": hub.repository, "revision": hub.revision}
        known["licence"] = published.licence if published else UNKNOWN
    elif name in BUNDLED:
        known["licence"] = OWN_LICENCE
    try:
        found = find_checkpoint(name, revision)
    except ModelError as error:
        if hub is None or (published is None and snapshot(hub.repository, hub.revision) is None):
            raise
        known["state"] = str(error)
        if published:
            known |= {"parameters": published.parameters, "size": published.size}
            known |= _shape(published.config)
        return known
    return {
        **known,
        "state": "whole",
        "folder": str(found.folder),
        "commit": found.revision,
        "parameters": count_parameters(found.folder, name),
        "size": _size(found.folder),
        **_shape(read_config(found.folder, name)),
    }


def count_parameters(folder: Path, name: str) -> int:
    """Of all weights. Raises ModelError."""
    return sum(prod(shape) for shape in weight_shapes(folder, name).values())


def _shape(config: Mapping[str, Any]) -> dict[str, object]:
    text, vision = config["text_config"], config["vision_config"]
    return {
        "decoder layers": text.get("num_hidden_layers"),
        "hidden size": text.get("hidden_size"),
        "vocabulary": text.get("vocab_size"),
        "sees": f"{vision.get('image_size')} pixels in patches of {vision.get('patch_size')}",
    }


def _where(name: str) -> tuple[str, bool]:
    try:
        return str(find_checkpoint(name).folder), True
    except ModelError:
        hub = hub_name(name)
        return ("not whole" if hub and begun(hub.repository) else "not fetched"), False


def _is_ours(repository: str) -> bool:
    hub = hub_name(repository)
    folder = hub and snapshot(hub.repository, hub.revision)
    if not folder:
        return False
    try:
        return bool(read_config(folder, repository)["model_type"] == MODEL_TYPE)
    except ModelError:
        return False


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())

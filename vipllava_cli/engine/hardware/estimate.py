"""A plan -> the seconds that a prompt takes, and the tokens a second after it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vipllava_cli.engine.hardware.machine import (
    ASSUMED_GPU,
    BUS_BANDWIDTH,
    DISK_BANDWIDTH,
    Location,
    Machine,
    Speed,
    inspect_machine,
    measure_speed,
)
from vipllava_cli.engine.hardware.model_spec import EMBEDDINGS, LAYER, PROJECTOR, TOWER, spec
from vipllava_cli.engine.hardware.placement import (
    ITEM_BYTES,
    LoadOptions,
    Placement,
    compute_location,
    place,
)
from vipllava_cli.engine.hub.cache import snapshot
from vipllava_cli.engine.hub.checkpoints import (
    find_checkpoint,
    hub_name,
    read_config,
    weight_files,
    weight_shapes,
)
from vipllava_cli.engine.hub.config_fixes import fix_config
from vipllava_cli.engine.hub.registry import PUBLISHED
from vipllava_cli.errors import ModelError

WORDS = 60  # tokens of a usual question and of what the template says


@dataclass(frozen=True)
class Estimate:
    """`prompt_tokens` of an image and a usual question are read in `prompt_seconds`; then come
    `tokens_per_second`. `assumed` names what was not measured here.
    """

    prompt_tokens: int
    prompt_seconds: float
    tokens_per_second: float
    assumed: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Where a model would go, and how fast it would be; `download_size` counts the bytes that are not here."""

    name: str
    placement: Placement
    estimate: Estimate
    download_size: int = 0


def make_plan(name: str, revision: str | None, load_options: LoadOptions) -> Plan:
    """A plan that needs no weights. With `max_memory` it is for a machine of that size. Raises
    ModelError.
    """
    config, download_size = _config(name, revision)
    machine = inspect_machine()
    try:
        parts = spec(config)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{name}: config.json describes no such model ({error})") from None
    found = place(parts, load_options, machine, hypothetical=load_options.max_memory is not None)
    return Plan(name, found, estimate(found, lambda at: _speed(at, found, machine)), download_size)


def _config(name: str, revision: str | None) -> tuple[Mapping[str, Any], int]:
    """What config.json says, and how many bytes are still to be fetched."""
    hub = hub_name(name, revision)
    folder = snapshot(hub.repository, hub.revision) if hub else None
    if name in PUBLISHED and folder is None:
        return PUBLISHED[name].config, PUBLISHED[name].size
    if folder is None:
        folder = find_checkpoint(name, revision).folder
    said = read_config(folder, name)
    if not all((folder / file).is_file() for file in weight_files(folder, name)):
        return said, 0  # half fetched, which loading will say
    return fix_config(said, weight_shapes(folder, name), name), 0


def _speed(at: Location, found: Placement, machine: Machine) -> Speed:
    """How fast a device computes at the plan's precision."""
    if isinstance(at, int):
        device = f"cuda:{at}"
        return measure_speed(device, found.needs.dtype) if at in machine.gpus else ASSUMED_GPU
    speed = measure_speed(str(at), found.needs.dtype)
    if not found.needs.widened:
        return speed
    return Speed(speed.bandwidth, measure_speed(str(at), "fp32").operations)


def estimate(found: Placement, speed_of: Callable[[Location], Speed]) -> Estimate:
    """By the two limits: each token reads all weights once, and a prompt is two operations a weight
    and token. `speed_of` says how fast a device computes.
    """
    needs, spec = found.needs, found.needs.spec
    tokens = spec.image_tokens + WORDS
    operations: dict[Location, float] = {}
    reading: dict[Location, float] = {}
    brought: dict[Location, int] = {}
    for part in spec.parts:
        lies = found.where[part.module]
        computed = compute_location(lies, found.main)
        seen = part.kind in {TOWER, PROJECTOR}
        if part.kind != EMBEDDINGS:
            work = 2 * part.parameters * (spec.image_tokens if seen else tokens)
            if part.kind == LAYER:
                work += 2 * tokens**2 * spec.hidden
            operations[computed] = operations.get(computed, 0) + work
        if seen or part.kind == EMBEDDINGS:
            continue
        size = needs.weights(part)
        if lies == computed:
            reading[computed] = reading.get(computed, 0) + size
        else:
            brought[lies] = brought.get(lies, 0) + size
        reading[computed] = reading.get(computed, 0) + _cache(found, part.kind, tokens)
    speeds = {at: speed_of(at) for at in {*operations, *reading}}
    bringing = sum(size / _BRINGING[str(at)] for at, size in brought.items())
    prompt = sum(work / speeds[at].operations for at, work in operations.items()) + bringing
    token = sum(size / speeds[at].bandwidth for at, size in reading.items()) + bringing
    assumed = [
        f"a GPU of {speed.bandwidth / 1e9:.0f} GB/s and {speed.operations / 1e12:.0f} TFLOP/s"
        for speed in speeds.values()
        if speed.assumed
    ]
    assumed += [f"{_NAMES[str(at)]} of {_BRINGING[str(at)] / 1e9:.1f} GB/s" for at in brought]
    return Estimate(tokens, prompt, 1 / token, tuple(dict.fromkeys(assumed)))


_BRINGING: Mapping[str, float] = {"cpu": BUS_BANDWIDTH, "disk": DISK_BANDWIDTH}
_NAMES: Mapping[str, str] = {"cpu": "a bus", "disk": "a disk"}


def _cache(found: Placement, kind: str, tokens: int) -> int:
    """What a token reads of a layer's cache."""
    item = ITEM_BYTES[found.needs.dtype]
    return found.needs.spec.cache * tokens * item if kind == LAYER else 0

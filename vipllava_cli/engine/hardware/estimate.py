"""Estimate the prefill time and the decoding speed of a placement."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub.constants import is_offline_mode

from vipllava_cli.engine.hardware.family_spec import read_family_spec
from vipllava_cli.engine.hardware.given_speeds import MEASURE, GivenSpeeds, Link
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import Location, Machine, inspect_machine
from vipllava_cli.engine.hardware.measured_speed import measure_speed
from vipllava_cli.engine.hardware.memory_needs import ITEM_BYTES
from vipllava_cli.engine.hardware.model_spec import (
    EMBEDDINGS,
    HEAD,
    LAYER,
    PROJECTOR,
    TOWER,
    ModelSpec,
    read_model_spec,
)
from vipllava_cli.engine.hardware.placement import plan_placement
from vipllava_cli.engine.hardware.placement_types import (
    Placement,
    compute_location,
    location_name,
)
from vipllava_cli.engine.hardware.speed import ASSUMED_GPU, Origin, Speed, TokenCosts
from vipllava_cli.engine.hub.cache import snapshot_folder
from vipllava_cli.engine.hub.checkpoints import (
    HubName,
    find_checkpoint,
    fitted_config,
    hub_name,
    read_config,
    weight_files,
)
from vipllava_cli.engine.hub.families import VIPLLAVA
from vipllava_cli.engine.hub.names import canonical_name, explain_absent, similar_folder
from vipllava_cli.engine.hub.registry import PUBLISHED
from vipllava_cli.engine.options import gpu_number
from vipllava_cli.errors import ModelError, UsageError

_TEXT_TOKENS = 60  # a typical question with its template

# The link over which weights reach the device that computes with them, by their location.
_LINKS: Mapping[str, str] = {"cpu": "bus", "disk": "disk"}


@dataclass(frozen=True)
class Estimate:
    """The expected speed of a model.

    A prompt has `prompt_tokens` tokens: an image and a typical question. `speeds` are those of the
    devices that compute, `links` those over which weights move. `assumed` and `given` describe what
    was not measured on this machine.
    """

    prompt_tokens: int
    prompt_seconds: float
    tokens_per_second: float
    assumed: tuple[str, ...]
    given: tuple[str, ...]
    speeds: Mapping[Location, Speed]
    links: Mapping[str, Link]


@dataclass(frozen=True)
class Plan:
    """The placement and the speed of a model.

    `download_size` is in bytes, 0 for a local model. `absent` are the GPUs of the plan that this
    machine lacks.
    """

    name: str
    placement: Placement
    estimate: Estimate
    download_size: int = 0
    absent: tuple[int, ...] = ()


def make_plan(
    name: str, revision: str | None, load_options: LoadOptions, given: GivenSpeeds = MEASURE
) -> Plan:
    """Plan the placement of a model and estimate its speed, without loading it.

    With `max_memory`, the plan is for a machine of that size. `given` speeds replace measured and
    assumed ones. Raises UsageError, ModelError.
    """
    name = canonical_name(name)
    config, download_size = _read_any_config(name, revision)
    machine = inspect_machine(gpu_number(load_options.device))
    spec = _read_spec(config, name)
    placement = plan_placement(
        spec, load_options, machine, hypothetical=load_options.max_memory is not None
    )
    _check_given(given, placement)

    def speed_of(location: Location) -> Speed:
        return given.apply(location, lambda: _speed(location, placement, machine))

    gpus = [location for location in placement.budgets if isinstance(location, int)]
    return Plan(
        name,
        placement,
        estimate(placement, speed_of, given.links()),
        download_size,
        tuple(number for number in gpus if number not in machine.names),
    )


def _read_spec(config: Mapping[str, Any], name: str) -> ModelSpec:
    """Count the parts of a model. Raises ModelError."""
    model_type = config.get("model_type", VIPLLAVA)
    try:
        return read_model_spec(config) if model_type == VIPLLAVA else read_family_spec(config)
    except Exception as error:  # transformers raises any kind for a config that it does not know
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{name}: config.json does not describe a {model_type} model ({reason})"
        ) from None


def _check_given(given: GivenSpeeds, placement: Placement) -> None:
    """Raise UsageError for the speed of a GPU that the plan does not use: probably a wrong number."""
    for option, location in given.accelerators():
        if location not in placement.budgets:
            used = ", ".join(map(location_name, placement.budgets))
            other = (
                f", or add {location}=… to --max-memory to plan for a machine with this GPU"
                if isinstance(location, int)
                else ""
            )
            raise UsageError(
                f"{option} names {location_name(location)}, and this plan uses {used}: name one of"
                f" these{other}"
            )


def _read_any_config(name: str, revision: str | None) -> tuple[Mapping[str, Any], int]:
    """Return the config of a model, which may not be downloaded, and the bytes still to download."""
    hub = hub_name(name, revision)
    folder = snapshot_folder(hub.repository, hub.revision) if hub else None
    published = next(
        (each for short, each in PUBLISHED.items() if name in (short, each.repository)), None
    )
    if published and folder is None:
        return published.config, published.size
    if folder is None and hub and _may_be_on_hub(hub):
        from vipllava_cli.engine.hub.download import read_remote_config

        return read_remote_config(name, hub)
    if folder is None:
        folder = find_checkpoint(name, revision).folder
    config = read_config(folder, name)
    if not all((folder / file).is_file() for file in weight_files(folder, name)):
        return config, 0  # a partial download: loading it reports the missing files
    find_checkpoint(name, revision)  # a model that cannot load has no plan
    return fitted_config(folder, name), 0


def _may_be_on_hub(hub: HubName) -> bool:
    """Return whether to ask the hub for a model, which may be a misspelt folder instead."""
    is_named = not explain_absent(hub.repository) and not similar_folder(hub.repository)
    return is_named and not is_offline_mode()


def _speed(location: Location, placement: Placement, machine: Machine) -> Speed:
    """Measure a device at the placement's precision. A GPU of another machine has an assumed speed."""
    dtype = placement.needs.dtype
    if isinstance(location, int):
        is_present = location in machine.gpus
        return measure_speed(f"cuda:{location}", dtype) if is_present else ASSUMED_GPU
    return measure_speed(location, dtype, "fp32" if placement.needs.widened else None)


@dataclass
class _Work:
    """The cost of a prompt and of a token, by location.

    `operations` of the prompt, bytes of weights `read` and of the `cache` for each token, and its decoder
    `layers`, by the device that computes; bytes `moved` to that device for each pass, by the location
    that stores them.
    """

    operations: defaultdict[Location, float] = field(default_factory=lambda: defaultdict(float))
    read: defaultdict[Location, float] = field(default_factory=lambda: defaultdict(float))
    cache: defaultdict[Location, float] = field(default_factory=lambda: defaultdict(float))
    layers: defaultdict[Location, int] = field(default_factory=lambda: defaultdict(int))
    moved: defaultdict[Location, float] = field(default_factory=lambda: defaultdict(float))

    def token_seconds(self, device: Location, speed: Speed) -> float:
        """Return the time that a device takes for its part of a token."""
        costs = speed.token_costs or TokenCosts(speed.bandwidth, 0)
        reading = self.read[device] / speed.bandwidth + self.cache[device] / costs.cache_bandwidth
        return reading + self.layers[device] * costs.layer_seconds


def estimate(
    placement: Placement,
    speed_of: Callable[[Location], Speed],
    links: Mapping[str, Link] = MEASURE.links(),
) -> Estimate:
    """Estimate from the two hardware limits, arithmetic and bandwidth.

    A prompt costs two operations for each weight and token, and the attention; the head computes its
    last token only. A new token reads all weights and the KV cache once.
    `speed_of` returns the speed of a device.
    """
    tokens = placement.needs.spec.image_tokens + _TEXT_TOKENS
    work = _count_work(placement, tokens)
    speeds = {location: speed_of(location) for location in {*work.operations, *work.read}}
    used_links = {_LINKS[str(source)]: links[_LINKS[str(source)]] for source in work.moved}
    moving = sum(
        size / used_links[_LINKS[str(source)]].bandwidth for source, size in work.moved.items()
    )
    prompt = sum(count / speeds[device].operations for device, count in work.operations.items())
    token = sum(work.token_seconds(device, speed) for device, speed in speeds.items())
    return Estimate(
        tokens,
        prompt + moving,
        1 / (token + moving),
        assumed=tuple(_figures(speeds, used_links, Origin.assumed)),
        given=tuple(_figures(speeds, used_links, Origin.given)),
        speeds=speeds,
        links=used_links,
    )


def _count_work(placement: Placement, tokens: int) -> _Work:
    needs, spec = placement.needs, placement.needs.spec
    layer_cache = spec.kv_width * tokens * ITEM_BYTES[needs.dtype]
    work = _Work()
    towers = [part for part in spec.parts if part.kind == TOWER]
    tower = max(towers, key=lambda part: part.parameters, default=None)
    for part in spec.parts:
        location = placement.locations[part.module]
        device = compute_location(location, placement.main_device)
        sees_image_only = part.kind in {TOWER, PROJECTOR}
        if part.kind != EMBEDDINGS:
            rows = 1 if part.kind == HEAD else spec.image_tokens if sees_image_only else tokens
            work.operations[device] += 2 * spec.holder(part).parameters * rows
        if part is tower:  # attention
            work.operations[device] += (
                4 * spec.vision_layers * spec.vision_hidden * spec.image_tokens**2
            )
        if sees_image_only or part.kind == EMBEDDINGS:
            continue
        if part.kind == LAYER:
            work.operations[device] += 2 * tokens**2 * spec.hidden  # attention
            work.cache[device] += layer_cache
            work.layers[device] += 1
        weights = needs.weights(spec.holder(part))
        if location == device:
            work.read[device] += weights
        else:
            work.moved[location] += weights
    return work


def _figures(
    speeds: Mapping[Location, Speed], links: Mapping[str, Link], origin: Origin
) -> Iterator[str]:
    """Yield the figures of one origin as text, by device and link."""
    for location, speed in speeds.items():
        figures = []
        if speed.bandwidth_origin == origin:
            figures.append(f"{_number(speed.bandwidth / 1e9)} GB/s")
        if speed.operations_origin == origin:
            figures.append(f"{_number(speed.operations / 1e12)} TFLOP/s")
        if figures:
            yield f"{location_name(location)} with {' and '.join(figures)}"
    for link in links.values():
        if link.origin == origin:
            yield f"{link.text} of {_number(link.bandwidth / 1e9)} GB/s"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

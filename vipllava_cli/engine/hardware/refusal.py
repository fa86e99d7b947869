"""Explain why a model does not fit: which part, where, and which options make it fit."""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import replace
from math import ceil

from vipllava_cli.engine.hardware.assignment import computing_locations
from vipllava_cli.engine.hardware.load_options import LoadOptions, format_max_memory
from vipllava_cli.engine.hardware.machine import EXTRAS, Location
from vipllava_cli.engine.hardware.memory_needs import QUANTIZERS, MemoryNeeds
from vipllava_cli.engine.hardware.model_spec import LAYER, ModelPart
from vipllava_cli.engine.hardware.placement_types import location_name
from vipllava_cli.storage.sizes import binary_size

_SHORT_TEXT_TOKENS = 64  # the shorter length that a refusal may suggest
_MAX_ADVICE = 3  # options in one message
_STEP = 1 << 30  # bytes: limits that a message suggests are multiples
_MAX_STEPS = 1024

Fits = Callable[[LoadOptions], bool]


def explain_refusal(
    needs: MemoryNeeds,
    budgets: Mapping[Location, int],
    load_options: LoadOptions,
    fits: Fits,
    installed: Set[str],
) -> str:
    """Format the refusal of a model in one line.

    `fits` says whether other options would fit. `installed` are the optional packages present.
    """
    devices = computing_locations(budgets)
    names = " and ".join(map(location_name, devices))
    room = sum(budgets[device] for device in devices)
    if needs.quantize or devices == ["mps"]:
        reason = _all_on_devices(needs, budgets, devices)
    else:
        reason = _working_set(needs)
    found = list(_options_that_fit(needs, budgets, load_options, fits, installed))[:_MAX_ADVICE]
    advice = f"it fits {', or '.join(found)}" if found else "use a smaller model, or more memory"
    return f"the model does not fit: {names} may hold {binary_size(room)}, {reason}; {advice}"


def _all_on_devices(
    needs: MemoryNeeds, budgets: Mapping[Location, int], devices: list[Location]
) -> str:
    """Say what all devices must hold together, and which part finds no room."""
    cache = needs.layer_cache * needs.spec.layers
    working = needs.workspace + needs.activations
    what = f"and the model needs {binary_size(needs.all_weights + cache + working)} there"
    parts = (
        f"{binary_size(needs.all_weights)} of weights as {needs.quantize or needs.dtype},"
        f" {binary_size(cache)} of KV cache for {needs.length} tokens,"
        f" {binary_size(working)} of working memory"
    )
    left_out = _first_without_room(needs, budgets, devices)
    first = f"; no room from {left_out} on" if left_out else ""
    rule = ""
    if "cpu" in budgets and devices != ["cpu"]:
        rule = ", because main memory cannot hold quantized layers for a GPU"
    elif needs.quantize:
        rule = ", because the disk cannot hold quantized layers"
    return f"{what}{rule} ({parts}{first})"


def _first_without_room(
    needs: MemoryNeeds, budgets: Mapping[Location, int], devices: list[Location]
) -> str:
    """Fill the devices in order. Returns the name of the first part that does not fit."""
    left = [budgets[device] for device in devices]
    left[0] -= needs.workspace + needs.activations
    for part in needs.spec.parts:
        size = needs.weights(part) + (needs.layer_cache if part.kind == LAYER else 0)
        while left and size > left[0]:
            left.pop(0)
        if not left:
            return _part_name(part)
        left[0] -= size
    return ""


def _working_set(needs: MemoryNeeds) -> str:
    """Say what the first device must hold even if all weights are elsewhere."""
    cache = needs.layer_cache * needs.spec.layers
    working = needs.workspace + needs.activations
    largest = max(needs.spec.parts, key=needs.weights)
    total = working + cache + needs.largest_part
    return (
        f"and computing alone needs {binary_size(total)} there, wherever the weights are"
        f" ({binary_size(working)} of working memory, {binary_size(cache)} of KV cache for"
        f" {needs.length} tokens, {binary_size(needs.largest_part)} for the {largest.kind}, the"
        " largest part)"
    )


def _part_name(part: ModelPart) -> str:
    number = part.module.rpartition(".")[2]
    return f"{part.kind} {number}" if part.kind == LAYER else f"the {part.kind}"


# --- what would fit --------------------------------------------------------------------------


def _options_that_fit(
    needs: MemoryNeeds,
    budgets: Mapping[Location, int],
    load_options: LoadOptions,
    fits: Fits,
    installed: Set[str],
) -> Iterator[str]:
    """Yield changes of the command line with which the model fits. Each one is checked."""
    for name, quantizer in QUANTIZERS.items():
        if name != needs.quantize and fits(replace(load_options, quantize=name)):
            kind = "cuda" if isinstance(next(iter(budgets)), int) else "cpu"
            package = quantizer.packages[kind]
            must_install = package is not None and package not in installed
            yield f"with --quantize {name}" + (
                f" (after `{EXTRAS[package]}`)" if package and must_install else ""
            )
    if needs.quantize and fits(replace(load_options, quantize=None)):
        yield "without --quantize (layers then stay in main memory or on the disk)"
    if isinstance(next(iter(budgets)), int):
        yield from _on_the_cpu(load_options, fits)
    yield from _larger_limits(budgets, load_options, fits)
    short = needs.spec.image_tokens + _SHORT_TEXT_TOKENS
    if load_options.length and fits(replace(load_options, length=short)):
        yield f"with --length {short}"


def _on_the_cpu(load_options: LoadOptions, fits: Fits) -> Iterator[str]:
    limits: dict[Location, int] = {
        key: size for key, size in (load_options.max_memory or {}).items() if key == "cpu"
    }
    options = replace(load_options, device="cpu", max_memory=limits or None)
    if fits(options):
        also = f" --max-memory {format_max_memory(limits)}" if limits else ""
        yield f"with --device cpu{also}"


def _larger_limits(
    budgets: Mapping[Location, int], load_options: LoadOptions, fits: Fits
) -> Iterator[str]:
    """Yield the smallest limits that fit: the same whole number of GiB more for each device."""
    limits = dict(load_options.max_memory or {})
    raised = [device for device in computing_locations(budgets) if device in limits]

    def raise_limits(steps: int) -> dict[Location, int]:
        more = {device: (ceil(limits[device] / _STEP) + steps) * _STEP for device in raised}
        return limits | more

    def enough(steps: int) -> bool:
        return fits(replace(load_options, max_memory=raise_limits(steps)))

    if not raised or not enough(_MAX_STEPS):
        return
    low, high = -1, _MAX_STEPS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    yield f"with --max-memory {format_max_memory(raise_limits(high))}"

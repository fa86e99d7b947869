"""Plan the placement of a model before it is loaded, from sizes alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from vipllava_cli.engine.hardware.batch_size import planned_batch_size, usable_memory
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import Location, Machine
from vipllava_cli.engine.hardware.memory_needs import PLANNED_TEXT_TOKENS, QUANTIZERS, MemoryNeeds
from vipllava_cli.engine.hardware.model_spec import LAYER, ModelSpec
from vipllava_cli.engine.hardware.placement_types import Placement, location_name
from vipllava_cli.engine.hardware.selection import (
    check_quantize,
    choose_attention,
    choose_device,
    choose_dtype,
)
from vipllava_cli.errors import ModelError
from vipllava_cli.storage.sizes import binary_size

_SHORT_TEXT_TOKENS = 64  # the shorter length that a refusal may suggest


def plan_placement(
    spec: ModelSpec, load_options: LoadOptions, machine: Machine, *, hypothetical: bool = False
) -> Placement:
    """Choose device, precision and a location for each part.

    If `hypothetical`, `max_memory` describes another machine than this one.

    Raises ModelError if the machine lacks a device or a package, and if the model does not fit; the
    message then says what would fit.
    """
    device = choose_device(load_options, machine, hypothetical=hypothetical)
    dtype, reason = choose_dtype(
        device, load_options.dtype, spec, machine, quantized=bool(load_options.quantize)
    )
    if load_options.quantize and not hypothetical:
        check_quantize(device, load_options.quantize, machine)
    # Some CPUs have instructions for bf16 products, none for fp16: without widening, fp16 prompts
    # took ten times as long.
    is_native = dtype == "fp32" or (dtype == "bf16" and machine.fast_bf16)
    needs = MemoryNeeds(
        spec,
        dtype,
        load_options.quantize,
        min(load_options.length or spec.image_tokens + PLANNED_TEXT_TOKENS, spec.max_tokens),
        widened=device == "cpu" and not is_native,
    )
    budgets = dict(_budgets(device, load_options, machine, hypothetical=hypothetical))
    locations = _assign_locations(needs, budgets)
    if locations is None:
        raise ModelError(_does_not_fit(needs, budgets))
    first = next(iter(budgets))
    placement = Placement(
        needs,
        locations,
        f"cuda:{first}" if isinstance(first, int) else first,
        budgets,
        attention=choose_attention(
            device, load_options.attention, dtype, machine, hypothetical=hypothetical
        ),
        dtype_reason=reason,
    )
    return replace(placement, batch_size=planned_batch_size(placement, machine.threads))


def _budgets(
    device: str, load_options: LoadOptions, machine: Machine, *, hypothetical: bool
) -> Iterator[tuple[Location, int]]:
    """Yield the locations to fill, in this order, with the bytes that may be used there."""
    limits = load_options.max_memory or {}
    if device == "cuda":
        for number in sorted(key for key in limits if isinstance(key, int)) or machine.gpus:
            if number in machine.gpus:
                usable = usable_memory(number, machine.gpus[number].free)
            else:
                usable = limits[number]
            limit = limits.get(number, usable)
            yield number, limit if hypothetical else min(limit, usable)
    usable = usable_memory("cpu", machine.cpu.free)
    limit = limits.get("cpu", usable)
    yield "mps" if device == "mps" else "cpu", limit if hypothetical else min(limit, usable)


def _assign_locations(
    needs: MemoryNeeds, budgets: Mapping[Location, int]
) -> dict[str, Location] | None:
    """Assign each part a location: computing devices if all fit, else also memory or disk.

    Returns None if the computation itself does not fit.
    """
    computing: list[Location] = [location for location in budgets if location != "cpu"] or ["cpu"]
    first = computing[0]
    available = dict(budgets)
    available[first] -= needs.workspace + needs.activations
    on_devices = _spread_evenly(needs, computing, available)
    if on_devices is not None or needs.quantize or first == "mps":
        return on_devices
    # The first device computes every part that lies elsewhere: it needs memory for the largest
    # of them, and for their KV cache.
    available[first] -= needs.largest_part + needs.layer_cache * needs.spec.layers
    if first == "cpu":
        return _fill_in_order(needs, ["cpu", "disk"], available, cached=[])
    return _fill_in_order(needs, [*computing, "cpu", "disk"], available, cached=computing[1:])


def _spread_evenly(
    needs: MemoryNeeds, devices: Sequence[Location], available: Mapping[Location, int]
) -> dict[str, Location] | None:
    """Put all parts on computing devices, in equal shares if these fit."""
    total = needs.all_weights + needs.layer_cache * needs.spec.layers
    share = total // len(devices) + needs.largest_part
    even = {device: min(available[device], share) for device in devices}
    return _fill_in_order(needs, devices, even, devices) or _fill_in_order(
        needs, devices, available, devices
    )


def _fill_in_order(
    needs: MemoryNeeds,
    locations: Sequence[Location],
    available: Mapping[Location, int],
    cached: Sequence[Location],
) -> dict[str, Location] | None:
    """Fill one location after the other, in the order of the parts. The disk takes any size.

    A layer brings its KV cache to the locations in `cached`. Returns None if the parts do not fit.
    """
    left = {location: available.get(location, 0) for location in locations}
    if any(free < 0 for location, free in left.items() if location != "disk"):
        return None
    assigned: dict[str, Location] = {}
    remaining = list(locations)
    for part in needs.spec.parts:
        while remaining:
            location = remaining[0]
            cache = needs.layer_cache if part.kind == LAYER and location in cached else 0
            size = needs.weights(part) + cache
            if location == "disk" or size <= left[location]:
                left[location] -= size
                assigned[part.module] = location
                break
            remaining.pop(0)
        else:
            return None
    return assigned


def _does_not_fit(needs: MemoryNeeds, budgets: Mapping[Location, int]) -> str:
    """Format the refusal: what the model needs, what is available, and what would fit."""
    available = ", ".join(
        f"{binary_size(size)} on {location_name(location)}" for location, size in budgets.items()
    )
    needed = needs.all_weights + needs.workspace + needs.activations
    needed += needs.layer_cache * needs.spec.layers
    options = [
        f"--quantize {name}"
        for name in QUANTIZERS
        if name != needs.quantize and _fits(replace(needs, quantize=name), budgets)
    ]
    if needs.quantize and _fits(replace(needs, quantize=None), budgets):
        options.append("no quantization, which leaves layers on the disk")
    shorter = replace(needs, length=needs.spec.image_tokens + _SHORT_TEXT_TOKENS)
    if _fits(shorter, budgets):
        options.append(f"a length of {shorter.length} tokens")
    fits = f"it fits with {' or '.join(options)}"
    advice = fits if options else "use a smaller model, or more memory"
    return (
        f"the model does not fit: it needs {binary_size(needed)} ({binary_size(needs.all_weights)} of"
        f" weights as {needs.quantize or needs.dtype}) and there are {available};"
        f" {advice}"
    )


def _fits(needs: MemoryNeeds, budgets: Mapping[Location, int]) -> bool:
    return _assign_locations(needs, budgets) is not None

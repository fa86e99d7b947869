"""Plan the placement of a model before it is loaded, from sizes alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from vipllava_cli.engine.hardware.assignment import assign_locations, main_location
from vipllava_cli.engine.hardware.batch_size import planned_batch_size, usable_memory
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import EXTRAS, Location, Machine
from vipllava_cli.engine.hardware.memory_needs import PLANNED_TEXT_TOKENS, MemoryNeeds
from vipllava_cli.engine.hardware.model_spec import ModelSpec
from vipllava_cli.engine.hardware.placement_types import Placement
from vipllava_cli.engine.hardware.refusal import explain_refusal
from vipllava_cli.engine.hardware.selection import (
    AS_REQUESTED,
    check_quantize,
    choose_attention,
    choose_device,
    choose_dtype,
)
from vipllava_cli.engine.options import gpu_number
from vipllava_cli.errors import ModelError, VipllavaError


def plan_placement(
    spec: ModelSpec, load_options: LoadOptions, machine: Machine, *, hypothetical: bool = False
) -> Placement:
    """Choose device, precision and a location for each part.

    If `hypothetical`, `max_memory` describes another machine than this one.

    Raises UsageError for options that contradict each other, and ModelError if the machine lacks a
    device or a package, and if the model does not fit; the message then says what would fit.
    """
    choice = _choose(spec, load_options, machine, hypothetical=hypothetical)
    needs, budgets = choice.needs, choice.budgets
    locations = assign_locations(needs, budgets)
    if locations is None:
        any_packages = replace(machine, packages=frozenset(EXTRAS))  # the advice names missing ones

        def fits(options: LoadOptions) -> bool:
            return _fits(spec, options, any_packages, hypothetical=hypothetical)

        installed = frozenset(EXTRAS) if hypothetical else machine.packages
        raise ModelError(explain_refusal(needs, budgets, load_options, fits, installed))
    main = main_location(locations, budgets)
    placement = Placement(
        needs,
        locations,
        f"cuda:{main}" if isinstance(main, int) else main,
        budgets,
        attention=choose_attention(
            choice.device, load_options.attention, needs.dtype, machine, hypothetical=hypothetical
        ),
        dtype_reason=choice.dtype_reason,
    )
    return replace(placement, batch_size=planned_batch_size(placement, machine.threads))


@dataclass(frozen=True)
class _Choice:
    """The kind of device, what the model needs there, and the usable bytes by location."""

    device: str
    needs: MemoryNeeds
    budgets: Mapping[Location, int]
    dtype_reason: str


def _choose(
    spec: ModelSpec, load_options: LoadOptions, machine: Machine, *, hypothetical: bool
) -> _Choice:
    """Choose device and precision. Raises UsageError, ModelError."""
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
    return _Choice(device, needs, budgets, AS_REQUESTED if load_options.quantize else reason)


def _fits(
    spec: ModelSpec, load_options: LoadOptions, machine: Machine, *, hypothetical: bool
) -> bool:
    try:
        choice = _choose(spec, load_options, machine, hypothetical=hypothetical)
    except VipllavaError:
        return False
    return assign_locations(choice.needs, choice.budgets) is not None


def _budgets(
    device: str, load_options: LoadOptions, machine: Machine, *, hypothetical: bool
) -> Iterator[tuple[Location, int]]:
    """Yield the locations to fill, in this order, with the bytes that may be used there."""
    limits = load_options.max_memory or {}
    if device == "cuda":
        only = gpu_number(load_options.device)
        limited = sorted(key for key in limits if isinstance(key, int))
        for number in limited or (machine.gpus if only is None else [only]):
            if number in machine.gpus:
                usable = usable_memory(number, machine.gpus[number].free)
            else:
                usable = limits[number]
            limit = limits.get(number, usable)
            yield number, limit if hypothetical else min(limit, usable)
    usable = usable_memory("cpu", machine.cpu.free)
    limit = limits.get("cpu", usable)
    yield "mps" if device == "mps" else "cpu", limit if hypothetical else min(limit, usable)

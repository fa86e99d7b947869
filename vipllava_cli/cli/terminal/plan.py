"""The placement of a model as a table, as JSON and as one line."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.engine.hardware.estimate import Plan
from vipllava_cli.engine.hardware.machine import Location
from vipllava_cli.engine.hardware.model_spec import LAYER, ModelPart
from vipllava_cli.engine.hardware.placement_types import Placement, compute_location, location_name
from vipllava_cli.storage.sizes import binary_size, decimal_size


def plan_table(plan: Plan) -> Group:
    """Show the location of each part, the memory taken at each location, and the speed."""
    return Group(placement_table(plan.placement), Text(), *map(Text, _lines(plan)))


def placement_table(placement: Placement) -> Table:
    """Show one row for each part, then the memory that an answer takes.

    Neighbouring decoder layers at the same location share a row.
    """
    needs = placement.needs
    table = Table(box=None, padding=(0, 2, 0, 0), show_footer=True)
    total = sum(needs.weights(part) for part in needs.spec.parts)
    table.add_column("part", footer="all weights")
    table.add_column("where")
    table.add_column("size", justify="right", footer=binary_size(total))
    for name, location, parts in _groups(placement):
        size = sum(needs.weights(part) for part in parts)
        if size:
            table.add_row(Text(one_line(name)), location_name(location), binary_size(size))
    for location in placement.budgets:
        size = placement.cache_at(location)
        if size:
            name = f"KV cache of {needs.length} tokens"
            table.add_row(name, location_name(location), binary_size(size))
    location = compute_location("cpu", placement.main_device)
    table.add_row(
        "working memory", location_name(location), binary_size(needs.workspace + needs.activations)
    )
    return table


def placement_line(placement: Placement) -> str:
    """Describe a placement in one line."""
    weights = ", ".join(
        f"{binary_size(placement.weights_at(location))} on {location_name(location)}"
        for location in dict.fromkeys(placement.locations.values())
    )
    return (
        f"weights as {placement.dtype_name} ({placement.dtype_reason}): {weights};"
        f" up to {placement.batch_size} prompts in a batch"
    )


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Convert to JSON. Sizes are in bytes."""
    placement = plan.placement
    needs = placement.needs
    return {
        "model": plan.name,
        "parameters": needs.spec.parameters,
        "dtype": needs.dtype,
        "quantize": needs.quantize,
        "attention": placement.attention,
        "length": needs.length,
        "parts": [
            {
                "part": name,
                "place": location,
                "modules": [part.module for part in parts],
                "parameters": sum(part.parameters for part in parts),
                "weights": sum(needs.weights(part) for part in parts),
            }
            for name, location, parts in _groups(placement)
        ],
        "places": {
            str(location): {
                "budget": placement.budgets.get(location),
                "weights": placement.weights_at(location),
                "cache": placement.cache_at(location),
            }
            for location in dict.fromkeys([*placement.budgets, *placement.locations.values()])
        },
        "working_room": needs.workspace + needs.activations,
        "prompts_at_once": placement.batch_size,
        "prompt_tokens": plan.estimate.prompt_tokens,
        "prompt_seconds": round(plan.estimate.prompt_seconds, 3),
        "tokens_a_second": round(plan.estimate.tokens_per_second, 3),
        "speeds": {
            str(location): {
                "bytes_a_second": round(speed.bandwidth),
                "bytes_from": speed.bandwidth_origin.value,
                "operations_a_second": round(speed.operations),
                "operations_from": speed.operations_origin.value,
            }
            for location, speed in plan.estimate.speeds.items()
        },
        "links": {
            name: {"bytes_a_second": round(link.bandwidth), "bytes_from": link.origin.value}
            for name, link in plan.estimate.links.items()
        },
        "assumed": list(plan.estimate.assumed),
        "given": list(plan.estimate.given),
        "absent": list(plan.absent),
    }


def _groups(placement: Placement) -> Iterator[tuple[str, Location, list[ModelPart]]]:
    """Group neighbouring parts of one kind and location. Yields name, location and parts."""
    groups = groupby(
        placement.needs.spec.parts, key=lambda part: (part.kind, placement.locations[part.module])
    )
    for (kind, location), group in groups:
        parts = list(group)
        yield _layer_range(kind, parts) if kind == LAYER else kind, location, parts


def _layer_range(kind: str, layers: Sequence[ModelPart]) -> str:
    first, last = (layer.module.rpartition(".")[2] for layer in (layers[0], layers[-1]))
    return f"{kind} {first}" if first == last else f"{kind}s {first} to {last}"


def _lines(plan: Plan) -> Iterator[str]:
    placement, estimate = plan.placement, plan.estimate
    yield f"{one_line(plan.name)} as {placement.dtype_name}: {placement.dtype_reason}"
    for location, budget in placement.budgets.items():
        taken = placement.weights_at(location) + placement.cache_at(location)
        if location == compute_location("cpu", placement.main_device):
            taken += placement.needs.workspace + placement.needs.activations
        if taken:
            yield f"{location_name(location)}: {binary_size(taken)} of {binary_size(budget)}"
    on_disk = placement.weights_at("disk")
    if on_disk:
        yield f"the disk: {binary_size(on_disk)} of weights, read again for every token"
    yield f"prompts in a batch: up to {placement.batch_size}"
    yield (
        f"speed: at best {_round(estimate.prompt_seconds)} s for a prompt of"
        f" {estimate.prompt_tokens} tokens, then {_round(estimate.tokens_per_second)} tokens/s"
    )
    for figure in estimate.given:
        yield f"given: {figure}"
    for figure in estimate.assumed:
        yield f"assumed, not measured: {figure}"
    if plan.absent:
        absent = " and ".join(map(location_name, plan.absent))
        yield f"not on this machine: {absent}; this is the plan of another machine"
    if plan.download_size:
        yield f"not downloaded: {decimal_size(plan.download_size)} to download"


def _round(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"

"""A plan as a table, as JSON, and as a line."""

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
from vipllava_cli.engine.hardware.placement import Placement, compute_location, location_name
from vipllava_cli.storage.sizes import binary_size, decimal_size


def plan_table(plan: Plan) -> Group:
    """What goes where, what each place has to hold, and what follows from it."""
    return Group(placement_table(plan.placement), Text(), *map(Text, _lines(plan)))


def placement_table(found: Placement) -> Table:
    """A line for each part, neighbouring decoder layers together, then what is taken while it answers."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_footer=True)
    total = sum(found.needs.weights(part) for part in found.needs.spec.parts)
    table.add_column("part", footer="weights in all")
    table.add_column("where")
    table.add_column("size", justify="right", footer=binary_size(total))
    for name, at, parts in _groups(found):
        size = sum(found.needs.weights(part) for part in parts)
        if size:
            table.add_row(name, location_name(at), binary_size(size))
    for at in found.budgets:
        if found.cache_at(at):
            name = f"cache for {found.needs.length} tokens"
            table.add_row(name, location_name(at), binary_size(found.cache_at(at)))
    work = found.needs.workspace + found.needs.activations
    table.add_row(
        "working room", location_name(compute_location("cpu", found.main_device)), binary_size(work)
    )
    return table


def placement_line(found: Placement) -> str:
    """The same in a line."""
    places = dict.fromkeys(found.locations.values())
    held = ", ".join(f"{binary_size(found.weights_at(at))} on {location_name(at)}" for at in places)
    return (
        f"weights as {found.dtype_name} ({found.dtype_reason}): {held};"
        f" {found.batch_size} prompts fit at once"
    )


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Sizes in bytes."""
    found = plan.placement
    return {
        "model": plan.name,
        "parameters": found.needs.spec.parameters,
        "dtype": found.needs.dtype,
        "quantize": found.needs.quantize,
        "attention": found.attention,
        "length": found.needs.length,
        "parts": [
            {
                "part": name,
                "place": at,
                "modules": [part.module for part in parts],
                "parameters": sum(part.parameters for part in parts),
                "weights": sum(found.needs.weights(part) for part in parts),
            }
            for name, at, parts in _groups(found)
        ],
        "places": {
            str(at): {
                "budget": found.budgets.get(at),
                "weights": found.weights_at(at),
                "cache": found.cache_at(at),
            }
            for at in dict.fromkeys([*found.budgets, *found.locations.values()])
        },
        "working_room": found.needs.workspace + found.needs.activations,
        "prompts_at_once": found.batch_size,
        "prompt_tokens": plan.estimate.prompt_tokens,
        "prompt_seconds": round(plan.estimate.prompt_seconds, 3),
        "tokens_a_second": round(plan.estimate.tokens_per_second, 3),
        "assumed": list(plan.estimate.assumed),
    }


def _groups(found: Placement) -> Iterator[tuple[str, Location, list[ModelPart]]]:
    """Parts that follow each other, are of a kind and lie together: name, place, parts."""
    keyed = groupby(
        found.needs.spec.parts, key=lambda part: (part.kind, found.locations[part.module])
    )
    for (kind, at), parts in keyed:
        members = list(parts)
        yield _name(kind, members) if kind == LAYER else kind, at, members


def _name(kind: str, layers: Sequence[ModelPart]) -> str:
    first, last = (layer.module.rpartition(".")[2] for layer in (layers[0], layers[-1]))
    return f"{kind} {first}" if first == last else f"{kind}s {first} to {last}"


def _lines(plan: Plan) -> Iterator[str]:
    found, estimate = plan.placement, plan.estimate
    yield f"{one_line(plan.name)} as {found.dtype_name}: {found.dtype_reason}"
    for at, budget in found.budgets.items():
        taken = found.weights_at(at) + found.cache_at(at)
        if at == compute_location("cpu", found.main_device):
            taken += found.needs.workspace + found.needs.activations
        if taken:
            yield f"{location_name(at)}: {binary_size(taken)} of {binary_size(budget)}"
    on_disk = found.weights_at("disk")
    if on_disk:
        yield f"the disk: {binary_size(on_disk)} of weights, read anew for every token"
    yield f"prompts that fit at once: {found.batch_size}"
    yield (
        f"a prompt of {estimate.prompt_tokens} tokens: about {_number(estimate.prompt_seconds)} s,"
        f" then about {_number(estimate.tokens_per_second)} tokens a second"
    )
    for what in estimate.assumed:
        yield f"assumed, not measured: {what}"
    if plan.download_size:
        yield f"not on this machine: {decimal_size(plan.download_size)} to fetch"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"

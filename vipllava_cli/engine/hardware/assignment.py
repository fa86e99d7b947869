"""Assign each part of a model to a location with enough memory."""

from collections.abc import Mapping, Sequence

from vipllava_cli.engine.hardware.machine import Location
from vipllava_cli.engine.hardware.memory_needs import MemoryNeeds
from vipllava_cli.engine.hardware.model_spec import LAYER, ModelPart


def assign_locations(
    needs: MemoryNeeds, budgets: Mapping[Location, int]
) -> dict[str, Location] | None:
    """Assign each part a location: computing devices if all fit, else also memory or disk.

    The first GPU with a part is the main device: others before it are too full. Returns None if the
    computation itself does not fit.
    """
    computing = computing_locations(budgets)
    for start, main in enumerate(computing):
        assigned = _assign(needs, budgets, computing[start:])
        if assigned is not None and (main == "cpu" or main in assigned.values()):
            return assigned
    return None


def main_location(locations: Mapping[str, Location], budgets: Mapping[Location, int]) -> Location:
    """Return the main device of a result of `assign_locations`."""
    computing = computing_locations(budgets)
    return next((each for each in computing if each in locations.values()), computing[0])


def _assign(
    needs: MemoryNeeds, budgets: Mapping[Location, int], computing: Sequence[Location]
) -> dict[str, Location] | None:
    """Assign each part a location, with the first of these devices as the main device."""
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
    assigned = _fill_in_order(needs, [*computing, "cpu", "disk"], available, cached=computing[1:])
    if assigned is None or not {*computing}.isdisjoint(assigned.values()):
        return assigned
    smallest = _smallest_part(needs)
    if needs.weights(smallest) > available[first]:
        return None
    return assigned | {smallest.module: first}


def computing_locations(budgets: Mapping[Location, int]) -> list[Location]:
    """Return the locations that compute: the GPUs, or else main memory."""
    return [location for location in budgets if location != "cpu"] or ["cpu"]


def _smallest_part(needs: MemoryNeeds) -> ModelPart:
    """Return the part for a GPU that has no room for the first one.

    Without any part there, accelerate would compute the model elsewhere.
    """
    parts = [part for part in needs.spec.parts if needs.spec.holder(part) is part]
    return min(parts, key=needs.weights)


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

    A layer brings its KV cache to the locations in `cached`. A tied head stays with the embeddings: its
    weights are nowhere else. Returns None if the parts do not fit.
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
    return {part.module: assigned[needs.spec.holder(part).module] for part in needs.spec.parts}

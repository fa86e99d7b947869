"""Speeds that the user gives, to plan for a machine that is not this one."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from vipllava_cli.engine.hardware.load_options import parse_by_location
from vipllava_cli.engine.hardware.machine import Location
from vipllava_cli.engine.hardware.speed import (
    ASSUMED_GPU,
    BUS_BANDWIDTH,
    DISK_BANDWIDTH,
    Origin,
    Speed,
)
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.storage.number_text import parse_number
from vipllava_cli.storage.sizes import parse_size

BANDWIDTH, TFLOPS = "--bandwidth", "--tflops"
_BANDWIDTH_EXAMPLE, _TFLOPS_EXAMPLE = "0=3350GB/s,cpu=50GB/s", "0=400,cpu=1.5"
_DEVICES = ("cpu", "mps")


@dataclass(frozen=True)
class Link:
    """The link over which weights move to a device. `bandwidth` is in bytes/s."""

    text: str
    bandwidth: float
    origin: Origin = Origin.assumed


_ASSUMED_LINKS: Mapping[str, Link] = {
    "bus": Link("a bus", BUS_BANDWIDTH),
    "disk": Link("a disk", DISK_BANDWIDTH),
}


@dataclass(frozen=True)
class GivenSpeeds:
    """Speeds to use instead of measured ones: bytes/s by device or link, operations/s by device."""

    bandwidth: Mapping[Location, float] = field(default_factory=dict)
    operations: Mapping[Location, float] = field(default_factory=dict)

    def apply(self, location: Location, measure: Callable[[], Speed]) -> Speed:
        """Return the speed of a device. Measures nothing if both of its figures are given."""
        bandwidth, operations = self.bandwidth.get(location), self.operations.get(location)
        speed = ASSUMED_GPU if bandwidth and operations else measure()
        if bandwidth:
            # Measured costs of a token are those of the memory of this machine.
            speed = replace(
                speed, bandwidth=bandwidth, bandwidth_origin=Origin.given, token_costs=None
            )
        if operations:
            speed = replace(speed, operations=operations, operations_origin=Origin.given)
        return speed

    def links(self) -> dict[str, Link]:
        """Return the bus and the disk, given or assumed."""
        return {
            name: replace(link, bandwidth=self.bandwidth[name], origin=Origin.given)
            if name in self.bandwidth
            else link
            for name, link in _ASSUMED_LINKS.items()
        }

    def accelerators(self) -> Iterator[tuple[str, Location]]:
        """Yield the GPUs and MPS if their speed is given, each with the option that names it."""
        for option, values in ((BANDWIDTH, self.bandwidth), (TFLOPS, self.operations)):
            for location in values:
                if isinstance(location, int) or location == "mps":
                    yield option, location


MEASURE = GivenSpeeds()


def parse_speeds(bandwidth: str | None, tflops: str | None) -> GivenSpeeds:
    """Parse the values of `--bandwidth` and `--tflops`. Raises UsageError."""
    read = (
        parse_by_location(
            bandwidth,
            option=BANDWIDTH,
            names=(*_DEVICES, *_ASSUMED_LINKS),
            value="a bandwidth",
            example=_BANDWIDTH_EXAMPLE,
        )
        if bandwidth is not None
        else {}
    )
    computed = (
        parse_by_location(
            tflops, option=TFLOPS, names=_DEVICES, value="a number", example=_TFLOPS_EXAMPLE
        )
        if tflops is not None
        else {}
    )
    return GivenSpeeds(
        {location: _parse_bandwidth(text) for location, text in read.items()},
        {location: _parse_tflops(text) for location, text in computed.items()},
    )


def _parse_bandwidth(text: str) -> float:
    """Parse `3350GB/s`, `3.35TB/s` or `3350`, which is in GB/s, to bytes/s. Raises UsageError."""
    number = text.removesuffix("/s").strip()
    try:
        size = parse_size(number if number[-1:].isalpha() else f"{number}GB")
    except UsageError:
        size = 0
    if size <= 0:
        raise UsageError(
            f"invalid {BANDWIDTH} {short_repr(text)}: expected a number above 0 in GB/s, like"
            f" {_BANDWIDTH_EXAMPLE}"
        )
    return float(size)


def _parse_tflops(text: str) -> float:
    """Parse `400` or `0.5`, in 10^12 operations a second. Raises UsageError."""
    try:
        value = parse_number(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UsageError(
            f"invalid {TFLOPS} {short_repr(text)}: expected a number of TFLOP/s above 0, like"
            f" {_TFLOPS_EXAMPLE}"
        )
    return value * 1e12

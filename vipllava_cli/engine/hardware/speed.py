"""The speed of a device: measured, given or assumed."""

from dataclasses import dataclass
from enum import StrEnum

DISK_BANDWIDTH = 1.5e9  # bytes/s, assumed: a solid-state disk
BUS_BANDWIDTH = 16e9  # bytes/s, assumed: from memory to a GPU


class Origin(StrEnum):
    """Where the figure of a speed comes from."""

    measured = "measured"
    given = "given"
    assumed = "assumed"


@dataclass(frozen=True)
class TokenCosts:
    """What a new token costs besides its weights.

    Its attention reads the KV cache at `cache_bandwidth` bytes/s. Everything else that is not a product
    takes `layer_seconds` in each decoder layer.
    """

    cache_bandwidth: float
    layer_seconds: float


@dataclass(frozen=True)
class Speed:
    """How fast a device computes.

    `bandwidth` is the bytes/s that a product with one row reads. `operations` is the operations/s of
    a product with many rows, or on a CPU of a decoder layer. Without `token_costs`, the KV cache is read
    like weights, and the rest of a token takes no time.
    """

    bandwidth: float
    operations: float
    bandwidth_origin: Origin = Origin.measured
    operations_origin: Origin = Origin.measured
    token_costs: TokenCosts | None = None


ASSUMED_GPU = Speed(300e9, 20e12, Origin.assumed, Origin.assumed)

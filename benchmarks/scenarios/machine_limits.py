"""The device's copy bandwidth, read bandwidth and matrix peak, which other figures relate to."""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.measuring import Measure


def run(bench: Bench) -> Iterator[Measure]:
    """Measure the limits."""
    from benchmarks.limits import copy_bandwidth, matrix_peak, read_bandwidth

    device = bench.device
    yield Measure("copy bandwidth, read and written", copy_bandwidth(device) / 1e9, "GB/s")
    for dtype in ("bf16", "fp16") if bench.on_cuda else ("fp32", "bf16"):
        yield Measure(
            f"read bandwidth of a product with one row, {dtype}",
            read_bandwidth(device, dtype) / 1e9,
            "GB/s",
        )
        yield Measure(f"matrix peak, {dtype}", matrix_peak(device, dtype) / 1e12, "TFLOP/s")

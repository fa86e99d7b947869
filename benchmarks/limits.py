"""The limits of a device, measured, and the work that a prompt and a token are."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks.measuring import seconds
from vipllava_cli.engine.hardware.memory_needs import ITEM_BYTES, MemoryNeeds
from vipllava_cli.engine.hardware.model_spec import EMBEDDINGS, HEAD, LAYER, PROJECTOR, TOWER

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Sizes:
    """What is measured: bytes to copy, the side of square matrices, calls between clock reads."""

    copied: int
    side: int
    repeats: int


_SIZES = {"cuda": Sizes(4 << 30, 8192, 10), "cpu": Sizes(256 << 20, 2048, 1)}
_ROUNDS = 5


def _time(work: Callable[[], object], device: str, repeats: int) -> float:
    def repeat() -> None:
        for _ in range(repeats):
            work()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)

    repeat()
    return median(seconds(repeat) / repeats for _ in range(_ROUNDS))


def copy_bandwidth(device: str) -> float:
    """Measure the bytes/s that a copy within the device's memory reads and writes together."""
    sizes = _SIZES[device.partition(":")[0]]
    source = torch.randint(0, 100, (sizes.copied,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * sizes.copied / _time(lambda: target.copy_(source), device, sizes.repeats)


def read_bandwidth(device: str, dtype: str) -> float:
    """Measure the bytes/s that the product of one row and a large matrix reads."""
    sizes = _SIZES[device.partition(":")[0]]
    rows = sizes.copied // 4096 // DTYPES[dtype].itemsize
    matrix = torch.randn(rows, 4096, device=device, dtype=DTYPES[dtype])
    row = torch.randn(1, 4096, device=device, dtype=DTYPES[dtype])
    work = _time(lambda: torch.nn.functional.linear(row, matrix), device, sizes.repeats)
    return matrix.nbytes / work


def matrix_peak(device: str, dtype: str) -> float:
    """Measure the operations/s of a product of two large random matrices."""
    sizes = _SIZES[device.partition(":")[0]]
    shape = (sizes.side, sizes.side)
    one, other = (torch.randn(shape, device=device, dtype=DTYPES[dtype]) for _ in range(2))
    return 2 * sizes.side**3 / _time(lambda: one @ other, device, sizes.repeats)


def bytes_per_token(needs: MemoryNeeds, context: float) -> float:
    """Return the bytes that a new token reads: the decoder, the head and the KV cache of `context`."""
    parts = needs.spec.parts
    weights = sum(
        needs.weights(part) for part in parts if part.kind not in {TOWER, PROJECTOR, EMBEDDINGS}
    )
    cached = needs.spec.layers * needs.spec.kv_width * context * ITEM_BYTES[needs.dtype]
    return weights + cached


def prompt_operations(needs: MemoryNeeds, tokens: int) -> float:
    """Return the operations of a prompt: two for each weight and token, and the attention.

    A decoder's token attends to the half of the prompt before it, on average. The head computes the
    last token only. These are the operations of a complete forward pass, of which `lean_prefill.py`
    leaves out a tenth.
    """
    spec = needs.spec
    rows = {TOWER: spec.image_tokens + 1, PROJECTOR: spec.image_tokens, LAYER: tokens, HEAD: 1}
    products = sum(2 * part.parameters * rows.get(part.kind, 0) for part in spec.parts)
    decoder = 2 * spec.layers * spec.hidden * tokens**2
    tower = 4 * spec.vision_layers * spec.vision_hidden * (spec.image_tokens + 1) ** 2
    return products + decoder + tower

"""Machines that do not exist, and the specs of known models, for tests of placement."""

from dataclasses import replace
from functools import cache

from vipllava_cli.engine.hardware.machine import Machine, Memory
from vipllava_cli.engine.hardware.model_spec import ModelSpec, read_model_spec
from vipllava_cli.engine.hub.checkpoints import read_config
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED

GIB = 1 << 30
LAPTOP = Machine(Memory(16 * GIB, 13 * GIB), {}, {}, mps=False, fast_bf16=False)
SMALL_GPU = Machine(
    Memory(24 * GIB, 20 * GIB),
    {0: Memory(8 * GIB, 8 * GIB)},
    {0: "a GPU"},
    mps=False,
    fast_bf16=True,
)
FOUR_GPUS = replace(SMALL_GPU, gpus={at: Memory(24 * GIB, 24 * GIB) for at in range(4)})
QUANTIZING_PACKAGES = frozenset({"torchao", "bitsandbytes"})


@cache
def spec_of(name: str) -> ModelSpec:
    """Return the spec of `tiny`, `7b` or `13b`."""
    config = PUBLISHED[name].config if name in PUBLISHED else read_config(BUNDLED[name], name)
    return read_model_spec(config)

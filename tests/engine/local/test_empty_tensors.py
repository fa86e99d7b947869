"""Tensors of the meta device: those of torch, in shape, type, strides and device."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from vipllava_cli.engine.local.empty_tensors import EmptyTensors

pytestmark = pytest.mark.model

CASES: list[Callable[[], Any]] = [
    lambda: torch.randn(3, 4),
    lambda: torch.randn((5,)),
    lambda: torch.randn(3, dtype=torch.float16),
    lambda: torch.arange(7),
    lambda: torch.arange(0, 8, 2, dtype=torch.float),
    lambda: torch.arange(0, 1, 0.25),
    lambda: torch.arange(7).expand((1, -1)),
    lambda: torch.empty_like(torch.arange(7).expand((1, -1)), device="cpu"),
    lambda: torch.empty_like(torch.empty(3, 4).t(), device="cpu"),
    lambda: torch.empty_like(torch.empty(3, dtype=torch.bfloat16), device="meta"),
    lambda: torch.empty_like(torch.empty(3), dtype=torch.float16),
    lambda: torch.arange(0, 8, 2, dtype=torch.float) / 8,
    lambda: torch.arange(0, 8, 2) / 8,
    lambda: torch.empty(3, dtype=torch.float16) / 2.5,
    lambda: torch.empty(3, dtype=torch.float16) / torch.empty(2, 3),
    lambda: torch.div(torch.empty(3), 2, rounding_mode="floor"),
    lambda: 10000 ** torch.arange(0, 8, 2, dtype=torch.float),
    lambda: 1.0 / (10000.0 ** (torch.arange(0, 8, 2, dtype=torch.float) / 8)),
    lambda: 2 / torch.empty(3, dtype=torch.int64),
    lambda: torch.nn.init.normal_(torch.empty(3, 4)),
    lambda: torch.nn.init.kaiming_uniform_(torch.empty(3, 4), a=1.5),
    lambda: torch.nn.init.trunc_normal_(tensor=torch.empty(3, 4), std=0.02),
    lambda: torch.nn.Linear(3, 4).weight,
    lambda: torch.nn.Linear(3, 4).bias,
    lambda: torch.nn.Embedding(3, 4, padding_idx=1).weight,
    lambda: torch.nn.Conv2d(3, 4, 2).weight,
    lambda: torch.nn.Parameter(torch.randn(4)),
]


def shape(tensor: torch.Tensor) -> tuple[Any, ...]:
    kind = (type(tensor), tensor.dtype, tensor.device, tensor.requires_grad)
    return (*kind, tensor.shape, tensor.stride())


@pytest.mark.parametrize("number", range(len(CASES)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_tensor_is_as_torch_makes_it(number: int, dtype: torch.dtype) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            plain = CASES[number]()
        with EmptyTensors(), torch.device("meta"):
            ours = CASES[number]()
    finally:
        torch.set_default_dtype(before)
    assert shape(ours) == shape(plain)


def test_tensors_with_values_are_left_alone() -> None:
    torch.manual_seed(1)
    plain = [torch.randn(3), torch.nn.init.normal_(torch.empty(3)), torch.arange(4) / 3]
    torch.manual_seed(1)
    with EmptyTensors():
        ours = [torch.randn(3), torch.nn.init.normal_(torch.empty(3)), torch.arange(4) / 3]
    assert all(map(torch.equal, ours, plain))


def test_a_seed_draws_the_same_numbers_after_a_load() -> None:
    torch.manual_seed(3)
    with torch.device("meta"):
        torch.nn.Linear(3, 4)
    expected = torch.randn(2)
    torch.manual_seed(3)
    with EmptyTensors(), torch.device("meta"):
        torch.nn.Linear(3, 4)
    assert torch.equal(torch.randn(2), expected)


COMPARE = """
import sys, torch
from vipllava_cli.engine.local.deferred_imports import defer_imports
defer_imports()
from vipllava_cli.engine.local import loading
from vipllava_cli.engine.open import open_engine
import contextlib
if sys.argv[1] == "plain":
    loading.EmptyTensors = contextlib.nullcontext
model = open_engine("tiny", device="cpu").model
print("sympy" in sys.modules, file=sys.stderr)
import hashlib
for kind in ("parameters", "buffers"):
    for name, tensor in getattr(model, f"named_{kind}")():
        digest = hashlib.sha256(tensor.detach().float().numpy().tobytes()).hexdigest()
        print(name, digest, tensor.dtype, tensor.device, tuple(tensor.shape), tensor.requires_grad)
print([(name, type(part).__name__, part.training) for name, part in model.named_modules()])
print(model.config.to_json_string(), model.generation_config.to_json_string())
"""


def test_the_loaded_model_is_the_one_that_torch_alone_makes() -> None:
    plain, ours = (
        subprocess.run(
            [sys.executable, "-c", COMPARE, how], capture_output=True, text=True, check=True
        )
        for how in ("plain", "ours")
    )
    assert ours.stdout == plain.stdout
    assert len(ours.stdout) > 10_000
    assert (plain.stderr.strip(), ours.stderr.strip()) == ("True", "False")

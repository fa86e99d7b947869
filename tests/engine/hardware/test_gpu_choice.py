"""`--device cuda:N`: one GPU of several, with stand-ins for what CUDA reports."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from tests.support.machines import FOUR_GPUS, GIB, LAPTOP, SMALL_GPU, spec_of
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import Memory, inspect_machine
from vipllava_cli.engine.hardware.placement import plan_placement
from vipllava_cli.errors import ModelError, UsageError

pytestmark = pytest.mark.model

TWO_GPUS = replace(
    SMALL_GPU,
    gpus={0: Memory(24 * GIB, GIB), 1: Memory(24 * GIB, 24 * GIB)},
    names={0: "a busy GPU", 1: "an idle GPU"},
    packages=frozenset({"torchao", "bitsandbytes"}),
)


def test_only_the_chosen_gpu_holds_the_model() -> None:
    placement = plan_placement(spec_of("7b"), LoadOptions(device="cuda:1"), TWO_GPUS)
    assert placement.device_map == {"": 1}
    assert (placement.main_device, str(placement.input_device)) == ("cuda:1", "cuda:1")
    assert set(placement.budgets) == {1, "cpu"}
    quantized = LoadOptions(device="cuda:1", quantize="nf4")
    assert plan_placement(spec_of("7b"), quantized, TWO_GPUS).device_map == {"": 1}
    spread = plan_placement(spec_of("13b"), LoadOptions(device="cuda"), FOUR_GPUS)
    assert set(spread.locations.values()) == {0, 1, 2, 3}
    alone = plan_placement(spec_of("13b"), LoadOptions(device="cuda:2"), FOUR_GPUS)
    assert set(alone.locations.values()) == {2, "cpu"}


def test_a_missing_gpu_lists_those_present() -> None:
    with pytest.raises(ModelError) as caught:
        plan_placement(spec_of("7b"), LoadOptions(device="cuda:2"), TWO_GPUS)
    assert str(caught.value).startswith(
        "there is no GPU 2 for --device cuda:2: the devices of this machine are"
        " cuda:0 (a busy GPU), cuda:1 (an idle GPU), cpu; "
    )
    with pytest.raises(ModelError, match=r"no GPU 0 .*the devices of this machine are cpu;"):
        plan_placement(spec_of("7b"), LoadOptions(device="cuda:0"), LAPTOP)


@pytest.mark.parametrize("device", ["cuda:1", "cpu", "mps"])
def test_a_limit_for_a_gpu_that_the_device_leaves_out_is_refused(device: str) -> None:
    options = LoadOptions(device=device, max_memory={0: GIB})
    for hypothetical in (False, True):
        with pytest.raises(UsageError, match=rf"--device {device} does not use GPU 0"):
            plan_placement(spec_of("7b"), options, TWO_GPUS, hypothetical=hypothetical)


def test_a_plan_for_another_machine_may_choose_its_gpu() -> None:
    options = LoadOptions(device="cuda:3", max_memory={3: 24 * GIB, "cpu": 8 * GIB})
    placement = plan_placement(spec_of("7b"), options, LAPTOP, hypothetical=True)
    assert placement.device_map == {"": 3}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stand in for two GPUs: the second has bf16. Collects the GPUs asked for their memory."""
    numbers: list[int] = []
    current = [0]

    def mem_get_info(number: int) -> tuple[int, int]:
        numbers.append(number)
        return 20 * GIB, 24 * GIB

    def device(number: int) -> object:
        current[0] = number
        return nullcontext()

    stand_ins: dict[str, Callable[..., object]] = {
        "is_available": lambda: True,
        "device_count": lambda: 2,
        "mem_get_info": mem_get_info,
        "memory_reserved": lambda number: 0,
        "memory_allocated": lambda number: 0,
        "get_device_name": lambda number: f"card {number}",
        "device": device,
        "is_bf16_supported": lambda including_emulation: current[0] == 1,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return numbers


def test_the_other_gpus_are_not_touched(asked: list[int]) -> None:
    machine = inspect_machine(1)
    assert asked == [1]
    assert list(machine.gpus) == [1]
    assert machine.names == {0: "card 0", 1: "card 1"}
    assert machine.half_dtype == "bf16"
    assert inspect_machine(0).half_dtype == "fp16"


def test_all_gpus_are_inspected_without_a_choice(asked: list[int]) -> None:
    machine = inspect_machine()
    assert asked == [0, 1]
    assert machine.half_dtype == "fp16"  # fast on both

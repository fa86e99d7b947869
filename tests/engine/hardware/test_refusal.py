"""Refusals of models that do not fit: which part, where, and advice that works as written."""

import re
import shlex
from dataclasses import replace

import pytest

from tests.support.machines import (
    FOUR_GPUS,
    GIB,
    LAPTOP,
    QUANTIZING_PACKAGES,
    SMALL_GPU,
    spec_of,
)
from vipllava_cli.engine.hardware.load_options import LoadOptions, parse_max_memory
from vipllava_cli.engine.hardware.machine import Machine, Memory
from vipllava_cli.engine.hardware.placement import plan_placement
from vipllava_cli.errors import ModelError

LARGE_LAPTOP = replace(LAPTOP, cpu=Memory(32 * GIB, 30 * GIB))


def refusal(
    model: str, machine: Machine, options: LoadOptions, *, hypothetical: bool = False
) -> str:
    with pytest.raises(ModelError) as caught:
        plan_placement(spec_of(model), options, machine, hypothetical=hypothetical)
    return str(caught.value)


def follow(advice: str, options: LoadOptions) -> LoadOptions:
    """Change the options as one piece of advice says: `with --quantize nf4`."""
    preposition, *words = shlex.split(re.sub(r"\(.*\)", "", advice))
    assert preposition in {"with", "without"}
    if preposition == "without":
        assert words == ["--quantize"]
        return replace(options, quantize=None)
    flags = dict(zip(words[::2], words[1::2], strict=True))
    if "--device" in flags:
        options = replace(options, device=flags.pop("--device"), max_memory=None)
    if "--max-memory" in flags:
        options = replace(options, max_memory=parse_max_memory(flags.pop("--max-memory")))
    if "--length" in flags:
        options = replace(options, length=int(flags.pop("--length")))
    if "--quantize" in flags:
        options = replace(options, quantize=flags.pop("--quantize"))
    assert not flags
    return options


ALL_PACKAGES = replace(SMALL_GPU, packages=QUANTIZING_PACKAGES)
CASES = [
    (model, machine, quantize, limits, length)
    for model in ("7b", "13b")
    for machine in (LAPTOP, LARGE_LAPTOP, SMALL_GPU, ALL_PACKAGES, FOUR_GPUS)
    for quantize in (None, "int8", "nf4")
    for limits in (None, "cpu=1GiB", "cpu=7GiB", "0=1GiB,cpu=28GiB", "0=8GiB,cpu=20GiB", "0=3500MB")
    for length in (None, 4096)
]


def test_every_piece_of_advice_works_as_written() -> None:
    followed = 0
    for model, machine, quantize, limits, length in CASES:
        max_memory = limits and parse_max_memory(limits)
        options = LoadOptions(quantize=quantize, max_memory=max_memory or None, length=length)
        for hypothetical in {False, max_memory is not None}:
            try:
                plan_placement(spec_of(model), options, machine, hypothetical=hypothetical)
            except ModelError as error:
                message = str(error)
            else:
                continue
            if "does not fit" not in message:
                continue
            assert "\n" not in message
            advice = message.rpartition("; ")[2]
            if advice == "use a smaller model, or more memory":
                continue
            for piece in advice.removeprefix("it fits ").split(", or "):
                complete = replace(machine, packages=QUANTIZING_PACKAGES)
                changed = follow(piece, options)
                plan_placement(spec_of(model), changed, complete, hypothetical=hypothetical)
                followed += 1
    assert followed > 50


def test_a_quantized_model_says_why_main_memory_does_not_count() -> None:
    options = LoadOptions(quantize="nf4", max_memory={0: 8 * GIB, "cpu": 20 * GIB})
    message = refusal("13b", LAPTOP, options, hypothetical=True)
    assert "GPU 0 may hold 8.0 GiB, and the model needs 9.4 GiB there" in message
    assert "main memory cannot hold quantized layers for a GPU" in message
    assert "no room from decoder layer 34 on" in message
    assert "with --max-memory 0=10GiB,cpu=20GiB" in message


def test_a_gpu_too_small_to_compute_is_named_with_its_largest_part() -> None:
    options = LoadOptions(max_memory={0: GIB, "cpu": 28 * GIB})
    message = refusal("7b", LAPTOP, options, hypothetical=True)
    assert "GPU 0 may hold 1.0 GiB, and computing alone needs 1.5 GiB there" in message
    assert "579 MiB for the vision tower" in message
    assert "with --device cpu --max-memory cpu=28GiB, or with --max-memory 0=2GiB" in message


def test_advice_that_needs_a_package_names_it() -> None:
    message = refusal("7b", SMALL_GPU, LoadOptions(max_memory={0: GIB}))
    assert "--quantize" not in message  # 1 GiB holds no format
    half = replace(SMALL_GPU, gpus={0: Memory(8 * GIB, 7 * GIB)}, packages=frozenset({"torchao"}))
    message = refusal("7b", half, LoadOptions(quantize="int8"))
    assert "with --quantize nf4 (after `pip install 'vipllava[nf4]'`)" in message


def test_a_shorter_length_is_advised_only_where_the_length_was_given() -> None:
    small = replace(LAPTOP, cpu=Memory(16 * GIB, 6 * GIB), packages=QUANTIZING_PACKAGES)
    assert "--length 640" in refusal("7b", small, LoadOptions(quantize="nf4", length=4096))
    tight = replace(LAPTOP, cpu=Memory(8 * GIB, 2 * GIB), packages=QUANTIZING_PACKAGES)
    assert "--length" not in refusal("7b", tight, LoadOptions(quantize="nf4"))

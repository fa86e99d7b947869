"""The choice of device, precision and attention."""

from dataclasses import replace

import pytest

from tests.support.machines import LAPTOP, QUANTIZING_PACKAGES, SMALL_GPU, spec_of
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.placement import plan_placement
from vipllava_cli.engine.hardware.selection import choose_dtype
from vipllava_cli.errors import ModelError


def test_a_small_model_runs_in_32_bits_on_a_cpu_and_a_large_one_in_16() -> None:
    tiny, large = spec_of("tiny"), spec_of("7b")
    assert plan_placement(tiny, LoadOptions(), LAPTOP).needs.dtype == "fp32"
    assert plan_placement(large, LoadOptions(), LAPTOP).needs.dtype == "fp16"  # as published
    in_bf16 = replace(large, half_dtype="bf16")
    assert plan_placement(in_bf16, LoadOptions(), LAPTOP).needs.dtype == "bf16"
    modern = replace(LAPTOP, fast_bf16=True)
    assert plan_placement(large, LoadOptions(), modern).needs.dtype == "bf16"
    assert not plan_placement(large, LoadOptions(), modern).needs.widened
    # No CPU has instructions for fp16 products.
    assert plan_placement(large, LoadOptions(dtype="fp16"), modern).needs.widened
    assert choose_dtype("cpu", "fp16", tiny, LAPTOP)[0] == "fp16"
    assert choose_dtype("cuda", "auto", tiny, replace(SMALL_GPU, half_dtype="fp16"))[0] == "fp16"


def test_the_reason_is_about_the_precision_that_the_plan_names() -> None:
    large = spec_of("7b")
    quantized = plan_placement(large, LoadOptions(quantize="int8"), replace(LAPTOP, fast_bf16=True))
    assert (quantized.dtype_name, quantized.dtype_reason) == ("int8", "as requested")
    # A plan of another machine, or with layers in main memory, is not "fast on this GPU".
    assert (
        plan_placement(large, LoadOptions(), SMALL_GPU).dtype_reason == "GPUs are fast in 16 bits"
    )


def test_a_missing_device_is_one_line() -> None:
    with pytest.raises(ModelError, match=r"no cuda device.*--device cpu"):
        plan_placement(spec_of("7b"), LoadOptions(device="cuda"), LAPTOP)


def test_attention_that_cannot_run_names_what_it_needs() -> None:
    with pytest.raises(ModelError, match="needs a CUDA GPU"):
        plan_placement(spec_of("tiny"), LoadOptions(attention="flash"), LAPTOP)
    with pytest.raises(ModelError, match=r"package flash-attn.*pip install flash-attn"):
        plan_placement(spec_of("tiny"), LoadOptions(attention="flash", dtype="bf16"), SMALL_GPU)
    installed = replace(SMALL_GPU, packages=frozenset({"flash_attn"}))
    assert plan_placement(spec_of("7b"), LoadOptions(), installed).attention == "flash"
    assert plan_placement(spec_of("7b"), LoadOptions(), SMALL_GPU).attention == "sdpa"
    older = replace(installed, half_dtype="fp16")
    assert plan_placement(spec_of("7b"), LoadOptions(), older).attention == "sdpa"
    with pytest.raises(ModelError, match="needs a CUDA GPU that computes in bf16"):
        plan_placement(spec_of("7b"), LoadOptions(attention="flash"), older)


def test_quantization_needs_a_device_that_can_do_it() -> None:
    apple = replace(LAPTOP, mps=True, packages=QUANTIZING_PACKAGES)
    with pytest.raises(ModelError, match="nf4 does not run on mps: use --device cuda or cpu"):
        plan_placement(spec_of("7b"), LoadOptions(quantize="nf4"), apple)
    with pytest.raises(ModelError, match=r"int8 needs the package torchao.*vipllava\[int8\]"):
        plan_placement(spec_of("7b"), LoadOptions(quantize="int8"), SMALL_GPU)

"""Quantized layers and widened products, compared with exact ones."""

import json
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from transformers import VipLlavaForConditionalGeneration

from tests.conftest import SAMPLES, Run
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import has_fast_bf16
from vipllava_cli.engine.hub.checkpoints import find_checkpoint
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.engine.local.loading import DTYPES, load
from vipllava_cli.engine.local.quantization import (
    FEW_ROWS,
    FEW_ROWS_OF_INT8,
    Int8Linear,
    quantize_int8,
    widened_class,
)

pytestmark = pytest.mark.model

ZOO = SAMPLES / "zoo-red-box.png"
QUESTION = "what is in the red box?"


def test_widened_products_equal_exact_ones_within_16_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vipllava_cli.engine.local.quantization.WIDENED_CHUNK", 192 * 50)
    plain = VipLlavaForConditionalGeneration.from_pretrained(BUNDLED["tiny"], dtype=torch.float32)
    wide_class = widened_class(VipLlavaForConditionalGeneration)
    wide = wide_class.from_pretrained(BUNDLED["tiny"], dtype=torch.bfloat16)
    full, layer = (m.model.language_model.layers[0].mlp.up_proj for m in (plain, wide))
    for rows in (1, FEW_ROWS - 1, FEW_ROWS, 20):
        input = torch.randn(rows, 192, generator=torch.Generator().manual_seed(rows)).bfloat16()
        exact = torch.nn.functional.linear(input.float(), full.weight.bfloat16().float())
        # The sum is rounded once, to the 8 significant bits of bfloat16.
        torch.testing.assert_close(layer(input).float(), exact, rtol=2**-8, atol=1e-5)


def test_int8_weights_are_the_nearest_of_their_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "vipllava_cli.engine.local.quantization._QUANTIZED_CHUNK", 40
    )  # chunks of 3 rows
    exact = torch.randn(8, 13, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact[5] = 0
    numbers, scales = quantize_int8(exact.float())
    assert numbers.dtype == torch.int8
    assert numbers.abs().amax() == 127
    off = (numbers * scales.double()[:, None] - exact).abs()
    assert torch.all(off <= 0.5001 * scales[:, None])
    largest = exact.abs().amax(1)
    torch.testing.assert_close(scales.double() * 127, largest, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize(("dtype", "widened"), [("fp16", True), ("bf16", False), ("fp32", True)])
def test_int8_products_equal_exact_ones(
    monkeypatch: pytest.MonkeyPatch, dtype: str, widened: bool
) -> None:
    monkeypatch.setattr("vipllava_cli.engine.local.quantization.WIDENED_CHUNK", 192 * 50)
    weights = torch.randn(512, 192, generator=torch.Generator().manual_seed(0)) * 0.05
    linear = torch.nn.Linear(192, 512)
    linear.weight.data, linear.bias.data = weights.half(), linear.bias.data.to(DTYPES[dtype])
    layer = Int8Linear(linear, widened=widened)
    for rows in (1, FEW_ROWS_OF_INT8 // 2 - 1, FEW_ROWS_OF_INT8 // 2, 40):
        input = torch.randn(2, rows, 192, generator=torch.Generator().manual_seed(rows))
        input = input.to(DTYPES[dtype])
        with torch.inference_mode():
            output = layer(input)
            exact = torch.nn.functional.linear(input.float(), weights, linear.bias.float())
        assert output.dtype == DTYPES[dtype]
        torch.testing.assert_close(output.float(), exact, rtol=0.02, atol=0.04)


@pytest.mark.parametrize("dtype", ["auto", "fp32"])
@pytest.mark.parametrize("quantize", ["int8", "nf4"])
def test_quantized_layers_give_the_same_answer_or_name_the_package(
    run: Run, quantize: str, dtype: str
) -> None:
    flags = ["--model", "tiny", "--quantize", quantize, "--dtype", dtype, "--json"]
    flags += ["--device", "cpu"]  # int8 on a GPU needs a package
    answered = run("ask", ZOO, QUESTION, *flags)
    if quantize == "nf4" and find_spec("bitsandbytes") is None:
        assert answered.code == 4
        assert "needs the package bitsandbytes, which is not installed" in answered.stderr
        assert "vipllava[nf4]" in answered.stderr
        assert answered.stderr.count("\n") == 1
        return
    record = json.loads(answered.stdout)
    assert (record["answer"], record["dtype"], answered.stderr) == ("a penguin", quantize, "")


@pytest.mark.parametrize("quantize", ["int8", "nf4"])
def test_only_decoder_layers_are_quantized(quantize: str) -> None:
    if quantize == "nf4":
        pytest.importorskip("bitsandbytes")
    loaded = load(find_checkpoint("tiny"), LoadOptions(device="cpu", quantize=quantize))
    model = loaded.model.model
    unquantized = [loaded.model.lm_head, *model.vision_tower.modules()]
    unquantized += model.multi_modal_projector.modules()
    dtype = torch.bfloat16 if has_fast_bf16() else torch.float16  # fp16 is published
    for module in unquantized:
        if isinstance(module, torch.nn.Linear):
            assert type(module.weight) is torch.nn.Parameter
            assert module.weight.dtype == dtype
    layer = model.language_model.layers[0].mlp.up_proj
    assert type(layer.weight) is not torch.nn.Parameter
    quantized = loaded.placement.weights_at("cpu")
    needs = replace(loaded.placement.needs, quantize=None)
    assert quantized < needs.all_weights

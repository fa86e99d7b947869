"""`vipllava plan`, and the plan by which models are loaded."""

import json
import os
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

from tests.conftest import SAMPLES, Run
from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.hardware.machine import Machine, Memory, has_fast_bf16
from vipllava_cli.engine.hardware.model_spec import LAYER, PROJECTOR, TOWER, ModelSpec, spec
from vipllava_cli.engine.hardware.placement import (
    LoadOptions,
    Placement,
    choose_dtype,
    parse_max_memory,
    place,
)
from vipllava_cli.engine.hub.checkpoints import BUNDLED, find_checkpoint, read_config
from vipllava_cli.engine.hub.registry import PUBLISHED
from vipllava_cli.engine.local.loading import DTYPES, load
from vipllava_cli.engine.local.quantization import (
    FEW_ROWS,
    FEW_ROWS_OF_INT8,
    Int8Linear,
    WidenedModel,
    rounded,
)
from vipllava_cli.engine.open import open_engine
from vipllava_cli.errors import ModelError, UsageError
from vipllava_cli.images.square import pad_to_square

GIB = 1 << 30
ZOO = SAMPLES / "zoo-red-box.png"
QUESTION = "what is in the red box?"
LAPTOP = Machine(Memory(16 * GIB, 13 * GIB), {}, {}, mps=False, fast_bf16=False)
GPU = Machine(
    Memory(24 * GIB, 20 * GIB),
    {0: Memory(8 * GIB, 8 * GIB)},
    {0: "a GPU"},
    mps=False,
    fast_bf16=True,
)
QUANTIZING = frozenset({"torchao", "bitsandbytes"})
SEVERAL = replace(GPU, gpus={at: Memory(24 * GIB, 24 * GIB) for at in range(4)})


@cache
def of(name: str) -> ModelSpec:
    config = PUBLISHED[name].config if name in PUBLISHED else read_config(BUNDLED[name], name)
    return spec(config)


@pytest.mark.parametrize("name", ["tiny", "7b", "13b"])
def test_the_parts_are_those_of_the_model_itself(name: str) -> None:
    published = PUBLISHED.get(name)
    config = VipLlavaConfig(**(published.config if published else read_config(BUNDLED[name], name)))
    with init_empty_weights():
        model = VipLlavaForConditionalGeneration(config)
    for part in of(name).parts:
        module = model.get_submodule(part.module)
        assert sum(p.numel() for p in module.parameters()) == part.parameters, part.module
        linear = [m for m in module.modules() if isinstance(m, torch.nn.Linear)]
        if part.kind == LAYER:
            assert sum(m.weight.numel() for m in linear) == part.linear
    total = sum(p.numel() for p in model.parameters())
    assert of(name).parameters == total
    if published:
        assert published.parameters == total
        assert published.size == pytest.approx(2 * total, rel=0.001)


def test_parts_follow_from_a_config_that_says_little() -> None:
    text = {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096}
    config = {"model_type": "vipllava", "text_config": text, "vision_config": {}}
    config |= {"torch_dtype": "float16"}
    assert spec(config) == of("7b")


# --- what goes where -------------------------------------------------------------------------


def check(found: Placement) -> Placement:
    """Every part has a place, none holds more than it may, tower and projector lie where they run."""
    assert set(found.where) == {part.module for part in found.needs.spec.parts}
    for at, budget in found.budgets.items():
        assert found.weights_at(at) + found.cache_at(at) <= budget
    order = [*found.budgets, "disk"]
    places = [order.index(at) for at in found.where.values()]
    assert all(one <= next_one for one, next_one in pairwise(places))
    return found


def test_a_7b_in_16_bits_fits_a_card_of_16_gib_whole() -> None:
    card = replace(GPU, gpus={0: Memory(24 * GIB, 20 * GIB)})
    found = check(place(of("7b"), LoadOptions(), card))
    assert found.devices == {"": 0}
    assert (found.main, found.needs.dtype) == ("cuda:0", "bf16")
    assert found.rows > 1


def test_a_7b_is_spread_over_a_small_gpu_and_the_cpu() -> None:
    found = check(place(of("7b"), LoadOptions(), GPU))
    assert set(found.where.values()) == {0, "cpu"}
    kinds = {part.module: part.kind for part in of("7b").parts}
    assert {found.where[name] for name, kind in kinds.items() if kind in {TOWER, PROJECTOR}} == {0}
    assert found.cache_at("cpu") == 0  # it stays where layers are computed


def test_several_gpus_share_alike() -> None:
    found = check(place(of("13b"), LoadOptions(), SEVERAL))
    held = [found.weights_at(at) / GIB for at in range(4)]
    assert max(held) - min(held) < 2


def test_what_is_too_large_for_memory_stays_on_the_disk() -> None:
    small = replace(LAPTOP, cpu=Memory(8 * GIB, 6 * GIB))
    found = check(place(of("7b"), LoadOptions(), small))
    assert found.main == "cpu"
    assert found.weights_at("disk") > 8 * GIB


def test_what_cannot_fit_is_refused_with_what_would() -> None:
    small = replace(LAPTOP, cpu=Memory(8 * GIB, 6 * GIB), packages=QUANTIZING)
    with pytest.raises(ModelError, match=r"7\.2 GiB of weights as int8.*--quantize nf4"):
        place(of("7b"), LoadOptions(quantize="int8"), small)
    with pytest.raises(ModelError, match="a smaller model, or more memory"):
        place(of("7b"), LoadOptions(), replace(LAPTOP, cpu=Memory(2 * GIB, GIB)))


def test_the_users_numbers_never_go_beyond_what_is_free() -> None:
    asked = LoadOptions(max_memory={"cpu": 64 * GIB})
    assert place(of("7b"), asked, LAPTOP).budgets["cpu"] < 13 * GIB
    assert place(of("7b"), asked, LAPTOP, hypothetical=True).budgets["cpu"] == 64 * GIB
    with pytest.raises(ModelError, match="names GPU 1, and the GPUs here are: 0"):
        place(of("7b"), LoadOptions(max_memory={1: GIB}), GPU)


def test_a_small_model_runs_in_32_bits_on_a_cpu_and_a_large_one_in_16() -> None:
    assert place(of("tiny"), LoadOptions(), LAPTOP).needs.dtype == "fp32"
    assert place(of("7b"), LoadOptions(), LAPTOP).needs.dtype == "fp16"  # as it is published
    assert place(replace(of("7b"), half="bf16"), LoadOptions(), LAPTOP).needs.dtype == "bf16"
    modern = replace(LAPTOP, fast_bf16=True)
    assert place(of("7b"), LoadOptions(), modern).needs.dtype == "bf16"
    assert not place(of("7b"), LoadOptions(), modern).needs.widened
    assert place(
        of("7b"), LoadOptions(dtype="fp16"), modern
    ).needs.widened  # no instructions for those
    assert choose_dtype("cpu", "fp16", of("tiny"), LAPTOP)[0] == "fp16"
    assert choose_dtype("cuda", "auto", of("tiny"), replace(GPU, half="fp16"))[0] == "fp16"


def test_a_device_that_is_not_here_is_one_line() -> None:
    with pytest.raises(ModelError, match=r"no cuda device.*--device cpu"):
        place(of("7b"), LoadOptions(device="cuda"), LAPTOP)


@pytest.mark.parametrize("text", ["8GiB", "0=", "x=8GiB", "cpu=much", "0=8GiB,,cpu=1GiB", "²=1GiB"])
def test_memory_that_makes_no_sense_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_max_memory(text)
    assert "\n" not in str(caught.value)


# --- the command -----------------------------------------------------------------------------


def test_a_plan_adds_up_to_the_parameters(run: Run) -> None:
    planned = run("plan", "7b", "--max-memory", "0=8GiB,cpu=20GiB", "--json")
    plan = json.loads(planned.stdout)
    total = sum(part["weights"] for part in plan["parts"])
    assert total == pytest.approx(2 * PUBLISHED["7b"].parameters, rel=0.01)
    assert {part["place"] for part in plan["parts"]} == {0, "cpu"}
    assert plan["places"]["0"]["cache"] == 1088 * 512 * 1024  # 512 KiB a token
    assert plan["tokens_a_second"] > 0
    table = run("plan", "7b", "--max-memory", "0=8GiB,cpu=20GiB").stdout
    for words in (
        "vision tower",
        "decoder layers 0 to",
        "GPU 0",
        "13.2 GiB",
        "14.2 GB to download",
    ):
        assert words in table
    table = run("plan", "7b", "--max-memory", "cpu=2.8GiB").stdout
    for words in ("decoder layer 0 ", "decoder layers 1 to 31"):
        assert words in table


def test_a_plan_says_what_would_fit(run: Run) -> None:
    refused = run("plan", "7b", "--quantize", "int8", "--max-memory", "cpu=6GiB")
    assert (refused.code, refused.stdout) == (4, "")
    assert "--quantize nf4" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert run("plan", "7b", "--max-memory", "8GiB").code == 2


def test_a_model_is_loaded_by_the_plan(run: Run) -> None:
    answered = run("ask", ZOO, QUESTION, "--model", "tiny", "-v")
    assert "27.2 MiB on the CPU" in answered.stderr
    few = run("ask", ZOO, QUESTION, "--model", "tiny", "--max-memory", "cpu=1MiB")
    assert (few.code, few.stdout) == (4, "")
    assert "the model does not fit" in few.stderr


def test_layers_on_the_disk_give_the_same_answer(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    flags = [ZOO, QUESTION, "--model", "tiny", "--json", "--max-memory"]
    beside = run("ask", *flags, "cpu=34MiB")
    assert "stay on the disk" in beside.stderr or "read from the disk" in beside.stderr
    assert "meta device" not in caplog.text  # which is accelerate's to say, and no user's to read
    whole = json.loads(run("ask", *flags, "cpu=1GiB").stdout)
    part = json.loads(beside.stdout)
    assert whole["answer"] == part["answer"] == "a penguin"
    assert whole["answer_tokens"] == part["answer_tokens"]


def test_doctor_says_what_is_here_and_what_would_be_chosen(run: Run) -> None:
    found = json.loads(run("doctor", "--json").stdout)
    assert set(found) == {"versions", "machine", "speed", "models", "terminal", "chosen"}
    assert found["versions"]["torch"] == torch.__version__
    assert found["versions"]["flash-attn"] == "not installed"
    assert found["chosen"]["model"].startswith("tiny: the default")
    assert found["chosen"]["precision"].startswith("fp32: small")
    assert "in this package" in found["models"]["tiny"]
    refused = run("doctor", "--model", "7b", "--max-memory", "cpu=1GiB").stdout
    assert "the model does not fit" in refused
    assert "--model or VIPLLAVA_MODEL" in refused


# --- attention ---------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["auto", "sdpa", "eager"])
def test_every_attention_that_runs_here_gives_the_same_answer(run: Run, attention: str) -> None:
    flags = ["--model", "tiny", "--attention", attention]
    answered = run("ask", ZOO, QUESTION, "what kind of thing is in the red box?", *flags)
    assert answered.stdout == "a penguin\nan animal\n"


def test_attention_that_is_not_here_names_what_it_needs() -> None:
    with pytest.raises(ModelError, match="needs a CUDA GPU"):
        place(of("tiny"), LoadOptions(attention="flash"), LAPTOP)
    with pytest.raises(ModelError, match=r"package flash-attn.*pip install flash-attn"):
        place(of("tiny"), LoadOptions(attention="flash", dtype="bf16"), GPU)
    installed = replace(GPU, packages=frozenset({"flash_attn"}))
    assert place(of("7b"), LoadOptions(), installed).attention == "flash"
    assert place(of("7b"), LoadOptions(), GPU).attention == "sdpa"


# --- precision -------------------------------------------------------------------------------


def test_widened_products_equal_exact_ones_within_16_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vipllava_cli.engine.local.quantization.WIDENED_CHUNK", 192 * 50)
    plain = VipLlavaForConditionalGeneration.from_pretrained(BUNDLED["tiny"], dtype=torch.float32)
    wide = WidenedModel.from_pretrained(BUNDLED["tiny"], dtype=torch.bfloat16)
    full, layer = (m.model.language_model.layers[0].mlp.up_proj for m in (plain, wide))
    for rows in (1, FEW_ROWS - 1, FEW_ROWS, 20):
        given = torch.randn(rows, 192, generator=torch.Generator().manual_seed(rows)).bfloat16()
        exact = torch.nn.functional.linear(given.float(), full.weight.bfloat16().float())
        # The sum is rounded once, to the 8 bits that bfloat16 keeps of a number.
        torch.testing.assert_close(layer(given).float(), exact, rtol=2**-8, atol=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="a process's mappings are Linux's to tell")
def test_weights_in_16_bits_as_published_stay_in_the_file() -> None:
    """So they take no memory that the system could not have back, and no time to be copied."""
    load_options = LoadOptions(device="cpu", dtype=of("tiny").half)
    model = load(find_checkpoint("tiny"), load_options).model
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    files = [
        range(*(int(end, 16) for end in line[0].split("-")))
        for line in maps
        if line[-1] == str(BUNDLED["tiny"] / "model.safetensors")
    ]
    for name, weight in model.named_parameters():
        assert any(weight.data_ptr() in file for file in files), name


def test_memory_is_asked_for_in_large_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    open_engine("tiny", device="cpu")
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"


def test_weights_are_rounded_to_the_nearest_of_8_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "vipllava_cli.engine.local.quantization._ROUNDED_CHUNK", 40
    )  # pieces of 3 rows
    exact = torch.randn(8, 13, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact[5] = 0
    numbers, scales = rounded(exact.float())
    assert numbers.dtype == torch.int8
    assert numbers.abs().amax() == 127
    off = (numbers * scales.double()[:, None] - exact).abs()
    assert torch.all(off <= 0.5001 * scales[:, None])
    largest = exact.abs().amax(1)
    torch.testing.assert_close(scales.double() * 127, largest, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize(("dtype", "widened"), [("fp16", True), ("bf16", False), ("fp32", True)])
def test_products_of_int8_equal_those_of_the_widened_weights(
    monkeypatch: pytest.MonkeyPatch, dtype: str, widened: bool
) -> None:
    monkeypatch.setattr("vipllava_cli.engine.local.quantization.WIDENED_CHUNK", 192 * 50)
    weights = torch.randn(512, 192, generator=torch.Generator().manual_seed(0)) * 0.05
    linear = torch.nn.Linear(192, 512)
    linear.weight.data, linear.bias.data = weights.half(), linear.bias.data.to(DTYPES[dtype])
    layer = Int8Linear(linear, widened=widened)
    for rows in (1, FEW_ROWS_OF_INT8 // 2 - 1, FEW_ROWS_OF_INT8 // 2, 40):
        given = torch.randn(2, rows, 192, generator=torch.Generator().manual_seed(rows))
        given = given.to(DTYPES[dtype])
        with torch.inference_mode():
            found = layer(given)
            exact = torch.nn.functional.linear(given.float(), weights, linear.bias.float())
        assert found.dtype == DTYPES[dtype]
        torch.testing.assert_close(found.float(), exact, rtol=0.02, atol=0.04)


def test_16_bits_on_a_cpu_give_the_same_answer() -> None:
    image = pad_to_square(open_sample("zoo-red-box"))
    engine = open_engine("tiny", device="cpu", dtype="bf16")
    assert engine.info.dtype == "bf16"
    [answer] = engine.answer([engine.prompt(engine.view(image), QUESTION)])
    assert answer.text == "a penguin"


@pytest.mark.parametrize("dtype", ["auto", "fp32"])
@pytest.mark.parametrize("wanted", ["int8", "nf4"])
def test_quantised_layers_give_the_same_answer_or_name_the_package(
    run: Run, wanted: str, dtype: str
) -> None:
    flags = ["--model", "tiny", "--quantize", wanted, "--dtype", dtype, "--json"]
    answered = run("ask", ZOO, QUESTION, *flags)
    if wanted == "nf4" and find_spec("bitsandbytes") is None:
        assert answered.code == 4
        assert "needs the package bitsandbytes, which is not installed" in answered.stderr
        assert "vipllava[nf4]" in answered.stderr
        assert answered.stderr.count("\n") == 1
        return
    record = json.loads(answered.stdout)
    assert (record["answer"], record["dtype"], answered.stderr) == ("a penguin", wanted, "")


@pytest.mark.parametrize("wanted", ["int8", "nf4"])
def test_only_decoder_layers_are_quantised(wanted: str) -> None:
    if wanted == "nf4":
        pytest.importorskip("bitsandbytes")
    loaded = load(find_checkpoint("tiny"), LoadOptions(device="cpu", quantize=wanted))
    model = loaded.model.model
    whole = [loaded.model.lm_head, *model.vision_tower.modules()]
    whole += model.multi_modal_projector.modules()
    kept = torch.bfloat16 if has_fast_bf16() else torch.float16  # the latter as published
    for module in whole:
        if isinstance(module, torch.nn.Linear):
            assert type(module.weight) is torch.nn.Parameter
            assert module.weight.dtype == kept
    layer = model.language_model.layers[0].mlp.up_proj
    assert type(layer.weight) is not torch.nn.Parameter
    held = loaded.placement.weights_at("cpu")
    small = replace(loaded.placement.needs, quantize=None)
    assert held < sum(small.weights(part) for part in small.spec.parts)


def test_quantising_needs_a_device_that_can() -> None:
    apple = replace(LAPTOP, mps=True, packages=QUANTIZING)
    with pytest.raises(ModelError, match="nf4 does not run on mps: use --device cuda or cpu"):
        place(of("7b"), LoadOptions(quantize="nf4"), apple)
    with pytest.raises(ModelError, match=r"int8 needs the package torchao.*vipllava\[int8\]"):
        place(of("7b"), LoadOptions(quantize="int8"), GPU)

"""Packed weights and the lean decoder compute what the modules of transformers do."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.family_checkpoints import FAMILIES, make_family_checkpoint
from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.local import loading
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.local.lean_decoder import LeanDecoder
from vipllava_cli.engine.local.packed_linear import can_pack
from vipllava_cli.engine.local.packed_modules import PackedModule, pack_linears
from vipllava_cli.engine.local.roomy_cache import new_cache
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model

QUESTION = "what is in the red box?"


TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def is_supported(dtype: str = "bf16") -> bool:
    """Return whether this CPU computes with packed weights of a type."""
    return can_pack(torch.zeros(8, 8, dtype=TYPES[dtype]))


@pytest.fixture
def packing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every model as a large one."""
    monkeypatch.setattr(loading, "SMALL_MODEL_BYTES", 0)


def linears(model: nn.Module) -> list[nn.Linear]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def answers(engine: Any) -> list[str]:
    views = [engine.view(pad_to_square(open_sample("street")).rotate(90 * n)) for n in range(3)]
    prompts = [engine.prompt(view, QUESTION) for view in views]
    alone = [answer.text for answer in engine.answer(prompts)]
    assert [answer.text for answer in engine.answer_batch(prompts)] == alone
    return alone


@pytest.mark.parametrize("dtype", TYPES)
def test_a_large_model_answers_as_a_plain_one(packing: None, dtype: str) -> None:
    packed = open_engine(device="cpu", dtype=dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "pack_linears", lambda model: None)
        plain = open_engine(device="cpu", dtype=dtype)
    assert isinstance(packed, VipLlavaEngine)
    assert isinstance(plain, VipLlavaEngine)
    kinds = {type(module) for module in linears(packed.model)}
    assert kinds == ({PackedModule} if is_supported(dtype) else {nn.Linear})
    assert answers(packed) == answers(plain)


def test_a_model_in_fp16_is_not_packed(packing: None) -> None:
    engine = open_engine(device="cpu", dtype="fp16")
    assert isinstance(engine, VipLlavaEngine)
    assert PackedModule not in {type(module) for module in linears(engine.model)}


@pytest.mark.parametrize(("dtype", "tolerance"), [("bf16", 0.02), ("fp32", 1e-5)])
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 64, 300])
def test_products_are_those_of_the_plain_weights(rows: int, dtype: str, tolerance: float) -> None:
    torch.manual_seed(rows)
    layers = nn.Sequential(nn.Linear(40, 72), nn.Linear(72, 33, bias=False)).to(TYPES[dtype])
    packed = copy.deepcopy(layers)
    pack_linears(packed)
    input = torch.randn(2, rows, 40).to(TYPES[dtype])
    with torch.inference_mode():
        expected = layers.float()(input.float())
        torch.testing.assert_close(packed(input).float(), expected, atol=tolerance, rtol=tolerance)


def test_a_weight_that_an_embedding_shares_stays_as_it_is() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(30, 16)
            self.head = nn.Linear(16, 30, bias=False)
            self.head.weight = self.embedding.weight

    model = Tied().bfloat16()
    pack_linears(model)
    assert type(model.head) is nn.Linear
    assert model.head.weight is model.embedding.weight


def test_scores_in_16_bits_are_as_exact_as_those_of_the_model(engine: VipLlavaEngine) -> None:
    """The lean decoder rounds differently than transformers, and no worse."""
    torch.manual_seed(1)
    ids = torch.randint(5, 1000, (64, 40))
    exact = model_scores(engine.model, ids)
    narrow = copy.deepcopy(engine.model).bfloat16()
    own = (model_scores(narrow, ids) - exact).abs().mean()
    lean = (lean_scores(narrow, ids) - exact).abs().mean()
    assert lean < 1.2 * own


def model_scores(model: Any, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        scores: torch.Tensor = model(input_ids=ids).logits[:, -1].float()
    return scores


def lean_scores(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Read all tokens but the last in one pass, and the last one as a step."""
    decoder = LeanDecoder(model, is_packed=False)
    cache = new_cache(decoder.config)
    positions = torch.arange(ids.shape[1]).expand(len(ids), -1)
    with torch.inference_mode():
        decoder.score(ids[:, :-1], positions[:, :-1], cache, None)
        return decoder.score(ids[:, -1:], positions[:, -1:], cache, None).float()


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of a processor of transformers
@pytest.mark.parametrize("family", FAMILIES)
def test_other_families_answer_as_plain_ones(
    packing: None, tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_family_checkpoint(family, tmp_path / "model")
    packed = family_answers(folder, packs=True)
    monkeypatch.setattr(loading, "pack_linears", lambda model: None)
    assert family_answers(folder, packs=False) == packed


def family_answers(folder: Path, *, packs: bool) -> list[str]:
    engine: Any = open_engine(str(folder), device="cpu", dtype="fp32")
    kinds = [type(module) for module in linears(engine.model)]
    assert (kinds.count(PackedModule) > 10) == (packs and is_supported("fp32"))
    view = engine.view(open_sample("street"))
    prompts = [engine.prompt(view, QUESTION), engine.prompt(view, "what?")]
    options = GenerationOptions(max_new_tokens=8)
    return [answer.text for answer in engine.answer_batch(prompts, options)]

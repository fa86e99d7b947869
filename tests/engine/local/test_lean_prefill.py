"""The prefill with less work gives the keys and values of the model's own pass."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import Tensor
from transformers import DynamicCache
from transformers.models.llama.modeling_llama import LlamaAttention

from benchmarks.make_checkpoint import make
from tests.support.library_generation import use_library
from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.base import ModelView
from vipllava_cli.engine.local import packed_linear
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.local.lean_prefill import (
    IMAGES_AT_A_TIME,
    LeanPrefill,
    supports_lean_prefill,
)
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import UsageError
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def random_engine(tmp_path_factory: pytest.TempPathFactory) -> VipLlavaEngine:
    """Return a small model of random weights with the feature layers of the public ones."""
    folder: Path = tmp_path_factory.mktemp("models") / "random"
    make("tiny", folder, seed=4)
    engine = open_engine(str(folder), device="cpu", dtype="fp32")
    assert isinstance(engine, VipLlavaEngine)
    return engine


def make_views(engine: VipLlavaEngine, number: int) -> list[ModelView]:
    image = pad_to_square(open_sample("street"))
    return [engine.view(image.rotate(angle)) for angle in range(number)]


def start_of(engine: VipLlavaEngine, before: str = "A chat. ") -> tuple[int, ...]:
    ids = engine.encode(f"{before}<image>\nWhat is it?")
    return ids[: engine.image_end(ids)]


def prefill(
    engine: VipLlavaEngine, model: Any, views: list[ModelView], ids: tuple[int, ...], small: bool
) -> tuple[DynamicCache, DynamicCache]:
    """Return the cache of the lean prefill and that of the model."""
    with torch.inference_mode():
        pixels = engine.image_inputs(views, torch.tensor([ids]))["pixel_values"].to(model.dtype)
        lean = LeanPrefill(model, is_small=small).run(pixels, ids)
        own = DynamicCache(config=model.config.get_text_config())
        rows = torch.tensor([ids]).expand(len(views), -1)
        model(input_ids=rows, pixel_values=pixels, cache=own, use_cache=True)
    return lean, own


def assert_equal(lean: DynamicCache, own: DynamicCache, tolerance: float = 1e-4) -> None:
    assert lean.get_seq_length() == own.get_seq_length()
    for layer, other in zip(lean.layers, own.layers, strict=True):
        torch.testing.assert_close(layer.keys, other.keys, atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(layer.values, other.values, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("before", ["A chat. ", ""])
def test_equals_the_model(engine: VipLlavaEngine, small: bool, before: str) -> None:
    views = make_views(engine, IMAGES_AT_A_TIME + 1)
    assert_equal(*prefill(engine, engine.model, views, start_of(engine, before), small))


@pytest.mark.parametrize("small", [True, False])
def test_equals_a_model_with_the_public_feature_layers(
    random_engine: VipLlavaEngine, small: bool
) -> None:
    views = make_views(random_engine, 2)
    ids = start_of(random_engine)
    assert_equal(*prefill(random_engine, random_engine.model, views, ids, small))


def test_equals_the_model_without_the_operations_of_onednn(
    engine: VipLlavaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_linear, "can_pack", lambda weight: False)
    assert_equal(*prefill(engine, engine.model, make_views(engine, 2), start_of(engine), True))


def test_equals_the_model_with_one_feature_layer(random_engine: VipLlavaEngine) -> None:
    model = copy.deepcopy(random_engine.model)
    model.config.vision_feature_layer = -2
    size = model.config.vision_config.hidden_size
    projector = model.model.multi_modal_projector
    projector.projector_layernorm = torch.nn.LayerNorm(size)
    projector.linear_1 = torch.nn.Linear(size, model.config.text_config.hidden_size)
    views = make_views(random_engine, 1)
    assert_equal(*prefill(random_engine, model, views, start_of(random_engine), True))


@pytest.mark.parametrize("small", [True, False])
def test_equals_a_model_with_shared_keys(random_engine: VipLlavaEngine, small: bool) -> None:
    model = copy.deepcopy(random_engine.model)
    config = model.config.text_config
    config.num_key_value_heads = 1
    for number, layer in enumerate(model.model.language_model.layers):
        layer.self_attn = LlamaAttention(config, number).eval()
    views = make_views(random_engine, 2)
    assert_equal(*prefill(random_engine, model, views, start_of(random_engine), small))


def test_equals_a_model_in_16_bits(engine: VipLlavaEngine) -> None:
    model = copy.deepcopy(engine.model).bfloat16()
    lean, own = prefill(engine, model, make_views(engine, 2), start_of(engine), True)
    _, exact = prefill(engine, engine.model, make_views(engine, 2), start_of(engine), True)

    def difference(cache: DynamicCache) -> float:
        pairs = zip(cache.layers, exact.layers, strict=True)
        return max(float((a.values.float() - b.values).abs().max()) for a, b in pairs)

    assert difference(lean) < 1.5 * difference(own)


def test_computes_no_layer_that_nobody_reads(random_engine: VipLlavaEngine) -> None:
    model = copy.deepcopy(random_engine.model)
    last = model.model.language_model.layers[-1]
    for module in (model.model.vision_tower.encoder.layers[-1], last.mlp, last.self_attn.q_proj):
        for weight in module.parameters():
            weight.data.fill_(torch.nan)
    ids = start_of(random_engine)
    pixels = random_engine.image_inputs(make_views(random_engine, 1), torch.tensor([ids]))
    for small in (True, False):
        with torch.inference_mode():
            cache = LeanPrefill(model, is_small=small).run(pixels["pixel_values"], ids)
        assert all(layer.values.isfinite().all() for layer in cache.layers)


def test_another_text_before_the_image_is_read_again(engine: VipLlavaEngine) -> None:
    lean = LeanPrefill(engine.model, is_small=True)
    [view] = make_views(engine, 1)
    for before in ("A chat. ", "The chat. ", "A chat. "):
        ids = start_of(engine, before)
        with torch.inference_mode():
            pixels = engine.image_inputs([view], torch.tensor([ids]))["pixel_values"]
            cache = lean.run(pixels, ids)
        _, own = prefill(engine, engine.model, [view], ids, True)
        assert_equal(cache, own)


def test_knows_which_models_it_supports(random_engine: VipLlavaEngine) -> None:
    assert supports_lean_prefill(random_engine.model)
    changes: list[Callable[[Any], object]] = [
        lambda model: model.set_attn_implementation("eager"),
        lambda model: setattr(model.config.text_config, "sliding_window", 8),
        lambda model: add_hook_to_module(model.model.language_model.layers[0], ModelHook()),
        lambda model: model.model.language_model.to("meta"),
        lambda model: setattr(model.model, "vision_tower", torch.nn.Module()),
    ]
    for change in changes:
        model = copy.deepcopy(random_engine.model)
        change(model)
        assert not supports_lean_prefill(model)


@pytest.mark.parametrize("name", ["engine", "random_engine"])
def test_answers_equal_those_of_transformers(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: VipLlavaEngine = request.getfixturevalue(name)
    questions = ("What is it?", "What is the thing in the red box, and where?")
    views = make_views(engine, 6)
    prompts = [engine.prompt(view, questions[n % 2]) for n, view in enumerate(views)]
    options = GenerationOptions(max_new_tokens=8)
    assert engine.has_lean_prefill
    answers = [answer.text for answer in engine.answer_batch(prompts, options)]
    alone = [answer.text for answer in engine.answer(prompts, options)]
    use_library(monkeypatch)
    assert not engine.has_lean_prefill
    assert answers == [answer.text for answer in engine.answer_batch(prompts, options)]
    assert answers == alone


def test_the_first_scores_are_those_of_a_complete_pass(engine: VipLlavaEngine) -> None:
    [view] = make_views(engine, 1)
    ids = engine.prompt(view, "What is it?").ids
    prefix = engine.prefill_images([view], ids)
    pixels = engine.image_inputs([view], torch.tensor([ids]))

    def scores(tokens: tuple[int, ...], **inputs: Any) -> Tensor:
        with torch.inference_mode():
            output = engine.model(input_ids=torch.tensor([tokens]), **inputs)
        last: Tensor = output.logits[0, -1]
        return last

    rest = scores(ids[len(prefix.ids) :], cache=prefix.cache)
    torch.testing.assert_close(rest, scores(ids, **pixels), atol=1e-3, rtol=1e-3)


def test_a_template_that_ends_with_the_image_is_refused(tmp_path: Path) -> None:
    make("tiny", tmp_path / "model")
    template = (
        "{% for message in messages %}{% for part in message.content | reverse %}"
        "{{ part.text if part.type == 'text' else '<image>' }}{% endfor %}{% endfor %}"
    )
    (tmp_path / "model" / "chat_template.jinja").write_text(template)
    engine = open_engine(str(tmp_path / "model"), device="cpu")
    [view] = make_views(cast(VipLlavaEngine, engine), 1)
    with pytest.raises(UsageError, match=r"ends a prompt with the image.*use --template human"):
        engine.prompt(view, "what is it?", "chat")
    assert engine.prompt(view, "what is it?", "human")

"""Attention over a shared KV cache equals that over a copy of it for each row."""

import random
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import DynamicCache
from transformers.models.llama.modeling_llama import LlamaAttention

from benchmarks.baselines import stop_options, until_stop
from benchmarks.make_checkpoint import make
from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.base import Prompt
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.local.shared_prefix import SharedPrefix
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model

SIZE = 8


def attend_to_copies(
    prefix: SharedPrefix, queries: Tensor, keys: Tensor, values: Tensor, is_seen: Tensor | None
) -> Tensor:
    images = prefix.cache.layers[0]
    rows = torch.tensor(prefix.image_of)
    before = torch.ones(len(rows), 1, queries.shape[2], images.keys.shape[2], dtype=torch.bool)
    if is_seen is None:
        is_seen = torch.ones(1, 1, 1, keys.shape[2], dtype=torch.bool)
    own = is_seen.expand(len(rows), 1, queries.shape[2], -1)
    return scaled_dot_product_attention(
        queries,
        torch.cat([images.keys[rows], keys], 2),
        torch.cat([images.values[rows], values], 2),
        torch.cat([before, own], -1),
        scale=0.3,
        enable_gqa=True,
    )


@pytest.mark.parametrize("seed", range(30))
def test_equals_attention_over_a_copy_for_each_row(seed: int) -> None:
    rng = random.Random(seed)
    torch.manual_seed(seed)
    images, rows, new = rng.randint(1, 3), rng.randint(1, 6), rng.choice((1, 1, 5))
    heads = rng.choice((1, 2))
    cache = DynamicCache()
    cache.update(torch.randn(images, heads, 11, SIZE), torch.randn(images, heads, 11, SIZE), 0)
    prefix = SharedPrefix(cache, tuple(rng.randrange(images) for _ in range(rows)))
    kept = rng.sample(range(rows), rng.randint(1, rows))
    prefix = prefix.keep(kept)
    own = new + rng.choice((0, 3))
    # As the decoder passes them: the heads of a token lie side by side.
    queries = torch.randn(len(kept), new, heads * rng.choice((1, 3)), SIZE).transpose(1, 2)
    keys, values = torch.randn(2, len(kept), heads, own, SIZE)
    is_seen = None
    if rng.random() < 0.7:
        is_seen = torch.rand(rng.choice((1, len(kept))), 1, rng.choice((1, new)), own) < 0.6
    output = prefix.attend(0, queries, keys, values, is_seen, 0.3)
    torch.testing.assert_close(
        output, attend_to_copies(prefix, queries, keys, values, is_seen), atol=1e-5, rtol=1e-5
    )


def open_with_shared_keys(folder: Path) -> VipLlavaEngine:
    """Open a small random model whose two heads share keys and values."""
    make("tiny", folder, seed=4)
    engine = open_engine(str(folder), device="cpu", dtype="fp32")
    assert isinstance(engine, VipLlavaEngine)
    config = engine.model.config.text_config
    config.num_key_value_heads = 1
    torch.manual_seed(4)
    for number, layer in enumerate(engine.model.model.language_model.layers):
        layer.self_attn = LlamaAttention(config, number).eval()
    return engine


def generate(engine: VipLlavaEngine, prompt: Prompt) -> str:
    """Answer a complete prompt with transformers."""
    ids = torch.tensor([prompt.ids])
    images = engine.image_inputs([prompt.view], ids)
    options = {"max_new_tokens": 6, "do_sample": False, **stop_options(engine)}
    mask = torch.ones_like(ids)
    output = engine.model.generate(input_ids=ids, attention_mask=mask, **images, **options)
    new = output[0, len(prompt.ids) :]
    return until_stop(engine.tokenizer.decode(new, skip_special_tokens=True))


def test_a_model_with_shared_keys_answers_as_transformers_does(tmp_path: Path) -> None:
    engine = open_with_shared_keys(tmp_path / "model")
    view = engine.view(pad_to_square(open_sample("street")))
    prompts = [engine.prompt(view, text) for text in ("what?", "what is in the red box?", "dog")]
    answers = engine.answer_batch(prompts, GenerationOptions(max_new_tokens=6))
    expected = [generate(engine, prompt) for prompt in prompts]
    assert all(expected)
    assert [answer.text for answer in answers] == expected

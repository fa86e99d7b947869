"""Attention over a shared KV cache equals that over a copy of it for each row."""

import random

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import DynamicCache

from vipllava_cli.engine.local.shared_prefix import SharedPrefix

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
    queries = torch.randn(len(kept), heads * rng.choice((1, 3)), new, SIZE)
    keys, values = torch.randn(2, len(kept), heads, own, SIZE)
    is_seen = None
    if rng.random() < 0.7:
        is_seen = torch.rand(rng.choice((1, len(kept))), 1, rng.choice((1, new)), own) < 0.6
    output = prefix.attend(0, queries, keys, values, is_seen, 0.3)
    torch.testing.assert_close(
        output, attend_to_copies(prefix, queries, keys, values, is_seen), atol=1e-5, rtol=1e-5
    )

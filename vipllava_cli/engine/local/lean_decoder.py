"""The Llama decoder of ViP-LLaVA on a CPU: what transformers computes, with less between the products."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import DynamicCache

from vipllava_cli.engine.local.fused_norms import fused_norm
from vipllava_cli.engine.local.lean_layers import DecoderLayer, PackedDecoderLayer, rotate
from vipllava_cli.engine.local.packed_modules import LEAST_ROWS, PackedModule
from vipllava_cli.engine.local.roomy_cache import new_cache
from vipllava_cli.engine.local.shared_prefix import SharedPrefix

Pair = tuple[Tensor, Tensor]  # keys and values [rows, heads, tokens, size], or cosines and sines


class LeanDecoder:
    """Runs the decoder over embeddings or tokens. Threads may share it.

    With `is_packed` it copies the weights of its layers.
    """

    def __init__(self, model: Any, *, is_packed: bool) -> None:
        decoder = model.model.language_model
        self.config = model.config.get_text_config()
        self.dtype: torch.dtype = model.dtype
        self._embed, self._norm, self._head = decoder.embed_tokens, decoder.norm, model.lm_head
        self._rotary = decoder.rotary_emb
        attention = decoder.layers[0].self_attn
        self._head_size, self._scale = attention.head_dim, attention.scaling
        kind = PackedDecoderLayer if is_packed else DecoderLayer
        self._layers = [kind(layer) for layer in decoder.layers]
        has_packed_modules = type(attention.q_proj) is PackedModule
        self._least_rows = LEAST_ROWS if has_packed_modules else 0

    def reserve(self, rows: int, tokens: int) -> tuple[DynamicCache, list[Pair]]:
        """Return a cache for these tokens, and the keys and values of each layer, for `read` to write."""
        cache = new_cache(self.config)
        like = torch.empty(1, dtype=self.dtype)
        shape = (rows, self.config.num_key_value_heads, tokens, self._head_size)
        return cache, [layer.reserve(like.expand(shape)) for layer in cache.layers]

    def angles(self, positions: Tensor) -> Pair:
        """Return cosines and sines [..., tokens, size] of positions [..., tokens]."""
        flat = positions.reshape(-1, positions.shape[-1])
        parts = self._rotary(torch.empty(0, dtype=self.dtype), position_ids=flat)
        cos, sin = (part.view(*positions.shape, self._head_size) for part in parts)
        return cos, sin

    def embed(self, ids: Tensor) -> Tensor:
        """Return the embeddings [..., size] of tokens."""
        embeddings: Tensor = self._embed(ids)
        return embeddings

    def read(self, hidden: Tensor, pairs: Sequence[Pair], angles: Pair, start: int) -> None:
        """Write the keys and values of embeddings [rows, tokens, size] behind the first `start` tokens.

        `pairs` have those of each layer. The last layer computes nothing else.
        """
        tokens = hidden.shape[1]
        cos, sin = (part[start:] for part in angles)
        mask = causal_mask(tokens, start) if start else None
        for layer, (keys, values) in zip(self._layers, pairs, strict=True):
            is_last = layer is self._layers[-1]
            parts = layer.project_keys(hidden) if is_last else layer.project(hidden)
            *queries, new_keys, new_values = map(self._heads, parts)
            rotate(new_keys, cos, sin, keys[:, :, start:])
            values[:, :, start:] = new_values
            for states in queries:  # none in the last layer
                rotated = rotate(states, cos, sin, torch.empty_like(states))
                attended = self._attend(rotated, keys, values, mask)
                hidden = layer.finish(hidden, _join_heads(attended))

    def score(
        self,
        ids: Tensor,
        positions: Tensor,
        cache: DynamicCache,
        is_seen: Tensor | None,
        prefix: SharedPrefix | None = None,
    ) -> Tensor:
        """Add tokens [rows, new] to the cache. Returns the scores [rows, vocabulary] behind the last.

        `is_seen` [rows, 1, 1 or new, cached and new] says what a token attends to. None: to all
        tokens before it. The tokens of `prefix` come before those of the cache.
        """
        rows, new = ids.shape
        hidden = self._pad(self._embed(ids).flatten(0, 1))
        cos, sin = (part[:, None] for part in self.angles(positions))
        if is_seen is None and ids.shape[1] > 1:
            cached: int = cache.get_seq_length()
            is_seen = causal_mask(ids.shape[1], cached)[None, None]
        for number, (layer, kept) in enumerate(zip(self._layers, cache.layers, strict=True)):
            parts = (part[: rows * new].view(rows, new, -1) for part in layer.project(hidden))
            states, new_keys, new_values = map(self._heads, parts)
            rotated = rotate(new_keys, cos, sin, torch.empty_like(new_keys))
            keys, values = kept.update(rotated, new_values)
            queries = rotate(states, cos, sin, torch.empty_like(states))
            if layer is self._layers[-1]:  # nobody reads what follows for the other tokens
                queries = queries[:, :, -1:]
                hidden = self._pad(hidden[: rows * new].view(rows, new, -1)[:, -1])
                is_seen = None if is_seen is None else is_seen[:, :, -1:]
            if prefix is None:
                attended = self._attend(queries, keys, values, is_seen)
            else:
                attended = prefix.attend(number, queries, keys, values, is_seen, self._scale)
            hidden = layer.finish(hidden, self._pad(_join_heads(attended).flatten(0, 1)))
        scores: Tensor = self._head(fused_norm(self._norm, hidden))[:rows]
        return scores

    def _pad(self, hidden: Tensor) -> Tensor:
        """Add empty tokens to hidden states [tokens, size], so that no product has to do that."""
        missing = self._least_rows - len(hidden)
        return pad(hidden, (0, 0, 0, missing)) if missing > 0 else hidden

    def _heads(self, states: Tensor) -> Tensor:
        """Split [rows, tokens, heads * size] into [rows, heads, tokens, size]."""
        rows, tokens, _ = states.shape
        return states.view(rows, tokens, -1, self._head_size).transpose(1, 2)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """Return the attention [rows, heads, tokens, size]."""
        tokens = queries.shape[2]
        if tokens == 1 and queries.dtype != torch.float32:
            return _attend_once(queries, keys, values, mask, self._scale)
        return scaled_dot_product_attention(
            queries,
            keys,
            values,
            mask,
            is_causal=mask is None and tokens > 1,
            scale=self._scale,
            enable_gqa=queries.shape[1] != keys.shape[1],
        )


def _join_heads(states: Tensor) -> Tensor:
    """Join [rows, heads, tokens, size] to [rows, tokens, heads * size]."""
    rows, heads, tokens, size = states.shape
    return states.transpose(1, 2).reshape(rows, tokens, heads * size)


def _attend_once(
    queries: Tensor, keys: Tensor, values: Tensor, is_seen: Tensor | None, scale: float
) -> Tensor:
    """Return the attention of one token [rows, heads, 1, size], computed in fp32.

    torch 2.13 takes four times as long for one token in 16 bits, and rounds the result no less.
    """
    rows, heads, _, size = queries.shape
    shared = queries.float().view(rows, keys.shape[1], -1, size)  # heads of the same keys together
    scores = (shared @ keys.float().transpose(2, 3)).mul_(scale)
    if is_seen is not None:
        scores.masked_fill_(~is_seen, -torch.inf)
    attended = scores.softmax(-1) @ values.float()
    return attended.view(rows, heads, 1, size).to(queries.dtype)


def causal_mask(tokens: int, cached: int) -> Tensor:
    """Return where [tokens, cached + tokens] each token finds those up to itself."""
    return torch.ones(tokens, cached + tokens, dtype=torch.bool).tril_(cached)

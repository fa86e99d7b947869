"""One forward pass for each new token: the plain way, and in fixed tensors that a CUDA graph repeats."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from vipllava_cli.engine.local.fused_norms import fused_norms
from vipllava_cli.engine.local.lean_decoder import LeanDecoder
from vipllava_cli.engine.local.roomy_cache import RoomyLayer
from vipllava_cli.engine.local.shared_prefix import SharedPrefix

_logger = logging.getLogger("vipllava")


class PlainSteps:
    """Runs ordinary forward passes. The cache grows, and rows can leave.

    `is_token` [rows, prompt] is False for padding, None without padding. `positions` [rows, 1] are those
    of the next tokens. At most `limit` steps follow. `lean` computes them in place of the model, behind
    `prefix`, which is not in the cache.
    """

    def __init__(
        self,
        model: Any,
        cache: DynamicCache,
        is_token: Tensor | None,
        positions: Tensor,
        limit: int,
        lean: LeanDecoder | None = None,
        prefix: SharedPrefix | None = None,
    ) -> None:
        self.cache = cache
        self._model = model
        self._lean = lean
        self._prefix = prefix
        self._positions = positions
        self._length = cache.get_seq_length()
        self._mask: Tensor | None = None
        if is_token is not None:
            is_seen = torch.nn.functional.pad(is_token, (0, limit), value=True)
            self._mask = _step_mask(model, is_seen, cache.layers[0].keys.dtype)

    def step(self, tokens: Tensor) -> Tensor:
        """Take the newest tokens [rows]. Returns the scores [rows, vocabulary] of the next ones."""
        self._length += 1
        mask = None if self._mask is None else self._mask[..., : self._length]
        positions, self._positions = self._positions, self._positions + 1
        if self._lean is not None:
            return self._lean.score(tokens[:, None], positions, self.cache, mask, self._prefix)
        output = self._model(
            input_ids=tokens[:, None],
            attention_mask=mask,
            position_ids=positions,
            cache=self.cache,
            use_cache=True,
        )
        scores: Tensor = output.logits[:, -1]
        return scores

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows: the others have ended."""
        self.cache.batch_select_indices(rows)
        if self._prefix is not None:
            self._prefix = self._prefix.keep(rows.tolist())
        self._positions = self._positions[rows]
        if self._mask is not None:
            self._mask = self._mask[rows]


class StaticSteps:
    """Runs forward passes over tensors of fixed addresses and sizes, as a CUDA graph if it can.

    The cache has `capacity` tokens for each row. Attention covers all of them, and a mask hides those
    behind the newest token. So every step is the same for the device.
    """

    def __init__(
        self, model: Any, cache: DynamicCache, rows: int, capacity: int, device: torch.device
    ) -> None:
        self._cache = cache
        self.rows, self.capacity = rows, capacity
        self._model = model
        self._device = device
        self._tokens = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self.positions = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self._index = torch.zeros(1, dtype=torch.long, device=device)
        self._columns = torch.arange(capacity, device=device)
        self._is_token = torch.ones(rows, 1, 1, capacity, dtype=torch.bool, device=device)
        self._layers = [layer for layer in cache.layers if isinstance(layer, RoomyLayer)]
        self._length = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._scores = torch.zeros(0, device=device)

    def begin(self, is_token: Tensor | None, positions: Tensor) -> None:
        """Start behind the tokens in the cache. The arguments are those of `PlainSteps`."""
        self._length = self._cache.get_seq_length()
        self._index.fill_(self._length)
        self.positions.copy_(positions)
        self._is_token.fill_(True)
        if is_token is not None:
            self._is_token[:, 0, 0, : is_token.shape[1]] = is_token

    @property
    def has_room(self) -> bool:
        """Whether another token fits."""
        return self._length < self.capacity

    def step(self, tokens: Tensor) -> Tensor:
        """See `PlainSteps.step`. The next step overwrites the scores."""
        self._tokens.copy_(tokens[:, None])
        if self._graph is None:
            scores = self._forward()
        else:
            self._graph.replay()
            scores = self._scores
        self._index.add_(1)
        self.positions.add_(1)
        self._length += 1
        return scores

    def _forward(self) -> Tensor:
        is_seen = self._is_token & (self._columns <= self._index)
        dtype = self._layers[0].keys.dtype
        with (
            _fixed_positions(self._layers, self._index),
            _masked_attention(self._model),
            fused_norms(self._model),
        ):
            output = self._model(
                input_ids=self._tokens,
                attention_mask=_additive(is_seen, dtype),
                position_ids=self.positions,
                cache=self._cache,
                use_cache=True,
            )
        scores: Tensor = output.logits[:, -1]
        return scores

    @property
    def cache(self) -> DynamicCache:
        """The tokens so far. The next steps of these rows overwrite nothing of them."""
        return self._cache_of(self._length)

    def empty_cache(self) -> DynamicCache:
        """Return the cache without its tokens, for the next prompts."""
        return self._cache_of(0)

    def _cache_of(self, length: int) -> DynamicCache:
        for layer in self._layers:
            layer.set_length(length)
        return self._cache

    def prepare(self) -> None:
        """Record a step as a CUDA graph, unless that is done or the device is another.

        A step first runs on another stream, so that all libraries are ready.
        """
        if self._graph is not None or self._device.type != "cuda":
            return
        stream = _capture_stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(stream):  # a capture that fails does not leave the stream by itself
            self._forward()  # writes at the position that the first replay writes, too
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self._scores = self._forward()
        self._graph = graph
        _logger.debug("decoding with a CUDA graph: %d rows, %d tokens", self.rows, self.capacity)


@cache
def _capture_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream that records graphs. On each stream, the products keep memory of their own."""
    return torch.cuda.Stream(device)


@contextmanager
def _fixed_positions(layers: list[RoomyLayer], position: Tensor) -> Iterator[None]:
    """Let the layers write the next token at a position that is on the device."""
    for layer in layers:
        layer.position = position
    try:
        yield
    finally:
        for layer in layers:
            layer.position = None


@contextmanager
def _masked_attention(model: Any) -> Iterator[None]:
    """Let a model with FlashAttention, which takes no such mask, use SDPA."""
    config = model.config.get_text_config()
    chosen = config._attn_implementation
    if chosen in ("sdpa", "eager"):
        yield
        return
    config._attn_implementation = "sdpa"
    try:
        yield
    finally:
        config._attn_implementation = chosen


def _step_mask(model: Any, is_token: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the mask of steps over one token each, in the form that the attention takes."""
    attention = model.config.get_text_config()._attn_implementation
    if attention == "sdpa":
        return is_token[:, None, None]
    if attention == "eager":
        return _additive(is_token[:, None, None], dtype)
    return is_token


def _additive(is_seen: Tensor, dtype: torch.dtype) -> Tensor:
    mask = torch.zeros(is_seen.shape, dtype=dtype, device=is_seen.device)
    return mask.masked_fill_(~is_seen, torch.finfo(dtype).min)

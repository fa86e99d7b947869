"""A KV cache with room behind its tokens: a new token is written there, and nothing else is copied."""

from typing import Any

from torch import Tensor
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer

_ROOM = 64  # tokens, the least room behind a prompt


class RoomyLayer(DynamicLayer):
    """A cache layer in buffers [rows, heads, capacity, head size].

    `keys` and `values` are views of the used part, so a crop costs nothing. If `position` is set, an
    update writes its token there and returns the complete buffers: each step then does the same to the
    same addresses, as a CUDA graph needs it. The caller masks what lies behind the position.
    """

    def __init__(self, capacity: int = 0) -> None:
        super().__init__()
        self.capacity = capacity
        self.position: Tensor | None = None
        self._buffers: tuple[Tensor, ...] = ()  # keys and values

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Add tokens. Returns the keys and values that they may attend to."""
        if self.position is not None:
            keys, values = self._buffers
            keys.index_copy_(2, self.position, key_states)
            values.index_copy_(2, self.position, value_states)
            return keys, values
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        used: int = self.get_seq_length()
        total = used + key_states.shape[-2]
        if not self._has_room(total):
            own = (self.keys, self.values)
            self._buffers = self._new_buffers(key_states, len(key_states), total)
            if used:
                self._write(own, 0)
        self._write((key_states, value_states), used)
        return self.keys, self.values

    def set_length(self, length: int) -> None:
        """Use the first `length` tokens of the buffers, for a caller that has written them."""
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)

    def reserve(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Use new buffers for tokens as in `like` [rows, heads, tokens, head size].

        Returns keys and values, for the caller to write all of them.
        """
        self.lazy_initialization(like, like)
        rows, heads, length, size = like.shape
        shape = (rows, heads, self._capacity_for(length), size)
        self._buffers = like.new_empty(shape), like.new_empty(shape)
        self.set_length(length)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep or repeat rows, with room behind them."""
        if self.get_seq_length():
            own = (self.keys, self.values)
            self._buffers = self._new_buffers(self.keys, len(indices), self.keys.shape[-2])
            self._write(own, 0, indices)

    def fill(self, other: DynamicLayer, indices: Tensor | None = None) -> None:
        """Take the tokens of another layer, of the rows at `indices` or of all."""
        keys, values = other.keys, other.values
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        rows, length = len(keys) if indices is None else len(indices), keys.shape[-2]
        if not self._buffers or length > self._buffers[0].shape[2]:
            self._buffers = self._new_buffers(keys, rows, length)
        self._write((keys, values), 0, indices)

    def __deepcopy__(self, memo: dict[int, Any]) -> "RoomyLayer":
        copied = type(self)(self.capacity)
        if self.get_seq_length():
            copied.fill(self)
        return copied

    def _write(
        self, states: tuple[Tensor, Tensor], start: int, indices: Tensor | None = None
    ) -> None:
        """Write tokens to the buffers behind the first `start`, and use all up to their end."""
        end = start + states[0].shape[-2]
        for buffer, new in zip(self._buffers, states, strict=True):
            if indices is None:
                buffer[:, :, start:end] = new
                continue
            # Not `index_select`: it needs the indices on the GPU of each layer, and on MPS torch 2.13
            # writes to a view as if its numbers lay without gaps.
            for row, source in enumerate(indices.tolist()):
                buffer[row, :, start:end] = new[source]
        self.set_length(end)

    def _has_room(self, total: int) -> bool:
        """Return whether the buffers hold the tokens and have room for `total` of them."""
        if not self._buffers or total > self._buffers[0].shape[2]:
            return False
        own = self._buffers[0].untyped_storage().data_ptr()
        return bool(self.keys.untyped_storage().data_ptr() == own)

    def _new_buffers(self, like: Tensor, rows: int, length: int) -> tuple[Tensor, ...]:
        """Make buffers for `length` tokens and room behind them."""
        shape = (rows, like.shape[1], self._capacity_for(length), like.shape[3])
        # Zeros: a masked value still enters a product, and zero times NaN is NaN.
        return like.new_zeros(shape), like.new_zeros(shape)

    def _capacity_for(self, length: int) -> int:
        room = max(_ROOM, length // 8)
        return self.capacity if self.capacity >= length else length + room


class CrossAttentionLayer(RoomyLayer):
    """Keys and values of an image that the prompt reads in cross-attention: no tokens of the prompt."""

    def crop(self, tokens_to_remove: int) -> None:
        """Keep the image: a crop is about tokens of the prompt."""


def new_cache(config: PretrainedConfig, capacity: int = 0) -> DynamicCache:
    """Make an empty cache, with room for `capacity` tokens if the layers keep all tokens."""
    cache = DynamicCache(config=config)
    if keeps_all_tokens(cache):
        crossing = getattr(config, "cross_attention_layers", None) or ()
        cache.layers = [
            CrossAttentionLayer() if number in crossing else RoomyLayer(capacity)
            for number in range(len(cache.layers))
        ]
    return cache


def keeps_all_tokens(cache: DynamicCache) -> bool:
    """Return whether every layer is a plain one, without a sliding window or states of its own."""
    return bool(cache.layers) and all(
        type(layer) in (DynamicLayer, RoomyLayer) for layer in cache.layers
    )


def fill_cache(cache: DynamicCache, other: DynamicCache, indices: Tensor | None = None) -> None:
    """Put the tokens of another cache into a roomy one, of the rows at `indices` or of all."""
    for layer, source in zip(cache.layers, other.layers, strict=True):
        layer.fill(source, indices)

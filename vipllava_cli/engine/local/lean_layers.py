"""The layers of ViP-LLaVA for `lean_prefill.py`: with the modules of transformers, or packed.

A decoder layer is in two parts, around the attention: the projections of the hidden states, and what
follows the attention. The last layer of a prefill projects only keys and values.
"""

from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, scaled_dot_product_attention

from vipllava_cli.engine.local.fused_norms import fused_norm
from vipllava_cli.engine.local.packed_linear import PackedLinear

_QUICK_GELU = 1.702  # x * sigmoid(1.702 x)


class DecoderLayer:
    """A decoder layer that calls the modules of transformers."""

    def __init__(self, layer: Any) -> None:
        attention = layer.self_attn
        self._layer = layer
        self._keys = (attention.k_proj, attention.v_proj)
        self._queries = attention.q_proj

    def project(self, hidden: Tensor) -> list[Tensor]:
        """Return queries, keys and values: [rows, tokens, size]."""
        normed = fused_norm(self._layer.input_layernorm, hidden)
        return [projection(normed) for projection in (self._queries, *self._keys)]

    def project_keys(self, hidden: Tensor) -> list[Tensor]:
        """Return keys and values: [rows, tokens, size]."""
        normed = fused_norm(self._layer.input_layernorm, hidden)
        return [projection(normed) for projection in self._keys]

    def finish(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """Return the hidden states behind the layer."""
        hidden = hidden + self._layer.self_attn.o_proj(attended)
        mlp: Tensor = self._layer.mlp(fused_norm(self._layer.post_attention_layernorm, hidden))
        return hidden + mlp


class PackedDecoderLayer:
    """A decoder layer with packed copies of the weights. See `DecoderLayer`."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        keys = [attention.k_proj, attention.v_proj]
        projections = [attention.q_proj, *keys]
        self._sizes = [projection.out_features for projection in projections]
        self._projections = PackedLinear(projections)
        self._make_keys = partial(PackedLinear, keys)
        self._out = PackedLinear([attention.o_proj])
        self._gate, self._up = PackedLinear([mlp.gate_proj]), PackedLinear([mlp.up_proj])
        self._down = PackedLinear([mlp.down_proj])
        self._norms = layer.input_layernorm, layer.post_attention_layernorm

    def project(self, hidden: Tensor) -> list[Tensor]:
        """See `DecoderLayer.project`."""
        return list(self._projections(fused_norm(self._norms[0], hidden)).split(self._sizes, -1))

    def project_keys(self, hidden: Tensor) -> list[Tensor]:
        """See `DecoderLayer.project_keys`."""
        return list(self._keys(fused_norm(self._norms[0], hidden)).split(self._sizes[1:], -1))

    @cached_property
    def _keys(self) -> PackedLinear:
        return self._make_keys()

    def finish(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """See `DecoderLayer.finish`."""
        hidden = self._out.add(attended, hidden)
        normed = fused_norm(self._norms[1], hidden)
        return self._down.add(self._up.multiply(normed, self._gate.silu(normed)), hidden)


class PackedTowerLayer:
    """A layer of the vision tower with packed weights, as `CLIPEncoderLayer` with `quick_gelu`."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._norms = layer.layer_norm1, layer.layer_norm2
        self._heads = attention.num_heads
        self._projections = PackedLinear([attention.q_proj, attention.k_proj, attention.v_proj])
        self._out = PackedLinear([attention.out_proj])
        self._up = PackedLinear([mlp.fc1], _QUICK_GELU)
        self._down = PackedLinear([mlp.fc2], input_scale=1 / _QUICK_GELU)

    def __call__(self, hidden: Tensor, mask: None) -> Tensor:
        """Return the hidden states [rows, tokens, size] behind the layer."""
        rows, tokens, size = hidden.shape
        projected = self._projections(_layer_norm(self._norms[0], hidden))
        shape = (rows, tokens, 3, self._heads, size // self._heads)
        attended = scaled_dot_product_attention(*projected.view(shape).permute(2, 0, 3, 1, 4))
        hidden = self._out.add(attended.transpose(1, 2).reshape(rows, tokens, size), hidden)
        # quick_gelu(x) = silu(1.702 x) / 1.702
        return self._down.add(self._up.silu(_layer_norm(self._norms[1], hidden)), hidden)


def rotate(states: Tensor, cos: Tensor, sin: Tensor, out: Tensor) -> Tensor:
    """Write states [rows, heads, tokens, size], turned by their positions, to `out`.

    The angles are [tokens, size], or have axes for rows and heads. Both halves of a head have equal ones.
    """
    half = states.shape[-1] // 2
    first, second = states[..., :half], states[..., half:]
    torch.mul(states, cos, out=out)
    out[..., :half].addcmul_(second, sin[..., :half], value=-1)
    out[..., half:].addcmul_(first, sin[..., half:])
    return out


def _layer_norm(norm: Any, hidden: Tensor) -> Tensor:
    return layer_norm(hidden, norm.normalized_shape, norm.weight, norm.bias, norm.eps)

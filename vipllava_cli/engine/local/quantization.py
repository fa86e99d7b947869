"""Quantized decoder layers, and fast products with 16-bit and 8-bit matrices on a CPU.

A CPU without 16-bit instructions reads 16-bit weights at full memory bandwidth, which limits the
decoding of a token. But it multiplies many rows by them many times slower than by 32-bit weights.
So the weights stay in 16 bits, and a product of many rows widens them to 32 bits in chunks.

8-bit weights work the same way. On a CPU this module quantizes them itself: torchao takes ten times as
long, and its product copies the whole matrix to 16 bits for every token.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BitsAndBytesConfig, PreTrainedConfig, PreTrainedModel, TorchAoConfig

from vipllava_cli.engine.hardware.memory_needs import INT8, NF4, WIDENED_CHUNK
from vipllava_cli.engine.hardware.model_spec import LAYER, ModelSpec

# With fewer rows, reading the narrow weights takes less time than widening them first (measured).
FEW_ROWS = 8
FEW_ROWS_OF_INT8 = 16

_QUANTIZED_CHUNK = 1 << 20  # weights: a chunk stays in the CPU's cache between steps
_MAX_INT8 = 127


class WidenedLinear(nn.Linear):
    """A linear layer with 16-bit weights that multiplies many rows in 32 bits."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        rows = input.numel() // self.in_features
        if input.dtype == torch.float32 or rows < FEW_ROWS:
            return super().forward(input)
        output = _multiply_widened(input.float(), self.weight)
        return _add_bias(output, self.bias, input.dtype)


class Int8Linear(nn.Module):
    """A linear layer for a CPU: int8 weights [out, in] with a float32 scale for each output.

    Multiplies many rows in 32 bits if `widened`, else in the type of the input.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear, *, widened: bool) -> None:
        super().__init__()
        weight, scale = quantize_int8(linear.weight)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.bias, self.widened = linear.bias, widened

    def forward(self, input: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        in_features, dtype = self.weight.shape[1], input.dtype
        rows = input.numel() // in_features
        if rows >= FEW_ROWS_OF_INT8:
            output = _multiply_widened(input.float() if self.widened else input, self.weight)
        else:
            flat = input.reshape(rows, in_features).bfloat16()  # this product is fastest in bf16
            ones = torch.ones_like(self.scale, dtype=flat.dtype)
            output = torch._weight_int8pack_mm(flat, self.weight, ones)
            output = output.view(*input.shape[:-1], len(self.weight))
        return _add_bias(output * self.scale, self.bias, dtype)


@torch.no_grad()
def quantize_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round weights [out, in] to int8 numbers of that shape, with float32 scales [out]."""
    numbers, scales = torch.empty(weight.shape, dtype=torch.int8), torch.empty(len(weight))
    step = max(_QUANTIZED_CHUNK // weight.shape[1], 1)
    chunks = (part.split(step) for part in (weight, numbers, scales))
    for chunk, number, scale in zip(*chunks, strict=True):
        wide = _widen(chunk, torch.float32)
        torch.maximum(wide.amax(1), -wide.amin(1), out=scale)
        # The minimum keeps the scale of a row of zeros above 0.
        scale.div_(_MAX_INT8).clamp_(min=torch.finfo(torch.float32).tiny)
        number.copy_(wide.div_(scale[:, None]).round_())
    return numbers, scales


def quantize_layers(
    model: nn.Module, layers: Iterable[nn.Module], dtype: torch.dtype, *, widened: bool
) -> None:
    """Quantize decoder layers to int8 in place, and convert the rest of the model to `dtype`.

    Works one matrix at a time: the source may be a mapped file that does not fit into memory.
    """
    for layer in layers:
        for module in list(layer.modules()):
            for name, child in module.named_children():
                # The router of Llama 4 is of another class of linear layers.
                if isinstance(child, nn.Linear) and type(child) in (nn.Linear, WidenedLinear):
                    setattr(module, name, Int8Linear(child, widened=widened))
    for weight in model.parameters():
        weight.data = weight.data.to(dtype)


def _multiply_widened(input: Tensor, weight: Tensor) -> Tensor:
    """Multiply [..., in] by narrower weights [out, in], widened in chunks of rows."""
    step = max(WIDENED_CHUNK // weight.shape[1], 1)
    chunks = (_widen(chunk, input.dtype) for chunk in weight.split(step))
    return torch.cat([nn.functional.linear(input, chunk) for chunk in chunks], -1)


def _add_bias(output: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    return (output if bias is None else output + bias).to(dtype)


_buffers = threading.local()  # one for each thread that answers


def _widen(chunk: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert weights to a wider type, in a buffer that the next call of this thread reuses.

    Allocating memory for each chunk would take many times longer than widening it.
    """
    if not hasattr(_buffers, "buffer") or len(_buffers.buffer) < chunk.numel():
        _buffers.buffer = torch.empty(chunk.numel())
    buffer: Tensor = _buffers.buffer
    return buffer.view(dtype)[: chunk.numel()].view_as(chunk).copy_(chunk)


def widened_class(
    model_class: type[PreTrainedModel], skipped: Collection[str] = ()
) -> type[PreTrainedModel]:
    """Return a class of models whose linear layers are `WidenedLinear` before weights are loaded.

    The modules named in `skipped` keep plain linear layers, for a quantizer to replace.
    """

    class WidenedModel(model_class):
        def __init__(self, config: PreTrainedConfig) -> None:
            super().__init__(config)
            kept = {child for name in skipped for child in self.get_submodule(name).modules()}
            for module in self.modules():
                if type(module) is nn.Linear and module not in kept:
                    module.__class__ = WidenedLinear
            # transformers looks up the older names of weights by the name of the class.
            self.__class__ = model_class

    return WidenedModel


def quantization_config(quantize: str, spec: ModelSpec, dtype: torch.dtype, *, on_cpu: bool) -> Any:
    """Return the `quantization_config` of transformers; None if this module quantizes.

    `dtype` is that of everything else. The package that quantizes must be installed.
    """
    if on_cpu and quantize == INT8:
        return None
    # Full names: without the leading `model.`, the libraries skip nothing.
    unquantized = [part.module for part in spec.parts if part.kind != LAYER]
    return _CONFIGS[quantize](unquantized, torch.float32 if on_cpu else dtype)


def _int8_config(unquantized: list[str], dtype: torch.dtype) -> Any:
    from torchao.quantization import Int8WeightOnlyConfig

    return TorchAoConfig(Int8WeightOnlyConfig(), modules_to_not_convert=unquantized)


def _nf4_config(unquantized: list[str], dtype: torch.dtype) -> Any:
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=NF4,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=unquantized,
    )


_CONFIGS: Mapping[str, Callable[[list[str], torch.dtype], Any]] = {
    INT8: _int8_config,
    NF4: _nf4_config,
}

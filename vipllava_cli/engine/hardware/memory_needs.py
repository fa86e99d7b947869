"""The memory that a model needs: weights, KV cache and activations, computed from its spec."""

from collections.abc import Mapping
from dataclasses import dataclass

from vipllava_cli.engine.hardware.model_spec import LAYER, ModelPart, ModelSpec
from vipllava_cli.engine.options import Quantization

ITEM_BYTES: Mapping[str, int] = {"bf16": 2, "fp16": 2, "fp32": 4}


@dataclass(frozen=True)
class Quantizer:
    """A quantization of the decoder layers.

    `bytes` is the size of one quantized number with its share of the scales. `packages` names the
    package that quantizes on each kind of device; None stands for `local/quantization.py`.
    """

    bytes: float
    packages: Mapping[str, str | None]


INT8, NF4 = Quantization.int8.value, Quantization.nf4.value
QUANTIZERS: Mapping[str, Quantizer] = {
    INT8: Quantizer(1.002, {"cuda": "torchao", "cpu": None}),
    NF4: Quantizer(0.5625, {"cuda": "bitsandbytes", "cpu": "bitsandbytes"}),
}

WIDENED_CHUNK = 16 << 20  # weights that `local/quantization.py` widens to 32 bits at a time

PLANNED_TEXT_TOKENS = 512  # tokens of question and answer to plan for by default


@dataclass(frozen=True)
class MemoryNeeds:
    """The memory, in bytes, that a model needs at a precision.

    `dtype` is the type of everything that `quantize` does not cover. `length` is the number of tokens
    to plan for, prompt and answer together. `widened` says that 16-bit weights are multiplied in 32
    bits (see `local/quantization.py`).
    """

    spec: ModelSpec
    dtype: str
    quantize: str | None
    length: int
    widened: bool

    def weights(self, part: ModelPart) -> int:
        """Return the size of a part's weights."""
        item = ITEM_BYTES[self.dtype]
        if self.quantize and part.kind == LAYER:
            unquantized = (part.parameters - part.linear) * item
            return int(part.linear * QUANTIZERS[self.quantize].bytes) + unquantized
        return part.parameters * item

    @property
    def all_weights(self) -> int:
        return sum(map(self.weights, self.spec.parts))

    @property
    def largest_part(self) -> int:
        return max(map(self.weights, self.spec.parts))

    @property
    def layer_cache(self) -> int:
        """The KV cache of one prompt and answer in one decoder layer."""
        return self.spec.kv_width * self.length * ITEM_BYTES[self.dtype]

    @property
    def activations(self) -> int:
        """The activations of one prompt at their widest: two MLP inputs and outputs, and the hidden
        states of the vision tower, which the projector needs together.
        """
        text = 2 * (self.spec.intermediate + self.spec.hidden) * self.length
        vision = (self.spec.vision_layers + 1) * self.spec.vision_hidden
        vision *= self.spec.image_tokens + 1
        return (text + vision) * ITEM_BYTES[self.dtype]

    @property
    def workspace(self) -> int:
        """Memory that every batch takes once: a copy of the image's KV cache, and widened weights."""
        image_cache = self.spec.kv_width * self.spec.image_tokens * self.spec.layers
        widens = self.widened or self.quantize is not None
        return image_cache * ITEM_BYTES[self.dtype] + 4 * WIDENED_CHUNK * widens

"""The values of the loading options. Pure Python, so that `--help` imports nothing heavy."""

from enum import StrEnum


class Device(StrEnum):
    """The kind of device that runs the model. `auto` takes the best one that is present."""

    auto = "auto"
    cuda = "cuda"
    mps = "mps"
    cpu = "cpu"


class Dtype(StrEnum):
    """The precision of the weights. `auto` depends on the device and on the size of the model."""

    auto = "auto"
    bf16 = "bf16"
    fp16 = "fp16"
    fp32 = "fp32"


class Attention(StrEnum):
    """The attention implementation. `auto` takes FlashAttention where it is installed, else SDPA."""

    auto = "auto"
    sdpa = "sdpa"
    flash = "flash"
    eager = "eager"


class Quantization(StrEnum):
    """The format of quantized decoder layers."""

    int8 = "int8"
    nf4 = "nf4"

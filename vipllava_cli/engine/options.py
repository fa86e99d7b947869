"""The options of an answer and of loading: values, bounds, defaults.

Pure Python: `--help` imports this module and nothing heavy with it.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

DEFAULT_MODEL = "tiny"
MIN_TOP_P = 0.01
MAX_TEMPERATURE = 100.0
MAX_NEW_TOKENS = 2**31 - 1
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class GenerationOptions:
    """How the engine makes an answer. The defaults of the whole program are these.

    `temperature` 0 is greedy; above 0, `top_p` (0-1) and `seed` control the sampling. With `choices`
    the answer is the likeliest choice, and the engine generates nothing.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    choices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the options by name, for records and keys. Leaves out `choices` if there are none."""
        return {name: value for name, value in asdict(self).items() if name != "choices" or value}


GREEDY = GenerationOptions()


class TemplateName(StrEnum):
    """The prompt templates by name."""

    human = "human"
    vicuna = "vicuna"
    chat = "chat"


DEFAULT_TEMPLATE = TemplateName.human.value


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

"""The options of an answer and of loading: values, bounds, defaults.

Pure Python: `--help` imports this module and nothing heavy with it.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from vipllava_cli.engine.fields import Field
from vipllava_cli.errors import UsageError, short_repr

DEFAULT_MODEL = "tiny"
MIN_TOP_P = 0.01
MAX_TEMPERATURE = 100.0
MAX_NEW_TOKENS = 2**31 - 1
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class GenerationOptions:
    """How the engine makes an answer. The defaults of the whole program are these.

    `temperature` 0 is greedy; above 0, `top_p` (0-1) and `seed` control the sampling. With `choices`
    the answer is the likeliest choice, and the engine generates nothing. With `fields` the answer has
    a value for each of them; the flows ask one question a field.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    choices: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the options by name, for records and keys.

        Leaves out `choices` and `fields` if there are none.
        """
        fields = [field.to_json() for field in self.fields]
        row = vars(self) | {"fields": fields}
        return {
            name: value for name, value in row.items() if value or name not in ("choices", "fields")
        }

    def for_field(self, field: Field) -> "GenerationOptions":
        """Return the options for the question of one field."""
        return replace(self, choices=field.choices, fields=())


GREEDY = GenerationOptions()


class TemplateName(StrEnum):
    """The prompt templates by name. `auto` is `human` for ViP-LLaVA, and `chat` for other models."""

    auto = "auto"
    human = "human"
    vicuna = "vicuna"
    chat = "chat"


DEFAULT_TEMPLATE = TemplateName.auto.value
VIPLLAVA_TEMPLATE = TemplateName.human.value  # what `auto` is for ViP-LLaVA


AUTO_DEVICE = "auto"  # the best device that is present
_DEVICE = re.compile(r"auto|cpu|mps|cuda(?::(\d{1,3}))?", re.ASCII)


def parse_device(text: str, what: str = "--device") -> str:
    """Check a device: `auto`, `cpu`, `mps`, `cuda` (all GPUs) or `cuda:N` (GPU number N).

    Raises UsageError.
    """
    device = text.strip().lower()
    if not _DEVICE.fullmatch(device):
        raise UsageError(
            f"invalid {what} {short_repr(text)}: expected auto, cpu, mps, cuda for all GPUs, or"
            " cuda:0, cuda:1, … for one of them"
        )
    number = gpu_number(device)
    return device if number is None else f"cuda:{number}"


def gpu_number(device: str) -> int | None:
    """Return the number of the GPU that a device such as `cuda:1` names. None for all others."""
    match = _DEVICE.fullmatch(device)
    return int(match[1]) if match and match[1] else None


def complete_device(incomplete: str) -> list[str]:
    """List the devices that a shell may complete. Does not look at the machine, which is slow."""
    names = ("auto", "cpu", "cuda", "cuda:0", "cuda:1", "mps")
    return [name for name in names if name.startswith(incomplete)]


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

"""Measure the prefill and decoding speed of the CPU by precision.

    python -m benchmarks.precision FOLDER [VARIANT ...]

`benchmarks.make_checkpoint` writes the model, such as build/mid. The plain bf16 variant shows what
`--dtype auto` avoids. nf4 and int8 dynamic need the optional packages.
"""

import gc
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import TorchAoConfig, VipLlavaForConditionalGeneration

from benchmarks.support import describe, seconds
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.prompts.templates import TEMPLATES, Turn, render

QUESTION = "what is the object within the red rectangle doing, and what is it made of?"
PROMPTS, TOKENS = 3, 40  # runs; the fastest counts, because other processes use the machine too


def load_with_vipllava(folder: Path, dtype: str = "auto", quantize: str | None = None) -> Any:
    """Load the model as `vipllava` does."""
    return open_on_cpu(folder, dtype, quantize).model


def open_on_cpu(folder: Path, dtype: str = "auto", quantize: str | None = None) -> Any:
    """Open an engine. The first call makes torch allocate in large pages for all variants."""
    return open_engine(str(folder), load_options=LoadOptions("cpu", dtype, quantize))


def load_with_transformers(
    folder: Path, dtype: torch.dtype = torch.bfloat16, **options: Any
) -> Any:
    """Load the model as transformers does."""
    return VipLlavaForConditionalGeneration.from_pretrained(
        folder, dtype=dtype, device_map="cpu", **options
    )


def load_int8_dynamic(folder: Path) -> Any:
    """Quantize activations too, which `vipllava` does not offer."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig

    unquantized = ["model.vision_tower", "model.multi_modal_projector", "lm_head"]
    quantization = TorchAoConfig(
        Int8DynamicActivationInt8WeightConfig(), modules_to_not_convert=unquantized
    )
    return load_with_transformers(folder, torch.float32, quantization_config=quantization)


VARIANTS: Mapping[str, tuple[Callable[[Path], Any], str | None]] = {
    "fp32": (lambda folder: load_with_vipllava(folder, dtype="fp32"), None),
    "bf16": (load_with_transformers, None),
    "bf16, prompts in 32 bits": (lambda folder: load_with_vipllava(folder, dtype="bf16"), None),
    "fp16, prompts in 32 bits": (lambda folder: load_with_vipllava(folder, dtype="fp16"), None),
    "int8 weight-only": (lambda folder: load_with_vipllava(folder, quantize="int8"), None),
    "int8 dynamic": (load_int8_dynamic, "torchao"),
    "nf4": (lambda folder: load_with_vipllava(folder, quantize="nf4"), "bitsandbytes"),
}


def best(work: Callable[[], object], runs: int) -> float:
    """Return the shortest time of a few runs, in seconds."""
    return min(seconds(work) for _ in range(runs))


def measure(model: Any, processor: Any) -> tuple[float, float]:
    """Return the seconds of the prefill, and the tokens per second after it."""
    text = render(TEMPLATES["human"], [Turn(QUESTION)])
    side = model.config.vision_config.image_size
    inputs = processor.tokenizer(text.replace("<image>", "<image>" * 576), return_tensors="pt")
    pixels = torch.zeros(1, 3, side, side, dtype=model.dtype)
    with torch.inference_mode():

        def prefill() -> Any:
            return model(**inputs, pixel_values=pixels, use_cache=True, logits_to_keep=1)

        cache = prefill().past_key_values

        def decode() -> Any:
            return model(input_ids=torch.tensor([[5]]), past_key_values=cache, use_cache=True)

        return best(prefill, PROMPTS), 1 / best(decode, TOKENS)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(describe())
    processor = open_on_cpu(folder, "fp16").processor
    for name in sys.argv[2:] or VARIANTS:
        open_model, package = VARIANTS[name]
        if package and find_spec(package) is None:
            print(f"{name:26} {package} is not installed")
            continue
        prefill_seconds, tokens_per_second = measure(open_model(folder), processor)
        print(f"{name:26} prompt {prefill_seconds:7.2f} s   then {tokens_per_second:6.2f} tokens/s")
        gc.collect()

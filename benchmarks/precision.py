"""Reading a prompt and decoding after it on the CPU, by precision, on a model that `make_checkpoint.py`
wrote. A plain 16-bit run shows what `--dtype auto` avoids; nf4 and int8 dynamic need the extras.
Names of variants may follow, to measure these alone.

    python benchmarks/precision.py build/mid
"""

import gc
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import TorchAoConfig, VipLlavaForConditionalGeneration

from benchmarks.machine import describe, seconds
from vipllava_cli.engine.hardware.placement import LoadOptions
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.prompts.templates import TEMPLATES, Turn, render

QUESTION = "what is the object within the red rectangle doing, and what is it made of?"
PROMPTS, TOKENS = 3, 40  # of which the fastest counts: others use the machine, too


def chosen(folder: Path, **load_options: str) -> Any:
    """As `vipllava` loads it."""
    return engine_of(folder, **load_options).model


def engine_of(folder: Path, **load_options: str) -> Any:
    """Opened first of all, it sees to it that every variant has memory in large pages."""
    return open_engine(str(folder), load_options=LoadOptions(device="cpu", **load_options))


def plain(folder: Path, dtype: torch.dtype = torch.bfloat16, **more: Any) -> Any:
    """As transformers loads it."""
    return VipLlavaForConditionalGeneration.from_pretrained(
        folder, dtype=dtype, device_map="cpu", **more
    )


def dynamic(folder: Path) -> Any:
    """Activations in 8 bits as well, which `vipllava` does not offer."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig

    kept = ["model.vision_tower", "model.multi_modal_projector", "lm_head"]
    quantised = TorchAoConfig(Int8DynamicActivationInt8WeightConfig(), modules_to_not_convert=kept)
    return plain(folder, torch.float32, quantization_config=quantised)


VARIANTS: Mapping[str, tuple[Callable[[Path], Any], str | None]] = {
    "fp32": (lambda folder: chosen(folder, dtype="fp32"), None),
    "bf16": (plain, None),
    "bf16, prompts in 32 bits": (lambda folder: chosen(folder, dtype="bf16"), None),
    "fp16, prompts in 32 bits": (lambda folder: chosen(folder, dtype="fp16"), None),
    "int8 weight-only": (lambda folder: chosen(folder, quantize="int8"), None),
    "int8 dynamic": (dynamic, "torchao"),
    "nf4": (lambda folder: chosen(folder, quantize="nf4"), "bitsandbytes"),
}


def best(work: Callable[[], object], runs: int) -> float:
    """The fewest seconds of a few runs."""
    return min(seconds(work) for _ in range(runs))


def measure(model: Any, processor: Any) -> tuple[float, float]:
    """Seconds for the prompt, and tokens a second after it."""
    text = render(TEMPLATES["human"], [Turn(QUESTION)])
    side = model.config.vision_config.image_size
    inputs = processor.tokenizer(text.replace("<image>", "<image>" * 576), return_tensors="pt")
    pixels = torch.zeros(1, 3, side, side, dtype=model.dtype)
    with torch.inference_mode():

        def read() -> Any:
            return model(**inputs, pixel_values=pixels, use_cache=True, logits_to_keep=1)

        cache = read().past_key_values

        def decode() -> Any:
            return model(input_ids=torch.tensor([[5]]), past_key_values=cache, use_cache=True)

        return best(read, PROMPTS), 1 / best(decode, TOKENS)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(describe())
    processor = engine_of(folder, dtype="fp16").processor
    for name in sys.argv[2:] or VARIANTS:
        open_model, package = VARIANTS[name]
        if package and find_spec(package) is None:
            print(f"{name:26} {package} is not installed")
            continue
        reading, decoding = measure(open_model(folder), processor)
        print(f"{name:26} prompt {reading:7.2f} s   then {decoding:6.2f} tokens/s")
        gc.collect()

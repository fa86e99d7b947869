"""A checkpoint -> the model and its processor, through transformers; every fault is one line."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers.utils.logging
from huggingface_hub.errors import StrictDataclassError
from huggingface_hub.utils.tqdm import disable_progress_bars
from safetensors import SafetensorError
from transformers import LlavaProcessor, VipLlavaConfig, VipLlavaForConditionalGeneration

from vipllava_cli.engine.hardware.machine import inspect_machine
from vipllava_cli.engine.hardware.model_spec import spec
from vipllava_cli.engine.hardware.placement import LoadOptions, Placement, place
from vipllava_cli.engine.hub.checkpoints import Checkpoint, read_config, weight_shapes
from vipllava_cli.engine.hub.config_fixes import fix_config, fix_processor
from vipllava_cli.engine.local.quantization import WidenedModel, quantization, round_layers
from vipllava_cli.errors import ModelError, OutOfMemoryError

DTYPES: Mapping[str, torch.dtype] = {
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp32": torch.float32,
}

_ATTENTION: Mapping[str, str] = {"flash": "flash_attention_2"}  # else by the same name

# What transformers, safetensors and json raise for checkpoints that are not what they claim.
_FAULTS = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
    SafetensorError,
    StrictDataclassError,
)


@dataclass(frozen=True)
class Loaded:
    """A model ready to answer, its processor, and where it lies."""

    model: VipLlavaForConditionalGeneration
    processor: LlavaProcessor
    placement: Placement


def load(
    checkpoint: Checkpoint,
    load_options: LoadOptions,
    on_plan: Callable[[Placement], None] | None = None,
) -> Loaded:
    """Load weights and processor; the plan is shown first. Raises ModelError, and OutOfMemoryError when
    memory runs out.
    """
    _quiet()
    try:
        said = read_config(checkpoint.folder, checkpoint.name)
        fitting = fix_config(
            said, weight_shapes(checkpoint.folder, checkpoint.name), checkpoint.name
        )
        config = VipLlavaConfig.from_dict(fitting)
        placement = place(spec(fitting), load_options, inspect_machine())
        if on_plan:
            on_plan(placement)
        model = _load_model(checkpoint, config, placement)
        processor = _load_processor(checkpoint, config)
    except (*_FAULTS, MemoryError) as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"out of memory while loading {checkpoint.name}: use a smaller model or --dtype bf16"
            ) from error
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise ModelError(f"{checkpoint.name} cannot be loaded: {why}") from error
    return Loaded(model, processor, placement)


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python's, CUDA's or the CPU allocator's memory ran out."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory")
    )


def _load_model(
    checkpoint: Checkpoint, config: VipLlavaConfig, placement: Placement
) -> VipLlavaForConditionalGeneration:
    needs = placement.needs
    quantiser = needs.quantize and quantization(needs.quantize, placement.main == "cpu")
    rounds = needs.quantize is not None and quantiser is None
    if rounds:
        config.dtype = None
    kind = WidenedModel if needs.widened else VipLlavaForConditionalGeneration
    model, report = kind.from_pretrained(
        checkpoint.folder,
        config=config,
        # What is rounded from need not be copied to another type first: it stays as in the files.
        dtype="auto" if rounds else DTYPES[needs.dtype],
        device_map=placement.devices,
        attn_implementation=_ATTENTION.get(placement.attention, placement.attention),
        quantization_config=quantiser,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        **({"but_layers": quantiser is not None} if needs.widened else {}),
        ignore_mismatched_sizes=True,  # so that they are reported, and refused, below
    )
    _check_fit(report, checkpoint.name)
    if rounds:
        round_layers(model, DTYPES[needs.dtype], widened=needs.widened)
    model.eval()
    return model


def _check_fit(report: Mapping[str, Iterable[Any]], name: str) -> None:
    """Raises ModelError where weights and config.json do not fit each other."""
    for fault in ("missing", "unexpected", "mismatched"):
        names = sorted(_name(entry) for entry in report[f"{fault}_keys"])
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ModelError(
                f"{name} does not fit its config.json: {len(names)} {fault} weights"
                f" ({', '.join(names[:3])}{more}); get the checkpoint again"
            )


def _name(entry: str | tuple[str, object, object]) -> str:
    """A weight's name; mismatched ones come with their two sizes."""
    return entry if isinstance(entry, str) else f"{entry[0]} {entry[1]} for {entry[2]}"


def _load_processor(checkpoint: Checkpoint, config: VipLlavaConfig) -> LlavaProcessor:
    processor = LlavaProcessor.from_pretrained(checkpoint.folder, local_files_only=True)
    fix_processor(processor, config, checkpoint.name)
    return processor


def _quiet() -> None:
    """What the libraries would print is either in our own line or no user's concern."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    disable_progress_bars()

"""A checkpoint -> the model and its processor, loaded by transformers. Every error is one line."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers.utils.logging
from huggingface_hub.utils.tqdm import disable_progress_bars
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MoeCausalLMOutputWithPast

from vipllava_cli.engine.hardware.batch_size import SMALL_MODEL_BYTES
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import inspect_machine
from vipllava_cli.engine.hardware.model_spec import TOWER
from vipllava_cli.engine.hardware.placement import plan_placement
from vipllava_cli.engine.hardware.placement_types import Placement, compute_location
from vipllava_cli.engine.hub.checkpoints import Checkpoint
from vipllava_cli.engine.hub.checks.schema import GENERATION_RULES
from vipllava_cli.engine.local.empty_tensors import EmptyTensors
from vipllava_cli.engine.local.error_translation import (
    error_text,
    is_library_error,
    is_out_of_memory,
)
from vipllava_cli.engine.local.families import RunFamily
from vipllava_cli.engine.local.model_source import ModelSource, find_source
from vipllava_cli.engine.local.packed_modules import pack_linears
from vipllava_cli.engine.local.quantization import (
    quantization_config,
    quantize_layers,
    widened_class,
)
from vipllava_cli.engine.options import Attention, gpu_number
from vipllava_cli.errors import ModelError, OutOfMemoryError, VipllavaError

DTYPES: Mapping[str, torch.dtype] = {
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp32": torch.float32,
}

# Values of `--attention` that have another name in transformers.
_ATTENTION: Mapping[str, str] = {"flash": "flash_attention_2"}
_WITHOUT_SDPA = ("gemma2",)  # it limits the scores of attention


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to answer, its processor and its placement.

    `family` is None for ViP-LLaVA.
    """

    model: PreTrainedModel
    processor: Any
    placement: Placement
    family: RunFamily | None = None


def load(
    checkpoint: Checkpoint,
    load_options: LoadOptions,
    on_plan: Callable[[Placement], None] | None = None,
) -> Loaded:
    """Load weights and processor. `on_plan` receives the placement first.

    Raises ModelError if the checkpoint is damaged or does not fit, and OutOfMemoryError.
    """
    _silence_libraries()
    _complete_outputs()
    name = checkpoint.name
    try:
        source = find_source(checkpoint)
        machine = inspect_machine(gpu_number(load_options.device))
        known_options = _with_known_attention(load_options, source.model_class, name)
        placement = plan_placement(source.spec, known_options, machine)
        if source.family is not None and source.family.fixed_tower:
            _check_tower(placement, name)
        if on_plan:
            on_plan(placement)
        model = _load_model(checkpoint, source, placement)
        processor = source.load_processor()
    except VipllavaError:
        raise
    # tokenizers 0.23.3 raises Exception itself, and transformers 5.23.0 any kind for damaged files.
    except BaseException as error:
        if not is_library_error(error):
            raise
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"out of memory while loading {name}: use a smaller model or --dtype bf16"
            ) from error
        raise ModelError(f"{name} cannot be loaded: {error_text(error)}") from error
    return Loaded(model, processor, placement, source.family)


def _with_known_attention(
    load_options: LoadOptions, model_class: type[PreTrainedModel], name: str
) -> LoadOptions:
    """Leave FlashAttention out of the choice for a model without it. Raises ModelError if requested."""
    if model_class._supports_flash_attn:
        return load_options
    if load_options.attention == Attention.flash:
        raise ModelError(f"{name} does not run with --attention flash: use --attention sdpa")
    is_open = load_options.attention == Attention.auto
    return replace(load_options, attention=Attention.sdpa.value) if is_open else load_options


def _check_tower(placement: Placement, name: str) -> None:
    """Raise ModelError if the vision tower is to be computed elsewhere than its weights are."""
    for part in placement.needs.spec.parts:
        location = placement.locations[part.module]
        if part.kind == TOWER and location != compute_location(location, placement.main_device):
            raise ModelError(
                f"the vision tower of {name} does not run from the disk, or from main memory beside a"
                " GPU: free memory or raise --max-memory, or use --device cpu or a smaller model"
            )


def _load_model(
    checkpoint: Checkpoint, source: ModelSource, placement: Placement
) -> PreTrainedModel:
    needs, config = placement.needs, source.config
    library_quantization = needs.quantize and quantization_config(
        needs.quantize, needs.spec, DTYPES[needs.dtype], on_cpu=placement.main_device == "cpu"
    )
    quantizes_here = needs.quantize is not None and library_quantization is None
    if quantizes_here:
        config.dtype = None
    model_class = source.model_class
    if needs.widened:
        skipped = needs.spec.layer_modules if library_quantization is not None else ()
        model_class = widened_class(model_class, skipped)
    with warnings.catch_warnings(), EmptyTensors():
        # A weight without a module of its own is a part, too (`family_spec.py`).
        warnings.filterwarnings("ignore", "The following device_map keys")
        model, report = model_class.from_pretrained(
            checkpoint.folder,
            config=config,
            # Weights that are quantized here keep the type of the file: no copy to another type first.
            dtype="auto" if quantizes_here else DTYPES[needs.dtype],
            device_map=placement.device_map,
            attn_implementation=_attention(config, placement.attention),
            quantization_config=library_quantization,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # `_check_weights` reports them in one line
        )
    _check_weights(report, checkpoint.name)
    model.generation_config = _generation_ids(model.generation_config)
    if quantizes_here:
        layers = [model.get_submodule(name) for name in needs.spec.layer_modules]
        quantize_layers(model, layers, DTYPES[needs.dtype], widened=needs.widened)
    model.eval()
    if placement.main_device == "cpu" and needs.all_weights > SMALL_MODEL_BYTES:
        pack_linears(model)
    loaded: PreTrainedModel = model
    return loaded


def _attention(config: PreTrainedConfig, chosen: str) -> str | dict[str, str]:
    """Return the attention of the parts of a model, as transformers names it."""
    name = _ATTENTION.get(chosen, chosen)
    if name != "sdpa" or config.get_text_config().model_type not in _WITHOUT_SDPA:
        return name
    return {"": "eager", "text_config": "eager", "vision_config": name}


def _generation_ids(published: GenerationConfig) -> GenerationConfig:
    """Keep the token ids of a generation_config.json.

    `generate` would fill every field that the program leaves open from it (transformers 5.23.0), and so
    change answers silently.
    """
    return GenerationConfig(**{field: getattr(published, field) for field in GENERATION_RULES})


def _check_weights(report: Mapping[str, Iterable[Any]], name: str) -> None:
    """Raise ModelError if the weights do not fit config.json."""
    for problem in ("missing", "unexpected", "mismatched"):
        names = sorted(_weight_name(entry) for entry in report[f"{problem}_keys"])
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ModelError(
                f"{name} does not fit its config.json: {len(names)} {problem} weights"
                f" ({', '.join(names[:3])}{more}); get the checkpoint again"
            )


def _weight_name(entry: str | tuple[str, object, object]) -> str:
    """Name a weight of the report. A mismatched one is (name, shape in the file, shape in the model)."""
    return entry if isinstance(entry, str) else f"{entry[0]} {entry[1]} for {entry[2]}"


def _silence_libraries() -> None:
    """Turn off the libraries' warnings and progress bars: the program's messages replace them."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    disable_progress_bars()


def _complete_outputs() -> None:
    """Add the attribute that Llama 4 reads from its language model's output (transformers 5.24.0)."""
    MoeCausalLMOutputWithPast.image_outputs = None

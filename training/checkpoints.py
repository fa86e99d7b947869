"""Files of a training folder: the state to resume a stage, a finished stage, the trained model."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlavaProcessor, VipLlavaForConditionalGeneration

from training.architecture import make_processor, make_tokenizer
from training.dataset import tokenizer_texts
from training.model import TrainingModel
from vipllava_cli.engine.prompts.templates import STOPS


def state_folder(folder: Path, stage_name: str) -> Path:
    """Return the folder of an unfinished stage's state: weights, optimizers, step."""
    return folder / stage_name / "state"


def save_state(accelerator: Accelerator, folder: Path) -> None:
    """Save the state of a stage. Renames folders, so that a kill leaves the old or the new state."""
    new, old = folder.with_suffix(".new"), folder.with_suffix(".old")
    if accelerator.is_main_process:
        shutil.rmtree(new, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(new))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def is_stage_finished(folder: Path, stage_name: str) -> bool:
    """Return whether the folder has the weights that a stage trained."""
    return _stage_file(folder, stage_name).exists()


def finish_stage(weights: Mapping[str, Tensor], folder: Path, stage_name: str) -> None:
    """Save the weights that a stage trained, and delete its state."""
    save_file(dict(weights), _stage_file(folder, stage_name))
    shutil.rmtree(folder / stage_name)


def load_stage(model: TrainingModel, folder: Path, stage_name: str) -> None:
    """Load the weights that a finished stage trained."""
    model.load_state_dict(load_file(_stage_file(folder, stage_name)), strict=False)


def _stage_file(folder: Path, stage_name: str) -> Path:
    return folder / f"{stage_name}.safetensors"


def load_processor(
    folder: Path, tokenizer_scenes: int, begin_with: Path | None = None
) -> LlavaProcessor:
    """Load the processor of a training folder. The first run makes it.

    The tokenizer is that of the model in `begin_with`, or a new one trained on `tokenizer_scenes` scenes.
    """
    if not (folder / "tokenizer.json").exists():
        if begin_with:
            tokenizer = LlavaProcessor.from_pretrained(begin_with).tokenizer
        else:
            tokenizer = make_tokenizer(tokenizer_texts(tokenizer_scenes))
        make_processor(tokenizer).save_pretrained(folder)
    return LlavaProcessor.from_pretrained(folder)


def save_model(
    model: VipLlavaForConditionalGeneration, processor: LlavaProcessor, folder: Path
) -> None:
    """Save the model like the public checkpoints: float16 safetensors, configs, processor.

    Its configuration declares both ends of an answer, so that other programs stop there, too.
    """
    ends = [model.config.text_config.eos_token_id]
    ends += processor.tokenizer.convert_tokens_to_ids(list(STOPS))
    model.generation_config.eos_token_id = ends
    model.generation_config.pad_token_id = model.config.text_config.pad_token_id
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)

"""The training loop of one stage: optimizers, gradient averaging, validation, resuming."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from training.checkpoints import save_state, state_folder
from training.dataset import SceneBatches, make_loader
from training.losses import LOSSES
from training.metrics import MetricCounts
from training.model import TrainingModel
from training.optimizer import Muon
from training.progress import show_progress
from training.recipe import Recipe, Stage
from vipllava_cli.engine.hardware.machine import has_fast_bf16
from vipllava_cli.flows.evals.clipart.scenes import HELD_OUT, TRAINING

_MAX_GRADIENT_NORM = 1.0


@dataclass
class Position:
    """The number of steps done. The accelerator saves it with the state."""

    step: int = 0

    def state_dict(self) -> dict[str, int]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.step = state["step"]


def train_stage(
    training_model: TrainingModel,
    tokenizer: PreTrainedTokenizerBase,
    stage: Stage,
    recipe: Recipe,
    folder: Path,
    workers: int,
) -> dict[str, Tensor]:
    """Train one stage in place, from its saved state if there is one. Returns the trained weights."""
    uses_bf16 = torch.cuda.is_available() or has_fast_bf16()
    accelerator = Accelerator(mixed_precision="bf16" if uses_bf16 else "no", cpu=runs_on_cpu())
    trained = _unfreeze(training_model, stage)
    optimizers = _make_optimizers(trained, stage, torch.bfloat16 if uses_bf16 else torch.float32)
    # `_average_gradients` replaces DistributedDataParallel, which needs the loss in `forward`.
    prepared = accelerator.prepare_model(training_model, evaluation_mode=True)
    optimizers = [accelerator.prepare_optimizer(optimizer) for optimizer in optimizers]
    position = Position()
    accelerator.register_for_checkpointing(position)
    state = state_folder(folder, stage.name)
    if state.exists():
        accelerator.load_state(str(state))
    held_out = held_out_batches(recipe, stage, tokenizer)
    loader = make_loader(
        _training_batches(recipe, stage, tokenizer, accelerator.num_processes),
        position.step * accelerator.num_processes,
        workers,
        process_index=accelerator.process_index,
        processes=accelerator.num_processes,
    )
    counts = MetricCounts()
    with show_progress(stage.name, stage.steps, shown=accelerator.is_main_process) as report:
        for batch in loader:
            with accelerator.autocast():
                loss = LOSSES[stage.loss](
                    prepared,
                    batch.to(accelerator.device),
                    counts,
                    full_images=stage.uses_full_images(position.step),
                )
            accelerator.backward(loss)
            _average_gradients(accelerator, trained.values())
            accelerator.clip_grad_norm_(trained.values(), _MAX_GRADIENT_NORM)
            _step(optimizers, stage.learning_rate_factor(position.step))
            position.step += 1
            if position.step % recipe.save_every and position.step < stage.steps:
                report(position.step, counts.accuracies(), None)
                continue
            if accelerator.is_main_process:
                report(
                    position.step, counts.accuracies(), validate(training_model, stage, held_out)
                )
            save_state(accelerator, state)
            counts.clear()
    return {name: weight.detach().cpu().clone() for name, weight in trained.items()}


@torch.no_grad()
def validate(
    training_model: TrainingModel, stage: Stage, held_out: SceneBatches
) -> dict[str, float]:
    """Return the accuracies of a stage's predictions on held-out scenes, with full images."""
    counts = MetricCounts()
    device = next(training_model.parameters()).device
    for index in range(len(held_out)):
        LOSSES[stage.loss](training_model, held_out[index].to(device), counts, full_images=True)
    return counts.accuracies()


def held_out_batches(
    recipe: Recipe, stage: Stage, tokenizer: PreTrainedTokenizerBase
) -> SceneBatches:
    """Return the batches of a stage's validation."""
    return _batches(HELD_OUT, 0, stage.batch_size, recipe.held_out_batches, stage, tokenizer)


def runs_on_cpu() -> bool:
    """Return whether training runs on the CPU. Processes that share a CPU must tell accelerate so."""
    return not torch.accelerator.is_available()


def _training_batches(
    recipe: Recipe, stage: Stage, tokenizer: PreTrainedTokenizerBase, processes: int
) -> SceneBatches:
    """Return the batches of all processes: each takes every `processes`-th."""
    batch_size = max(stage.batch_size // processes, 1)
    count = stage.steps * processes
    return _batches(TRAINING, recipe.first_scene(stage), batch_size, count, stage, tokenizer)


def _batches(
    stream: int,
    first_scene: int,
    batch_size: int,
    count: int,
    stage: Stage,
    tokenizer: PreTrainedTokenizerBase,
) -> SceneBatches:
    if not stage.conversation_every:
        return SceneBatches(stream, first_scene, batch_size, count, stage.uses_pixels)
    return SceneBatches(
        stream,
        first_scene,
        batch_size,
        count,
        stage.uses_pixels,
        tokenizer=tokenizer,
        conversation_every=stage.conversation_every,
    )


def _unfreeze(training_model: TrainingModel, stage: Stage) -> dict[str, nn.Parameter]:
    """Require gradients for the parameters of the stage's modules only. Returns these parameters."""
    trained = {}
    for name, weight in training_model.named_parameters():
        # The post-layernorm belongs to the pooled output, which the model does not use.
        is_unused = "vision_tower" in name and "post_layernorm" in name
        weight.requires_grad_(name.startswith(stage.modules) and not is_unused)
        if weight.requires_grad:
            trained[name] = weight
    return trained


def _make_optimizers(
    weights: dict[str, nn.Parameter], stage: Stage, precision: torch.dtype
) -> list[torch.optim.Optimizer]:
    """Make AdamW for embeddings, norms, biases and heads, and Muon for the layers' matrices, if any."""
    matrix_names = {
        name for name, weight in weights.items() if weight.ndim == 2 and ".layers." in name
    }
    rest = [weight for name, weight in weights.items() if name not in matrix_names]
    matrices = [weight for name, weight in weights.items() if name in matrix_names]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=stage.adamw_learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    ]
    if matrices:
        optimizers.append(Muon(matrices, lr=stage.learning_rate, precision=precision))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def _average_gradients(accelerator: Accelerator, weights: Iterable[nn.Parameter]) -> None:
    """Replace the gradients of each process by their mean over all processes."""
    if accelerator.num_processes == 1:
        return
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    mean = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
    parts = mean.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def _step(optimizers: list[Any], factor: float) -> None:
    """Step all optimizers with `factor` times their peak learning rates."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor
        optimizer.step()
        optimizer.zero_grad()

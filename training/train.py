"""Train the demo model from a seed: `python -m training.train --out FOLDER`.

Five stages, because a model of this size trained end to end from nothing stays at guessing:
1. the decoder learns to answer about symbols, which stand for what the tower will see;
2. the tower learns what is on each patch;
3. the projector learns to give its symbol, and the tower goes on;
4. the decoder and the projector learn answers about images;
5. all of it learns on, patches and answers together.

`--begin-with FOLDER` takes a trained model instead, fits what training needs besides, and trains the
last stage. Started again with the same folder it goes on where it stopped. The first two stages know
nothing of each other: `--stage` lets two processes train them side by side.

`torchrun --standalone --nproc-per-node N -m training.train` lets N processes share each batch:
on a CPU, one for each core, none waits for another but at a step's end.
"""

import argparse
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import cv2
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import set_seed
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import LlavaProcessor, PreTrainedTokenizerBase, VipLlavaForConditionalGeneration

from training.architecture import (
    make_config,
    make_processor,
    make_tokenizer,
    take_weights,
)
from training.dataset import Batch, Batches, ChatState, load
from training.model import MetricCounts, TrainingModel
from training.optimizer import Muon
from training.recipe import Recipe, Stage
from vipllava_cli.engine.hardware.machine import has_fast_bf16
from vipllava_cli.engine.prompts.templates import TEMPLATES
from vipllava_cli.flows.evals.clipart.questions import make_conversation
from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    TRAINING,
    make_scene,
    mark_scene,
    scene_rng,
)

Loss = Callable[..., Tensor]


@dataclass
class Position:
    """How far a stage has come; saved with the weights."""

    step: int = 0

    def state_dict(self) -> dict[str, int]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.step = state["step"]


def train(
    recipe: Recipe,
    folder: Path,
    workers: int,
    *,
    begin_with: Path | None = None,
    only: str | None = None,
    compiled: bool = False,
) -> dict[str, float]:
    """All stages, or the one named, those that the folder holds passed over; the shares of right
    answers about held-out scenes, by kind, once all are done. Saves the model into the folder.
    `compiled` wants a C++ compiler.
    """
    if PartialState(cpu=_on_cpu()).use_distributed:  # it has joined the other trainers
        cv2.setNumThreads(0)
    set_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    with PartialState().main_process_first():
        processor = _processor(recipe, folder, begin_with)
    training_model = TrainingModel(
        VipLlavaForConditionalGeneration(make_config()), processor.tokenizer
    )
    stages = recipe.going_on if begin_with else recipe.stages
    if begin_with:
        take_weights(training_model.model, begin_with)
    else:
        training_model.start()
    training_model.hasten(compiled=compiled)
    for number, stage in enumerate(stages):
        finished = folder / f"{stage.name}.safetensors"
        if not finished.exists() and only in (None, stage.name):
            # So that a stage does not depend on how the last ended; no two trainers draw alike.
            set_seed(recipe.seed + number + 1000 * PartialState().process_index)
            learned = train_stage(
                training_model, processor.tokenizer, stage, recipe, folder, workers
            )
            if PartialState().is_main_process:
                save_file(learned, finished)
                shutil.rmtree(folder / stage.name)
            PartialState().wait_for_everyone()
        # All of them: the state of a stage that went on beside others knows nothing of what they learned.
        for each in stages[: number + 1]:
            if (folder / f"{each.name}.safetensors").exists():
                training_model.load_state_dict(
                    load_file(folder / f"{each.name}.safetensors"), strict=False
                )
    if only is not None:
        return {}
    held_out = _held_out(recipe, recipe.together, processor.tokenizer)
    right = accuracy(training_model, recipe.together, held_out)
    if PartialState().is_main_process:
        save(training_model.model, processor, folder)
    return right


def train_stage(
    training_model: TrainingModel,
    tokenizer: PreTrainedTokenizerBase,
    stage: Stage,
    recipe: Recipe,
    folder: Path,
    workers: int,
) -> dict[str, Tensor]:
    """One stage, in place, from where the folder's state of it stands; the weights that it taught."""
    fast_bf16 = torch.cuda.is_available() or has_fast_bf16()
    accelerator = Accelerator(mixed_precision="bf16" if fast_bf16 else "no", cpu=_on_cpu())
    learns = _choose(training_model, stage)
    optimizers = _optimizers(learns, stage, torch.bfloat16 if fast_bf16 else torch.float32)
    # Gradients are shared in `_share`: torch's own way wants losses to be the model's `forward`.
    prepared = accelerator.prepare_model(training_model, evaluation_mode=True)
    optimizers = [accelerator.prepare_optimizer(optimizer) for optimizer in optimizers]
    position = Position()
    accelerator.register_for_checkpointing(position)
    state = folder / stage.name / "state"
    if state.exists():
        accelerator.load_state(str(state))
    held_out = _held_out(recipe, stage, tokenizer)
    trainers = accelerator.num_processes
    share = replace(stage, batch=max(stage.batch // trainers, 1))
    batches = _batches(
        TRAINING, recipe.first_scene(stage), stage.steps * trainers, share, tokenizer
    )
    loss_of: Loss = getattr(prepared, stage.loss)
    metric_counts = MetricCounts()
    with _progress(stage, shown=accelerator.is_main_process) as report:
        for batch in load(
            batches, position.step * trainers, workers, (accelerator.process_index, trainers)
        ):
            here = _to(batch, accelerator.device)
            with accelerator.autocast():
                loss = loss_of(here, metric_counts, whole=stage.whole(position.step))
            accelerator.backward(loss)
            _share(accelerator, learns.values())
            accelerator.clip_grad_norm_(learns.values(), 1.0)
            _step(optimizers, stage.factor(position.step))
            position.step += 1
            if position.step % recipe.save_every == 0 or position.step == stage.steps:
                if accelerator.is_main_process:
                    report(
                        position.step,
                        shares(metric_counts),
                        accuracy(training_model, stage, held_out),
                    )
                _save_state(accelerator, state)
                metric_counts.clear()
            else:
                report(position.step, shares(metric_counts), None)
    return {name: weight.detach().cpu().clone() for name, weight in learns.items()}


# --- parts -----------------------------------------------------------------------------------


def _on_cpu() -> bool:
    """Said outright: processes that share a CPU find each other only then."""
    return not torch.accelerator.is_available()


def _choose(training_model: TrainingModel, stage: Stage) -> dict[str, nn.Parameter]:
    """Let what the stage names learn, and nothing else."""
    chosen = {}
    for name, weight in training_model.named_parameters():
        unused = "vision_tower" in name and "post_layernorm" in name  # of the pooled output
        weight.requires_grad_(name.startswith(stage.parts) and not unused)
        if weight.requires_grad:
            chosen[name] = weight
    return chosen


def _optimizers(
    weights: dict[str, nn.Parameter], stage: Stage, precision: torch.dtype
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, if any learn; AdamW for tables, norms, biases and the ends."""
    hidden = {name for name, weight in weights.items() if weight.ndim == 2 and ".layers." in name}
    plain = [weight for name, weight in weights.items() if name not in hidden]
    matrices = [weight for name, weight in weights.items() if name in hidden]
    adam = torch.optim.AdamW(plain, lr=stage.plain_rate, weight_decay=0.01, betas=(0.9, 0.98))
    optimizers: list[torch.optim.Optimizer] = [adam]
    if matrices:
        optimizers.append(Muon(matrices, lr=stage.rate, precision=precision))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["rate"] = group["lr"]
    return optimizers


def _share(accelerator: Accelerator, weights: Iterable[nn.Parameter]) -> None:
    """Give all trainers the mean of their gradients."""
    if accelerator.num_processes == 1:
        return
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    mean = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
    for gradient, share in zip(
        gradients, mean.split([gradient.numel() for gradient in gradients]), strict=True
    ):
        gradient.copy_(share.view_as(gradient))


def _step(optimizers: list[Any], factor: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * factor
        optimizer.step()
        optimizer.zero_grad()


def _to(batch: Batch, device: torch.device) -> Batch:
    talk = batch.talk and ChatState(
        *(getattr(batch.talk, each.name).to(device) for each in fields(ChatState))
    )
    pixels = None if batch.pixels is None else batch.pixels.to(device)
    return Batch(batch.labels.to(device), pixels, talk, batch.talk_every)


def _save_state(accelerator: Accelerator, folder: Path) -> None:
    """Everything that going on needs, in the place of the last such folder in one step."""
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


def _batches(
    stream: int, first: int, count: int, stage: Stage, tokenizer: PreTrainedTokenizerBase
) -> Batches:
    talk = {"tokenizer": tokenizer, "talk_every": stage.talk_every} if stage.talk_every else {}
    return Batches(stream, first, stage.batch, count, stage.pixels, **talk)


def _held_out(recipe: Recipe, stage: Stage, tokenizer: PreTrainedTokenizerBase) -> Batches:
    return _batches(HELD_OUT, 0, recipe.held_out_batches, stage, tokenizer)


@torch.no_grad()
def accuracy(training_model: TrainingModel, stage: Stage, held_out: Batches) -> dict[str, float]:
    """What is right of held-out scenes, looked at whole, by what a stage tells."""
    metric_counts = MetricCounts()
    device = next(training_model.parameters()).device
    for number in range(len(held_out)):
        getattr(training_model, stage.loss)(
            _to(held_out[number], device), metric_counts, whole=True
        )
    return shares(metric_counts)


def shares(metric_counts: MetricCounts) -> dict[str, float]:
    """The right shares of what was counted."""
    names = [name.removesuffix(" asked") for name in metric_counts if name.endswith(" asked")]
    return {
        n: metric_counts[f"{n} right"] / metric_counts[f"{n} asked"]
        for n in names
        if metric_counts[f"{n} asked"]
    }


@contextmanager
def _progress(
    stage: Stage, *, shown: bool
) -> Iterator[Callable[[int, dict[str, float], dict[str, float] | None], None]]:
    """A bar with what was right lately and of held-out scenes; without a terminal, lines."""
    columns = (
        TextColumn(stage.name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    start = time.monotonic()
    with Progress(*columns, disable=not shown) as bar:
        task = bar.add_task("", total=stage.steps)

        def report(step: int, lately: dict[str, float], held: dict[str, float] | None) -> None:
            bar.update(task, completed=step)
            if held is not None:
                bar.update(task, description=f"held out: {_listed(held)}")
                minutes = (time.monotonic() - start) / 60
                bar.console.print(
                    f"{stage.name} {step}/{stage.steps}, {minutes:.1f} min; {_listed(lately)};"
                    f" held out: {_listed(held)}",
                    soft_wrap=True,
                )

        yield report


def _listed(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.items())


def _processor(recipe: Recipe, folder: Path, begin_with: Path | None) -> LlavaProcessor:
    """The processor, its tokenizer learned once for all goings-on or taken over."""
    if not (folder / "tokenizer.json").exists():
        if begin_with:
            tokenizer = LlavaProcessor.from_pretrained(begin_with).tokenizer
        else:
            tokenizer = make_tokenizer(tokenizer_texts(recipe.tokenizer_scenes))
        make_processor(tokenizer).save_pretrained(folder)
    return LlavaProcessor.from_pretrained(folder)


def tokenizer_texts(scenes: int) -> Iterator[str]:
    """What the tokenizer learns its words from."""
    for number in range(scenes):
        rng = scene_rng(TRAINING, number)
        for scene_turn in make_conversation(rng, mark_scene(rng, make_scene(rng))):
            yield scene_turn.question
            yield f" {scene_turn.answer}"
    for template in TEMPLATES.values():
        yield from itertools.repeat(template.format_question("", first=True), 200)


def save(model: VipLlavaForConditionalGeneration, processor: LlavaProcessor, folder: Path) -> None:
    """Write the model as the public checkpoints are written, in float16."""
    model.generation_config.eos_token_id = model.config.text_config.eos_token_id
    model.generation_config.pad_token_id = model.config.text_config.pad_token_id
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)


_STAGES = [stage.name for stage in Recipe().every]


def main() -> None:
    """Train and save in the hub's layout: float16 safetensors, configs, tokenizer, processor."""
    parser = argparse.ArgumentParser(description="Train the demo model from a seed.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained model")
    parser.add_argument(
        "--workers",
        type=int,
        default=4 if torch.cuda.is_available() else 0,
        help="processes that render scenes; beside products on the same cores they halve the speed",
    )
    parser.add_argument("--seed", type=int, default=0, help="of scenes that no other seed shows")
    parser.add_argument("--stage", help="train only this one", choices=_STAGES)
    parser.add_argument(
        "--begin-with", type=Path, metavar="FOLDER", help="a trained model to go on from"
    )
    arguments = parser.parse_args()
    start = time.monotonic()
    right = train(
        Recipe(seed=arguments.seed),
        arguments.out,
        arguments.workers,
        begin_with=arguments.begin_with,
        only=arguments.stage,
        compiled=shutil.which(os.environ.get("CXX", "g++")) is not None,
    )
    if not PartialState().is_main_process:
        return
    hours = (time.monotonic() - start) / 3600
    device = "a GPU" if torch.cuda.is_available() else f"{os.cpu_count()} cores"
    print(f"right about held-out scenes: {_listed(right)}; {hours:.1f} h on {device}")


if __name__ == "__main__":
    main()

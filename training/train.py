"""Train the shipped model `tiny` from a seed: `python -m training.train --out FOLDER`.

Training has five stages. Trained end to end from scratch, a model of this size does not learn to answer
better than chance.

1. `decoder`: the decoder answers from oracle embeddings, which stand for encoded images.
2. `vision_tower`: the vision tower predicts the content of each patch.
3. `projector`: the projector predicts the oracle embeddings; the tower trains on.
4. `answers`: projector and decoder answer about images.
5. `joint`: all modules train on patches and answers.

`--begin-with FOLDER` starts from a trained model instead: stage `patch_heads`, then `joint`. A second run
with the same `--out` resumes. The first two stages are independent: with `--stage`, two processes can
train them side by side. docs/training.md has examples.
"""

import argparse
import os
import shutil
import time
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import cv2
import torch
from accelerate import PartialState
from accelerate.utils import set_seed
from transformers import VipLlavaForConditionalGeneration

from training.architecture import make_config
from training.checkpoints import (
    finish_stage,
    is_stage_finished,
    load_processor,
    load_stage,
    save_model,
)
from training.metrics import format_accuracies
from training.model import TrainingModel
from training.pretrained import load_pretrained
from training.recipe import FROM_CHECKPOINT, FROM_SCRATCH, STAGES, Recipe, Stage
from training.stage_training import held_out_batches, runs_on_cpu, train_stage, validate


def train(
    recipe: Recipe,
    folder: Path,
    workers: int,
    *,
    begin_with: Path | None = None,
    only: str | None = None,
    compiled: bool = False,
) -> dict[str, float]:
    """Train all unfinished stages and save the model into `folder`.

    `workers` subprocesses render scenes. `begin_with` is the folder of a trained model. `only` names a
    single stage to train; no model is saved then. `compiled` needs a C++ compiler.

    Returns the accuracies on held-out scenes by kind of question, or nothing with `only`.
    """
    if PartialState(cpu=runs_on_cpu()).use_distributed:
        cv2.setNumThreads(0)  # the processes share the cores
    set_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    with PartialState().main_process_first():
        processor = load_processor(folder, recipe.tokenizer_scenes, begin_with)
    tokenizer = processor.tokenizer
    training_model = TrainingModel(VipLlavaForConditionalGeneration(make_config()), tokenizer)
    if begin_with:
        load_pretrained(training_model.model, begin_with)
    else:
        training_model.initialize()
    training_model.choose_implementation(compiled=compiled)
    names = FROM_CHECKPOINT if begin_with else FROM_SCRATCH
    for number, name in enumerate(names):
        if not is_stage_finished(folder, name) and only in (None, name):
            # A stage's random numbers do not depend on earlier stages. Each process has its own.
            set_seed(recipe.seed + number + 1000 * PartialState().process_index)
            weights = train_stage(
                training_model, tokenizer, recipe.stage(name), recipe, folder, workers
            )
            if PartialState().is_main_process:
                finish_stage(weights, folder, name)
            PartialState().wait_for_everyone()
        # Load all earlier stages again: a state that was saved beside them has their untrained weights.
        for earlier in names[: number + 1]:
            if is_stage_finished(folder, earlier):
                load_stage(training_model, folder, earlier)
    if only is not None:
        return {}
    joint = recipe.stage("joint")
    accuracies = validate(training_model, joint, held_out_batches(recipe, joint, tokenizer))
    if PartialState().is_main_process:
        save_model(training_model.model, processor, folder)
    return accuracies


# --- command line ----------------------------------------------------------------------------


def _hyperparameters(owner: type) -> list[Field[Any]]:
    return [each for each in fields(owner) if "help" in each.metadata]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _stage_defaults() -> str:
    """Format the stages' hyperparameters as text, one line per stage."""
    return "\n".join(
        f"  {stage.name}: "
        + ", ".join(
            f"{each.name} {getattr(stage, each.name):g}" for each in _hyperparameters(Stage)
        )
        for stage in STAGES
    )


def make_parser() -> argparse.ArgumentParser:
    """Make the parser. Every hyperparameter of Recipe and Stage is a flag."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description="Train the shipped model `tiny` from a seed.",
        epilog=f"stages and their defaults:\n{_stage_defaults()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained model")
    parser.add_argument(
        "--workers",
        type=int,
        default=4 if torch.cuda.is_available() else 0,
        help="processes that render scenes; on a CPU without spare cores they slow training down"
        " (default: %(default)s)",
    )
    parser.add_argument("--stage", help="train only this one", choices=[s.name for s in STAGES])
    parser.add_argument(
        "--begin-with", type=Path, metavar="FOLDER", help="a trained model to start from"
    )
    recipe_flags = parser.add_argument_group("recipe")
    for each in _hyperparameters(Recipe):
        recipe_flags.add_argument(
            _flag(each.name),
            type=type(each.default),
            metavar="N",
            help=f"{each.metadata['help']} (default: {each.default})",
        )
    stage_flags = parser.add_argument_group(
        "stages", "These replace the value of every stage; with --stage, of that stage."
    )
    for each in _hyperparameters(Stage):
        stage_flags.add_argument(
            _flag(each.name),
            type=type(getattr(STAGES[0], each.name)),
            metavar="N" if each.type is int else "X",
            help=each.metadata["help"],
        )
    return parser


def make_recipe(arguments: argparse.Namespace) -> Recipe:
    """Make the recipe with the hyperparameters that the user gave."""
    names = [each.name for owner in (Recipe, Stage) for each in _hyperparameters(owner)]
    given = {name: getattr(arguments, name) for name in names}
    return Recipe().override(
        {name: value for name, value in given.items() if value is not None}, arguments.stage
    )


def main() -> None:
    """Train and save in the Hub's layout: float16 safetensors, configs, tokenizer, processor."""
    parser = make_parser()
    arguments = parser.parse_args()
    names = FROM_CHECKPOINT if arguments.begin_with else FROM_SCRATCH
    if arguments.stage and arguments.stage not in names:
        needed = "cannot follow" if arguments.begin_with else "needs"
        parser.error(f"stage {arguments.stage} {needed} --begin-with: expected {', '.join(names)}")
    start = time.monotonic()
    accuracies = train(
        make_recipe(arguments),
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
    print(f"held-out accuracy: {format_accuracies(accuracies)}; {hours:.1f} h on {device}")


if __name__ == "__main__":
    main()

"""Train the demo model from a seed: `python -m vipllava_cli.demo.train --out FOLDER`.

Three stages, because a model of this size trained end to end from nothing stays at guessing:
1. the vision tower alone learns to tell, patch by patch, the thing there, the mark drawn there, and
   which thing a mark means;
2. the decoder learns to answer, the tower frozen;
3. both together, gently.
"""

import argparse
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerBase, VipLlavaForConditionalGeneration
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from vipllava_cli.demo.architecture import make_config, make_processor, make_tokenizer
from vipllava_cli.demo.conversations import make_conversation
from vipllava_cli.demo.labels import IGNORE, TARGETS
from vipllava_cli.demo.scenes import HELD_OUT, TRAINING, make_scene, mark_scene, scene_rng
from vipllava_cli.demo.stream import (
    Batches,
    ConversationBatch,
    ConversationMaker,
    PatchBatch,
    load,
    patch_batch,
)
from vipllava_cli.prompts import TEMPLATES


@dataclass(frozen=True)
class Stage:
    """`steps` batches of `batch` marked scenes; `rate` for Muon's matrices, `plain_rate` for the rest."""

    steps: int
    batch: int
    rate: float
    plain_rate: float
    warm_up: int = 60
    cool_down: float = 0.45  # the last share of the steps, in which the rate falls to nothing

    def factor(self, step: int) -> float:
        left = (self.steps - step) / (self.cool_down * self.steps)
        return min(1.0, (step + 1) / self.warm_up, left)


@dataclass(frozen=True)
class Recipe:
    """How to train from nothing; the card beside the weights says what the shipped ones had."""

    seed: int = 0
    tower: Stage = Stage(steps=9000, batch=64, rate=5e-3, plain_rate=1.5e-3)
    answers: Stage = Stage(steps=6000, batch=32, rate=6e-3, plain_rate=2e-3)
    together: Stage = Stage(steps=3000, batch=32, rate=3e-3, plain_rate=1e-3)
    kept_patches: int = (
        56  # of 100, empty ones dropped first, in the first part of the tower's stage
    )
    kept_until: float = 0.75
    tokenizer_scenes: int = 4000
    held_out_batches: int = 16


class MixedOptimizer:
    """Muon for the hidden matrices and AdamW for the rest, on float32 copies of bfloat16 weights."""

    def __init__(self, module: nn.Module, stage: Stage) -> None:
        self.stage = stage
        self.weights = [p for p in module.parameters() if p.requires_grad]
        hidden = [
            p.requires_grad and p.ndim == 2 and ".layers." in name
            for name, p in module.named_parameters()
            if p.requires_grad
        ]
        self.masters = [p.detach().float().clone().requires_grad_() for p in self.weights]
        module.to(torch.bfloat16)
        matrices = list(itertools.compress(self.masters, hidden))
        others = [m for m, is_hidden in zip(self.masters, hidden, strict=True) if not is_hidden]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = [
            (
                torch.optim.Muon(matrices, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
                stage.rate,
            ),
            (torch.optim.AdamW(others, weight_decay=0.01, betas=(0.9, 0.98)), stage.plain_rate),
        ]

    def step(self, number: int) -> None:
        """Move the weights against their gradients, which are cleared."""
        for master, weight in zip(self.masters, self.weights, strict=True):
            master.grad = None if weight.grad is None else weight.grad.float()
            weight.grad = None
        nn.utils.clip_grad_norm_(self.masters, 1.0)
        for optimizer, rate in self.parts:
            for group in optimizer.param_groups:
                group["lr"] = rate * self.stage.factor(number)
            optimizer.step()
        with torch.no_grad():
            for weight, master in zip(self.weights, self.masters, strict=True):
                weight.copy_(master)

    def restore(self) -> None:
        """Give the module its float32 weights back."""
        with torch.no_grad():
            for weight, master in zip(self.weights, self.masters, strict=True):
                weight.data = master.detach().clone()


# --- stage 1: what is on each patch ----------------------------------------------------------


class PatchHeads(nn.Module):
    """One linear reading of the tower's last layer for each target; thrown away after training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.reads = nn.ModuleDict({t.name: nn.Linear(width, t.classes) for t in TARGETS})

    def losses(self, states: Tensor, labels: Tensor, tally: Counter[str]) -> Tensor:
        """The sum of the targets' losses over `states` [batch, patches, width]."""
        states = self.norm(states).flatten(0, 1)
        total = states.new_zeros((), dtype=torch.float32)
        for number, target in enumerate(TARGETS):
            wanted = labels[:, number].flatten()
            nothing = wanted == target.classes - 1
            chosen = wanted != IGNORE
            if target.name in ("thing", "mark_color"):  # most patches are empty: a share is enough
                chosen &= ~nothing | (torch.rand(wanted.shape, device=wanted.device) < 0.3)
            scores = self.reads[target.name](states[chosen]).float()
            total = total + functional.cross_entropy(scores, wanted[chosen])
            counted = ~nothing[chosen] if target.name != "points_to" else nothing[chosen] >= 0
            right = scores.argmax(-1) == wanted[chosen]
            tally[f"{target.name} right"] += int(right[counted].sum())
            tally[f"{target.name} asked"] += int(counted.sum())
        return total


def train_tower(tower: Any, recipe: Recipe, device: torch.device, workers: int) -> None:
    """Stage 1, in place."""
    stage = recipe.tower
    tower = getattr(tower, "vision_model", tower)
    heads = PatchHeads(tower.config.hidden_size)
    _small_weights(tower)
    both = nn.ModuleDict({"tower": tower, "heads": heads}).to(device)
    tower.post_layernorm.requires_grad_(False)  # nothing reads the pooled output
    optimizer = MixedOptimizer(both, stage)
    tally: Counter[str] = Counter()
    progress = Progress("tower", stage)
    batches: Iterator[PatchBatch] = load(Batches(patch_batch, stage.batch, TRAINING, 0), workers)
    for step, batch in zip(range(stage.steps), batches, strict=False):
        labels = batch.labels.to(device)
        states = tower.embeddings(normalized(batch.pixels.to(device)))
        if step < recipe.kept_until * stage.steps:
            states, labels = _occupied(states, labels, recipe.kept_patches)
        states = tower.encoder(inputs_embeds=tower.pre_layrnorm(states)).last_hidden_state
        loss = heads.losses(states[:, 1:], labels, tally)
        loss.backward()
        optimizer.step(step)
        progress.report(step, loss, tally)
    optimizer.restore()


def _occupied(states: Tensor, labels: Tensor, keep: int) -> tuple[Tensor, Tensor]:
    """The class token and `keep` patches, those with things and marks first: half the work."""
    thing, color = TARGETS[0], TARGETS[1]
    empty = (labels[:, 0] == thing.classes - 1) & (labels[:, 1] == color.classes - 1)
    rank = (~empty).float() + 1.2 * torch.rand(empty.shape, device=empty.device)
    kept = rank.topk(keep, dim=1).indices
    patches = states[:, 1:].gather(1, kept[..., None].expand(-1, -1, states.shape[-1]))
    return (
        torch.cat([states[:, :1], patches], dim=1),
        labels.gather(2, kept[:, None].expand(-1, len(TARGETS), -1)),
    )


def _small_weights(tower: Any) -> None:
    """CLIP's own start is made for wide towers; this one learns sooner from the usual 0.02."""
    depth = tower.config.num_hidden_layers
    for name, weight in tower.named_parameters():
        if weight.ndim >= 2:
            out = name.endswith(("out_proj.weight", "fc2.weight"))
            nn.init.normal_(weight, std=0.02 / math.sqrt(2 * depth) if out else 0.02)


# --- stages 2 and 3: answers -----------------------------------------------------------------


def train_answers(
    model: VipLlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    stage: Stage,
    first_scene: int,
    device: torch.device,
    workers: int,
    label: str,
) -> None:
    """Stages 2 and 3, in place: whatever of the model requires gradients learns."""
    model.to(device)
    optimizer = MixedOptimizer(model, stage)
    model.to(torch.bfloat16)
    tally: Counter[str] = Counter()
    progress = Progress(label, stage)
    maker = ConversationMaker(tokenizer)
    batches: Iterator[ConversationBatch] = load(
        Batches(maker, stage.batch, TRAINING, first_scene), workers
    )
    for step, batch in zip(range(stage.steps), batches, strict=False):
        loss = answer_loss(model, batch, device, tally)
        loss.backward()
        optimizer.step(step)
        progress.report(step, loss, tally)
    optimizer.restore()
    model.float()


def answer_loss(
    model: VipLlavaForConditionalGeneration,
    batch: ConversationBatch,
    device: torch.device,
    tally: Counter[str],
) -> Tensor:
    """Cross entropy over the answers' tokens; an answer counts as right when every token is."""
    ids, labels = batch.ids.to(device), batch.labels.to(device)
    # Padding at the right needs no mask: attention looks only to the left, and faster without one.
    states = model.model(
        input_ids=ids,
        pixel_values=normalized(batch.pixels.to(device)),
        use_cache=False,
    ).last_hidden_state
    wanted = labels[:, 1:]
    chosen = wanted != IGNORE
    scores = model.lm_head(states[:, :-1][chosen]).float()
    right = torch.ones_like(chosen)
    right[chosen] = scores.argmax(-1) == wanted[chosen]
    starts = chosen & ~functional.pad(chosen, (1, 0))[:, :-1]
    answer = starts.cumsum(1) * chosen  # 0 outside answers, then 1, 2, 3, …
    for number in range(1, int(answer.max()) + 1):
        inside = answer == number
        tally["answer right"] += int((right | ~inside).all(1)[inside.any(1)].sum())
        tally["answer asked"] += int(inside.any(1).sum())
    loss = functional.cross_entropy(scores, wanted[chosen])
    return loss + _naming_loss(model, states, ids, batch) + _hint_loss(model, states, batch)


def _naming_loss(
    model: VipLlavaForConditionalGeneration, states: Tensor, ids: Tensor, batch: ConversationBatch
) -> Tensor:
    """Cross entropy of the name that the decoder would give each patch of the picture.

    Answers alone say little; this tells the decoder, patch by patch, what the tower's features are
    called, and leaves it only to learn which patch a question means.
    """
    patches = states[ids == model.config.image_token_id]
    names = batch.names.to(states.device).flatten()
    named = names != IGNORE
    return functional.cross_entropy(model.lm_head(patches[named]).float(), names[named])


def _hint_loss(
    model: VipLlavaForConditionalGeneration, states: Tensor, batch: ConversationBatch
) -> Tensor:
    """Cross entropy of the answer as soon as the question has named its mark: more places to learn
    which mark is meant than the answer's one word.
    """
    hints = batch.hints.to(states.device)
    hinted = hints != IGNORE
    return functional.cross_entropy(model.lm_head(states[hinted]).float(), hints[hinted])


# --- the whole -------------------------------------------------------------------------------


def normalized(pixels: Tensor) -> Tensor:
    """uint8 [batch, 3, side, side] -> bfloat16, as the processor scales it."""
    mean = torch.tensor(OPENAI_CLIP_MEAN, device=pixels.device).view(3, 1, 1)
    deviation = torch.tensor(OPENAI_CLIP_STD, device=pixels.device).view(3, 1, 1)
    return ((pixels.float() / 255 - mean) / deviation).to(torch.bfloat16)


class Progress:
    """A line every fifty steps: the loss and the share that was right since the last line."""

    def __init__(self, label: str, stage: Stage) -> None:
        self.label, self.stage, self.start = label, stage, time.monotonic()

    def report(self, step: int, loss: Tensor, tally: Counter[str]) -> None:
        if (step + 1) % 50:
            return
        minutes = (time.monotonic() - self.start) / 60
        shares = " ".join(
            f"{name.removesuffix(' asked')}={tally[name.replace('asked', 'right')] / count:.3f}"
            for name, count in tally.items()
            if name.endswith("asked") and count
        )
        print(
            f"{self.label} {step + 1}/{self.stage.steps} {minutes:.1f} min"
            f" {(step + 1) * self.stage.batch / minutes / 60:.0f} scenes/s"
            f" loss {loss.item():.3f} {shares}",
            flush=True,
        )
        tally.clear()


def tokenizer_texts(scenes: int) -> Iterator[str]:
    """What the tokenizer learns its words from."""
    for number in range(scenes):
        rng = scene_rng(TRAINING, number)
        scene = make_scene(rng)
        if scene.placements:
            for turn in make_conversation(rng, mark_scene(rng, scene)):
                yield turn.question
                yield f" {turn.answer}"
    for template in TEMPLATES.values():
        yield from itertools.repeat(template.asked("", first=True), 200)


def held_out_accuracy(
    model: VipLlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, batches: int
) -> float:
    """The share of right answers about scenes that training never saw."""
    tally: Counter[str] = Counter()
    stream = iter(Batches(ConversationMaker(tokenizer), 64, HELD_OUT, 0))
    device = model.device
    model.to(torch.bfloat16)
    with torch.no_grad():
        for _, batch in zip(range(batches), stream, strict=False):
            answer_loss(model, batch, device, tally)
    model.float()
    return tally["answer right"] / tally["answer asked"]


def train(recipe: Recipe, folder: Path, workers: int) -> float:
    """All three stages; the share of right answers about held-out scenes. Saves into the folder."""
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder.mkdir(parents=True, exist_ok=True)

    processor = make_processor(make_tokenizer(tokenizer_texts(recipe.tokenizer_scenes)))
    tokenizer = processor.tokenizer
    model = VipLlavaForConditionalGeneration(make_config())
    tower = model.model.vision_tower
    train_tower(tower, recipe, device, workers)
    scenes = recipe.tower.steps * recipe.tower.batch
    tower.requires_grad_(False)
    train_answers(model, tokenizer, recipe.answers, scenes, device, workers, "answers")
    scenes += recipe.answers.steps * recipe.answers.batch
    tower.requires_grad_(True)
    train_answers(model, tokenizer, recipe.together, scenes, device, workers, "together")
    right = held_out_accuracy(model, tokenizer, recipe.held_out_batches)
    save(model, processor, folder)
    return right


def main() -> None:
    """Train and save in the hub's layout: float16 safetensors, configs, tokenizer, processor."""
    parser = argparse.ArgumentParser(description="Train the demo model from a seed.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained model")
    parser.add_argument("--workers", type=int, default=1, help="processes that render scenes")
    arguments = parser.parse_args()
    start = time.monotonic()
    right = train(Recipe(), arguments.out, arguments.workers)
    hours = (time.monotonic() - start) / 3600
    print(f"{right:.1%} of the answers about held-out scenes are right, after {hours:.1f} hours")


def save(model: VipLlavaForConditionalGeneration, processor: object, folder: Path) -> None:
    """Write the model as the public checkpoints are written, in float16."""
    model.generation_config.eos_token_id = model.config.text_config.eos_token_id
    model.generation_config.pad_token_id = model.config.text_config.pad_token_id
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()

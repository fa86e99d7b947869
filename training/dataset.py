"""The dataset: batches of rendered scenes and conversations. Batch k of a stream is always the same."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from numpy.random import Generator
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info
from transformers import PreTrainedTokenizerBase

from training.architecture import GRID, IMAGE_SIZE
from training.conversation_tokens import ConversationTokens, tokenize_conversation
from training.patch_targets import IGNORE, make_patch_targets
from vipllava_cli.engine.prompts.templates import TEMPLATES
from vipllava_cli.flows.evals.clipart.questions import make_conversation
from vipllava_cli.flows.evals.clipart.scenes import (
    FULL,
    HELD_OUT,
    TRAINING,
    TRAINING_SETTINGS,
    TRAINING_STYLE,
    UNSEEN,
    MarkedScene,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.images.square import pad_to_square

# Without the image tokens. A batch is as long as its longest row.
MAX_CONVERSATION_TOKENS = 180
# Marked scenes per rendered scene: this saves rendering time and makes the model look at the marks.
MARKINGS_PER_SCENE = 3
_HUMAN_TEMPLATE_RATE = 0.85

_MarkedRow = tuple[Generator, MarkedScene]


@dataclass(frozen=True)
class ConversationBatch:
    """Conversations, int64 [batch, length], right-padded. The fields are those of ConversationTokens."""

    input_ids: Tensor
    answer_targets: Tensor
    auxiliary_targets: Tensor
    question_kinds: Tensor

    def to(self, device: torch.device) -> "ConversationBatch":
        return ConversationBatch(
            *(getattr(self, each.name).to(device) for each in fields(ConversationBatch))
        )


@dataclass(frozen=True)
class Batch:
    """A batch of marked scenes.

    `patch_targets` is int64 [batch, targets, patches], `pixels` uint8 [batch, 3, side, side].
    `conversations` are about every `conversation_every`-th scene, from the first on.
    """

    patch_targets: Tensor
    pixels: Tensor | None = None
    conversations: ConversationBatch | None = None
    conversation_every: int = 1

    def to(self, device: torch.device) -> "Batch":
        return Batch(
            self.patch_targets.to(device),
            None if self.pixels is None else self.pixels.to(device),
            self.conversations and self.conversations.to(device),
            self.conversation_every,
        )


@dataclass(frozen=True)
class SceneBatches(Dataset[Batch]):
    """`count` batches of `batch_size` marked scenes of a stream, from scene number `first_scene` on.

    Batches have pixels if `with_pixels`, and conversations if there is a tokenizer.
    """

    stream: int
    first_scene: int
    batch_size: int
    count: int
    with_pixels: bool = True
    tokenizer: PreTrainedTokenizerBase | None = None
    conversation_every: int = 1

    @property
    def scenes_per_batch(self) -> int:
        return -(-self.batch_size // MARKINGS_PER_SCENE)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Batch:
        if index >= self.count:
            raise IndexError(index)
        first = self.first_scene + index * self.scenes_per_batch
        numbers = range(first, first + self.scenes_per_batch)
        rows = list(itertools.chain.from_iterable(map(self._mark_one_scene, numbers)))
        rows = rows[: self.batch_size]
        targets = np.stack([make_patch_targets(marked, GRID) for _, marked in rows])
        return Batch(
            torch.from_numpy(targets),
            _stack_pixels(rows) if self.with_pixels else None,
            self._converse(rows[:: self.conversation_every], self.tokenizer)
            if self.tokenizer
            else None,
            self.conversation_every,
        )

    def _mark_one_scene(self, number: int) -> list[_MarkedRow]:
        """Render scene `number` and mark it MARKINGS_PER_SCENE times. The rows share one generator."""
        rng = scene_rng(self.stream, number)
        if self.stream == HELD_OUT:
            settings, style = FULL, UNSEEN
        else:
            settings, style = TRAINING_SETTINGS[number % len(TRAINING_SETTINGS)], TRAINING_STYLE
        scene = make_scene(rng, settings, style)
        return [(rng, mark_scene(rng, scene, settings)) for _ in range(MARKINGS_PER_SCENE)]

    def _converse(
        self, rows: list[_MarkedRow], tokenizer: PreTrainedTokenizerBase
    ) -> ConversationBatch:
        """Make a conversation for each row. All use one template, so that the image tokens align."""
        rng, _ = rows[0]
        template = "human" if rng.random() < _HUMAN_TEMPLATE_RATE else "vicuna"
        is_measured = self.stream == HELD_OUT
        conversations = [
            tokenize_conversation(
                tokenizer,
                template,
                make_conversation(rng, marked, measured=is_measured),
                MAX_CONVERSATION_TOKENS,
            )
            for rng, marked in rows
        ]
        return _pad_conversations(conversations, tokenizer.pad_token_id)


def make_loader(
    batches: SceneBatches,
    first_batch: int,
    workers: int,
    *,
    process_index: int = 0,
    processes: int = 1,
) -> "DataLoader[Batch]":
    """Load the batches of one training process: every `processes`-th from `first_batch` on.

    `workers` subprocesses render batches ahead; 0 renders in this process.
    """
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first_batch + process_index, len(batches), processes),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_use_one_thread,
        # Its own generator: a resumed run must not draw from torch's global one.
        generator=torch.Generator(),
    )


def tokenizer_texts(scenes: int) -> Iterator[str]:
    """Yield the texts that the tokenizer learns from: conversations and templates."""
    for number in range(scenes):
        rng = scene_rng(TRAINING, number)
        for turn in make_conversation(rng, mark_scene(rng, make_scene(rng))):
            yield turn.question
            yield f" {turn.answer}"
    for template in TEMPLATES.values():
        yield from itertools.repeat(template.format_question("", first=True), 200)


def _use_one_thread(worker: int) -> None:
    """Limit a loader's worker to one core: workers and training share the cores."""
    assert get_worker_info() is not None
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _stack_pixels(rows: list[_MarkedRow]) -> Tensor:
    views = [
        np.asarray(pad_to_square(marked.image).resize((IMAGE_SIZE,) * 2, Image.Resampling.BICUBIC))
        for _, marked in rows
    ]
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous()


def _pad_conversations(rows: list[ConversationTokens], pad_token_id: int) -> ConversationBatch:
    return ConversationBatch(
        _pad([row.input_ids for row in rows], pad_token_id),
        _pad([row.answer_targets for row in rows], IGNORE),
        _pad([row.auxiliary_targets for row in rows], IGNORE),
        _pad([row.question_kinds for row in rows], IGNORE),
    )


def _pad(rows: list[list[int]], filler: int) -> Tensor:
    length = max(len(row) for row in rows)
    return torch.tensor([row + [filler] * (length - len(row)) for row in rows])

"""Training batches rendered as they are needed: batch number k of a stream is always the same."""

from bisect import bisect_left
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.random import Generator
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info
from transformers import PreTrainedTokenizerBase

from training.architecture import GRID, IMAGE_SIZE, first_token
from training.patch_targets import IGNORE, patch_labels
from vipllava_cli.engine.prompts.templates import TEMPLATES
from vipllava_cli.flows.evals.clipart.question_generator import SceneTurn
from vipllava_cli.flows.evals.clipart.questions import ASKED, make_conversation
from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    LEARNED,
    TRAINED,
    UNSEEN,
    WHOLE,
    MarkedScene,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.images.square import pad_to_square

KINDS = tuple(ASKED)
MOST_TOKENS = 180  # of a conversation's words: a batch is as long as its longest row
MARKINGS = 3  # a scene is drawn once and marked this often: rendering costs less, marks decide more


@dataclass(frozen=True)
class ChatState:
    """A conversation about each scene, int64 [batch, length], padded at the right: `ids`; `answers`,
    the tokens to be said; `hints`, the question's clues from where they are known on; `kinds`, the
    number in KINDS of what an answer's tokens answer.
    """

    ids: Tensor
    answers: Tensor
    hints: Tensor
    kinds: Tensor


@dataclass(frozen=True)
class Batch:
    """`labels` int64 [batch, targets, patches]; `pixels` uint8 [batch, 3, side, side]; `talk` about
    every so many of them, from the first on.
    """

    labels: Tensor
    pixels: Tensor | None = None
    talk: ChatState | None = None
    talk_every: int = 1


@dataclass(frozen=True)
class Batches(Dataset[Batch]):
    """`count` batches of `size` marked scenes of a stream, of scenes from number `first` on; with
    pixels or without, with conversations where there is a tokenizer.
    """

    stream: int
    first: int
    size: int
    count: int
    pixels: bool = True
    tokenizer: PreTrainedTokenizerBase | None = None
    talk_every: int = 1

    @property
    def scenes(self) -> int:
        """How many scenes a batch takes."""
        return -(-self.size // MARKINGS)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Batch:
        if number >= self.count:
            raise IndexError(number)
        rows: list[tuple[Generator, MarkedScene]] = []
        for scene_number in range(self.scenes):
            scene_at = self.first + number * self.scenes + scene_number
            rng = scene_rng(self.stream, scene_at)
            learned = LEARNED[scene_at % len(LEARNED)]
            world, look = (WHOLE, UNSEEN) if self.stream == HELD_OUT else (learned, TRAINED)
            scene = make_scene(rng, world, look)
            rows += [(rng, mark_scene(rng, scene, world)) for _ in range(MARKINGS)]
        rows = rows[: self.size]
        labels = torch.from_numpy(np.stack([patch_labels(marked, GRID) for _, marked in rows]))
        return Batch(
            labels,
            _pixels(rows) if self.pixels else None,
            _talk(rows[:: self.talk_every], self.tokenizer, measured=self.stream == HELD_OUT)
            if self.tokenizer
            else None,
            self.talk_every,
        )


def load(
    batches: Batches, begun: int, workers: int, share: tuple[int, int] = (0, 1)
) -> "DataLoader[Batch]":
    """The batches from number `begun` on, made ahead by `workers` processes; for number n of m trainers
    who share them, as `share` says, every m-th.
    """
    number, trainers = share
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(begun + number, len(batches), trainers),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_alone,
        generator=torch.Generator(),  # of its own: goings-on must not draw from torch's
    )


def _alone(worker: int) -> None:
    """One of several processes that share the cores takes one of them."""
    assert get_worker_info() is not None
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _pixels(rows: list[tuple[Generator, MarkedScene]]) -> Tensor:
    views = [
        np.asarray(pad_to_square(marked.image).resize((IMAGE_SIZE,) * 2, Image.Resampling.BICUBIC))
        for _, marked in rows
    ]
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous()


# --- conversations ---------------------------------------------------------------------------


def _talk(
    rows: list[tuple[Generator, MarkedScene]],
    tokenizer: PreTrainedTokenizerBase,
    *,
    measured: bool,
) -> ChatState:
    """One template for a batch: then the images lie at the same place in every row."""
    name = "human" if rows[0][0].random() < 0.85 else "vicuna"
    told = [
        conversation_tokens(
            tokenizer, name, make_conversation(rng, marked, measured=measured), MOST_TOKENS
        )
        for rng, marked in rows
    ]
    return ChatState(
        _padded([tokens.ids for tokens in told], tokenizer.pad_token_id),
        *(
            _padded([getattr(tokens, part) for tokens in told], IGNORE)
            for part in ("labels", "hints", "kinds")
        ),
    )


@dataclass(frozen=True)
class ConversationTokens:
    """A whole conversation as `ids`; `labels` for the answers, but stale ones, and the stops after them,
    `kinds` their kinds; `hints` for the questions: their clues. A name is learned soonest at the word
    `red`, from where the way to the red patches is shortest, and what is learned there serves the words
    after it.
    """

    ids: list[int]
    labels: list[int]
    hints: list[int]
    kinds: list[int]


def conversation_tokens(
    tokenizer: PreTrainedTokenizerBase,
    name: str,
    talk: tuple[SceneTurn, ...],
    most: int | None = None,
) -> ConversationTokens:
    """The tokens of a conversation under the template of this name, of its first turns that together
    have at most `most` besides the image's.
    """
    template = TEMPLATES[name]
    stop = tokenizer.convert_tokens_to_ids(template.stop)
    ids, labels, hints = [tokenizer.bos_token_id], [IGNORE], [IGNORE]
    kinds, last = [IGNORE], IGNORE
    for number, scene_turn in enumerate(talk):
        asked, known = _asked(
            tokenizer, template.format_question(scene_turn.question, first=not number), scene_turn
        )
        answer = _tokens(tokenizer, template.format_answer(scene_turn.answer))
        if number and most and len(ids) + len(asked) + len(answer) - GRID * GRID > most:
            break
        begins = [stop if number and not talk[number - 1].stale else IGNORE]
        said = [IGNORE] * len(answer) if scene_turn.stale else answer
        labels += begins + [IGNORE] * (len(asked) - 1) + said
        hints += known[:-1] + [IGNORE] * (1 + len(answer))
        kinds += [last] + [IGNORE] * (len(asked) - 1)
        last = KINDS.index(scene_turn.kind)
        kinds += [last] * len(answer)
        ids += asked + answer
    return ConversationTokens([*ids, stop], [*labels, stop], [*hints, IGNORE], [*kinds, last])


def _asked(
    tokenizer: PreTrainedTokenizerBase, text: str, scene_turn: SceneTurn
) -> tuple[list[int], list[int]]:
    """The tokens of a question in its template, and at each the clue that is known there."""
    text = text.replace("<image>", "<image>" * (GRID * GRID))
    begin = text.rindex(scene_turn.question)
    asked = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for _, end in asked["offset_mapping"]]
    known = [IGNORE] * len(ends)
    for clue in scene_turn.clues:
        token = first_token(tokenizer, clue.word)
        first = bisect_left(ends, begin + clue.end)
        known[first:] = [token] * (len(ends) - first)
        known[first + clue.tokens :] = [IGNORE] * (len(ends) - first - clue.tokens)
    return asked["input_ids"], known


def _padded(rows: list[list[int]], filler: int) -> Tensor:
    length = max(len(row) for row in rows)
    return torch.tensor([row + [filler] * (length - len(row)) for row in rows])


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids

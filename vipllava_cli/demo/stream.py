"""Training batches rendered as they are needed: scenes from a seed, never stored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerBase

from vipllava_cli.demo.architecture import GRID, IMAGE_SIZE
from vipllava_cli.demo.conversations import make_conversation
from vipllava_cli.demo.labels import IGNORE, patch_labels
from vipllava_cli.demo.scenes import MarkedScene, make_scene, mark_scene, scene_rng
from vipllava_cli.demo.things import THINGS
from vipllava_cli.pictures import square
from vipllava_cli.prompts import COLOR_WORDS, SHAPE_WORDS, TEMPLATES, Turn

MARKINGS = 3  # a scene is drawn once and marked this often: rendering costs less, marks decide more

T = TypeVar("T")


def load(batches: "Batches[T]", workers: int) -> Iterator[T]:
    """The endless batches, made by `workers` processes."""
    loader = DataLoader(
        batches, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
    )
    return iter(loader)


class Batches(IterableDataset[T], Generic[T]):
    """Batches of `size` marked scenes of a stream, from scene number `first` on."""

    def __init__(
        self,
        make_batch: Callable[[list[tuple[Generator, MarkedScene]]], T],
        size: int,
        stream: int,
        first: int,
    ) -> None:
        self.make_batch = make_batch
        self.size = size
        self.stream = stream
        self.first = first

    def __iter__(self) -> Iterator[T]:
        worker = get_worker_info()
        if worker:  # one of several processes that share the cores
            cv2.setNumThreads(0)
            torch.set_num_threads(1)
        start, step = (worker.id, worker.num_workers) if worker else (0, 1)
        rows: list[tuple[Generator, MarkedScene]] = []
        number = self.first + start
        while True:
            rng = scene_rng(self.stream, number)
            number += step
            scene = make_scene(rng)
            for _ in range(MARKINGS if scene.placements else 0):
                rows.append((rng, mark_scene(rng, scene)))
                if len(rows) == self.size:
                    yield self.make_batch(rows)
                    rows = []


# --- batches ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class PatchBatch:
    """`pixels` uint8 [batch, 3, side, side]; `labels` int64 [batch, targets, patches]."""

    pixels: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class ConversationBatch:
    """`pixels` as above; `ids`, `labels` int64 [batch, length], padded at the right; `names` int64
    [batch, patches], the first token of the name of what each patch shows or means; `hints` int64
    [batch, length], the answer's last token from the word for the mark on.
    """

    pixels: torch.Tensor
    ids: torch.Tensor
    labels: torch.Tensor
    names: torch.Tensor
    hints: torch.Tensor


def patch_batch(rows: list[tuple[Generator, MarkedScene]]) -> PatchBatch:
    """Marked scenes with what each patch shows."""
    labels = np.stack([patch_labels(marked, GRID) for _, marked in rows])
    return PatchBatch(_pixels(rows), torch.from_numpy(labels))


class ConversationMaker:
    """Marked scenes with a conversation about each."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.name_tokens = np.array([_tokens(tokenizer, f" {t.name}")[0] for t in THINGS])

    def __call__(self, rows: list[tuple[Generator, MarkedScene]]) -> ConversationBatch:
        pairs = []
        for rng, marked in rows:
            name = "human" if rng.random() < 0.85 else "vicuna"
            pairs.append(conversation_tokens(self.tokenizer, name, make_conversation(rng, marked)))
        ids = _padded([tokens.ids for tokens in pairs], self.tokenizer.pad_token_id)
        labels = _padded([tokens.labels for tokens in pairs], IGNORE)
        hints = _padded([tokens.hints for tokens in pairs], IGNORE)
        names = np.stack([self._names(marked) for _, marked in rows])
        return ConversationBatch(_pixels(rows), ids, labels, torch.from_numpy(names), hints)

    def _names(self, marked: MarkedScene) -> NDArray[np.int64]:
        """For a patch of a mark the thing that it marks, else the thing there, else IGNORE."""
        shown, *_, meant = patch_labels(marked, GRID)
        index = np.where(meant != IGNORE, meant, np.where(shown < len(THINGS), shown, IGNORE))
        return np.where(index == IGNORE, IGNORE, self.name_tokens[np.maximum(index, 0)])


@dataclass(frozen=True)
class ConversationTokens:
    """A whole conversation as `ids`; `labels` for the answers and the stops after them, `hints` for
    the questions: what will be answered, from the mark's colour on. At the word `red` the way to the
    red patches is shortest, and what is learned there serves the words after it.
    """

    ids: list[int]
    labels: list[int]
    hints: list[int]


def conversation_tokens(
    tokenizer: PreTrainedTokenizerBase, name: str, turns: tuple[Turn, ...]
) -> ConversationTokens:
    """The tokens of a conversation under the template of this name."""
    template = TEMPLATES[name]
    stop = tokenizer.convert_tokens_to_ids(template.stop)
    ids, labels, hints = [tokenizer.bos_token_id], [IGNORE], [IGNORE]
    for number, turn in enumerate(turns):
        asked = _tokens(tokenizer, template.asked(turn.question, first=number == 0))
        answer = _tokens(tokenizer, template.answered(turn.answer or ""))
        words = tokenizer.convert_ids_to_tokens(asked)
        mark = next((at for at, word in enumerate(words) if word in _MARK_TOKENS), len(words))
        known = not (turn.answer or "").startswith("there is no")
        labels += [stop if number else IGNORE] + [IGNORE] * (len(asked) - 1) + answer
        hints += [answer[-1] if known and at >= mark else IGNORE for at in range(len(asked) - 1)]
        hints += [IGNORE] * (1 + len(answer))
        ids += asked + answer
    return ConversationTokens([*ids, stop], [*labels, stop], [*hints, IGNORE])


_MARK_TOKENS = {
    f"▁{word}" for table in (COLOR_WORDS, SHAPE_WORDS) for words in table.values() for word in words
}


def _padded(rows: list[list[int]], filler: int) -> torch.Tensor:
    length = max(len(row) for row in rows)
    return torch.tensor([row + [filler] * (length - len(row)) for row in rows])


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    text = text.replace("<image>", "<image>" * (GRID * GRID))
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _pixels(rows: list[tuple[Generator, MarkedScene]]) -> torch.Tensor:
    views = [
        np.asarray(square(marked.picture).resize((IMAGE_SIZE,) * 2, Image.Resampling.BICUBIC))
        for _, marked in rows
    ]
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous()

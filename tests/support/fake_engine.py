"""A stand-in for the engine, for tests that do not depend on the answers: order, resume, speed."""

import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from vipllava_cli.engine.base import Answer, Choice, ModelInfo, ModelView, Prompt, Reply, Usage
from vipllava_cli.engine.options import GREEDY, GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import GenerationError, OutOfMemoryError, UsageError

INFO = ModelInfo("fake", "1", "cpu", "fp32", 336, 14)


@dataclass
class FakeEngine:
    """Answers with a checksum of the pixels and the question.

    A batch of more than `fits` prompts is out of memory. A question that contains `broken` fails. Each
    batch takes `seconds`. `batches` lists the sizes of the batches. `parallel` threads may ask at a time.
    """

    fits: int = 1000
    broken: str = "\0"
    seconds: float = 0.0
    info: ModelInfo = INFO
    parallel: int = 1
    usage: Usage | None = None
    batches: list[int] = field(default_factory=list)

    def view(self, image: Image.Image) -> ModelView:
        return ModelView(zlib.crc32(np.asarray(image).tobytes()))

    def prompt(self, view: ModelView, question: str, template: str = "human") -> Prompt:
        if len(question) > 500:
            raise UsageError("the question is too long: ask a shorter one")
        return Prompt(view, tuple(question.encode()))

    def answer(
        self,
        prompts: Sequence[Prompt],
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        for prompt in prompts:
            yield from self.answer_batch([prompt], options)

    def answer_batch(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        if len(prompts) > self.fits:
            raise OutOfMemoryError("out of memory while answering")
        if any(self.broken in bytes(prompt.ids).decode() for prompt in prompts):
            raise GenerationError("generation failed")
        self.batches.append(len(prompts))
        time.sleep(self.seconds)
        return [
            Answer(f"{prompt.view.pixels}:{bytes(prompt.ids).decode()}", "stop", 10, 2, 0.1)
            for prompt in prompts
        ]

    def answer_each(
        self, prompts: Sequence[Prompt], options: Sequence[GenerationOptions]
    ) -> list[Answer]:
        """Answer as `answer_batch` does; of choices, with the one that the checksum picks."""
        answers = self.answer_batch(prompts)
        return [
            _choose(answer, each.choices) if each.choices else answer
            for answer, each in zip(answers, options, strict=True)
        ]

    def start_conversation(self) -> "FakeConversation":
        return FakeConversation(self)

    def max_batch_size(self) -> int:
        return 8


def _choose(answer: Answer, texts: Sequence[str]) -> Answer:
    """Give the chosen text the probability 0.7, and the others the rest in equal parts."""
    chosen = texts[zlib.crc32(answer.text.encode()) % len(texts)]
    rest = 0.3 / (len(texts) - 1)
    shares = [0.7 if text == chosen else rest for text in texts]
    choices = [
        Choice(text, math.log(share), share) for text, share in zip(texts, shares, strict=True)
    ]
    return replace(answer, text=chosen, choices=tuple(choices))


@dataclass
class FakeConversation:
    """Answers with a checksum of the pixels and the number of turns. Each character is a token.

    `visible_turns` lists the questions of each call.
    """

    engine: FakeEngine
    max_tokens: int = 1000
    visible_turns: list[list[str]] = field(default_factory=list)

    def count(
        self, turns: Sequence[Turn], template: str = "human", view: ModelView | None = None
    ) -> int:
        return sum(len(turn.question) + len(turn.answer or "") for turn in turns)

    def answer(
        self,
        view: ModelView,
        turns: Sequence[Turn],
        *,
        template: str = "human",
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Reply:
        length = self.count(turns)
        if length >= self.max_tokens:
            raise UsageError("the question is too long: ask a shorter one")
        if self.engine.broken in turns[-1].question:
            raise GenerationError("generation failed")
        self.visible_turns.append([turn.question for turn in turns])
        complete = f"{view.pixels}:{len(turns)}:{options.seed}"
        start = turns[-1].answer or ""
        text = (start + complete)[: len(start) + options.max_new_tokens]
        if on_text:
            on_text(text[len(start) :])
        reason = "stop" if text.endswith(complete) else "length"
        if stop is not None and stop():
            reason = "stopped"
        answer = Answer(text, reason, length, len(text), 0.1)
        return Reply(answer, tuple(text.encode()), length, 0.05)

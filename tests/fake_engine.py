"""A stand-in for the model, for what does not depend on answers: order, resume, speed of the rest."""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from vipllava_cli.engine import GREEDY, Answer, GenerationOptions, ModelInfo, Prompt, View
from vipllava_cli.errors import GenerationError, OutOfMemoryError, UsageError

INFO = ModelInfo("fake", "1", "cpu", "fp32", 336, 14)


@dataclass
class FakeEngine:
    """Answers with a hash of the pixels and the words. `fits` prompts at most go together; questions
    that hold `broken` fail; each batch takes `seconds`.
    """

    fits: int = 1000
    broken: str = "\0"
    seconds: float = 0.0
    info: ModelInfo = INFO
    batches: list[int] = field(default_factory=list)

    def view(self, picture: Image.Image) -> View:
        return View(zlib.crc32(np.asarray(picture).tobytes()))

    def prompt(self, view: View, question: str, template: str = "human") -> Prompt:
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
            yield from self.answer_together([prompt], options)

    def answer_together(
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

    def most_together(self) -> int:
        return 8

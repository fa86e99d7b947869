"""The contract between the flows and whatever makes the answers; nothing here knows torch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from vipllava_cli.prompts import DEFAULT_TEMPLATE

DEFAULT_MODEL = "tiny"


@dataclass(frozen=True)
class GenerationOptions:
    """How an answer is made. `temperature` 0 is greedy; else `top_p` and `seed` count."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


GREEDY = GenerationOptions()


@dataclass(frozen=True)
class ModelInfo:
    """What answers: its name and revision, where and how precisely it runs, what it sees.

    `view` is the side of the square that it sees and `patch` that of its patches, in pixels.
    """

    name: str
    revision: str
    device: str
    dtype: str
    view: int
    patch: int


@dataclass(frozen=True)
class Answer:
    """What the model said. `finish_reason` is `stop`, or `length` when it was cut off."""

    text: str
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float


class Engine(Protocol):
    """Answers questions about one marked picture at a time."""

    info: ModelInfo

    def answer(
        self,
        picture: Image.Image,
        questions: Sequence[str],
        *,
        template: str = DEFAULT_TEMPLATE,
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        """An answer to each question, each on its own; `on_text` gets the pieces as they come.

        The picture's part of the prompt is computed once for all of them. Raises UsageError for a
        prompt that is too long and GenerationError when the model fails.
        """
        ...

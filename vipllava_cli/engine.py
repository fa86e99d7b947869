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


@dataclass(frozen=True, eq=False)
class View:
    """A marked picture as the model will see it; `pixels` is the engine's own."""

    pixels: object


@dataclass(frozen=True)
class Prompt:
    """A question about a view, in the model's tokens."""

    view: View
    ids: tuple[int, ...]


class Engine(Protocol):
    """Answers questions about marked pictures."""

    info: ModelInfo

    def view(self, picture: Image.Image) -> View:
        """What the model will see of a square picture. May be called from any thread."""
        ...

    def prompt(self, view: View, question: str, template: str = DEFAULT_TEMPLATE) -> Prompt:
        """The whole prompt. Raises UsageError for one that is too long."""
        ...

    def answer(
        self,
        prompts: Sequence[Prompt],
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        """An answer to each prompt, one after the other; `on_text` gets the pieces as they come.

        What prompts share up to the end of their picture is computed once for those that follow
        each other. Raises GenerationError when the model fails.
        """
        ...

    def answer_together(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        """The same answers in one batch; each view is computed once.

        Raises OutOfMemoryError when the batch is too large, and GenerationError.
        """
        ...

    def most_together(self) -> int:
        """How many prompts fit into the memory that is free now."""
        ...

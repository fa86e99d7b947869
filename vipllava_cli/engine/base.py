"""The contract between the flows and whatever makes the answers; nothing here knows torch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vipllava_cli.engine.prompts.templates import DEFAULT_TEMPLATE, Turn

if TYPE_CHECKING:
    from PIL import Image

DEFAULT_MODEL = "tiny"
MIN_TOP_P = 0.01
MAX_NEW_TOKENS = 2**31 - 1
MAX_TEMPERATURE = 100.0
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class GenerationOptions:
    """How an answer is made. `temperature` 0 is greedy; else `top_p` and `seed` count. Of `choices` the
    likeliest is the answer, and nothing is generated.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    choices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What decides an answer, by name; choices only where there are some."""
        return {name: value for name, value in asdict(self).items() if name != "choices" or value}


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
    image_side: int
    patch_size: int


@dataclass(frozen=True)
class Choice:
    """An answer that was weighed: the natural logarithm of how likely the model is to say just that and
    stop, and its share of all that were weighed, 0-1.
    """

    text: str
    log_likelihood: float
    probability: float


@dataclass(frozen=True)
class Answer:
    """What the model said. `finish_reason` is `stop`, or `length` when it was cut off; `choices` holds
    what was weighed, as it was given.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, eq=False)
class ModelView:
    """A marked image as the model will see it; `pixels` is the engine's own."""

    pixels: object


@dataclass(frozen=True)
class Prompt:
    """A question about a view, in the model's tokens; `text` is what an answer is written behind."""

    view: ModelView
    ids: tuple[int, ...]
    text: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer in a conversation, whose `finish_reason` may be `stopped` too. `tokens` go into the
    turn; `read` counts the prompt's tokens that the model had to read, and `wait` the seconds until the
    first new token.
    """

    answer: Answer
    tokens: tuple[int, ...]
    prefill_tokens: int
    first_token_seconds: float


class Conversation(Protocol):
    """Answers question after question; what was read for one turn is not read again for the next."""

    max_tokens: int  # tokens that a prompt and its answer can have together

    def count(self, turns: Sequence[Turn], template: str = DEFAULT_TEMPLATE) -> int:
        """The tokens of a prompt about these turns, which may be more than `most`."""
        ...

    def answer(
        self,
        view: ModelView,
        turns: Sequence[Turn],
        *,
        template: str = DEFAULT_TEMPLATE,
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Reply:
        """The answer to the last turn, or how the one that it has goes on. It equals that of a new
        conversation about the same turns, whatever was asked before.

        `stop` is looked at after each token. A KeyboardInterrupt ends the answer in the middle of one.
        Raises UsageError for turns too long, and GenerationError.
        """
        ...


class Engine(Protocol):
    """Answers questions about marked images."""

    info: ModelInfo

    def view(self, image: "Image.Image") -> ModelView:
        """What the model will see of a square image. May be called from any thread."""
        ...

    def prompt(self, view: ModelView, question: str, template: str = DEFAULT_TEMPLATE) -> Prompt:
        """The whole prompt. Raises UsageError for one that is too long."""
        ...

    def answer(
        self,
        prompts: Sequence[Prompt],
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        """An answer to each prompt, one after the other; `on_text` gets the pieces as they come.

        What prompts share up to the end of their image is computed once for those that follow
        each other. Raises GenerationError when the model fails.
        """
        ...

    def answer_batch(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        """The same answers in one batch; each view is computed once.

        Raises OutOfMemoryError when the batch is too large, and GenerationError.
        """
        ...

    def start_conversation(self) -> Conversation:
        """A conversation that is empty yet."""
        ...

    def max_batch_size(self) -> int:
        """How many prompts fit into the memory that is free now."""
        ...

"""The interface of an engine, which answers questions for the flows. Imports no torch."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GREEDY, GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn, choose_template

if TYPE_CHECKING:
    from PIL import Image

    from vipllava_cli.images.resized import SizeLimits

SERVER = "server"  # the device of a model on a server
_VIPLLAVA = ("", "vipllava")  # families: an engine without one is ViP-LLaVA's


@dataclass(frozen=True)
class ViewSize:
    """What a model sees: a square of `image_side` pixels in patches of `patch_size` pixels."""

    image_side: int
    patch_size: int


@dataclass(frozen=True)
class ModelInfo:
    """The model behind an engine, as records name it.

    `dtype` is the precision of the decoder: `bf16`, `fp16`, `fp32`, `int8` or `nf4`. The model sees a
    square of `image_side` pixels in patches of `patch_size` pixels; None if that is unknown. A model on
    a server has the server's address as `revision`, the `device` `server` and an empty `dtype`.
    `family` is the `model_type` of a checkpoint (of LLaVA's type, it is `pixtral` or `llava-1.5`), or
    the name of a model on its server. `pads_image` says
    whether images are padded to a square before the model's processor gets them. `size_limits` are the
    sizes that this processor leaves as they are; None if that is unknown. `image_note` says in a line
    for a person how questions about one image share the work.
    """

    name: str
    revision: str
    device: str
    dtype: str
    image_side: int | None = None
    patch_size: int | None = None
    family: str = ""
    pads_image: bool = True
    image_note: str = ""
    size_limits: "SizeLimits | None" = None

    def template_for(self, template: str) -> str:
        """Return the template that a choice of one means for this model.

        Raises UsageError for a template of ViP-LLaVA if the model has its own.
        """
        on_server = self.device == SERVER
        is_vipllava = not on_server and self.family in _VIPLLAVA
        return choose_template(template, self.name, is_vipllava=is_vipllava, is_on_server=on_server)

    @property
    def summary(self) -> str:
        """One line for a person."""
        where = self.device if not self.dtype else f"{self.dtype} on {self.device}"
        return f"{self.name} at {self.revision}, {where}"

    @property
    def view_size(self) -> ViewSize | None:
        """What the model sees; None if that is unknown."""
        if self.image_side is None or self.patch_size is None:
            return None
        return ViewSize(self.image_side, self.patch_size)


@dataclass(frozen=True)
class Choice:
    """A scored choice.

    `log_likelihood` is the natural logarithm of the probability that the model generates exactly
    `text` and then stops. `probability` (0-1) is the softmax over all choices of the question.
    """

    text: str
    log_likelihood: float
    probability: float


@dataclass(frozen=True)
class Answer:
    """An answer of the model.

    `finish_reason` is `stop`, `length` (cut at the token limit), `content_filter` (cut by a filter of
    the server) or, in a conversation, `stopped` (by the user). `seconds` is the answer's share of its
    batch's time. `choices` are in the order of the options; none if the model is on a server that
    gives no probabilities. `image_side` is that of the square image that the model received, in pixels;
    None if it is that of the view.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    choices: tuple[Choice, ...] = ()
    image_side: int | None = None


@dataclass(frozen=True)
class Usage:
    """The tokens that the answers of an engine took so far, and their cost if prices are known."""

    prompt_tokens: int
    answer_tokens: int
    cost: float | None = None


@dataclass(frozen=True, eq=False)
class ModelView:
    """A marked image, preprocessed for the model. Only the engine that created it reads `pixels`."""

    pixels: object


@dataclass(frozen=True)
class Prompt:
    """A question about a view as token ids. `text` is the text that directly precedes the answer."""

    view: ModelView
    ids: tuple[int, ...]
    text: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer in a conversation.

    `tokens` are the answer's ids, for the next `Turn`. `prefill_tokens` counts the tokens of the
    prompt that were not in the prefix cache. `first_token_seconds` is the time to the first new token.
    """

    answer: Answer
    tokens: tuple[int, ...]
    prefill_tokens: int
    first_token_seconds: float


NO_LIMIT = sys.maxsize


class Conversation(Protocol):
    """Answers turn after turn. Each prompt reuses the KV cache of the previous one.

    `max_tokens` is the limit for a prompt and its answer together, NO_LIMIT if it is unknown.
    """

    max_tokens: int

    def count(
        self,
        turns: Sequence[Turn],
        template: str = DEFAULT_TEMPLATE,
        view: ModelView | None = None,
    ) -> int:
        """Count the tokens of a prompt about these turns and the view. May exceed `max_tokens`."""
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
        """Answer the last turn, or continue its answer if it has one.

        The reply equals that of a new conversation about the same turns.
        `on_text` receives the pieces of the text as they come. The engine calls `stop` after each
        token and ends the answer when it returns True. A KeyboardInterrupt ends the answer within a
        token; the reply then holds the tokens so far.

        Raises UsageError if the prompt is too long, and GenerationError if the model fails.
        """
        ...


class Engine(Protocol):
    """Answers questions about marked images. `info` describes its model.

    Answers keep the order of the prompts. `OutOfMemoryError` is a GenerationError. `parallel` is how
    many threads may call `answer_batch` and `answer_each` at a time.
    """

    info: ModelInfo
    parallel: int

    @property
    def usage(self) -> Usage | None:
        """The tokens of all answers so far; None for an engine whose answers cost nothing."""
        ...

    def view(self, image: "Image.Image") -> ModelView:
        """Preprocess an RGB image, square if `info.pads_image`. Thread-safe."""
        ...

    def prompt(self, view: ModelView, question: str, template: str = DEFAULT_TEMPLATE) -> Prompt:
        """Make the token ids of a prompt.

        Raises UsageError if the prompt is too long or the model lacks the template.
        """
        ...

    def answer(
        self,
        prompts: Sequence[Prompt],
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        """Yield the answer to each prompt, computed sequentially.

        Consecutive prompts with the same view and the same text before the image share one prefill.
        `on_text` receives the pieces of the text as they come.

        Raises GenerationError if the model fails.
        """
        ...

    def answer_batch(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        """Return the same answers as `answer`, computed as one batch. Encodes each view once.

        Raises OutOfMemoryError if the batch is too large, and GenerationError if the model fails.
        """
        ...

    def answer_each(
        self, prompts: Sequence[Prompt], options: Sequence[GenerationOptions]
    ) -> list[Answer]:
        """Return the same answers as `answer`, each prompt with options of its own, as one batch.

        Prompts about one view share its prefill. Raises OutOfMemoryError if the batch is too large,
        and GenerationError if the model fails.
        """
        ...

    def start_conversation(self) -> Conversation:
        """Start a conversation with an empty prefix cache."""
        ...

    def max_batch_size(self) -> int:
        """Return how many prompts fit into the memory that is free now, at least 1."""
        ...

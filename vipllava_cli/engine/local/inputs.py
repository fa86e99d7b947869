"""The inputs of a model, apart from what differs between kinds of models."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TypeGuard

import torch
from PIL import Image
from torch import Tensor
from transformers.generation.stopping_criteria import StopStringCriteria

from vipllava_cli.engine.base import NO_LIMIT, ModelInfo, ModelView, Prompt
from vipllava_cli.engine.hub.checkpoints import Checkpoint
from vipllava_cli.engine.local.answer_end import AnswerEnd
from vipllava_cli.engine.local.chat_messages import STANDARD, MessageShape, choose_shape
from vipllava_cli.engine.local.chat_renderer import ChatRenderer
from vipllava_cli.engine.local.decoding import Decoder
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.lean_decoder import LeanDecoder
from vipllava_cli.engine.local.loading import Loaded
from vipllava_cli.engine.local.prefix_cache import PrefixCache
from vipllava_cli.engine.local.roomy_cache import new_cache
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import ModelError, UsageError


class ModelInputs(ABC):
    """Encodes prompts and images for a loaded model, for answers, conversations and choices.

    `VipLlavaInputs` and `FamilyInputs` add what differs between kinds of models. `device` receives the
    inputs. `gpus` is [device] if that is a CUDA device, else empty. `stops` are the texts that end an
    answer, beside the model's tokens.
    """

    stops: Sequence[str] = ()
    has_own_loop = False  # in place of `generate` of transformers: see `token_generation.py`
    broken_template_advice = "get the checkpoint again"
    without_template_advice = (
        "use its instruction-tuned checkpoint, or add chat_template.jinja to its folder"
    )
    plain_reason = ""  # why each question reads its image again
    default_template = ""  # of checkpoints that have no chat template
    control_words: Collection[str] = ()  # beside those of `prompts/control_words.py`

    def __init__(self, checkpoint: Checkpoint, loaded: Loaded) -> None:
        self.model = loaded.model
        self.processor = loaded.processor
        self.tokenizer = loaded.processor.tokenizer
        self.placement = loaded.placement
        self.device = loaded.placement.input_device
        self.gpus = [self.device] if self.device.type == "cuda" else []
        text = loaded.model.config.get_text_config()
        self.max_tokens: int = getattr(text, "max_position_embeddings", None) or NO_LIMIT
        self.info = self.make_info(checkpoint)

    # --- what differs between kinds of models -----------------------------------------------------

    @abstractmethod
    def make_info(self, checkpoint: Checkpoint) -> ModelInfo:
        """Return the model as records name it."""

    @abstractmethod
    def view(self, image: Image.Image) -> ModelView:
        """See `Engine.view`."""

    @abstractmethod
    def prompt(self, view: ModelView, question: str, template: str = DEFAULT_TEMPLATE) -> Prompt:
        """See `Engine.prompt`."""

    @abstractmethod
    def encode(self, text: str) -> tuple[int, ...]:
        """Tokenize a prompt from its start."""

    @abstractmethod
    def image_end(self, ids: tuple[int, ...]) -> int:
        """Return the index after the last image token."""

    @abstractmethod
    def image_inputs(
        self, views: Sequence[ModelView], ids: Tensor, answer_tokens: int = 0
    ) -> Mapping[str, Tensor]:
        """Return the model's inputs for the images of prompts, whose ids are [views, longest].

        The last `answer_tokens` are not of the prompts, but of answers.
        """

    def rest_inputs(
        self, views: Sequence[ModelView], ids: Tensor, mask: Tensor | None, cached: int
    ) -> Mapping[str, Tensor]:
        """Return the model's further inputs for the tokens behind the first `cached`.

        A prefix cache holds those first tokens. `ids` are [views, longest]; `mask` is 0 for padding.
        """
        return {}

    @property
    def image_note(self) -> str:
        """See `ModelInfo.image_note`."""
        if self.plain_reason:
            return f"each question reads its image again: {self.plain_reason}"
        return "questions about one image share its prefix cache"

    # --- text ----------------------------------------------------------------------------------

    def render_chat(self, turns: Sequence[Turn]) -> str:
        """Render a conversation with the processor's own chat template. Raises UsageError without."""
        if self._chat_renderer is None:
            raise UsageError(
                f"the model {self.info.name} has no chat template: {self.without_template_advice}"
            )
        return self._chat_renderer.render(self._message_shape.messages(turns))

    @cached_property
    def _message_shape(self) -> MessageShape:
        """How the processor's template reads messages. Raises ModelError."""
        renderer = self._chat_renderer
        return choose_shape(renderer.render, self.info.name) if renderer else STANDARD

    @cached_property
    def _chat_renderer(self) -> ChatRenderer | None:
        """The renderer of the processor's template. None if it has none."""
        own = self.processor.chat_template or self.tokenizer.chat_template
        template = own or self.default_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template or not isinstance(template, str):
            return None
        special = self.tokenizer.special_tokens_map
        return ChatRenderer(template, special, self.info.name, self.broken_template_advice)

    # --- tokens --------------------------------------------------------------------------------

    def check_rows(self, ids: Sequence[int]) -> None:
        """Raise ModelError if the model has no embedding for one of the tokens."""
        if max(ids) >= self._rows:
            raise ModelError(
                f"the tokenizer of {self.info.name} does not fit its model: the prompt has the token"
                f" {max(ids)}, and the model has {self._rows} embeddings; get the checkpoint again"
            )

    def check_words(self, text: str, what: str) -> None:
        """Raise UsageError if a text contains a control word. `what` says what the text is."""
        for word in self.control_words:
            if word in text:
                raise UsageError(
                    f"the {what} contains {word}, a control word of {self.info.name}: write it"
                    " in another way"
                )

    def check_prompt_length(self, tokens: int) -> None:
        """Raise UsageError if a prompt of this length leaves no token for an answer."""
        if tokens >= self.max_tokens:
            raise UsageError(
                f"the prompt has {tokens} tokens, and {self.info.name} reads at"
                f" most {self.max_tokens - 1}: ask a shorter question"
            )

    @property
    def pad_token(self) -> int:
        """The token that pads rows; an end token if the tokenizer has none with an embedding."""
        pad: int | None = self.tokenizer.pad_token_id
        return pad if self._has_embedding(pad) else self.end_tokens[0]

    @cached_property
    def end_tokens(self) -> list[int]:
        """The tokens that end an answer: those of generation_config.json, else the tokenizer's.

        Leaves out ids that the model cannot generate: -1 stands for none. Raises ModelError if there is
        no other.
        """
        for ends in (self.model.generation_config.eos_token_id, self.tokenizer.eos_token_id):
            known = filter(self._has_embedding, ends if isinstance(ends, list) else [ends])
            if found := list(known):
                return found
        raise ModelError(
            f"{self.info.name} has no end-of-sequence token: its answers would have no end; get the"
            " checkpoint again"
        )

    @property
    def answer_end(self) -> AnswerEnd:
        """What finds the end of an answer."""
        return AnswerEnd(self.tokenizer, self.end_tokens, self.pad_token, self.stops)

    def _has_embedding(self, token: int | None) -> TypeGuard[int]:
        return token is not None and 0 <= token < self._rows

    @cached_property
    def _rows(self) -> int:
        rows: int = self.model.get_input_embeddings().weight.shape[0]
        return rows

    # --- generation ----------------------------------------------------------------------------

    @property
    def has_lean_prefill(self) -> bool:
        """Whether `prefill_images` does less than a forward pass of the model."""
        return False

    def prefill_images(self, views: Sequence[ModelView], ids: tuple[int, ...]) -> PrefixCache:
        """Run the model over the prompt up to the end of the image, for all views in one batch."""
        start = ids[: self.image_end(ids)]
        rows = torch.tensor([start], device=self.device).expand(len(views), -1)
        cache = new_cache(self.model.config.get_text_config())
        with torch.inference_mode(), translate_errors():
            self.model(
                input_ids=rows,
                cache=cache,
                use_cache=True,
                logits_to_keep=1,
                **self.image_inputs(views, rows),
            )
        return PrefixCache(views[0], start, cache)

    def max_new_tokens_for(self, prompt: Prompt, options: GenerationOptions) -> int:
        """Limit the answer to the tokens that remain in the model's context after the prompt."""
        return min(options.max_new_tokens, self.max_tokens - len(prompt.ids))

    @cached_property
    def decoder(self) -> Decoder:
        """The decode loop for this model."""
        return Decoder(
            self.model, self.tokenizer, self.end_tokens, self.device, lambda: self.lean_decoder
        )

    @property
    def lean_decoder(self) -> LeanDecoder | None:
        """What runs the decoder in place of the model, if anything."""
        return None

    @cached_property
    def stop_criteria(self) -> list[StopStringCriteria]:
        """The criterion that stops generation at a stop text; none without stop texts.

        Cached: its constructor searches the vocabulary, and `generate(stop_strings=...)` would
        construct it for every batch.
        """
        return [StopStringCriteria(self.tokenizer, list(self.stops))] if self.stops else []

"""The inputs of the model: prompts as token ids, images as pixels, and the image's prefill."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeGuard, cast

import torch
from PIL import Image
from torch import Tensor
from transformers.generation.stopping_criteria import StopStringCriteria

from vipllava_cli.engine.base import ModelInfo, ModelView, Prompt
from vipllava_cli.engine.hub.checkpoints import Checkpoint
from vipllava_cli.engine.local.chat_renderer import ChatRenderer
from vipllava_cli.engine.local.decoding import Decoder
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.loading import Loaded
from vipllava_cli.engine.local.prefix_cache import PrefixCache
from vipllava_cli.engine.local.roomy_cache import new_cache
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GenerationOptions
from vipllava_cli.engine.prompts.control_words import IMAGE
from vipllava_cli.engine.prompts.templates import STOPS, TEMPLATES, Turn, render
from vipllava_cli.errors import ModelError, UsageError

_ANSWER_PLACEHOLDER = "(answer)"  # stands for an answer in a rendered chat template


class ModelInputs:
    """Encodes prompts and images for a loaded model, for answers, conversations and choices.

    `device` receives the inputs. `gpus` is [device] if that is a CUDA device, else empty.
    `image_tokens` is the number of tokens that an image takes in a prompt.
    """

    def __init__(self, checkpoint: Checkpoint, loaded: Loaded) -> None:
        self.model = loaded.model
        self.processor = loaded.processor
        self.tokenizer = loaded.processor.tokenizer
        self.placement = loaded.placement
        self.device = loaded.placement.input_device
        self.gpus = [self.device] if self.device.type == "cuda" else []
        vision = loaded.model.config.vision_config
        self.image_tokens: int = (vision.image_size // vision.patch_size) ** 2
        self.max_tokens: int = loaded.model.config.text_config.max_position_embeddings
        self.info = ModelInfo(
            name=checkpoint.name,
            revision=checkpoint.revision,
            device=self.device.type,
            dtype=loaded.placement.dtype_name,
            image_side=vision.image_size,
            patch_size=vision.patch_size,
            family=loaded.model.config.model_type,
        )

    @translate_errors()
    def view(self, image: Image.Image) -> ModelView:
        """See `Engine.view`. Pixels are float32 [1, 3, side, side] on the CPU."""
        return ModelView(self.processor.image_processor(image, return_tensors="pt")["pixel_values"])

    def prompt(self, view: ModelView, question: str, template: str = DEFAULT_TEMPLATE) -> Prompt:
        """See `Engine.prompt`."""
        text = self.format_first_prompt(question, template)
        ids = self.encode(text)
        self.check_prompt_length(len(ids))
        before_answer, _ = self.texts_around_answer(question, "", template)
        return Prompt(view, ids, text + before_answer)

    # --- text ----------------------------------------------------------------------------------

    def format_first_prompt(self, question: str, template: str) -> str:
        """Format the prompt of a first question. Raises UsageError if the model lacks the template."""
        if template in TEMPLATES:
            return render(TEMPLATES[template], [Turn(question)])
        return self._render_chat([Turn(question)])

    def texts_around_answer(
        self, question: str, next_question: str, template: str
    ) -> tuple[str, str]:
        """Return the text between a question's prompt and its answer, and the text after the answer.

        The latter ends where the answer to `next_question` starts.
        """
        if template in TEMPLATES:
            format = TEMPLATES[template]
            return format.format_answer(""), format.format_question(next_question, first=False)
        prompt = self._render_chat([Turn(question)])
        conversation = self._render_chat([Turn(question, _ANSWER_PLACEHOLDER), Turn(next_question)])
        before, _, after = conversation.removeprefix(prompt).partition(_ANSWER_PLACEHOLDER)
        return before, after

    def _render_chat(self, turns: Sequence[Turn]) -> str:
        """Render a conversation with the processor's own chat template."""
        if self._chat_renderer is None:
            raise UsageError(
                f"the model {self.info.name} has no chat template: use --template human or vicuna"
            )
        messages: list[dict[str, Any]] = []
        for turn in turns:
            image = [] if messages else [{"type": "image"}]
            question = [*image, {"type": "text", "text": turn.question}]
            messages.append({"role": "user", "content": question})
            if turn.answer is not None:
                answer = [{"type": "text", "text": turn.answer}]
                messages.append({"role": "assistant", "content": answer})
        return self._chat_renderer.render(messages)

    @cached_property
    def _chat_renderer(self) -> ChatRenderer | None:
        """The renderer of the processor's template. None if it has none."""
        template = self.processor.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template or not isinstance(template, str):
            return None
        return ChatRenderer(template, self.tokenizer.special_tokens_map, self.info.name)

    # --- tokens --------------------------------------------------------------------------------

    @translate_errors()
    def encode(self, text: str) -> tuple[int, ...]:
        """Tokenize a prompt from its start, with the image token repeated `image_tokens` times.

        Repeating the id equals repeating `<image>` in the text, and is faster.

        Raises UsageError if the text does not contain exactly one image, and ModelError if the tokenizer
        does not know the image token.
        """
        image = self.model.config.image_token_id
        ids: list[int] = self.tokenizer(text)["input_ids"]
        if text.count(IMAGE) != 1:
            raise UsageError(f"the prompt contains {text.count(IMAGE)} images: expected 1")
        if ids.count(image) != 1:
            raise ModelError(
                f"the tokenizer of {self.info.name} does not fit its model: it does not encode"
                f" {IMAGE} as token {image}; get the checkpoint again"
            )
        if max(ids) >= self._rows:
            raise ModelError(
                f"the tokenizer of {self.info.name} does not fit its model: the prompt has the token"
                f" {max(ids)}, and the model has {self._rows} embeddings; get the checkpoint again"
            )
        position = ids.index(image)
        return (*ids[:position], *[image] * self.image_tokens, *ids[position + 1 :])

    def check_prompt_length(self, tokens: int) -> None:
        """Raise UsageError if a prompt of this length leaves no token for an answer."""
        if tokens >= self.max_tokens:
            raise UsageError(
                f"the prompt has {tokens} tokens, and {self.info.name} reads at"
                f" most {self.max_tokens - 1}: ask a shorter question"
            )

    def image_end(self, ids: tuple[int, ...]) -> int:
        """Return the index after the last image token."""
        first: int = ids.index(self.model.config.image_token_id)
        return first + self.image_tokens

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

    def _has_embedding(self, token: int | None) -> TypeGuard[int]:
        return token is not None and 0 <= token < self._rows

    @cached_property
    def _rows(self) -> int:
        rows: int = self.model.config.text_config.vocab_size
        return rows

    # --- generation ----------------------------------------------------------------------------

    def prefill_images(self, views: Sequence[ModelView], ids: tuple[int, ...]) -> PrefixCache:
        """Run the model over the prompt up to the end of the image, for all views in one batch."""
        start = ids[: self.image_end(ids)]
        cache = new_cache(self.model.config.get_text_config())
        with torch.inference_mode(), translate_errors():
            self.model(
                input_ids=torch.tensor([start], device=self.device).expand(len(views), -1),
                pixel_values=self.stack_pixels(views),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return PrefixCache(views[0], start, cache)

    def stack_pixels(self, views: Sequence[ModelView]) -> Tensor:
        """Return pixels [views, 3, side, side] on the model's device and in its dtype."""
        pixels = torch.cat([cast(Tensor, view.pixels) for view in views])
        return pixels.to(self.device, self.model.dtype)

    def max_new_tokens_for(self, prompt: Prompt, options: GenerationOptions) -> int:
        """Limit the answer to the tokens that remain in the model's context after the prompt."""
        return min(options.max_new_tokens, self.max_tokens - len(prompt.ids))

    @cached_property
    def decoder(self) -> Decoder:
        """The decode loop for this model."""
        return Decoder(self.model, self.tokenizer, self.end_tokens, self.device)

    @cached_property
    def stop_criterion(self) -> StopStringCriteria:
        """The criterion that stops generation at a stop text.

        Cached: its constructor searches the vocabulary, and `generate(stop_strings=...)` would
        construct it for every batch.
        """
        return StopStringCriteria(self.tokenizer, list(STOPS))

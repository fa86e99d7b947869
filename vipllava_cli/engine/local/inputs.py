"""A model with its tokenizer and processor: questions become tokens, and images are read."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor
from transformers import DynamicCache, GenerationConfig
from transformers.generation.stopping_criteria import StopStringCriteria

from vipllava_cli.engine.base import GenerationOptions, ModelInfo, ModelView, Prompt
from vipllava_cli.engine.hub.checkpoints import Checkpoint
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.loading import Loaded
from vipllava_cli.engine.local.prefix_cache import Prefix
from vipllava_cli.engine.prompts.control_words import IMAGE
from vipllava_cli.engine.prompts.templates import DEFAULT_TEMPLATE, STOPS, TEMPLATES, Turn, render
from vipllava_cli.errors import ModelError, UsageError

_SOME_ANSWER = "(answer)"  # stands where a chat template would put one


class ModelInputs:
    """What answering, conversing and weighing have in common."""

    def __init__(self, checkpoint: Checkpoint, loaded: Loaded) -> None:
        self.model = loaded.model
        self.processor = loaded.processor
        self.tokenizer = loaded.processor.tokenizer
        self.device = loaded.placement.inputs
        self.gpus = [self.device] if self.device.type == "cuda" else []
        vision = loaded.model.config.vision_config
        self.image_tokens: int = (vision.image_size // vision.patch_size) ** 2
        self.info = ModelInfo(
            name=checkpoint.name,
            revision=checkpoint.revision,
            device=loaded.placement.inputs.type,
            dtype=loaded.placement.dtype_name,
            image_side=vision.image_size,
            patch_size=vision.patch_size,
        )

    def view(self, image: Image.Image) -> ModelView:
        """See `engine.Engine.view`: pixels are [1, 3, side, side], on the CPU."""
        return ModelView(self.processor.image_processor(image, return_tensors="pt")["pixel_values"])

    def prompt(self, view: ModelView, question: str, template: str = DEFAULT_TEMPLATE) -> Prompt:
        """See `engine.Engine.prompt`."""
        text = self.text(question, template)
        ids = self.encode(text)
        self.check_prompt_length(len(ids))
        return Prompt(view, ids, text + self.between(question, "", template)[0])

    def text(self, question: str, template: str) -> str:
        """The prompt of a first question as text. Raises UsageError."""
        if template in TEMPLATES:
            return render(TEMPLATES[template], [Turn(question)])
        return self._chat_text([Turn(question)])

    def between(self, before: str, question: str, template: str) -> tuple[str, str]:
        """What a conversation has between the prompt of question `before` and its answer, and what it
        has after that answer up to the next one, which is to `question`.
        """
        if template in TEMPLATES:
            chosen = TEMPLATES[template]
            return chosen.format_answer(""), chosen.format_question(question, first=False)
        opening = self._chat_text([Turn(before)])
        whole = self._chat_text([Turn(before, _SOME_ANSWER), Turn(question)])
        lead, _, format_question = whole.removeprefix(opening).partition(_SOME_ANSWER)
        return lead, format_question

    def _chat_text(self, turns: Sequence[Turn]) -> str:
        if not self.processor.chat_template:
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
        text: str = self.processor.apply_chat_template(messages, add_generation_prompt=True)
        return text

    def encode(self, text: str) -> tuple[int, ...]:
        """The token ids of a prompt's beginning.

        The image's token is repeated in ids rather than in text: equal, and hundreds of words less
        to be cut up.
        """
        image = self.model.config.image_token_id
        ids: list[int] = self.tokenizer(text)["input_ids"]
        if text.count(IMAGE) != 1:
            raise UsageError(f"the prompt holds {text.count(IMAGE)} images, expected 1")
        if ids.count(image) != 1:
            raise ModelError(
                f"an image is token {image} to the model, which its tokenizer does not make of"
                f" {IMAGE}: the tokenizer of {self.info.name} does not fit its model"
            )
        at = ids.index(image)
        return (*ids[:at], *[image] * self.image_tokens, *ids[at + 1 :])

    def check_prompt_length(self, tokens: int) -> None:
        """Raises UsageError for a prompt of so many tokens that no answer would have room."""
        most = self.model.config.text_config.max_position_embeddings
        if tokens >= most:
            raise UsageError(
                f"the question makes a prompt of {tokens} tokens and {self.info.name} reads at"
                f" most {most - 1}: ask a shorter question"
            )

    def image_end(self, ids: tuple[int, ...]) -> int:
        """The place after the image's last token."""
        first: int = ids.index(self.model.config.image_token_id)
        return first + self.image_tokens

    # --- generation --------------------------------------------------------------------------

    def prefill_images(self, views: Sequence[ModelView], ids: tuple[int, ...]) -> Prefix:
        """Run the model over the prompt up to the end of the image, for every view at once."""
        beginning = ids[: self.image_end(ids)]
        cache = DynamicCache(config=self.model.config.get_text_config())
        with torch.inference_mode(), translate_errors():
            self.model(
                input_ids=torch.tensor([beginning], device=self.device).expand(len(views), -1),
                pixel_values=self.pixels(views),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return Prefix(views[0], beginning, cache)

    def pixels(self, views: Sequence[ModelView]) -> Tensor:
        """[views, 3, side, side], where and as the model takes them."""
        pixels = torch.cat([cast(Tensor, view.pixels) for view in views])
        return pixels.to(self.device, self.model.dtype)

    def max_new_tokens_for(self, prompt: Prompt, options: GenerationOptions) -> int:
        """How many tokens an answer may have: what is asked for, or what the model can still hold."""
        limit: int = self.model.config.text_config.max_position_embeddings
        return min(options.max_new_tokens, limit - len(prompt.ids))

    def generation_config(self, options: GenerationOptions, most: int) -> GenerationConfig:
        """The options as `generate` takes them, for at most so many new tokens."""
        sampling: dict[str, Any] = (
            {"do_sample": True, "temperature": options.temperature, "top_p": options.top_p}
            if options.temperature > 0
            else {"do_sample": False}
        )
        return GenerationConfig(
            max_new_tokens=most,
            bos_token_id=self.tokenizer.bos_token_id,
            eos_token_id=self.ends,
            pad_token_id=self.pad_token,
            **sampling,
        )

    @cached_property
    def ends(self) -> list[int]:
        """The tokens that end an answer."""
        own = self.model.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if own is None else own
        return ends if isinstance(ends, list) else [ends]

    @cached_property
    def stop_text(self) -> StopStringCriteria:
        """Ends an answer at a stop text. Made once: it looks through the whole vocabulary, which
        `generate(stop_strings=...)` does anew for every batch.
        """
        return StopStringCriteria(self.tokenizer, list(STOPS))

    @property
    def pad_token(self) -> int:
        """What fills a row up."""
        pad: int | None = self.tokenizer.pad_token_id
        end: int = self.tokenizer.eos_token_id
        return end if pad is None else pad

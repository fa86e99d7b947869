"""The inputs of ViP-LLaVA: prompts with a fixed number of image tokens, images as one square."""

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import cast

import torch
from PIL import Image
from torch import Tensor

from vipllava_cli.engine.base import ModelInfo, ModelView, Prompt
from vipllava_cli.engine.hardware.batch_size import SMALL_MODEL_BYTES
from vipllava_cli.engine.hub.checkpoints import Checkpoint
from vipllava_cli.engine.hub.families import VIPLLAVA
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.local.lean_decoder import LeanDecoder
from vipllava_cli.engine.local.lean_prefill import LeanPrefill, supports_lean_prefill
from vipllava_cli.engine.local.prefix_cache import PrefixCache
from vipllava_cli.engine.local.square_pixels import SquarePixels, TablePixels, join_pixels
from vipllava_cli.engine.options import DEFAULT_TEMPLATE
from vipllava_cli.engine.prompts.control_words import IMAGE
from vipllava_cli.engine.prompts.templates import STOPS, TEMPLATES, Turn, render
from vipllava_cli.errors import ModelError, UsageError

_ANSWER_PLACEHOLDER = "(answer)"  # stands for an answer in a rendered chat template

_packing = threading.Lock()  # one thread packs the weights, and the others wait


class VipLlavaInputs(ModelInputs):
    """Encodes prompts and images for ViP-LLaVA."""

    stops = STOPS
    has_own_loop = True
    broken_template_advice = without_template_advice = "use --template human or vicuna"

    def make_info(self, checkpoint: Checkpoint) -> ModelInfo:
        """See `ModelInputs.make_info`."""
        vision = self.model.config.vision_config
        return ModelInfo(
            name=checkpoint.name,
            revision=checkpoint.revision,
            device=self.device.type,
            dtype=self.placement.dtype_name,
            image_side=vision.image_size,
            patch_size=vision.patch_size,
            family=VIPLLAVA,
            image_note=self.image_note,
        )

    @property
    def image_tokens(self) -> int:
        """The number of tokens that an image takes in a prompt."""
        vision = self.model.config.vision_config
        tokens: int = (vision.image_size // vision.patch_size) ** 2
        return tokens

    @translate_errors()
    def view(self, image: Image.Image) -> ModelView:
        """See `Engine.view`. `image_inputs` makes tensors of the pixels."""
        return ModelView(self._square_pixels(image))

    @cached_property
    def _square_pixels(self) -> SquarePixels:
        side = self.model.config.vision_config.image_size
        return SquarePixels(self.processor.image_processor, side)

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
        name = self.info.template_for(template)
        if name in TEMPLATES:
            return render(TEMPLATES[name], [Turn(question)])
        return self.render_chat([Turn(question)])

    def texts_around_answer(
        self, question: str, next_question: str, template: str
    ) -> tuple[str, str]:
        """Return the text between a question's prompt and its answer, and the text after the answer.

        The latter ends where the answer to `next_question` starts.
        """
        name = self.info.template_for(template)
        if name in TEMPLATES:
            format = TEMPLATES[name]
            return format.format_answer(""), format.format_question(next_question, first=False)
        prompt = self.render_chat([Turn(question)])
        conversation = self.render_chat([Turn(question, _ANSWER_PLACEHOLDER), Turn(next_question)])
        before, _, after = conversation.removeprefix(prompt).partition(_ANSWER_PLACEHOLDER)
        return before, after

    # --- tokens --------------------------------------------------------------------------------

    @translate_errors()
    def encode(self, text: str) -> tuple[int, ...]:
        """Tokenize a prompt from its start, with the image token repeated `image_tokens` times.

        Repeating the id equals repeating `<image>` in the text, and is faster.

        Raises UsageError if the text does not contain exactly one image or ends with it, and ModelError
        if the tokenizer does not know the image token.
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
        self.check_rows(ids)
        position = ids.index(image)
        if position == len(ids) - 1:  # no token is left to read behind the cached image
            raise UsageError(
                f"the chat template of {self.info.name} ends a prompt with the image, and the model"
                f" reads text behind it: {self.broken_template_advice}"
            )
        return (*ids[:position], *[image] * self.image_tokens, *ids[position + 1 :])

    def image_end(self, ids: tuple[int, ...]) -> int:
        """See `ModelInputs.image_end`."""
        first: int = ids.index(self.model.config.image_token_id)
        return first + self.image_tokens

    def image_inputs(
        self, views: Sequence[ModelView], ids: Tensor, answer_tokens: int = 0
    ) -> Mapping[str, Tensor]:
        """Return pixels [views, 3, side, side] on the model's device and in its dtype."""
        pixels = join_pixels([cast("Tensor | TablePixels", view.pixels) for view in views])
        return {"pixel_values": pixels.to(self.device, self.model.dtype)}

    # --- prefill -------------------------------------------------------------------------------

    @property
    def has_lean_prefill(self) -> bool:
        """See `ModelInputs.has_lean_prefill`."""
        return self.decoder.supports_model and self._knows_lean_prefill

    def prefill_images(self, views: Sequence[ModelView], ids: tuple[int, ...]) -> PrefixCache:
        """See `ModelInputs.prefill_images`."""
        if not self.has_lean_prefill:
            return super().prefill_images(views, ids)
        start = ids[: self.image_end(ids)]
        with torch.inference_mode(), translate_errors():
            pixels = self.image_inputs(views, torch.tensor([start]))["pixel_values"]
            cache = self._lean_prefill_for(len(views)).run(pixels, start)
        return PrefixCache(views[0], start, cache)

    @cached_property
    def _knows_lean_prefill(self) -> bool:
        return supports_lean_prefill(self.model)

    @property
    def lean_decoder(self) -> LeanDecoder | None:
        """See `ModelInputs.lean_decoder`."""
        if not self._knows_lean_prefill:
            return None
        made = list(self._lean_prefills.values())
        return (made[-1] if made else self._lean_prefill_for(1)).decoder

    def _lean_prefill_for(self, images: int) -> LeanPrefill:
        """Return the prefill for this number of images. The first image alone packs no weights."""
        is_small = self.placement.needs.all_weights <= SMALL_MODEL_BYTES
        with _packing:
            packs = is_small and (images > 1 or bool(self._lean_prefills))
            if packs not in self._lean_prefills:
                self._lean_prefills[packs] = LeanPrefill(self.model, is_small=packs)
            return self._lean_prefills[packs]

    @cached_property
    def _lean_prefills(self) -> dict[bool, LeanPrefill]:
        return {}

"""The inputs of other model families: the checkpoint's own processor and chat template decide.

The processor turns an image into tensors, and its placeholder in the prompt into the tokens of its
tiles. A view keeps both, so an image is processed once for all questions about it.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import cast

import torch
from PIL import Image
from torch import Tensor, nn

from vipllava_cli.engine.base import ModelInfo, ModelView, Prompt
from vipllava_cli.engine.hub.checkpoints import Checkpoint
from vipllava_cli.engine.hub.image_limits import read_size_limits
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.families import BOTH_WAYS, RunFamily
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.local.loading import Loaded
from vipllava_cli.engine.options import DEFAULT_TEMPLATE
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import ModelError

# What a processor returns about the text. Everything else is about the image.
_TEXT_INPUTS = (
    "input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "text_replacement_offsets",
    "labels",
)  # fmt: skip
_CROSS_MASK, _GRID = "cross_attention_mask", "image_grid_thw"

_SAMPLE = Turn("question", "(answer)")


@dataclass(frozen=True, eq=False)
class FamilyImage:
    """An image as the model takes it.

    `tensors` are the model's inputs, with one image in each. `text` replaces the placeholder of a
    prompt, and `ids` are its tokens. `tiles` is 1 for each tile that the
    image fills; None for models without cross-attention.
    """

    tensors: Mapping[str, Tensor]
    text: str
    ids: tuple[int, ...]
    tiles: Tensor | None


class FamilyInputs(ModelInputs):
    """Encodes prompts and images with a processor of transformers."""

    family: RunFamily

    def __init__(self, checkpoint: Checkpoint, loaded: Loaded, family: RunFamily) -> None:
        self.family = family
        super().__init__(checkpoint, loaded)
        # Tokenizers and processors are not safe for several threads at a time.
        self._lock = threading.Lock()
        self._render = lru_cache(maxsize=1024)(self.render_chat)

    def make_info(self, checkpoint: Checkpoint) -> ModelInfo:
        """See `ModelInputs.make_info`."""
        vision = self.model.config.vision_config
        has_square = self.family.pads_image
        return ModelInfo(
            name=checkpoint.name,
            revision=checkpoint.revision,
            device=self.device.type,
            dtype=self.placement.dtype_name,
            image_side=vision.image_size if has_square else None,
            patch_size=vision.patch_size if has_square else None,
            family=self.family.name,
            pads_image=has_square,
            image_note=self.image_note,
            size_limits=read_size_limits(checkpoint.folder),
        )

    @property
    def plain_reason(self) -> str:  # type: ignore[override]
        """Why each question reads its image again; empty if a prefix cache serves all of them."""
        text = self.model.config.get_text_config()
        is_both_ways = getattr(text, "use_bidirectional_attention", None)
        return BOTH_WAYS if is_both_ways else self.family.plain_reason

    @property
    def default_template(self) -> str:  # type: ignore[override]
        """The chat template of a checkpoint that has none."""
        return self.family.template

    @cached_property
    def has_window(self) -> bool:
        """Whether some layers see only a window of the prompt."""
        text = self.model.config.get_text_config()
        layers = getattr(text, "layer_types", None) or ()
        return bool(getattr(text, "sliding_window", None)) or any(
            "full" not in layer for layer in layers
        )

    # --- images ----------------------------------------------------------------------------------

    @translate_errors()
    def view(self, image: Image.Image) -> ModelView:
        """See `Engine.view`. The processor chooses sizes and tiles within its own limits."""
        word: str = self.processor.image_token
        with self._lock:
            inputs = self.processor(
                images=[image],
                text=[word],
                return_tensors="pt",
                padding=False,
                add_special_tokens=False,
                return_text_replacement_offsets=True,
                return_mm_token_type_ids=False,
            )
        replaced = inputs.get("text_replacement_offsets")
        cross_mask = inputs.get(_CROSS_MASK)
        return ModelView(
            FamilyImage(
                {
                    name: value
                    for name, value in inputs.items()
                    if name not in (*_TEXT_INPUTS, _CROSS_MASK) and isinstance(value, Tensor)
                },
                replaced[0][0]["replacement"] if replaced else word,
                tuple(inputs["input_ids"][0].tolist()),
                None if cross_mask is None else cross_mask[0, -1],
            )
        )

    @property
    def _image_token(self) -> int:
        token: int = self.model.config.image_token_id
        return token

    @cached_property
    def _image_ids(self) -> frozenset[int]:
        """The special tokens around and in an image, from its start to its end."""
        some_image = self.view(Image.new("RGB", (64, 64)))
        added = self.tokenizer.added_tokens_decoder
        ids = cast(FamilyImage, some_image.pixels).ids
        special = {id for id in ids if id in added and added[id].special}
        return frozenset({self._image_token, *special} - {self.tokenizer.bos_token_id})

    def image_inputs(
        self, views: Sequence[ModelView], ids: Tensor, answer_tokens: int = 0
    ) -> Mapping[str, Tensor]:
        """See `ModelInputs.image_inputs`. Images of several sizes are padded to the largest."""
        images = [cast(FamilyImage, view.pixels) for view in views]
        inputs = {
            name: _stack([image.tensors[name] for image in images]) for name in images[0].tensors
        }
        if self.family.token_types:
            inputs[self.family.token_types] = self._token_types(ids, answer_tokens)
        if images[0].tiles is not None:
            inputs[_CROSS_MASK] = self._cross_mask(images, ids)
        dtype = self.model.dtype
        return {
            name: value.to(self.device, dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }

    def _token_types(self, ids: Tensor, answer_tokens: int = 0) -> Tensor:
        """Say which tokens are those of an image: 1, else 0.

        In a family whose prompt sees itself in both directions, say which tokens are of an answer.
        """
        if self.family.plain_reason:
            is_answer = torch.arange(ids.shape[1]) >= ids.shape[1] - answer_tokens
            return is_answer.long().expand(ids.shape)
        return torch.isin(ids.cpu(), torch.tensor(self.processor.image_token_ids)).long()

    def rest_inputs(
        self, views: Sequence[ModelView], ids: Tensor, mask: Tensor | None, cached: int
    ) -> Mapping[str, Tensor]:
        """See `ModelInputs.rest_inputs`. The positions of text depend on the size of the image."""
        images = [cast(FamilyImage, view.pixels) for view in views]
        if images[0].tiles is not None:
            return {_CROSS_MASK: self._cross_mask(images, ids).to(self.device)}
        if not self.family.has_grid_positions:
            return {}
        grids = [image.tensors[_GRID] for image in images]
        positions, _ = self.model.model.get_rope_index(
            ids, self._token_types(ids), image_grid_thw=torch.cat(grids), attention_mask=mask
        )
        return {"position_ids": positions[..., cached:].to(self.device)}

    def _cross_mask(self, images: Sequence[FamilyImage], ids: Tensor) -> Tensor:
        """Say which tokens read which tiles: all after the image. [rows, tokens, 1, tiles]."""
        follows = (ids.cpu() == self._image_token).cumsum(1)
        tiles = torch.stack([cast(Tensor, image.tiles) for image in images])
        return follows[:, :, None, None] * tiles[:, None]

    # --- prompts ---------------------------------------------------------------------------------

    def prompt(self, view: ModelView, question: str, template: str = DEFAULT_TEMPLATE) -> Prompt:
        """See `Engine.prompt`. `Prompt.text` has the tokens of the image, not its placeholder."""
        self.info.template_for(template)
        text = self.expand(view, self.render((Turn(question),)))
        ids = self.encode(text)
        self._check_image(view, ids)
        self.check_prompt_length(len(ids))
        return Prompt(view, ids, text + self.before_answer)

    def render(self, turns: tuple[Turn, ...]) -> str:
        """Render a conversation. Raises UsageError for a question with a control word of the model."""
        for turn in turns:
            self.check_words(turn.question, "question")
        text: str = self._render(turns)
        return text

    @cached_property
    def control_words(self) -> frozenset[str]:  # type: ignore[override]
        """The special tokens that make up a prompt or end an answer."""
        added = self.tokenizer.added_tokens_decoder.values()
        special = {str(token) for token in added if token.special and str(token).strip()}
        sample = self._render((_SAMPLE, Turn("question")))
        ids = [*self._image_ids, *self.end_tokens]
        words = {word for word in special if word in sample}
        known = (word for word in self.tokenizer.convert_ids_to_tokens(ids) if word)
        return frozenset({self.processor.image_token, *known, *words})

    @cached_property
    def before_answer(self) -> str:
        """The text between the prompt and its answer."""
        question = Turn(_SAMPLE.question)
        prompt, conversation = self._render((question,)), self._render((_SAMPLE,))
        before, found, _ = conversation.removeprefix(prompt).partition(str(_SAMPLE.answer))
        is_next = conversation.startswith(prompt) and found and not before.strip()
        return before if is_next else ""

    def expand(self, view: ModelView, text: str) -> str:
        """Replace the placeholder by the tokens of the image. Raises ModelError without exactly one."""
        word: str = self.processor.image_token
        if text.count(word) != 1:
            raise ModelError(
                f"the chat template of {self.info.name} writes {text.count(word)} placeholders"
                f" ({word}) for one image: get the checkpoint again"
            )
        return text.replace(word, cast(FamilyImage, view.pixels).text)

    @translate_errors()
    def encode(self, text: str) -> tuple[int, ...]:
        """Tokenize an expanded prompt from its start. Most templates write the first token."""
        bos = self.tokenizer.bos_token
        has_start = bool(bos) and (text.startswith(bos) or bool(self.default_template))
        with self._lock:
            ids: list[int] = self.tokenizer(text, add_special_tokens=not has_start)["input_ids"]
        self.check_rows(ids)
        return tuple(ids)

    def _check_image(self, view: ModelView, ids: Sequence[int]) -> None:
        expected = cast(FamilyImage, view.pixels).ids.count(self._image_token)
        if ids.count(self._image_token) != expected:
            raise ModelError(
                f"the tokenizer of {self.info.name} does not fit its processor: the image has"
                f" {ids.count(self._image_token)} tokens, expected {expected}; get the checkpoint again"
            )

    def image_end(self, ids: tuple[int, ...]) -> int:
        """See `ModelInputs.image_end`."""
        return max(index for index, id in enumerate(ids) if id in self._image_ids) + 1


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along the first side. Pads the others with zeros at their end."""
    sides = [
        max(lengths) for lengths in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)
    ]
    padded = []
    for tensor in tensors:
        missing = [side - length for side, length in zip(sides, tensor.shape[1:], strict=True)]
        amounts = [amount for side in reversed(missing) for amount in (0, side)]
        padded.append(nn.functional.pad(tensor, amounts) if any(amounts) else tensor)
    return torch.cat(padded)

"""The demo model before training: its configuration, its tokenizer and its processor.

It is a small VipLlavaForConditionalGeneration in the layout of the public checkpoints: a CLIP vision
tower of which five layers are read, a projector and a Llama decoder.
"""

import json
import re
import string
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch import Tensor
from torch.nn import functional
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaProcessor,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    VipLlavaConfig,
    VipLlavaForConditionalGeneration,
)

from vipllava_cli.engine.prompts.control_words import IMAGE
from vipllava_cli.engine.prompts.templates import TEMPLATES

IMAGE_SIZE = 256
PATCH_SIZE = 16
GRID = IMAGE_SIZE // PATCH_SIZE
VOCABULARY = 1280

_SPECIAL = ("<unk>", "<s>", "</s>", IMAGE, "<pad>")

# The processor's own template says what the `human` template says.
CHAT_TEMPLATE = (
    TEMPLATES["human"].system.replace("'", "\\'").join(("{{ '", "' }}"))
    + "{% for message in messages %}"
    "{% if message['role'] == 'user' %}###Human: {% else %}###Assistant: {% endif %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}###Assistant:{% endif %}"
)


def make_config() -> VipLlavaConfig:
    """7.1 million parameters."""
    vision = CLIPVisionConfig(
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=8,
        num_attention_heads=3,
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        projection_dim=192,
    )
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=3,
        num_key_value_heads=3,
        max_position_embeddings=2048,
        bos_token_id=_SPECIAL.index("<s>"),
        eos_token_id=_SPECIAL.index("</s>"),
        pad_token_id=_SPECIAL.index("<pad>"),
        tie_word_embeddings=False,
    )
    return VipLlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=_SPECIAL.index(IMAGE),
        vision_feature_layer=[-1, -2, -3, -4, 2],
        image_seq_length=GRID * GRID,
    )


def make_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-pair tokenizer with byte fallback, like Llama's, learned from the texts.

    Words, digits, marks of punctuation and the stop text are kept apart, so that a conversation has
    the same tokens whether it is read turn by turn or whole.
    """
    model = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    model.normalizer = normalizers.Replace(" ", "▁")
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split("▁", "merged_with_next"),
        ]
    )
    model.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    trainer = BpeTrainer(
        vocab_size=VOCABULARY - 1,
        special_tokens=[*_SPECIAL, *bytes_],
        initial_alphabet=list(string.ascii_letters),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    model = _with_plain_bytes(model, bytes_)
    model.add_tokens([AddedToken("###", normalized=False, special=False)])
    model.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", _SPECIAL.index("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
        model_max_length=2048,
    )


def first_token(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    """The first token of a word behind a space; a digit's own, as digits are kept apart from spaces."""
    ids: list[int] = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
    space = tokenizer.convert_tokens_to_ids("▁")
    return next(token for token in ids if token != space)


def _with_plain_bytes(model: Tokenizer, bytes_: list[str]) -> Tokenizer:
    """The tokenizer with its byte tokens as words of the model, not as special ones."""
    state = json.loads(model.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] not in bytes_]
    return Tokenizer.from_str(json.dumps(state))


def make_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """The processor in the public checkpoints' layout: short side to the model's size, centre crop."""
    size = IMAGE_SIZE
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": size}, crop_size={"height": size, "width": size}
        ),
        tokenizer=tokenizer,
        patch_size=PATCH_SIZE,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
    )


# Where layers are put in that a checkpoint lacks: behind the lowest layer that is read of the tower, so
# that what is read, from the top and from below, stays what it was; in the middle of the decoder.
_PUT_IN: Mapping[str, tuple[str, int]] = {
    "vision_tower.": ("vision_config", 2),
    "language_model.": ("text_config", 3),
}
_OUTPUTS = ("out_proj", "fc2", "o_proj", "down_proj")  # of attention and of what follows it
_SPREAD = 0.02  # CLIP's own start is made for wide towers


def take_weights(model: VipLlavaForConditionalGeneration, folder: Path) -> None:
    """Begin with the weights of a checkpoint whose images and patches may have other sizes, and whose
    layers may be fewer: those put in pass on what they get, until they have learned.
    """
    known = VipLlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    taken = _deepened(known, model)
    for name, weight in taken.items():
        if name.endswith("position_embedding.weight"):
            taken[name] = _stretched(weight)
        elif name.endswith("patch_embedding.weight"):
            taken[name] = _resampled(weight)
    for name, fresh in model.state_dict().items():
        if name not in taken:
            taken[name] = _idle(name, fresh)
    model.load_state_dict(taken)


def _deepened(
    known: VipLlavaForConditionalGeneration, model: VipLlavaForConditionalGeneration
) -> dict[str, Tensor]:
    """The weights, their layers numbered as those of the deeper model."""
    more = {part: _layers(model, part) - _layers(known, part) for part in _PUT_IN}
    return {_renumbered(name, more): weight for name, weight in known.state_dict().items()}


def _layers(model: VipLlavaForConditionalGeneration, part: str) -> int:
    layers: int = getattr(model.config, _PUT_IN[part][0]).num_hidden_layers
    return layers


def _renumbered(name: str, more: Mapping[str, int]) -> str:
    part = next((part for part in _PUT_IN if part in name), None)
    found = re.search(r"(?<=\.layers\.)\d+", name)
    if part is None or found is None or int(found[0]) < _PUT_IN[part][1]:
        return name
    number = int(found[0]) + max(more[part], 0)  # of a model with fewer layers loading says so
    return f"{name[: found.start()]}{number}{name[found.end() :]}"


def _idle(name: str, fresh: Tensor) -> Tensor:
    """A weight of a layer that adds nothing yet."""
    if any(f".{output}." in name for output in _OUTPUTS):
        return torch.zeros_like(fresh)
    return torch.randn_like(fresh) * _SPREAD if fresh.ndim == 2 else fresh


def _stretched(places: Tensor) -> Tensor:
    """[1 + grid², width], the first for the whole image, -> the same over GRID x GRID patches."""
    whole, patches = places[:1], places[1:]
    side = round(len(patches) ** 0.5)
    square = patches.T.reshape(1, -1, side, side)
    wide = functional.interpolate(square, (GRID, GRID), mode="bicubic", align_corners=False)
    return torch.cat([whole, wide.reshape(places.shape[1], -1).T])


def _resampled(kernels: Tensor) -> Tensor:
    """[width, 3, side, side] -> the same for PATCH_SIZE: what they find in a patch they find, about, in
    the patch scaled to that size ("FlexiViT", Beyer et al., 2023, section 3.4).
    """
    side = kernels.shape[-1]
    every_pixel = torch.eye(side * side).view(-1, 1, side, side)
    scaled = functional.interpolate(
        every_pixel, (PATCH_SIZE,) * 2, mode="bicubic", align_corners=False
    )
    flat: Tensor = kernels.reshape(-1, side * side) @ torch.linalg.pinv(scaled.flatten(1)).T
    return flat.view(*kernels.shape[:2], PATCH_SIZE, PATCH_SIZE)

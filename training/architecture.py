"""The architecture of `tiny`: configuration, tokenizer and processor.

It is a small VipLlavaForConditionalGeneration in the layout of the public checkpoints: a CLIP vision
tower, a projector that reads five of its layers, and a Llama decoder.
"""

import json
import string
from collections.abc import Iterable

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaProcessor,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    VipLlavaConfig,
)

from vipllava_cli.engine.prompts.control_words import IMAGE
from vipllava_cli.engine.prompts.templates import TEMPLATES

IMAGE_SIZE = 256  # side in pixels
PATCH_SIZE = 16  # side in pixels
GRID = IMAGE_SIZE // PATCH_SIZE  # patches per side
VOCABULARY_SIZE = 1280

_SPECIAL_TOKENS = ("<unk>", "<s>", "</s>", IMAGE, "<pad>")

# The Jinja form of the `human` template, for the processor.
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
    """Make the configuration of a model of 7.1 million parameters."""
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
        vocab_size=VOCABULARY_SIZE,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=3,
        num_key_value_heads=3,
        max_position_embeddings=2048,
        bos_token_id=_SPECIAL_TOKENS.index("<s>"),
        eos_token_id=_SPECIAL_TOKENS.index("</s>"),
        pad_token_id=_SPECIAL_TOKENS.index("<pad>"),
        tie_word_embeddings=False,
    )
    return VipLlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=_SPECIAL_TOKENS.index(IMAGE),
        vision_feature_layer=[-1, -2, -3, -4, 2],
        image_seq_length=GRID * GRID,
    )


def make_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train a byte-pair tokenizer with byte fallback, like Llama's, on texts.

    No token crosses a border between words, digits, punctuation marks and the stop text. So a
    conversation has the same tokens turn by turn and all at once.
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
    byte_tokens = [f"<0x{value:02X}>" for value in range(256)]
    trainer = BpeTrainer(
        vocab_size=VOCABULARY_SIZE - 1,
        special_tokens=[*_SPECIAL_TOKENS, *byte_tokens],
        initial_alphabet=list(string.ascii_letters),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    model = _unmark_special(model, byte_tokens)
    model.add_tokens([AddedToken("###", normalized=False, special=True)])
    model.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", _SPECIAL_TOKENS.index("<s>"))]
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
    """Return the first token of a word behind a space, without a token for the space itself."""
    ids: list[int] = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
    space = tokenizer.convert_tokens_to_ids("▁")
    return next(token for token in ids if token != space)


def _unmark_special(model: Tokenizer, tokens: list[str]) -> Tokenizer:
    """Turn special tokens into ordinary ones, so that decoding does not skip them."""
    state = json.loads(model.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] not in tokens]
    return Tokenizer.from_str(json.dumps(state))


def make_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Make a processor like the public checkpoints': resize the short side, then crop the centre."""
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

"""Small tokenizers in the layouts of published model families, trained on a few lines of text."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

_CORPUS = (
    "What is in the red box? A penguin and a red car stand on the green hill.",
    "Describe the image. The blue arrow points at a small boat near the white house.",
    "user assistant User: Assistant: USER: ASSISTANT: system model You are a helpful assistant.",
    "Is there a cat within the ellipse? Yes, there are 2 cats and 10 dogs, and 345 birds.",
    "Don't read it's text: we'll see that they're the same; I'd say I'm done.",
)
_MERGES = 200  # tokens above the letters

# The pre-tokenizer patterns that these families publish.
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_LETTERS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+{0}"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*{0}"
)
_CODE_END = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_TEKKEN = _LETTERS.replace("{0}", "") + r"|\p{N}" + _CODE_END
_LLAMA4 = _LETTERS.replace("{0}", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?") + r"|\p{N}{1,3}" + _CODE_END

BYTE_PATTERNS: Mapping[str, str] = {
    "gpt2": _GPT2,
    "llama3": _LLAMA3,
    "llama4": _LLAMA4,
    "qwen2": _QWEN2,
    "tekken": _TEKKEN,
}


@dataclass(frozen=True)
class TokenizerLayout:
    """The kind of a family's tokenizer and its special tokens.

    `kind` is a key of BYTE_PATTERNS, `digits` (GPT-2 with single digits), `llama2` or `gemma`. The tokens
    `first` have the lowest ids, `last` the highest. `roles` are the fields of tokenizer_config.json.
    Added tokens that start with a pattern of `plain` are not special: an answer keeps them.
    """

    kind: str
    first: Sequence[str]
    last: Sequence[str]
    roles: Mapping[str, str] = field(default_factory=dict)
    puts_bos_first: bool = False
    plain: Sequence[str] = ()


def make_tokenizer(layout: TokenizerLayout) -> Tokenizer:
    """Train a tokenizer. The same layout always gives the same ids."""
    vocabulary, merges = _train("sentencepiece" if layout.kind in ("llama2", "gemma") else "bytes")
    tokens = [*layout.first, *vocabulary]
    known = {token: number for number, token in enumerate(tokens)}
    rules = [(left, right) for left, right in merges]
    is_sentencepiece = layout.kind in ("llama2", "gemma")
    model = models.BPE(
        known,
        rules,
        unk_token="<unk>" if is_sentencepiece else None,
        fuse_unk=is_sentencepiece,
        byte_fallback=is_sentencepiece,
        ignore_merges=layout.kind in ("llama3", "llama4", "tekken"),
    )
    tokenizer = Tokenizer(model)
    _add_parts(tokenizer, layout.kind)
    special = [AddedToken(token, special=True, normalized=False) for token in layout.first]
    for token in layout.last:
        is_plain = any(re.match(pattern, token) for pattern in layout.plain)
        special.append(AddedToken(token, special=not is_plain, normalized=False))
    for added in special:  # in the order of their ids
        (tokenizer.add_special_tokens if added.special else tokenizer.add_tokens)([added])
    if layout.puts_bos_first:
        bos = layout.roles["bos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[bos, "$A"], pair=[bos, "$A", bos, "$B"],
            special_tokens=[(bos, tokenizer.token_to_id(bos))],
        )  # fmt: skip
    return tokenizer


def _add_parts(tokenizer: Tokenizer, kind: str) -> None:
    """Add the steps around the model, as the family publishes them."""
    if kind == "llama2":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
        end = [decoders.Strip(" ", 1, 0)]
    elif kind == "gemma":
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        end = []
    else:
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind == "digits")
        before = (
            pre_tokenizers.Digits(individual_digits=True)
            if kind == "digits"
            else pre_tokenizers.Split(Regex(BYTE_PATTERNS[kind]), "isolated")
        )
        if kind == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([before, byte_level])
        tokenizer.decoder = decoders.ByteLevel()
        return
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *end]
    tokenizer.decoder = decoders.Sequence(steps)


@lru_cache
def _train(kind: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the tokens in the order of their ids, and the merges."""
    tokenizer = Tokenizer(models.BPE())
    if kind == "bytes":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        letters, first = pre_tokenizers.ByteLevel.alphabet(), []
    else:
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
        letters, first = [], [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=256 + _MERGES + 60 * bool(first),
        special_tokens=first,
        initial_alphabet=sorted(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_CORPUS * 20, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return tuple(tokens), tuple(tuple(merge) for merge in model["merges"])

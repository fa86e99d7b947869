"""The tokenizer.json of a checkpoint: parts and patterns that are safe to run, tokens that fit."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vipllava_cli.errors import ModelError, short_repr

_FILE = "tokenizer.json"
_MAX_TEXT = 64  # characters that one part may add to a text
_MAX_GROWTH = 8  # how much longer all replacements together may make a text
_MAX_PARTS = 64
_MAX_TOKEN_LENGTH = 1024
_MAX_PADDING = 1 << 16

# The kinds of parts that tokenizer.json may have. `Precompiled` is left out: its binary table is parsed
# by a library that panics on damaged ones (tokenizers 0.23.3).
_PARTS: Mapping[str, frozenset[str]] = {
    "normalizer": frozenset(
        [
            "Sequence",
            "Prepend",
            "Replace",
            "Strip",
            "StripAccents",
            "Lowercase",
            "NFC",
            "NFD",
            "NFKC",
            "NFKD",
            "Nmt",
            "ByteLevel",
            "BertNormalizer",
        ]
    ),
    "pre_tokenizer": frozenset(
        [
            "Sequence",
            "Split",
            "Metaspace",
            "ByteLevel",
            "Whitespace",
            "WhitespaceSplit",
            "Digits",
            "Punctuation",
            "BertPreTokenizer",
            "CharDelimiterSplit",
            "UnicodeScripts",
            "FixedLength",
        ]
    ),
    "post_processor": frozenset(
        ["Sequence", "TemplateProcessing", "ByteLevel", "RobertaProcessing", "BertProcessing"]
    ),
    "decoder": frozenset(
        [
            "Sequence",
            "Replace",
            "ByteFallback",
            "Fuse",
            "Strip",
            "ByteLevel",
            "Metaspace",
            "WordPiece",
            "BPEDecoder",
            "CTC",
        ]
    ),
}
_MODELS = ("BPE", "Unigram", "WordLevel", "WordPiece")

_SUFFIXES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+{0}"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*{0}"
)
_SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
# Patterns of published tokenizers: GPT-2; cl100k, Llama 3 and GLM-4; Qwen 2 and 3; Qwen 3.5; o200k and
# Llama 4; Tekken of Mistral.
_KNOWN_PATTERNS = frozenset(
    (
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        _SUFFIXES + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + _SPACES,
        _SUFFIXES + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + _SPACES,
        _SUFFIXES
        + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
        + _SPACES,
        _WORDS.replace("{0}", f"{_SUFFIXES}?")
        + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
        + _SPACES,
        _WORDS.replace("{0}", "") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + _SPACES,
    )
)
# One character, class or escape, repeated at most once, perhaps after an optional one; or a few such
# alternatives. No pattern of this form can backtrack much.
_ATOM = r"(?:\\[dswDSWntr.]|\\p\{\w{1,20}\}|\[(?:[^\[\]\\]|\\.){1,64}\]|[^\\\[\](){}*+?|^$.])"
_ALTERNATIVE = rf"(?:{_ATOM}\?)?{_ATOM}(?:[+?]|\{{\d{{1,2}}(?:,\d{{0,2}})?\}})?"
_SIMPLE_PATTERN = re.compile(rf"{_ALTERNATIVE}(?:\|{_ALTERNATIVE}){{0,7}}")


def check_tokenizer(value: Any, rows: int, name: str) -> None:
    """Check a parsed tokenizer.json for a model with `rows` embeddings.

    A part may make a text only a little longer, a pattern must match in bounded time, and each token
    needs an embedding. Raises ModelError.
    """
    where = f"{name}: {_FILE}: "
    if not isinstance(value, dict):
        raise ModelError(f"{where}expected a JSON object, found {short_repr(value)}")
    for part, kinds in _PARTS.items():
        _check_part(value.get(part), kinds, f"{where}{part}")
    padding = value.get("padding")
    if padding is not None and any(size > _MAX_PADDING for size in _iter_sizes(padding)):
        raise ModelError(f"{where}padding is {short_repr(padding)}: expected null")
    model = value.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") not in _MODELS:
        raise ModelError(f"{where}expected a model of the type {', '.join(_MODELS)}")
    if model.get("dropout"):
        raise ModelError(
            f"{where}model.dropout is {short_repr(model['dropout'])}: expected null, because answers"
            " would change at random"
        )
    prefix = model.get("continuing_subword_prefix")
    if model.get("type", "BPE") == "BPE" and prefix:
        raise ModelError(
            f"{where}model.continuing_subword_prefix is {short_repr(prefix)}: expected null"
        )
    _check_vocabulary(model.get("vocab"), rows, where)
    _check_added(value.get("added_tokens"), rows, where)


def _check_vocabulary(vocabulary: Any, rows: int, where: str) -> None:
    """Raise ModelError for a vocabulary that is empty, or has a token without an embedding."""
    if isinstance(vocabulary, dict):  # token -> id
        ids: Iterable[Any] = vocabulary.values()
    elif isinstance(vocabulary, list):  # [token, score] at its id
        ids = range(len(vocabulary))
    else:
        raise ModelError(f"{where}model.vocab is {short_repr(vocabulary)}: expected an object")
    if not vocabulary:
        raise ModelError(f"{where}the vocabulary is empty: get the checkpoint again")
    for id in ids:
        if not (type(id) is int and 0 <= id < rows):
            raise _no_embedding(id, rows, where)


def _check_added(tokens: Any, rows: int, where: str) -> None:
    """Raise ModelError for added tokens of a wrong kind."""
    for token in [] if tokens is None else tokens if isinstance(tokens, list) else [tokens]:
        content = token.get("content") if isinstance(token, dict) else None
        if not isinstance(content, str) or not 0 < len(content) <= _MAX_TOKEN_LENGTH:
            raise ModelError(
                f"{where}added_tokens has {short_repr(token)}: expected a token of 1 to"
                f" {_MAX_TOKEN_LENGTH} characters"
            )
        if not (type(token.get("id")) is int and 0 <= token["id"] < rows):
            raise _no_embedding(token.get("id"), rows, where)


def _no_embedding(id: object, rows: int, where: str) -> ModelError:
    return ModelError(
        f"{where}a token has the id {short_repr(id)}, and the model has {rows} embeddings: expected a"
        f" whole number from 0 to {rows - 1}"
    )


def _iter_sizes(value: Any) -> Iterator[int]:
    """Yield all whole numbers in a value."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _iter_sizes(each)
    elif type(value) is int:
        yield value


def _check_part(part: Any, kinds: frozenset[str], where: str) -> None:
    """Check a part and the parts in it. Raises ModelError."""
    steps = list(_iter_steps(part))
    if len(steps) > _MAX_PARTS:
        raise ModelError(f"{where} has {len(steps)} steps: expected at most {_MAX_PARTS}")
    growth = 1.0
    for step in steps:
        if not isinstance(step, dict) or step.get("type") not in kinds:
            found = step.get("type") if isinstance(step, dict) else step
            raise ModelError(f"{where} has the type {short_repr(found)}, which is not supported")
        for text in _iter_texts(step):
            if len(text) > _MAX_TEXT and text not in _KNOWN_PATTERNS:
                raise ModelError(
                    f"{where} has a text of {len(text)} characters: {short_repr(text)}"
                )
        _check_values(step, where)
        growth *= _growth(step, where)
    if growth > _MAX_GROWTH:
        raise ModelError(f"{where} makes a text {growth:g} times as long: expected {_MAX_GROWTH}")


def _check_values(step: Mapping[str, Any], where: str) -> None:
    """Raise ModelError for the values on which tokenizers 0.23.3 panics when it tokenizes a text."""
    kind = step["type"]
    if kind == "FixedLength" and not (type(step.get("length")) is int and step["length"] > 0):
        raise ModelError(
            f"{where} has the length {short_repr(step.get('length'))}: expected 1 or more"
        )
    if kind == "Strip" and step.get("stop"):  # of the decoder; its index counts bytes
        raise ModelError(
            f"{where} strips {short_repr(step['stop'])} letters at the end: expected 0"
        )
    if kind == "TemplateProcessing":
        known = step.get("special_tokens")
        for piece in [*_pieces(step.get("single")), *_pieces(step.get("pair"))]:
            if not isinstance(known, dict) or piece not in known:
                raise ModelError(f"{where} lacks the special token {short_repr(piece)}")


def _pieces(template: Any) -> list[str]:
    """Return the special tokens that a template names."""
    steps = template if isinstance(template, list) else []
    tokens = [each.get("SpecialToken") for each in steps if isinstance(each, dict)]
    return [str(each.get("id")) for each in tokens if isinstance(each, dict)]


def _iter_steps(part: Any) -> Iterator[Any]:
    """Yield a part without its sequences: the parts in them, at any depth."""
    if part is None:
        return
    if isinstance(part, dict) and part.get("type") == "Sequence":
        lists = [each for key, each in part.items() if key != "type" and isinstance(each, list)]
        for each in lists:
            for step in each:
                yield from _iter_steps(step)
        return
    yield part


def _iter_texts(value: Any) -> Iterator[str]:
    """Yield all texts in a value."""
    if isinstance(value, dict | list):
        if len(value) > _MAX_PARTS:
            yield "." * (_MAX_TEXT + len(value))
            return
        for each in value.values() if isinstance(value, dict) else value:
            yield from _iter_texts(each)
    elif isinstance(value, str):
        yield value


def _growth(step: Mapping[str, Any], where: str) -> float:
    """Return how much longer a step can make a text. Raises ModelError for an unsafe pattern."""
    pattern = step.get("pattern")
    fixed = pattern.get("String") if isinstance(pattern, dict) else pattern
    regex = pattern.get("Regex") if isinstance(pattern, dict) else None
    if regex is not None:
        _check_regex(regex, where)
    content = step.get("content")
    if not isinstance(content, str) or pattern is None:
        return 1.0
    return max(1.0, len(content) / max(len(fixed), 1) if isinstance(fixed, str) else len(content))


def _check_regex(regex: Any, where: str) -> None:
    """Raise ModelError for a pattern that may match for ever.

    Oniguruma gives up after many tries, and tokenizers 0.23.3 then panics or ends the process.
    """
    is_safe = isinstance(regex, str) and (
        regex in _KNOWN_PATTERNS or _SIMPLE_PATTERN.fullmatch(regex)
    )
    if not is_safe:
        raise ModelError(
            f"{where} has the regular expression {short_repr(regex)}: expected that of a published"
            " tokenizer, or character classes"
        )

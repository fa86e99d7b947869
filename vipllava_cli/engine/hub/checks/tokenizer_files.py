"""The small files beside a tokenizer: their tokens, texts and flags. Fields without a rule do nothing.

`tokenizer_config.json` and `special_tokens_map.json` name special tokens, `added_tokens.json` gives ids.
"""

from collections.abc import Mapping
from typing import Any

from vipllava_cli.engine.hub.checks.fields import (
    FLAG,
    Rule,
    Rules,
    check_fields,
    number,
    one_of,
    optional,
    text,
)
from vipllava_cli.errors import ModelError, short_repr

MAX_TEMPLATE = 1 << 18  # characters, as many as chat_template.jinja may have
_MAX_TOKEN_LENGTH = 1024
_MAX_TOKENS = 4096
_TOKEN_FIELDS = ("lstrip", "normalized", "rstrip", "single_word", "special")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_TOKEN_LENGTH


def _is_token(value: Any) -> bool:
    """Return whether a value is a token: its text, or an object with its text and flags."""
    return _is_text(value) or (
        isinstance(value, dict)
        and _is_text(value.get("content"))
        and all(isinstance(value.get(field, False), bool) for field in _TOKEN_FIELDS)
    )


def _is_tokens(value: Any) -> bool:
    """Return whether a value is a list of tokens, or an object of them."""
    if not isinstance(value, list | dict) or len(value) > _MAX_TOKENS:
        return False
    return all(map(_is_token, value.values() if isinstance(value, dict) else value))


def _is_template(value: Any) -> bool:
    if isinstance(value, list):  # named templates
        return len(value) <= 16 and all(
            isinstance(each, dict) and _is_text(each.get("name")) and _is_short(each)
            for each in value
        )
    return isinstance(value, str) and len(value) <= MAX_TEMPLATE


def _is_short(entry: Mapping[str, Any]) -> bool:
    template = entry.get("template")
    return isinstance(template, str) and len(template) <= MAX_TEMPLATE


TOKEN = optional(Rule(f"a token of 1 to {_MAX_TOKEN_LENGTH} characters", _is_token))
_TOKENS = optional(Rule(f"up to {_MAX_TOKENS} tokens", _is_tokens))
TEMPLATE = optional(Rule(f"a template of at most {MAX_TEMPLATE} characters", _is_template))
_FLAG, _SIDE = optional(FLAG), optional(one_of(("left", "right")))

SPECIAL_RULES: Rules = {
    **{
        f"{token}_token": TOKEN
        for token in ("bos", "cls", "eos", "image", "mask", "pad", "sep", "unk")
    },
    "additional_special_tokens": _TOKENS,
    "extra_special_tokens": _TOKENS,
    "model_specific_special_tokens": _TOKENS,
}
CONFIG_RULES: Rules = {
    **SPECIAL_RULES,
    **dict.fromkeys(
        (
            "add_bos_token",
            "add_eos_token",
            "add_prefix_space",
            "clean_up_tokenization_spaces",
            "legacy",
            "spaces_between_special_tokens",
            "split_special_tokens",
        ),
        _FLAG,
    ),
    "chat_template": TEMPLATE,
    "model_max_length": optional(number(1, 1e31)),  # published ones say 1e30 for no limit
    "padding_side": _SIDE,
    "processor_class": optional(text(64)),
    "tokenizer_class": optional(text(64)),
    "truncation_side": _SIDE,
}
PROCESSOR_RULES: Rules = {
    "chat_template": TEMPLATE,
    "image_token": TOKEN,
    "num_additional_image_tokens": optional(number(0, 1 << 10)),
    "patch_size": optional(number(1, 512)),
    "processor_class": optional(text(64)),
    "vision_feature_select_strategy": optional(one_of(("default", "full"))),
}


def check_tokenizer_file(values: Mapping[str, Any], file: str, rows: int, name: str) -> None:
    """Check a parsed file beside the tokenizer of a model with `rows` embeddings. Raises ModelError."""
    where = f"{name}: {file}: "
    if file == "added_tokens.json":
        _check_ids(values, where, rows)
        return
    check_fields(values, CONFIG_RULES if file == "tokenizer_config.json" else SPECIAL_RULES, where)
    decoder = values.get("added_tokens_decoder")
    if decoder is not None:
        _check_decoder(decoder, f"{where}added_tokens_decoder", rows)


def _check_ids(ids: Mapping[str, Any], where: str, rows: int) -> None:
    """Check an object of ids by token. Raises ModelError."""
    for token, id in ids.items():
        if not (_is_text(token) and type(id) is int and 0 <= id < rows):
            raise ModelError(
                f"{where}the token {short_repr(token)} has the id {short_repr(id)}: expected a whole"
                f" number from 0 to {rows - 1}"
            )


def _check_decoder(decoder: Any, where: str, rows: int) -> None:
    """Check an object of tokens by id. Raises ModelError."""
    if not isinstance(decoder, dict):
        raise ModelError(f"{where} is {short_repr(decoder)}: expected an object of tokens by id")
    for id, token in decoder.items():
        is_id = id.isascii() and id.isdecimal() and len(id) < 10 and int(id) < rows
        if not (is_id and _is_token(token)):
            raise ModelError(
                f"{where} has {short_repr(token)} at {short_repr(id)}: expected a token of 1 to"
                f" {_MAX_TOKEN_LENGTH} characters at an id from 0 to {rows - 1}"
            )

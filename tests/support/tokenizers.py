"""Tokenizers that differ from the shipped one."""

import json
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from vipllava_cli.engine.hub.registry import BUNDLED


def spaced_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Return the shipped tokenizer changed to work like Llama's.

    It puts a space before every text, and `###` is not a token of its own.
    """
    data = json.loads((BUNDLED["tiny"] / "tokenizer.json").read_text())
    replace_spaces = data["normalizer"]
    data["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace_spaces],
    }
    data["added_tokens"] = [token for token in data["added_tokens"] if token["content"] != "###"]
    (folder / "tokenizer.json").write_text(json.dumps(data))
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=["<image>"],
    )

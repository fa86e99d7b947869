"""Small random checkpoints of model families, in the layout of the hub.

The library's own classes make the weights and most files. `make_family_checkpoint` needs no network.
"""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

from tests.support.family_layouts import FAMILIES, LAYOUTS, FamilyLayout
from tests.support.family_templates import TEMPLATES
from tests.support.family_tokenizers import make_tokenizer
from tests.support.session_folders import make_session_folder

__all__ = ["FAMILIES", "make_family_checkpoint"]

_SHARD_BYTES = 200_000
_SPARE_ROWS = 8  # of the embeddings: published models have more rows than tokens
_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")


def make_family_checkpoint(
    family: str, folder: Path, *, in_shards: bool = False, dtype: torch.dtype = torch.float32
) -> Path:
    """Write a random checkpoint of a family of FAMILIES into a new or empty folder. Returns the folder.

    It is made once in a process and copied after that. The same arguments always give the same files.
    """
    shutil.copytree(_made(family, in_shards, dtype), folder, dirs_exist_ok=True)
    return folder


@cache
def _made(family: str, in_shards: bool, dtype: torch.dtype) -> Path:
    folder = make_session_folder(f"vipllava-{family}-")
    layout = LAYOUTS[family]
    tokenizer = make_tokenizer(layout.tokenizer)
    _write_tokenizer(folder, layout, tokenizer)
    _write_processor(folder, layout)
    if family in TEMPLATES:
        (folder / "chat_template.jinja").write_text(TEMPLATES[family])
    _write_model(folder, layout, tokenizer, dtype, "170KB" if in_shards else "5GB")
    return folder


def _write_model(
    folder: Path, layout: FamilyLayout, tokenizer: Tokenizer, dtype: torch.dtype, shard: str
) -> None:
    values = layout.config(lambda token: tokenizer.get_vocab()[token])
    rows = tokenizer.get_vocab_size() + _SPARE_ROWS
    roles = layout.tokenizer.roles
    ids = {
        f"{role}_id": tokenizer.token_to_id(roles[role])
        for role in ("bos_token", "eos_token", "pad_token")
        if role in roles
    }
    values["text_config"] = {**values["text_config"], "vocab_size": rows, **ids}
    if layout.model_type == "mllama":  # the model cannot generate its image token
        values["text_config"]["vocab_size"] = tokenizer.token_to_id("<|image|>")
    if layout.model_type == "ovis2":
        values["vocab_size"] = rows
    config = AutoConfig.for_model(layout.model_type, **values)
    model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    _fill(model)
    ends = [tokenizer.token_to_id(end) for end in layout.ends]
    model.generation_config = GenerationConfig(**ids | {"eos_token_id": ends})
    model.save_pretrained(folder, max_shard_size=shard)


def _fill(model: torch.nn.Module) -> None:
    """Fill the weights so that every part changes the answer and no two logits are equal."""
    generator = torch.Generator().manual_seed(0)
    is_gemma = "gemma" in type(model).__name__.lower()  # its norms multiply by 1 + weight

    def normal(weight: torch.Tensor, deviation: float, mean: float = 0.0) -> None:
        values = torch.randn(weight.shape, generator=generator) * deviation + mean
        weight.copy_(values.to(weight.dtype))

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name and name.endswith("weight") and weight.ndim == 1:
                # Sharp attention and strong layers: the embeddings are also the head, and would
                # otherwise repeat a token.
                is_strong = any(part in name for part in ("q_norm", "k_norm", "post_feedforward"))
                normal(weight, 0.5 if is_strong else 0.1, 2.0 * is_strong if is_gemma else 1.0)
            elif weight.ndim < 2:
                normal(weight, 0.5)
            elif "embed_tokens" in name or "lm_head" in name:
                normal(weight, 0.1 if is_gemma else 0.3)
            else:
                normal(weight, 2.0 / weight[0].numel() ** 0.5)


def _write_tokenizer(folder: Path, layout: FamilyLayout, tokenizer: Tokenizer) -> None:
    """Write tokenizer.json and the files beside it, as fields of published files."""
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = dict(layout.tokenizer.roles)
    extra = {role: token for role, token in roles.items() if role not in _SPECIAL}
    added = {
        str(number): {
            "content": token.content, "lstrip": False, "normalized": False, "rstrip": False,
            "single_word": False, "special": token.special,
        }
        for number, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }  # fmt: skip
    special = {value["content"] for value in added.values() if value["special"]}
    named = [token for token in layout.tokenizer.last if token in special - {*roles.values()}]
    config: dict[str, Any] = {
        "added_tokens_decoder": added,
        "additional_special_tokens": named[:100],
        "clean_up_tokenization_spaces": False,
        "extra_special_tokens": extra,
        "model_max_length": 4096,
        "padding_side": "left",
        "processor_class": layout.processor_class,
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{role: roles[role] for role in _SPECIAL if role in roles},
        **extra,
    }
    _write(folder / "tokenizer_config.json", config)
    roles = {role: roles[role] for role in _SPECIAL if role in roles}
    _write(folder / "special_tokens_map.json", roles)


def _write_processor(folder: Path, layout: FamilyLayout) -> None:
    """Write preprocessor_config.json from the library's class, and processor_config.json."""
    base = layout.image_processor.removesuffix("Fast")
    pillow = getattr(transformers, f"{base}Pil", None)
    if pillow is None:  # only for torchvision
        images: dict[str, Any] = {
            "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
            "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2,
            "rescale_factor": 1 / 255, **layout.images,
        }  # fmt: skip
    else:
        images = json.loads(pillow(**layout.images).to_json_string())
    names = {"image_processor_type": layout.image_processor}
    common = {"processor_class": layout.processor_class}
    _write(folder / "preprocessor_config.json", {**images, **names, **common})
    _write(folder / "processor_config.json", {**layout.processor, **common})
    if layout.video_processor:
        video = {"video_processor_type": layout.video_processor, **common}
        _write(folder / "video_preprocessor_config.json", {**images, **video})


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")

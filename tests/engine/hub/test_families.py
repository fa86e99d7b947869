"""The table of model families, and the checkpoints that the tests make of them."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForImageTextToText,
    PreTrainedConfig,
)

from tests.conftest import ROOT
from tests.support.family_checkpoints import FAMILIES, make_family_checkpoint
from vipllava_cli.engine.hub import families
from vipllava_cli.engine.hub.checkpoints import find_checkpoint, read_config
from vipllava_cli.engine.hub.checks.family_fields import FAMILY_RULES

pytestmark = pytest.mark.model


def test_a_checkpoint_of_every_family_can_be_made() -> None:
    from tests.support.family_layouts import LAYOUTS

    made = {layout.model_type for layout in LAYOUTS.values()}
    assert made | {families.VIPLLAVA} == set(families.FAMILIES)


def test_the_documentation_lists_every_family() -> None:
    text = (ROOT / "docs" / "models.md").read_text()
    for row in families.FAMILIES.values():
        if row.model_type != families.VIPLLAVA:
            assert f"| {row.name} | `{row.model_type}` | `{row.example}` |" in text


def test_every_field_of_the_configs_has_a_rule_or_changes_nothing() -> None:
    """A field without a rule is dropped, so it may not describe the model."""
    without = set()
    for family in families.FAMILIES.values():
        for kind in (family.model_type, *family.text_types, *family.vision_types):
            if family.model_type != families.VIPLLAVA and kind in CONFIG_MAPPING:
                names = {field.name for field in dataclasses.fields(CONFIG_MAPPING[kind])}
                without |= names - FAMILY_RULES.keys()
    assert without - {field.name for field in dataclasses.fields(PreTrainedConfig)} == {
        # the parts
        "text_config",
        "vision_config",
        # of training
        "attention_dropout",
        "dropout",
        "embd_pdrop",
        "hidden_dropout_prob",
        "initializer_factor",
        "initializer_range",
        "output_router_logits",
        "pretraining_tp",
        "projection_dropout",
        "projector_dropout",
        "resid_pdrop",
        "router_aux_loss_coef",
        "router_jitter_noise",
        # the engine decides
        "use_cache",
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_from_the_checked_config_is_the_same(family: str, tmp_path: Path) -> None:
    folder = make_family_checkpoint(family, tmp_path / "model")
    expected = AutoConfig.from_pretrained(folder).to_dict()
    values = read_config(folder, "model")
    found = AutoConfig.for_model(values.pop("model_type"), **values).to_dict()
    for side in (expected, found):
        for field in ("_name_or_path", "architectures", "transformers_version"):
            side.pop(field, None)
    assert found == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_loads_every_weight(family: str, tmp_path: Path) -> None:
    folder = make_family_checkpoint(family, tmp_path / "model", in_shards=True)
    assert find_checkpoint(str(folder)).revision == "local"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    _, report = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    assert not any(report[f"{kind}_keys"] for kind in ("missing", "unexpected", "mismatched"))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parts_of_a_checkpoint_are_in_the_table(family: str, tmp_path: Path) -> None:
    config = AutoConfig.from_pretrained(make_family_checkpoint(family, tmp_path))
    row = families.FAMILIES[config.model_type]
    assert config.text_config.model_type in row.text_types
    assert config.vision_config.model_type in row.vision_types


# What the config.json of published models says, as far as it is unusual.
_QWEN_TEXT = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_attention_heads": 28,
    "num_hidden_layers": 28, "num_key_value_heads": 4, "max_window_layers": 28,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "sliding_window": 32768,
    "use_sliding_window": False, "vocab_size": 152064, "bos_token_id": 151643,
}  # fmt: skip
PUBLISHED: Mapping[str, Mapping[str, object]] = {
    "qwen2_5_vl": {
        **_QWEN_TEXT,
        "image_token_id": 151655,
        "torch_dtype": "bfloat16",
        "vision_token_id": 151654,
        "vision_config": {
            "depth": 32, "fullatt_block_indexes": [7, 15, 23, 31], "hidden_size": 1280,
            "in_chans": 3, "out_hidden_size": 3584, "spatial_patch_size": 14, "window_size": 112,
        },
    },
    "gemma3": {
        "eos_token_id": [1, 106],
        "text_config": {
            "hidden_size": 2560, "num_hidden_layers": 34, "sliding_window": 1024,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        },
        "vision_config": {"image_size": 896, "model_type": "siglip_vision_model", "patch_size": 14},
    },
    "llava": {
        "ignore_index": -100,
        "text_config": {
            "_name_or_path": "lmsys/vicuna-7b-v1.5", "model_type": "llama", "vocab_size": 32064,
        },
        "vision_config": {"image_size": 336, "model_type": "clip_vision_model", "vocab_size": 32000},
    },
    "llava_next": {  # Granite Vision
        "text_config": {
            "attention_multiplier": 0.015625, "embedding_multiplier": 12.0, "hidden_size": 2048,
            "logits_scaling": 8.0, "model_type": "granite", "residual_multiplier": 0.22,
        },
        "vision_config": {"image_size": 384, "model_type": "siglip_vision_model", "patch_size": 14},
        "vision_feature_layer": [-24, -20, -12, -1],
    },
    "smolvlm": {
        "text_config": {
            "head_dim": 64, "neftune_noise_alpha": 0.0, "num_attention_heads": 32,
            "perceiver_config": {"n_heads": 16}, "rope_theta": 273768.0, "is_llama_config": True,
        },
        "vision_config": {"max_image_size": {"longest_edge": 384}, "size": {"longest_edge": 1536}},
    },
    "llama4": {
        "text_config": {"attn_temperature_tuning": True, "no_rope_layers": [], "head_dim": 128},
        "vision_config": {"image_size": 336, "rope_theta": 10000, "vision_output_dim": 4096},
    },
}  # fmt: skip


@pytest.mark.parametrize("model_type", PUBLISHED)
def test_published_configs_mean_what_transformers_reads(model_type: str, tmp_path: Path) -> None:
    values = {"model_type": model_type, **PUBLISHED[model_type]}
    (tmp_path / "config.json").write_text(json.dumps(values))
    expected = AutoConfig.from_pretrained(tmp_path)
    checked = read_config(tmp_path, "model")
    found = AutoConfig.for_model(checked.pop("model_type"), **checked)
    for part, rules in (("text_config", FAMILY_RULES), ("vision_config", FAMILY_RULES)):
        sides = [getattr(config, part).to_dict() for config in (found, expected)]
        for field in rules.keys() - {"torch_dtype", "dtype"}:
            assert sides[0].get(field) == sides[1].get(field), field

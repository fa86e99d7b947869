"""Checkpoints of a family that differ from most: other text models, and fields that are left out."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel

from tests.support.family_checkpoints import make_family_checkpoint
from vipllava_cli.engine.hardware.family_spec import read_family_spec
from vipllava_cli.engine.hub.checkpoints import find_checkpoint, fitted_config

pytestmark = pytest.mark.model


def make_variant(family: str, folder: Path, **text: Any) -> PreTrainedModel:
    """Write a checkpoint with another text model, and without the fields that published ones lack."""
    make_family_checkpoint(family, folder)
    config = AutoConfig.from_pretrained(folder)
    known = ("vocab_size", "num_hidden_layers", "num_attention_heads")
    sizes = {
        field: getattr(config.text_config, field)
        for field in (*known, "hidden_size", "intermediate_size")
    }
    config = type(config)(
        **{
            **config.to_dict(),
            "text_config": {
                **sizes,
                "num_key_value_heads": 1,
                "max_position_embeddings": 4096,
                **text,
            },
            "tie_word_embeddings": False,
        }
    )
    torch.manual_seed(1)
    model: PreTrainedModel = AutoModelForImageTextToText.from_config(config)
    model.save_pretrained(folder)
    values = json.loads((folder / "config.json").read_text())
    for part, field in (
        (values, "tie_word_embeddings"),
        (values["text_config"], "tie_word_embeddings"),
        (values["text_config"], "head_dim"),
    ):
        part.pop(field, None)
    (folder / "config.json").write_text(json.dumps(values))
    return model


@pytest.mark.parametrize(
    ("family", "text_type"),
    [
        ("idefics3", "mistral"),
        ("idefics3", "qwen2"),
        ("smolvlm", "qwen3"),
        ("mistral3", "llama"),
        ("mistral3", "mistral"),
        ("mistral3", "ministral3"),
        ("ovis2", "llama"),
        ("ovis2", "qwen3"),
        ("gemma3", "gemma3_text"),
    ],
)
def test_a_variant_is_accepted_and_its_parameters_are_counted(
    family: str, text_type: str, tmp_path: Path
) -> None:
    """The size of a head has its default, and the head is not the embeddings: the weights have both."""
    model = make_variant(family, tmp_path, model_type=text_type)
    find_checkpoint(str(tmp_path))
    spec = read_family_spec(fitted_config(tmp_path, "model"))
    assert spec.parameters == sum(each.numel() for each in model.parameters())


def test_a_head_that_is_the_embeddings_stays_so(tmp_path: Path) -> None:
    make_family_checkpoint("gemma3", tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    assert values.pop("tie_word_embeddings")
    (tmp_path / "config.json").write_text(json.dumps(values))
    model = AutoModelForImageTextToText.from_pretrained(tmp_path)
    spec = read_family_spec(fitted_config(tmp_path, "model"))
    assert spec.parameters == sum(each.numel() for each in model.parameters())


def test_a_default_start_token_without_an_embedding_is_not_used(tmp_path: Path) -> None:
    make_family_checkpoint("qwen2_5_vl", tmp_path)
    path = tmp_path / "generation_config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "bos_token_id": 151_643}))  # of the library's own config
    find_checkpoint(str(tmp_path))

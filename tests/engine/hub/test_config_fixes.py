"""Fixes of published configs: a loaded model uses the layers of its weights."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

from tests.engine.local.test_loading import answer_of
from tests.support.public_checkpoints import edit, edit_config
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hub.checkpoints import find_checkpoint
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.engine.local.loading import load

pytestmark = pytest.mark.model


def test_a_config_without_fitting_layers_gets_those_of_vip_llava(tmp_path: Path) -> None:
    tiny = json.loads((BUNDLED["tiny"] / "config.json").read_text())
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 12}
    text, vision = tiny["text_config"], tiny["vision_config"] | small | {"num_attention_heads": 2}
    config = VipLlavaConfig(vision_config=vision, text_config=text, image_token_index=3)
    torch.manual_seed(1)
    VipLlavaForConditionalGeneration(config).save_pretrained(tmp_path / "declared")
    for file in ("tokenizer.json", "tokenizer_config.json", "processor_config.json"):
        shutil.copy(BUNDLED["tiny"] / file, tmp_path / "declared")
    missing = shutil.copytree(tmp_path / "declared", tmp_path / "missing")
    edit(missing, "config.json", lambda config: config.pop("vision_feature_layer"))
    stale = shutil.copytree(tmp_path / "declared", tmp_path / "stale")
    edit_config(stale, vision_feature_layer=-2)
    expected = answer_of(tmp_path / "declared")
    assert answer_of(missing) == answer_of(stale) == expected
    for folder in (missing, stale):
        loaded = load(find_checkpoint(str(folder)), LoadOptions(device="cpu"))
        assert loaded.model.config.vision_feature_layer == [-2, -5, -8, -11, 6]

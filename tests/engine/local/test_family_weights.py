"""The weights of checkpoints of other families against their model, before they take memory."""

import re
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.support.family_checkpoints import FAMILIES, make_family_checkpoint
from tests.support.hostile_checkpoints import Attack, header
from vipllava_cli.engine.hub.checkpoints import find_checkpoint
from vipllava_cli.engine.local import model_source
from vipllava_cli.engine.local.model_source import find_source
from vipllava_cli.errors import ModelError

pytestmark = pytest.mark.model


def rename(folder: Path, *rules: tuple[str, str]) -> None:
    """Rename weights by regular expressions. Each rule must fit one."""
    weights = load_file(folder / "model.safetensors")
    for pattern, new in rules:
        assert any(re.search(pattern, name) for name in weights)
        weights = {re.sub(pattern, new, name): value for name, value in weights.items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def source_of(folder: Path) -> model_source.ModelSource:
    return find_source(find_checkpoint(str(folder)))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_of_every_family_fit(family: str, tmp_path: Path) -> None:
    assert source_of(make_family_checkpoint(family, tmp_path / "model")).family is not None


@pytest.mark.parametrize(
    ("family", "rules"),
    [
        ("llava", [(r"^vision_tower\.(?!vision_model)", "vision_tower.vision_model.")]),
        (
            "llava",
            [
                (r"^language_model\.lm_head", "lm_head"),
                (r"^language_model\.model", "model.language_model"),
                (r"^(vision_tower|multi_modal_projector)", r"model.\1"),
            ],
        ),
        ("qwen2_5_vl", [(r"^model\.", "model.language_model."), (r"^visual", "model.visual")]),
    ],
)
def test_older_and_newer_names_of_weights_fit(
    family: str, rules: list[tuple[str, str]], tmp_path: Path
) -> None:
    folder = make_family_checkpoint(family, tmp_path / "model")
    rename(folder, *rules)
    assert source_of(folder).family is not None


def _of(value: dict[str, Any], ending: str) -> str:
    return next(name for name in value if name.endswith(ending))


def swapped(value: dict[str, Any]) -> None:
    up, down = _of(value, "mlp.up_proj.weight"), _of(value, "mlp.down_proj.weight")
    value[up], value[down] = value[down], value[up]


def renamed(value: dict[str, Any]) -> None:
    name = _of(value, "layers.0.input_layernorm.weight")
    value[name.replace("input_", "")] = value.pop(name)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "internvl", "gemma3", "smolvlm"])
@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (header(swapped), "2 mismatched weights"),
        (header(renamed), "1 missing weights"),
    ],
)
def test_wrong_weights_are_refused_before_they_are_read(
    family: str, attack: Attack, message: str, tmp_path: Path
) -> None:
    folder = make_family_checkpoint(family, tmp_path / "model")
    attack(folder)
    with pytest.raises(ModelError, match=f"does not fit its config.json: {message}"):
        source_of(folder)

"""The table of model families, and the checkpoints that the tests make of them."""

from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModelForImageTextToText

from tests.support.family_checkpoints import FAMILIES, make_family_checkpoint
from vipllava_cli.engine.hub import families

pytestmark = pytest.mark.model


def test_a_checkpoint_of_every_family_can_be_made() -> None:
    from tests.support.family_layouts import LAYOUTS

    made = {layout.model_type for layout in LAYOUTS.values()}
    assert made | {families.VIPLLAVA} == set(families.FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_loads_every_weight(family: str, tmp_path: Path) -> None:
    folder = make_family_checkpoint(family, tmp_path / "model", in_shards=True)
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

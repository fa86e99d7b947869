"""Other families with weights on the disk, and with 8-bit weights."""

from pathlib import Path

import pytest
from PIL import Image

from tests.support.family_checkpoints import make_family_checkpoint
from vipllava_cli.engine.base import Engine
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.local.engines import FamilyEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import ModelError

pytestmark = pytest.mark.model


def on_disk(kibibytes: int) -> LoadOptions:
    """Return options with which some parts do not fit into memory."""
    return LoadOptions(device="cpu", max_memory={"cpu": kibibytes << 10})


def answer(engine: Engine) -> str:
    view = engine.view(Image.new("RGB", (90, 60), "red"))
    [answer] = engine.answer([engine.prompt(view, "hello")], GenerationOptions(max_new_tokens=6))
    return answer.text


def test_weights_on_the_disk_give_the_same_answer(tmp_path: Path) -> None:
    folder = str(make_family_checkpoint("llava_next", tmp_path / "model"))
    engine = open_engine(folder, load_options=on_disk(1300))
    assert isinstance(engine, FamilyEngine)
    assert engine.placement.locations["model.vision_tower"] == "disk"
    assert answer(engine) == answer(open_engine(folder))


def test_a_head_that_is_the_embeddings_stays_with_them(tmp_path: Path) -> None:
    folder = str(make_family_checkpoint("gemma3", tmp_path / "model"))
    engine = open_engine(folder, load_options=on_disk(1400))
    assert isinstance(engine, FamilyEngine)
    locations = engine.placement.locations
    assert locations["model.language_model.embed_tokens"] == locations["lm_head"] == "cpu"
    assert "disk" in locations.values()
    assert answer(engine) == answer(open_engine(folder))


def test_a_vision_tower_that_needs_memory_is_refused_on_the_disk(tmp_path: Path) -> None:
    folder = str(make_family_checkpoint("mllama", tmp_path / "model"))
    with pytest.raises(ModelError, match=r"vision tower of .* does not run from the disk"):
        open_engine(folder, load_options=on_disk(1400))


def test_8_bit_decoder_layers_answer(tmp_path: Path) -> None:
    folder = str(make_family_checkpoint("qwen2_5_vl", tmp_path / "model"))
    engine = open_engine(folder, load_options=LoadOptions(device="cpu", quantize="int8"))
    assert engine.info.dtype == "int8"
    assert answer(engine)


def test_flash_attention_is_refused_for_a_model_without_it(tmp_path: Path) -> None:
    folder = str(make_family_checkpoint("gemma3", tmp_path / "model"))
    options = LoadOptions(device="cpu", attention="flash")
    with pytest.raises(ModelError, match="does not run with --attention flash"):
        open_engine(folder, load_options=options)

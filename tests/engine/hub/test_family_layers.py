"""Fields of published configs in other kinds: lists of vision layers, numbers in place of flags."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel

from tests.support.family_checkpoints import make_family_checkpoint
from vipllava_cli.engine.hardware.family_spec import read_family_spec
from vipllava_cli.engine.hub.checkpoints import fitted_config, read_config
from vipllava_cli.engine.local.engines import FamilyEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import ModelError

pytestmark = pytest.mark.model

SHORT = GenerationOptions(max_new_tokens=6)


def edit_config(folder: Path, **changes: Any) -> dict[str, Any]:
    path = folder / "config.json"
    values: dict[str, Any] = json.loads(path.read_text())
    values |= changes
    path.write_text(json.dumps(values))
    return values


def remake(family: str, folder: Path, **changes: Any) -> PreTrainedModel:
    """Write a checkpoint with other weights, which fit changed fields of its config.json."""
    make_family_checkpoint(family, folder)
    values = edit_config(folder, **changes)
    generation = (folder / "generation_config.json").read_text()
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    torch.manual_seed(3)
    model: PreTrainedModel = AutoModelForImageTextToText.from_config(config)
    model.eval().save_pretrained(folder)
    (folder / "generation_config.json").write_text(generation)
    return model


@pytest.mark.parametrize("family", ["llava", "pixtral", "llava_next", "llava_onevision"])
def test_the_features_of_several_vision_layers_are_joined(family: str, tmp_path: Path) -> None:
    model = remake(family, tmp_path, vision_feature_layer=[-2, -1])
    spec = read_family_spec(fitted_config(tmp_path, "model"))
    assert spec.parameters == sum(each.numel() for each in model.parameters())
    engine = open_engine(str(tmp_path))
    assert isinstance(engine, FamilyEngine)
    prompt = engine.prompt(engine.view(Image.new("RGB", (90, 60), "red")), "what is it?")
    [answer] = engine.answer([prompt], SHORT)
    ids = torch.tensor([prompt.ids])
    images = engine.image_inputs([prompt.view], ids)
    output = model.generate(input_ids=ids, max_new_tokens=6, do_sample=False, **images)
    new = output[0, ids.shape[1] :].tolist()
    assert answer.text == engine.tokenizer.decode(new, skip_special_tokens=True).rstrip()


@pytest.mark.parametrize("family", ["mistral3", "internvl", "aya_vision", "llava"])
def test_a_list_of_one_vision_layer_is_that_layer(family: str, tmp_path: Path) -> None:
    answers = []
    for name, layer in (("number", -1), ("list", [-1])):
        folder = make_family_checkpoint(family, tmp_path / name)
        edit_config(folder, vision_feature_layer=layer)
        engine = open_engine(str(folder))
        view = engine.view(Image.new("RGB", (90, 60), "red"))
        answers += [each.text for each in engine.answer([engine.prompt(view, "hello")], SHORT)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("family", ["mistral3", "internvl", "aya_vision"])
def test_several_vision_layers_are_refused_where_the_model_has_one(
    family: str, tmp_path: Path
) -> None:
    make_family_checkpoint(family, tmp_path)
    edit_config(tmp_path, vision_feature_layer=[-2, -1])
    with pytest.raises(ModelError, match=r"vision_feature_layer lists 2 layers: expected one"):
        read_config(tmp_path, "model")


@pytest.mark.parametrize(("published", "meant"), [(4, True), (0, False), (False, False)])
def test_llama_4_may_write_a_number_for_a_flag(
    published: object, meant: bool, tmp_path: Path
) -> None:
    make_family_checkpoint("llama4", tmp_path)
    text = json.loads((tmp_path / "config.json").read_text())["text_config"]
    edit_config(tmp_path, text_config={**text, "attn_temperature_tuning": published})
    engine = open_engine(str(tmp_path))
    assert isinstance(engine, FamilyEngine)
    assert engine.model.config.text_config.attn_temperature_tuning is meant
    view = engine.view(Image.new("RGB", (90, 60), "red"))
    assert list(engine.answer([engine.prompt(view, "hello")], SHORT))

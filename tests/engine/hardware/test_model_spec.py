"""The sizes computed from a config, compared with the model itself."""

import pytest
import torch
from accelerate import init_empty_weights
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

from tests.support.machines import spec_of
from vipllava_cli.engine.hardware.model_spec import LAYER, read_model_spec
from vipllava_cli.engine.hub.checkpoints import read_config
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED

pytestmark = pytest.mark.model


@pytest.mark.parametrize("name", ["tiny", "7b", "13b"])
def test_the_parts_have_the_parameters_of_the_model(name: str) -> None:
    published = PUBLISHED.get(name)
    config = VipLlavaConfig(**(published.config if published else read_config(BUNDLED[name], name)))
    with init_empty_weights():
        model = VipLlavaForConditionalGeneration(config)
    spec = spec_of(name)
    for part in spec.parts:
        module = model.get_submodule(part.module)
        assert sum(p.numel() for p in module.parameters()) == part.parameters, part.module
        linear = [m for m in module.modules() if isinstance(m, torch.nn.Linear)]
        if part.kind == LAYER:
            assert sum(m.weight.numel() for m in linear) == part.linear
    total = sum(p.numel() for p in model.parameters())
    assert spec.parameters == total
    if published:
        assert published.parameters == total
        assert published.size == pytest.approx(2 * total, rel=0.001)


def test_a_config_without_the_default_values_gives_the_same_spec() -> None:
    text = {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096}
    config = {"model_type": "vipllava", "text_config": text, "vision_config": {}}
    config |= {"torch_dtype": "float16"}
    assert read_model_spec(config) == spec_of("7b")

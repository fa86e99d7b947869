"""`--quantize int8` on a CPU, for each family."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.support.family_checkpoints import make_family_checkpoint
from tests.support.family_layouts import LAYOUTS
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.local.engines import FamilyEngine
from vipllava_cli.engine.local.quantization import Int8Linear
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions

pytestmark = [
    pytest.mark.model,
    pytest.mark.filterwarnings("ignore:__array__ implementation"),  # of a processor of transformers
]

CHOICES = GenerationOptions(choices=("a cat", "the red box", "no"))


def open_family(folder: Path, quantize: str | None = None) -> FamilyEngine:
    engine = open_engine(str(folder), load_options=LoadOptions(device="cpu", quantize=quantize))
    assert isinstance(engine, FamilyEngine)
    return engine


@pytest.mark.parametrize("family", sorted(LAYOUTS))
def test_a_quantized_model_answers_almost_as_before(family: str, tmp_path: Path) -> None:
    folder = make_family_checkpoint(family, tmp_path / family)
    exact, quantized = open_family(folder), open_family(folder, quantize="int8")
    layers = [module for module in quantized.model.modules() if isinstance(module, Int8Linear)]
    spec = quantized.placement.needs.spec
    counted = sum(part.linear for part in spec.parts)
    assert sum(module.weight.numel() for module in layers) == counted > 0
    scores = []
    for engine in (exact, quantized):
        view = engine.view(Image.new("RGB", (120, 80), "red"))
        prompt = engine.prompt(view, "what is in the red box?")
        [answer] = engine.answer([prompt], CHOICES)
        scores.append([choice.log_likelihood for choice in answer.choices])
        assert list(engine.answer_batch([prompt, prompt], GenerationOptions(max_new_tokens=4)))
    differences = torch.tensor(scores[0]) - torch.tensor(scores[1])
    assert 0 < differences.abs().max() < 3

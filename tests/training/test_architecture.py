"""The architecture: configuration, and weights of a checkpoint of other sizes."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import conv2d, interpolate
from transformers import VipLlavaForConditionalGeneration

from tests.support.small_training import shallow_config
from training.architecture import GRID, IMAGE_SIZE, PATCH_SIZE, make_config
from training.pretrained import load_pretrained

pytestmark = pytest.mark.model


def test_weights_of_other_image_and_patch_sizes_are_resized(tmp_path: Path) -> None:
    config = shallow_config()
    config.vision_config.image_size, config.vision_config.patch_size = 28, 7
    pretrained = VipLlavaForConditionalGeneration(config)
    pretrained.save_pretrained(tmp_path)
    model = VipLlavaForConditionalGeneration(shallow_config())
    load_pretrained(model, tmp_path)
    before, after = pretrained.state_dict(), model.state_dict()
    assert before.keys() == after.keys()
    resized = {name for name in before if before[name].shape != after[name].shape}
    assert {name.split(".")[-2] for name in resized} == {"patch_embedding", "position_embedding"}
    assert all(torch.equal(before[name], after[name]) for name in before.keys() - resized)

    (name,) = (name for name in resized if "patch_embedding" in name)
    patch = torch.rand(1, 3, 7, 7)
    scaled = interpolate(patch, (PATCH_SIZE, PATCH_SIZE), mode="bicubic", align_corners=False)
    torch.testing.assert_close(
        conv2d(scaled, after[name]), conv2d(patch, before[name]), atol=1e-4, rtol=1e-4
    )


def test_inserted_layers_change_nothing_until_they_are_trained(tmp_path: Path) -> None:
    def make_model(tower_layers: int, decoder_layers: int) -> VipLlavaForConditionalGeneration:
        config = make_config()
        config.vision_config.num_hidden_layers = tower_layers
        config.text_config.num_hidden_layers = decoder_layers
        return VipLlavaForConditionalGeneration(config).eval()

    before, after = make_model(6, 4), make_model(8, 5)
    before.save_pretrained(tmp_path)
    load_pretrained(after, tmp_path)
    inputs = {
        "input_ids": torch.tensor([[1, *[before.config.image_token_id] * GRID * GRID, 300, 301]]),
        "pixel_values": torch.randn(1, 3, IMAGE_SIZE, IMAGE_SIZE),
    }
    with torch.no_grad():
        torch.testing.assert_close(before(**inputs).logits, after(**inputs).logits)
    after(**inputs).logits.square().sum().backward()
    inserted = (
        after.model.vision_tower.encoder.layers[2].self_attn.out_proj,
        after.model.language_model.layers[3].self_attn.o_proj,
    )
    assert all(layer.weight.grad is not None and layer.weight.grad.any() for layer in inserted)

"""Coordinates for families that get an image as it is."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.support.family_checkpoints import make_family_checkpoint
from vipllava_cli import Box, load_model
from vipllava_cli.engine.family import model_reference
from vipllava_cli.engine.prompts.references import MarkNames
from vipllava_cli.errors import UsageError
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.marks.types import Mark

pytestmark = pytest.mark.model


def test_a_family_without_padding_has_coordinates_of_the_image_itself(tmp_path: Path) -> None:
    make_family_checkpoint("qwen3_vl", tmp_path / "qwen")
    reference = model_reference("coordinates", str(tmp_path / "qwen"))
    names = MarkNames(
        (Mark("box", (((50, 10), (150, 90)),), parse_color("red")),), (200, 100), reference
    )
    assert not reference.pads_image
    assert "[250, 100, 750, 900]" in names.object(1)


def test_coordinates_in_pixels_are_those_of_the_image_that_the_processor_makes(
    tmp_path: Path,
) -> None:
    folder = make_family_checkpoint("qwen2_5_vl", tmp_path / "qwen")
    processor = folder / "preprocessor_config.json"
    values = json.loads(processor.read_text())
    values["size"] = {"shortest_edge": 56 * 56, "longest_edge": 112 * 224}
    processor.write_text(json.dumps(values))
    image = tmp_path / "image.png"
    Image.new("RGB", (1600, 800)).save(image)
    model = load_model(str(folder), device="cpu")
    answer = model.ask(
        image, "what is {1}?", marks=[Box(400, 200, 1200, 600)], mark_style="coordinates"
    )
    assert "[56, 28, 168, 84]" in answer.record["question"]  # of 224 x 112 pixels

    reference = model_reference("coordinates", str(folder))
    assert reference.size_limits == model.info.size_limits


def test_pixtral_has_no_coordinates_though_its_type_is_that_of_llava(tmp_path: Path) -> None:
    folder = str(make_family_checkpoint("pixtral", tmp_path / "pixtral"))
    image = Image.new("RGB", (64, 64))
    with pytest.raises(UsageError, match=r"how .* reads coordinates"):
        model_reference("coordinates", folder)
    with pytest.raises(UsageError, match=r"how .* reads coordinates"):
        load_model(folder, device="cpu").ask(image, "what?", mark_style="coordinates")

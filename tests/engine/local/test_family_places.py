"""Coordinates for families that get an image as it is."""

from pathlib import Path

import pytest

from tests.support.family_checkpoints import make_family_checkpoint
from vipllava_cli.engine.family import model_reference
from vipllava_cli.engine.prompts.references import MarkNames
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

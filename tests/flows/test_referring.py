"""The image that a model receives, by style and padding."""

from pathlib import Path

import pytest
from PIL import Image

from tests.support.marks import resolve_text
from vipllava_cli.engine.prompts.references import choose_reference
from vipllava_cli.flows.referring import with_reference
from vipllava_cli.marks.marked_image import MarkedImage, open_image


@pytest.mark.parametrize(
    ("model", "style", "is_padded", "size"),
    [
        ("vipllava", "drawn", True, (200, 200)),
        ("qwen3_vl", "coordinates", True, (200, 200)),
        ("qwen3_vl", "drawn", False, (200, 100)),
        ("qwen3_vl", "coordinates", False, (200, 100)),
        ("qwen2_5_vl", "coordinates", True, (196, 196)),
        ("qwen2_5_vl", "coordinates", False, (196, 112)),
        ("qwen2_5_vl", "drawn", False, (200, 100)),
        ("qwen3_vl", "crop", False, (336, 336)),  # enlarged, with the region below it
    ],
)
def test_the_size_of_the_image(
    tmp_path: Path, model: str, style: str, is_padded: bool, size: tuple[int, int]
) -> None:
    path = tmp_path / "grey.png"
    Image.new("RGB", (200, 100), (90, 90, 90)).save(path)
    marked = MarkedImage(open_image(str(path)), (resolve_text("box", "red:20,10,60,50"),))
    reference = choose_reference(style, model, model, pads_image=is_padded)
    sent = with_reference(marked, reference).for_model(is_padded=is_padded)
    assert sent.size == size
    colors = {color for _, color in sent.getcolors(1 << 20) or ()}
    assert ((255, 0, 0) in colors) == reference.style.draws_marks

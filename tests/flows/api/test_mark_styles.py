"""`mark_style` in the Python API."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.support.fake_engine import INFO, FakeEngine
from vipllava_cli import Arrow, Box, UsageError, draw
from vipllava_cli.engine.base import ModelInfo
from vipllava_cli.flows.api.model import BatchRow, Model

IMAGE = np.full((100, 200, 3), 90, np.uint8)
BOX = Box(20, 10, 60, 50)


def model(family: str = "qwen3_vl") -> Model:
    info = ModelInfo("fake", "1", "cpu", "fp32", 336, 14, family)
    return Model(FakeEngine(info=info))


def test_ask_batch_and_chat_refer_to_a_mark_alike() -> None:
    style: dict[str, Any] = {"mark_style": "coordinates"}
    asked = model().ask(IMAGE, "what is {1}?", marks=[BOX], **style)
    rows: Iterator[BatchRow] = iter([{"image": IMAGE, "question": "what is {1}?", "marks": [BOX]}])
    [in_batch] = model().batch(rows, **style)
    talked = model().chat(IMAGE, marks=[BOX], **style).ask("what is {1}?")
    for response in (asked, in_batch, talked):
        assert response.record["question"] == (
            'what is the object in the region {"bbox_2d": [100, 300, 300, 500]}?'
        )
        assert response.record["mark_style"] == "coordinates"
        assert response.record["marks"][0]["coords"] == [20, 10, 60, 50]
    # The image has no mark on it: it is the same as without one.
    plain = model().ask(IMAGE, "?")
    assert asked.text.partition(":")[0] == plain.text.partition(":")[0]


def test_a_conversation_names_a_place_once() -> None:
    chat = model("llava-1.5").chat(IMAGE, marks=[BOX], mark_style="coordinates")
    questions = [chat.ask("what is this?").record["question"] for _ in range(2)]
    assert questions == ["Look at the region [0.1, 0.3, 0.3, 0.5]. what is this?", "what is this?"]
    chat.add_mark(Box(100, 10, 160, 50))
    assert chat.ask("and now?").record["question"] == (
        "Look at the region [0.1, 0.3, 0.3, 0.5] and the region [0.5, 0.3, 0.8, 0.5]. and now?"
    )


def test_the_default_is_that_of_drawn_marks() -> None:
    auto = model().ask(IMAGE, "what is {1}?", marks=[BOX]).record
    drawn = model().ask(IMAGE, "what is {1}?", marks=[BOX], mark_style="drawn").record
    numbered = model().ask(IMAGE, "what is {1}?", marks=[BOX], mark_style="numbered").record
    assert "mark_style" not in auto
    assert auto["key"] == drawn["key"]
    assert numbered["key"] != auto["key"]


def test_a_failed_row_has_its_style() -> None:
    rows: list[Any] = [{"image": "nowhere.png", "question": "?"}]
    [failed] = model().batch(rows, mark_style="crop")
    assert failed.error
    assert failed.record["mark_style"] == "crop"


@pytest.mark.parametrize("style", ["boxes", "", None, 3, "all"])
def test_a_wrong_style_is_refused(style: Any) -> None:
    with pytest.raises(UsageError, match="as mark_style, found"):
        model().ask(IMAGE, "?", mark_style=style)
    with pytest.raises(UsageError, match="as mark_style, found"):
        draw(IMAGE, [BOX], mark_style=style)


def test_a_family_without_coordinates_is_refused() -> None:
    for method in ("ask", "chat"):
        with pytest.raises(UsageError, match="drawn, numbered or crop"):
            getattr(model("smolvlm"), method)(
                IMAGE, *["?"][: method == "ask"], mark_style="coordinates"
            )
    assert Model(FakeEngine(info=INFO)).ask(IMAGE, "?", mark_style="crop").record["answer"]


def test_draw_shows_the_styles_of_an_image() -> None:
    marks = [BOX, Arrow(190, 90, 120, 60)]
    plain, numbered, crop = (
        draw(IMAGE, marks, mark_style=style) for style in ("drawn", "numbered", "crop")
    )
    assert plain.tobytes() == draw(IMAGE, marks).tobytes()
    assert numbered.tobytes() != plain.tobytes()
    assert crop.height > crop.width / 2

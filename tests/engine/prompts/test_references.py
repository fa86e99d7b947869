"""The words of a question for the marks on its image, in every style."""

import pytest

from tests.support.marks import resolve_text
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.engine.prompts.references import (
    DRAWN,
    MarkNames,
    Reference,
    choose_reference,
)
from vipllava_cli.engine.prompts.region_conventions import CONVENTIONS
from vipllava_cli.errors import UsageError
from vipllava_cli.marks.reference_style import ReferenceStyle
from vipllava_cli.marks.types import Mark

SIZE = (200, 100)
BOX = resolve_text("box", "red:20,10,60,50")
ARROW = resolve_text("arrow", "blue:180,90,100,50")
POINT = resolve_text("point", "lime:150,20")


def ask(
    text: str, style: str, *marks: Mark, model: str = "qwen3-vl", per_line: bool = False
) -> str:
    reference = choose_reference(style, model, model)
    names = MarkNames(marks, SIZE, reference, per_line)
    return prepare_question(text, marks, names=names).text


# Coordinates are 0-1000 of the image padded to 200x200: 50 pixels of padding above.
@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("drawn", "is the object within the red rectangle a cat?"),
        ("numbered", "is region 1 a cat?"),
        ("coordinates", 'is the object in the region {"bbox_2d": [100, 300, 300, 500]} a cat?'),
        (
            "coordinates+drawn",
            "is the object within the red rectangle"
            ' (region {"bbox_2d": [100, 300, 300, 500]}) a cat?',
        ),
        ("crop", "is the object within the red rectangle (shown enlarged below) a cat?"),
    ],
)
def test_a_placeholder(style: str, text: str) -> None:
    assert ask("is {1} a cat?", style, BOX) == text


def test_an_arrow_and_a_point_are_points() -> None:
    assert ask("{1}, {2}", "coordinates", ARROW, POINT) == (
        'the object at the point {"point_2d": [500, 500]},'
        ' the object at the point {"point_2d": [750, 350]}'
    )


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("ellipse", "20,10,60,50"),
        ("mask", "20,10,60,10,40,50"),
        ("contour", "20,10,60,10,40,50"),
        ("triangle", "20,10,60,10,40,50"),
        ("scribble", "20,10,60,50"),
    ],
)
def test_other_shapes_are_the_box_around_them(shape: str, value: str) -> None:
    assert "[100, 300, 300, 500]" in ask("what is {1}?", "coordinates", resolve_text(shape, value))


@pytest.mark.parametrize(
    ("style", "typed", "text"),
    [
        ("coordinates", "what is in the red box?", "what is in the region [0.1, 0.3, 0.3, 0.5]?"),
        (
            "coordinates",
            "What is in the Red  Square?",
            "What is in the region [0.1, 0.3, 0.3, 0.5]?",
        ),
        ("coordinates", "The red box: what?", "The region [0.1, 0.3, 0.3, 0.5]: what?"),
        (
            "coordinates",
            "the object within the red rectangle?",
            "the object within the region [0.1, 0.3, 0.3, 0.5]?",
        ),
        ("numbered", "what is in the red box?", "what is in region 1?"),
        ("numbered", "what does the blue arrow show?", "what does arrow 2 show?"),
        (
            "coordinates",
            "what does the blue arrow show?",
            "what does the arrow with its tip at [0.5, 0.5] show?",
        ),
        (
            "coordinates+drawn",
            "what is in the red box?",
            "what is in the red box (region [0.1, 0.3, 0.3, 0.5])?",
        ),
        ("crop", "what is in the red box?", "what is in the red box?"),
        ("drawn", "what is in the red box?", "what is in the red box?"),
    ],
)
def test_names_of_marks_become_those_of_the_style(style: str, typed: str, text: str) -> None:
    assert ask(typed, style, BOX, ARROW, model="llava-1.5") == text


def test_only_names_of_the_marks_change() -> None:
    for typed in (
        "is the dark red box here?",
        "is the dark-red box here?",
        "are the red boxes new?",
        "is a green circle in region 1?",
        "what is the redbox?",
    ):
        assert ask(typed, "numbered", BOX) == typed


def test_the_green_box_is_first_the_one_of_that_colour() -> None:
    dark = resolve_text("box", "dark-green:1,1,9,9")
    lime = resolve_text("box", "lime:20,10,60,50")
    assert ask("the green box and the dark green box", "numbered", dark, lime) == (
        "region 2 and region 1"
    )
    assert ask("the green box", "numbered", dark) == "region 1"


@pytest.mark.parametrize(("typed", "color"), [
    ("dark-green", "dark-green"),
    ("darkgreen", "dark-green"),
    ("dark green", "darkgreen"),
    ("grey", "grey"),
    ("gray", "grey"),
    ("darkgrey", "darkgrey"),
])  # fmt: skip
def test_a_colour_is_known_in_every_spelling(typed: str, color: str) -> None:
    box = resolve_text("box", f"{color}:1,1,9,9")
    assert ask(f"what is in the {typed} box?", "numbered", box) == "what is in region 1?"


def test_a_number_tells_equal_marks_apart() -> None:
    other = resolve_text("box", "red:80,10,90,50")
    typed = "the red box and the red box numbered 2"
    assert ask(typed, "numbered", BOX, other) == "region 1 and region 2"


def test_a_question_without_a_mark_gets_the_places_in_front() -> None:
    assert ask("what is this?", "coordinates", BOX) == (
        'Look at the region {"bbox_2d": [100, 300, 300, 500]}. what is this?'
    )
    assert ask("what are these?", "coordinates", BOX, POINT, ARROW, model="llava-1.5") == (
        "Look at the region [0.1, 0.3, 0.3, 0.5], the point [0.75, 0.35] and the arrow with its tip at"
        " [0.5, 0.5]. what are these?"
    )
    assert ask("what is this?", "numbered", BOX) == "what is this?"
    assert ask("what is this?", "coordinates") == "what is this?"


def test_each_question_of_fields_is_one_of_its_own() -> None:
    text = ask("what is {1}?\nis it new?", "coordinates", BOX, per_line=True)
    first, second = text.split("\n")
    assert first == 'what is the object in the region {"bbox_2d": [100, 300, 300, 500]}?'
    assert second == 'Look at the region {"bbox_2d": [100, 300, 300, 500]}. is it new?'


def test_regions_of_a_crop_have_numbers_if_there_are_several() -> None:
    assert ask("{2}", "crop", BOX, POINT) == (
        "the object at the lime point (shown enlarged below as number 2)"
    )
    high = MarkNames((BOX,), (100, 200), Reference(ReferenceStyle.crop))
    assert high.object(1) == "the object within the red rectangle (shown enlarged on the right)"


def test_pixels_are_those_of_the_image_that_is_sent() -> None:
    # 200x200 becomes 196x196, a multiple of 28.
    assert ask("{1}", "coordinates", BOX, model="qwen2.5vl:7b") == (
        'the object in the region {"bbox_2d": [20, 59, 59, 98]}'
    )


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("qwen3-vl", '{"bbox_2d": [100, 100, 300, 500]}'),
        ("qwen2.5vl", '{"bbox_2d": [20, 11, 59, 56]}'),  # 200x100 becomes 196x112
        ("llava-1.5", "[0.1, 0.3, 0.3, 0.5]"),  # by its own padding
    ],
)
def test_the_places_on_an_image_without_padding(model: str, text: str) -> None:
    reference = choose_reference("coordinates", model, model, pads_image=False)
    assert MarkNames((BOX,), SIZE, reference).object(1) == f"the object in the region {text}"


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda each: each.family)
def test_every_family_draws_by_default(convention: object) -> None:
    """The authors of InternVL advise it, and ViP-LLaVA is trained for it."""
    (model,) = [each for each in CONVENTIONS if each is convention]
    names = {*model.model_types, model.family}
    for name in names:
        assert choose_reference("auto", name, name) == DRAWN


def test_a_family_without_coordinates() -> None:
    for style in ("coordinates", "coordinates+drawn"):
        with pytest.raises(UsageError) as raised:
            choose_reference(style, "smolvlm", "my-smolvlm")
        assert str(raised.value) == (
            "no documentation says how my-smolvlm reads coordinates: use the mark style drawn,"
            " numbered or crop"
        )
    for style in ("auto", "drawn", "numbered", "crop"):
        assert choose_reference(style, "smolvlm", "my-smolvlm").convention is None

"""Stage 2: which image and region is meant, in which form, and what the question says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.support import benchmark_files
from tests.support import vp_bench_files as files
from tests.support.evals import QUIET, find_score, read_records
from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.vp_bench.data_files import find_files
from vipllava_cli.flows.evals.vp_bench.regions import (
    XYWH,
    XYXY,
    MarkedRegion,
    find_box_forms,
    mark_region,
)
from vipllava_cli.marks.types import MarkSpec

BOX = [10, 20, 60, 90]
CORNERS = [[10, 20], [60, 20], [60, 90]]


def marked(box: Any = None, polygon: Any = None, form: str = XYXY, **fields: Any) -> list[Any]:
    """Return shape, colour and coordinates of the marks of a row about `a.png`."""
    row = {"data_file": ["a.png"], "image": '{"a.png": "AAAA"}', "meta_source": "s"}
    row |= {"meta_bbox": box, "meta_polygon": polygon} | fields
    return [
        (mark.shape, str(mark.color), [[each.value for each in part] for part in mark.parts])
        for mark in mark_region(row, {"s": form}).marks
    ]


@pytest.mark.parametrize(
    "box",
    [
        BOX,
        json.dumps(BOX),
        [BOX],
        {"a.png": BOX},
        {"a.png": {"default": BOX}},
        json.dumps({"a.png": {"default": BOX}}),
        str({"a.png": {"default": BOX}}),
        [("a.png", [("default", BOX)])],  # a map of Arrow
        {"default": BOX},
        {"b.png": [1, 2, 3, 4], "a.png": BOX},
        {"a.png": {"subject": [1, 2, 3, 4], "object": BOX}},
        {"a.png": {"object": [1, 2, 3, 4], "relation": BOX}},
        {"b.png": BOX},
    ],
)
def test_boxes_in_every_form(box: Any) -> None:
    assert marked(box) == [("box", "red", [BOX])]


@pytest.mark.parametrize(
    ("polygon", "parts"),
    [
        (CORNERS, [[10, 20, 60, 20, 60, 90]]),
        ([10, 20, 60, 20, 60, 90], [[10, 20, 60, 20, 60, 90]]),
        (
            [[10, 20, 60, 20, 60, 90], [1, 1, 5, 1, 5, 5]],
            [[10, 20, 60, 20, 60, 90], [1, 1, 5, 1, 5, 5]],
        ),
        ([CORNERS, CORNERS], [[10, 20, 60, 20, 60, 90]] * 2),
        ('{"a.png": {"default": [[10, 20], [60, 20], [60, 90]]}}', [[10, 20, 60, 20, 60, 90]]),
    ],
)
@pytest.mark.parametrize("box", [None, "{}", "null", [], {"a.png": None}])
def test_without_a_box_the_polygon_is_drawn(polygon: Any, parts: Any, box: Any) -> None:
    assert marked(box, polygon) == [("contour", "red", parts)]


def test_several_boxes_have_different_colours_and_a_box_of_sizes_becomes_corners() -> None:
    assert [mark[1] for mark in marked([BOX, BOX, BOX])] == ["red", "lime", "blue"]
    assert marked([10, 20, 50, 70], form=XYWH) == [("box", "red", [BOX])]


@pytest.mark.parametrize(
    ("box", "polygon", "message"),
    [
        ([1, 2, 3], None, 'expected "meta_bbox" with boxes of 4 numbers, found [1, 2, 3]'),
        ([1, 2, 3, 4, 5], None, "boxes of 4 numbers"),
        ("somewhere", None, "boxes of 4 numbers, found 'somewhere'"),
        ([True, 2, 3, 4], None, "boxes of 4 numbers"),
        ([1, 2, 10**400, 4], None, "boxes of 4 numbers, found [1, 2, a huge number, 4]"),
        ([1, 2, float("nan"), 4], None, "boxes of 4 numbers, found [1, 2, nan, 4]"),
        (None, [[1, 2], [3, 4]], 'expected "meta_polygon" with polygons of 3 points or more'),
        (None, {"size": [4, 4], "counts": "abc"}, "polygons of 3 points or more"),
        (None, None, "the row has no region in meta_bbox or meta_polygon"),
        ("{}", "{}", "the row has no region in meta_bbox or meta_polygon"),
    ],
)
def test_an_unclear_region_is_one_line(box: Any, polygon: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        marked(box, polygon)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ('{"a.png": "AAAA", "b.png": "BBBB"}', "AAAA"),
        ({"b.png": "BBBB", "a.png": "AAAA"}, "AAAA"),
        ([("a.png", "AAAA")], "AAAA"),
        ('["AAAA", "BBBB"]', "AAAA"),
        (["AAAA"], "AAAA"),
        ("AAAA", "AAAA"),
        ('{"x.png": "AAAA"}', "AAAA"),
    ],
)
def test_the_image_is_that_of_the_view(image: Any, expected: str) -> None:
    row = {"data_file": ["a.png", "b.png"], "image": image, "meta_bbox": {"a.png": BOX}}
    assert mark_region(row, {}).image == expected
    if isinstance(image, dict):
        assert mark_region(row | {"meta_bbox": {"b.png": BOX}}, {}).image == "BBBB"


def test_an_image_of_another_view_is_refused() -> None:
    row = {"data_file": "a.png", "image": {"x": "AAAA", "y": "BBBB"}, "meta_bbox": BOX}
    with pytest.raises(InputError, match=r'expected an "image" for a\.png, found'):
        mark_region(row, {})


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("what is <VP>?", "what is {1} and {2}?"),
        ("what is the <red> <vp>?", "what is {1} and {2}?"),
        ("is <VP> left of <color> <VP>?", "is {1} left of {2}?"),
        ("is <vp2> left of <vp1>?", "is {2} left of {1}?"),
        ("what is in the box?", "what is in the box?"),
    ],
)
def test_tags_name_the_marks(question: str, named: str) -> None:
    region = MarkedRegion(None, (MarkSpec("box"), MarkSpec("box")))
    assert region.name_marks(question) == named


def test_one_box_that_can_only_be_sizes_decides_for_its_source(tmp_path: Path) -> None:
    polygon = [[10, 20], [60, 20], [60, 90], [10, 90]]
    cells = [
        ("corners", [10, 20, 60, 90], polygon),
        ("corners", [100, 200, 400, 500], None),
        ("sizes", [10, 20, 50, 70], polygon),
        ("small", [100, 200, 50, 50], None),
        ("small", [10, 20, 50, 50], None),
        ("strange", [1, 2, 3], None),
    ]
    rows: list[files.Row] = [
        {"view": "a", "image": "", "question": "", "answer": ""}
        | {"source": source, "bbox": box, "polygon": points}
        for source, box, points in cells
    ]
    path = files.write_parquet(tmp_path / "vp.parquet", files.stage_2_rows(rows))
    assert find_box_forms(find_files(path)) == {"sizes": XYWH, "small": XYWH}


@pytest.mark.model
def test_the_shipped_model_answers_about_the_marks_that_are_drawn(run: Run, tmp_path: Path) -> None:
    """The last row has no answer and is left out; the one before has no region and fails."""
    rows: list[files.Row] = []
    for number, scene in enumerate(benchmark_files.scenes(12)):
        names = [placement.object_class.phrase for placement in scene.placements]
        left, top, right, bottom = map(int, scene.placements[0].box)
        corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
        is_free = number % 3 == 0
        rows.append(
            {
                "view": f"{number}.png",
                "image": files.png(scene.image),
                "bbox": [left, top, right - left, bottom - top] if number % 2 else None,
                "polygon": corners,
                "question": "what is the <red> <vp>?" if is_free else "what is <VP>?",
                **({} if is_free else dict(zip("ABCD", names, strict=True))),
                "answer": names[0] if is_free else "A",
            }
        )
    rows += [rows[0] | {"bbox": None, "polygon": None}, rows[0] | {"answer": None}]
    path = files.write_parquet(tmp_path / "vp.parquet", files.stage_2_rows(rows))
    out = tmp_path / "out"
    result = run("eval", "vp-bench", "--data", path, "--out", out, "--json", *QUIET)
    assert result.code == 6
    scores = json.loads(result.stdout)
    assert (scores["stage"], scores["rows"], scores["failed"]) == (2, 13, 1)
    assert scores["rows without an answer"] == 1
    share, count = find_score(scores, "lenient")
    assert (share >= 10 / 13, count) == (True, 13)
    assert find_score(scores, "lenient", "clip-art") == (share, 13)
    records = read_records(out)
    assert [record["marks"][0]["shape"] for record in list(records.values())[:12]] == [
        "contour", "box",
    ] * 6  # fmt: skip
    assert records["2"]["question"].startswith("what is the object within the red rectangle?")

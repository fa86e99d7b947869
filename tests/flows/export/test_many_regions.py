"""Many records about one image: equal results to a search of all regions, in linear time."""

import random
import time
from collections.abc import Container
from dataclasses import replace

import pytest

from vipllava_cli.flows.export import read_records
from vipllava_cli.flows.export.dataset import Answer, Dataset, ExportImage, Region
from vipllava_cli.flows.export.read_records import AnsweredRow, add_row, dataset_of
from vipllava_cli.flows.export.region_places import _is_same
from vipllava_cli.marks.colors import Color
from vipllava_cli.marks.types import Mark

RED = Color("red", (255, 0, 0))


def box(x: float, y: float, side: float = 20) -> Mark:
    return Mark("box", (((x, y), (x + side, y + side)),), RED)


def row(id: str, *marks: Mark, label: str | None = None) -> AnsweredRow:
    labels = tuple(label for _ in marks)
    return AnsweredRow(id, "a.png", (640, 480), marks, labels, {}, Answer("what?", id))


def find_in_all(
    image: ExportImage, mark: Mark, label: str | None, row: AnsweredRow, taken: Container[int]
) -> int | None:
    same = [
        position
        for position, region, other in image.marked()
        if position not in taken and _is_same(mark, other)
    ]
    number = row.number if len(row.marks) == 1 else None
    if number is not None:
        numbered = [p for p in same if image.regions[p].number == number]
        same = numbered or [p for p in same if image.regions[p].number is None]
    labelled = [p for p in same if image.regions[p].label == label]
    if number is None and not labelled and any(image.regions[p].label for p in same) and label:
        return None
    return next(iter(labelled or same), None)


def random_rows(place: random.Random) -> list[AnsweredRow]:
    def mark() -> Mark:
        near = (0, 0.004, -0.009, 0.01, 0.011, 0.62, 0.63, 0.635, 0.5)
        x, y = (place.randrange(3) + place.choice(near) for _ in "xy")
        outline = ((x, y), (x + 9, y), (x + place.choice((0, 9)), y + 9))
        point = Mark("point", (((x, y),),), RED)
        return place.choice((box(x, y), Mark("mask", (outline,), RED), point))

    ids = ("a.png", "a.png~2", "a.png#1", "a.png#2", "a.png#3:q1")
    return [
        row(
            place.choice(ids),
            *(mark() for _ in range(place.randrange(4))),
            label=place.choice((None, "cat", "dog")),
        )
        for _ in range(60)
    ]


def with_source(rows: list[AnsweredRow], place: random.Random) -> Dataset:
    image = ExportImage("a.png", "a.png", (640, 480))
    for number, each in enumerate(rows[:20], 1):
        mark = each.marks[0] if each.marks else None
        image.regions.append(Region(mark, place.choice((None, "cat")), number))
    for each in rows:
        add_row(image, each, may_add=False)
    return Dataset([image])


@pytest.mark.parametrize("seed", range(30))
def test_a_region_is_found_as_among_all_regions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_rows(random.Random(seed))
    fast = [dataset_of(rows), with_source(rows, random.Random(seed))]
    monkeypatch.setattr(read_records, "_find", find_in_all)
    slow = [dataset_of(rows), with_source(rows, random.Random(seed))]
    for one, other in zip(fast, slow, strict=True):
        assert one.images[0].regions == other.images[0].regions
        assert one.images[0].groups == other.images[0].groups


def test_8000_records_on_one_image_are_read_in_linear_time() -> None:
    rows = [row(f"a.png~{n}", box(n % 600, n // 600)) for n in range(8000)]
    equal = [replace(each, marks=(box(1, 1),)) for each in rows]
    for each in (rows, equal):
        start = time.process_time()
        dataset_of(each)
        assert time.process_time() - start < 3

"""Inputs that make time or memory grow faster than the work: budgets, ratios, and slow twins."""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support import slow_twins
from tests.support.batch import TASK
from tests.support.budget import Measured, assert_in_budget, assert_refused, run_measured
from vipllava_cli.errors import ExitCode, InputError
from vipllava_cli.flows.batch.plan import plan_all
from vipllava_cli.flows.batch.record_ids import RecordIds
from vipllava_cli.flows.batch.task import BatchTask, OnConflict
from vipllava_cli.images.load import StoredImage, decode_stored
from vipllava_cli.marks import masks
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.draw import coverage, draw
from vipllava_cli.marks.mask_region import _count_values
from vipllava_cli.marks.masks import MAX_EDGES, trace_outlines, trace_thin_outlines
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import Mark, MarkSpec
from vipllava_cli.sources import run_lengths
from vipllava_cli.sources.brush_rle import decode_brush
from vipllava_cli.sources.rows import Row, Source
from vipllava_cli.storage import journal_scan
from vipllava_cli.storage.journal import open_journal
from vipllava_cli.storage.records import Record, check_stored

SIZE = (640, 480)
MAX_BYTES = 1 << 30
BOTH = replace(TASK, on_conflict=OnConflict.keep_both)
OTHER = replace(BOTH, questions=("what else?",))


def cpu_seconds(call: Callable[..., Any], *arguments: Any, **options: Any) -> float:
    """Return the processor time of a call: others on the machine do not count."""
    start = time.process_time()
    call(*arguments, **options)
    return time.process_time() - start


# --- ids of many rows on one image -----------------------------------------------------------


def box(number: int) -> tuple[MarkSpec, ...]:
    x, y = number % 600, number // 600 % 440
    return (parse_mark("box", f"{x},{y},{x + 30},{y + 30}"),)


def make_rows(count: int, make: Callable[[int], tuple[MarkSpec, ...]] = box) -> list[Row]:
    return [Row("a.png", "a.png", make(number)) for number in range(count)]


def equal_rows(count: int) -> list[Row]:
    return make_rows(count, lambda _: box(1))


def moved(rows: Sequence[Row]) -> list[Row]:
    return [replace(row, image="b.png") for row in rows]


def shuffled(rows: Sequence[Row]) -> list[Row]:
    return random.Random(1).sample(rows, len(rows))


def with_family_ids(rows: Sequence[Row]) -> list[Row]:
    return [replace(row, id=f"a.png~{number}") for number, row in enumerate(rows, 1)]


Change = Callable[[Sequence[Row]], list[Row]]

# name -> rows answered before, the rows of this run, and its task
RESUMED: dict[str, tuple[Callable[[int], list[Row]], Change, BatchTask]] = {
    "the same rows": (make_rows, list, BOTH),
    "shuffled": (make_rows, shuffled, BOTH),
    "equal requests": (equal_rows, list, BOTH),
    "another question": (make_rows, shuffled, OTHER),
    "equal, another question": (equal_rows, list, OTHER),
    "another path": (make_rows, moved, BOTH),
    "equal, another path": (equal_rows, moved, BOTH),
    "ids that look like variants": (equal_rows, with_family_ids, BOTH),
    "equal and others": (equal_rows, lambda rows: [*rows[::2], *make_rows(len(rows))], BOTH),
}


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.new("RGB", SIZE).save(name)
    return tmp_path


def write_answers(path: Path, rows: Sequence[Row]) -> None:
    with open_journal(path) as journal:
        planned = list(plan_all(Source(iter(rows), "test"), BOTH, journal))
        requests = [question.request for row in planned for question in row.questions]
        journal.append([Record(request, answer="a zebra").to_json() for request in requests])


def plan_states(path: Path, rows: Sequence[Row], task: BatchTask) -> list[tuple[str, bool, bool]]:
    with open_journal(path) as journal:
        return [
            (question.request.id, question.is_kept, question.copied_record is not None)
            for row in plan_all(Source(iter(rows), "test"), task, journal)
            for question in row.questions
        ]


@pytest.mark.parametrize("name", RESUMED)
def test_the_ids_of_rows_on_one_image_look_at_each_answer_a_few_times(
    images: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, change, task = RESUMED[name]
    looks = Counter[str]()
    is_claimed = RecordIds._is_claimed

    def count(self: RecordIds, id: str) -> bool:
        looks["claimed"] += 1
        return is_claimed(self, id)

    monkeypatch.setattr(RecordIds, "_is_claimed", count)
    for total in (50, 200):
        rows, out = make(total), images / f"{total}.jsonl"
        write_answers(out, rows)
        looks.clear()
        states = plan_states(out, change(rows), task)
        assert looks["claimed"] <= 6 * len(states)


@pytest.mark.parametrize("name", RESUMED)
def test_the_index_without_claimed_ids_gives_the_same_ids(
    images: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, change, task = RESUMED[name]
    out = images / "out.jsonl"
    rows = make(60)
    write_answers(out, rows)
    fast = plan_states(out, change(rows), task)
    monkeypatch.setattr(RecordIds, "_first_free", slow_twins.first_free)
    assert fast == plan_states(out, change(rows), task)


def test_4000_rows_on_one_image_are_planned_in_the_time_of_their_number(images: Path) -> None:
    out = images / "out.jsonl"
    few, many = (cpu_seconds(plan_states, out, equal_rows(count), BOTH) for count in (1000, 4000))
    assert many < 8 * few + 0.5


def test_each_record_is_checked_once_however_often_it_is_read(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rows = images / "out.jsonl", make_rows(50)
    write_answers(out, rows)
    checked = Counter[str]()

    def count(row: Any) -> dict[str, Any]:
        checked[row["id"]] += 1
        return check_stored(row)

    monkeypatch.setattr(journal_scan, "check_stored", count)
    assert all(is_kept for _, is_kept, _ in plan_states(out, rows, BOTH))
    assert set(checked.values()) == {1}


def test_a_record_that_another_program_changes_is_noticed(images: Path) -> None:
    out, rows = images / "out.jsonl", make_rows(3)
    write_answers(out, rows)
    with open_journal(out) as journal:
        out.write_bytes(out.read_bytes().replace(b"zebra", b"horse"))
        with pytest.raises(InputError, match="another program has changed"):
            journal.find_record("a.png")


def test_a_mask_file_of_many_rows_is_decoded_once(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.zeros(SIZE[::-1], np.uint8)
    for number in range(20):
        values[:, number * 30 : number * 30 + 20] = number + 1
    Image.fromarray(values).save("map.png")
    decoded = Counter[str]()

    def count(data: bytes, name: str, *, frame: int) -> StoredImage:
        decoded[name] += 1
        return decode_stored(data, name, frame=frame)

    monkeypatch.setattr(masks, "decode_stored", count)
    specs = [parse_mark("mask", f"map.png:{number + 1}") for number in range(20)]
    marks = [resolve_marks([spec], SIZE).marks[0] for spec in specs]
    assert [mark.bounds[0] for mark in marks] == [number * 30 + 0.5 for number in range(20)]
    assert decoded == {"map.png": 1}
    Image.fromarray(values[:, ::-1]).save("map.png")  # a changed file is read again
    assert resolve_marks(specs[:1], SIZE).marks[0].bounds[2] == SIZE[0] - 0.5


# --- whole commands --------------------------------------------------------------------------


def run_in(folder: Path, *arguments: str | Path) -> Measured:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "VIPLLAVA_HOME": str(folder / "home"),
    }
    return run_measured(*arguments, folder=folder, environment=environment)


DRY_RUN = ("--dry-run", "--question", "what is {1}?", "--model", "tiny")


def box_of(number: int) -> list[int]:
    x, y = number % 600, number // 600 % 440
    return [x, y, x + 30, y + 30]


def write_manifest(folder: Path, count: int) -> None:
    rows = ({"image": "a.png", "box": box_of(number)} for number in range(count))
    (folder / "source.json").write_text(json.dumps(list(rows)))


def write_coco(folder: Path, count: int) -> None:
    def annotation(number: int) -> dict[str, Any]:
        x, y, right, bottom = box_of(number)
        outline = [[x, y, right, y, right, bottom, x, bottom]]
        bounds = [x, y, 30, 30]
        more = {"bbox": bounds} if number % 2 else {}
        return {"id": number, "image_id": 1, "category_id": 1, "segmentation": outline, **more}

    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 640, "height": 480}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [annotation(number) for number in range(count)],
    }
    (folder / "source.json").write_text(json.dumps(content))


@pytest.mark.parametrize("write", [write_manifest, write_coco])
def test_2000_rows_on_one_image_are_planned_in_little_memory(
    images: Path, write: Callable[[Path, int], None]
) -> None:
    write(images, 2000)
    result = run_in(images, "batch", "source.json", *DRY_RUN)
    assert result.code == ExitCode.DONE
    assert result.stdout.count("would ask") == 2000
    assert_in_budget(result, max_bytes=MAX_BYTES)


NOISE: dict[str, Callable[[], np.ndarray[Any, Any]]] = {
    "noise": lambda: np.random.default_rng(0).random((2000, 2000), np.float32) < 0.5,
    "sparse noise": lambda: np.random.default_rng(0).random((3000, 3000), np.float32) < 0.05,
    "a chessboard": lambda: np.indices((2000, 2000)).sum(axis=0) % 2 > 0,
    "stripes of one pixel": lambda: np.indices((2000, 2000))[1] % 2 > 0,
}


@pytest.mark.parametrize("name", NOISE)
def test_a_mask_of_noise_is_refused_before_it_takes_memory(tmp_path: Path, name: str) -> None:
    pixels = NOISE[name]()
    Image.fromarray(pixels.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    Image.new("RGB", pixels.shape[::-1]).save(tmp_path / "image.png")
    result = run_in(tmp_path, "annotate", "image.png", "--mask", "mask.png", "-o", "out.png")
    assert_refused(result, ExitCode.INPUT, max_bytes=MAX_BYTES)
    assert f"more than {MAX_EDGES} edges" in result.stderr
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("size", [(1_000_000, 1), (1, 1_000_000), (30_000, 10), (10, 30_000)])
def test_numbers_on_an_extreme_image_take_little_memory(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.new("RGB", size).save(tmp_path / "image.png")
    boxes = ("--box", "0,0,10%,100%", "--box", "50%,0,60%,100%")
    result = run_in(tmp_path, "annotate", "image.png", *boxes, "--numbers", "-o", "out.png")
    assert result.code == ExitCode.DONE
    assert_in_budget(result, max_bytes=MAX_BYTES)


# --- many marks, far marks -------------------------------------------------------------------


def many_boxes(count: int, size: tuple[int, int]) -> tuple[Mark, ...]:
    place = random.Random(0)
    corners = ((place.randrange(size[0] - 20), place.randrange(size[1] - 20)) for _ in range(count))
    specs = [parse_mark("box", f"{x},{y},{x + 20},{y + 20}") for x, y in corners]
    return resolve_marks(specs, size).marks


def test_marks_on_a_large_image_cost_their_own_area() -> None:
    image = Image.new("RGB", (3000, 2000))
    marks = many_boxes(400, image.size)
    whole = cpu_seconds(lambda: [slow_twins.coverage(mark, *image.size) for mark in marks[:40]])
    few, many = (cpu_seconds(draw, image, some) for some in (marks[:100], marks))
    assert many < 8 * few + 0.2
    assert many < 10 * whole + 1


def test_1000_numbers_on_one_image_are_placed_in_the_time_of_their_number() -> None:
    image = Image.new("RGB", (1200, 800))
    marks = many_boxes(1000, image.size)
    few, many = (cpu_seconds(draw, image, some, numbers=True) for some in (marks[:250], marks))
    assert many < 8 * few + 0.5


FAR = [
    ("arrow", "0,0,1e9,1e9"),
    ("box", "-1e300,0,10,10"),
    ("mask", "0,0,1e12,5,5,1e12"),
    ("contour", "1e7,1e7,2e7,1e7,2e7,2e7"),
    ("scribble", "1,1,1e9,1e9"),
]


@pytest.mark.parametrize(("shape", "coords"), FAR)
def test_coordinates_far_outside_are_refused(shape: str, coords: str) -> None:
    with pytest.raises(InputError, match="too far outside"):
        resolve_marks([parse_mark(shape, coords)], (100, 100))


WIDE = [
    ("mask", "0,0,1e5,1e5,0,1e6"),
    ("contour", "-1e6,-1e6,1e6,-1e6,1e6,1e6"),
    ("box", "1,1,1e6,9"),
]


@pytest.mark.parametrize(("shape", "coords"), WIDE)
def test_marks_that_reach_far_outside_take_the_time_of_the_image(shape: str, coords: str) -> None:
    image = Image.new("RGB", (1000, 1000))
    marks = resolve_marks([replace(parse_mark(shape, coords), width=100.0)], image.size).marks
    assert cpu_seconds(lambda: draw(image, marks)) < 2


def test_a_polygon_with_many_points_is_drawn_in_linear_time() -> None:
    angles = np.linspace(0, 2 * np.pi, 200_000, endpoint=False)
    points = 250 + 200 * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def draw_part(count: int) -> None:
        part = tuple(map(tuple, points[:: len(points) // count].tolist()))
        draw(Image.new("RGB", (500, 500)), [Mark("contour", (part,), MODEL_COLORS[0], 3, 1, None)])

    few, many = (cpu_seconds(draw_part, count) for count in (50_000, 200_000))
    assert many < 8 * few + 0.5


def random_mark(place: random.Random, width: int, height: int) -> Mark:
    counts = {"box": 2, "ellipse": 2, "arrow": 2, "point": 1, "triangle": 3}
    shape = place.choice([*counts, "scribble", "mask", "contour"])
    far = place.choice([0.0, 0.2, 5.0])
    points = [
        (place.uniform(-far, 1 + far) * width, place.uniform(-far, 1 + far) * height)
        for _ in range(counts.get(shape, 6))
    ]
    if shape in ("box", "ellipse"):
        xs, ys = (sorted(values) for values in zip(*points, strict=True))
        points = list(zip(xs, ys, strict=True))
    return Mark(shape, (tuple(points),), MODEL_COLORS[0], place.choice([0.5, 3, 40]), 1, None)


def test_a_mark_on_a_part_of_the_image_has_the_same_pixels() -> None:
    place = random.Random(0)
    for _ in range(600):
        width, height = place.choice([(200, 90), (7, 300), (900, 5), (640, 480)])
        mark = random_mark(place, width, height)
        expected = slow_twins.coverage(mark, width, height)
        assert (coverage(mark, width, height) == expected).all(), mark


# --- run lengths -----------------------------------------------------------------------------


def encode(mask: np.ndarray[Any, Any]) -> list[int]:
    flat = mask.T.reshape(-1)
    changes = np.flatnonzero(np.diff(flat, prepend=0))
    runs: list[int] = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return runs


@pytest.mark.parametrize("chunk", [5, 1 << 20])
def test_run_lengths_and_outlines_equal_those_of_plain_loops(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(run_lengths, "_CHUNK", chunk)
    generator = np.random.default_rng(0)
    for _ in range(150):
        height, width = (int(side) for side in generator.integers(1, 30, 2))
        mask = (generator.random((height, width)) < generator.random()).astype(np.uint8)
        mask[0, 0] = 0
        mask[:2, -2:] = 1
        expected = slow_twins.trace_outlines(mask)
        assert trace_outlines(mask) == expected
        assert trace_thin_outlines(mask) == slow_twins.trace_thin_outlines(mask)
        runs = encode(mask)
        for counts in (runs, slow_twins.compress_runs(runs), [*runs, 0, 0]):
            if not expected:
                continue
            rle = {"size": [height, width], "counts": counts}
            assert run_lengths.rle_outlines(rle) == expected


def test_compressed_numbers_equal_those_of_a_plain_loop() -> None:
    place = random.Random(0)
    for _ in range(200):
        runs = [place.randrange(place.choice([2, 100, 10**8])) for _ in range(place.randrange(20))]
        parts = run_lengths._decompress(slow_twins.compress_runs(runs))
        assert [int(run) for part in parts if part is not None for run in part] == runs


SIDE = 14_000
STRANGE: dict[str, Callable[[], Any]] = {
    "absurd numbers": lambda: [10**400, 5],
    "numbers above 64 bits": lambda: [2**64, -(2**64) + SIDE * SIDE],
    "negative numbers": lambda: [-5, SIDE * SIDE + 5],
    "truth values": lambda: [True] * 9,
    "too short": lambda: [1] * 1_000_000,
    "a number that never ends": lambda: "o" * 50_000_000,
    "50 MB of zeros": lambda: "0" * 50_000_000,
    "50 MB of ones": lambda: "1" * 50_000_000,
    "letters of other alphabets": lambda: "\u4e2d" * 1_000_000,
    "noise": lambda: [1] * (4 * MAX_EDGES),
    "nothing": lambda: None,
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_run_lengths_are_refused_in_a_second(name: str) -> None:
    rle = {"size": [SIDE, SIDE], "counts": STRANGE[name]()}

    def decode() -> None:
        with pytest.raises(InputError) as caught:
            run_lengths.rle_outlines(rle)
        assert len(str(caught.value)) < 300

    assert cpu_seconds(decode) < 1.5


def test_a_mask_of_196_megapixels_in_run_lengths_is_traced_in_seconds() -> None:
    gap = (SIDE - 12_000) // 2
    runs = [SIDE * gap + gap, *([12_000, 2 * gap] * 11_999), 12_000, gap + SIDE * gap]
    outlines: list[list[float]] = []
    decode = lambda: outlines.extend(  # noqa: E731
        run_lengths.rle_outlines({"size": [SIDE, SIDE], "counts": runs})
    )
    assert cpu_seconds(decode) < 6
    assert [len(outline) for outline in outlines] == [2 * 4 * 11_999]


# --- brushes and values ----------------------------------------------------------------------


def encode_brush(place: random.Random, width: int, height: int) -> list[int]:
    count, word = width * height * 4, place.choice([1, 3, 8, 9, 17, 32])
    sizes = [place.randrange(1, 17) for _ in range(4)]
    bits = f"{count:032b}{word - 1:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    at = 0
    while at < count:
        chosen, is_run = place.randrange(4), place.random() < 0.5
        length = place.randrange(1, min(2 ** sizes[chosen], 40) + 1)
        values = 1 if is_run else min(length, count - at)
        numbers = (place.choice([0, place.randrange(2**word)]) for _ in range(values))
        bits += f"{int(is_run)}{chosen:02b}{length - 1:0{sizes[chosen]}b}"
        bits += "".join(f"{number:0{word}b}" for number in numbers)
        at += length
    bits += "0" * (-len(bits) % 8)
    return [int(bits[first : first + 8], 2) for first in range(0, len(bits), 8)]


def test_a_brush_equals_that_of_a_plain_loop() -> None:
    place = random.Random(0)
    for _ in range(150):
        width, height = place.randrange(1, 12), place.randrange(1, 12)
        rle = encode_brush(place, width, height)
        assert (
            decode_brush(rle, width, height) == slow_twins.decode_brush(rle, width, height)
        ).all()


@pytest.mark.parametrize(
    "rle", [[1 << 70] * 9, [True] * 9, [0.5], "text", [255] * 100, [0, 0, 0], [0] * 2_000_000, None]
)
def test_a_strange_brush_is_refused_in_a_second(rle: Any) -> None:
    def decode() -> None:
        with pytest.raises(InputError):
            decode_brush(rle, 5000, 5000)

    assert cpu_seconds(decode) < 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float64, np.int16])
def test_counted_values_equal_sorted_ones(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vipllava_cli.marks.mask_region._BAND_PIXELS", 50)
    generator = np.random.default_rng(0)
    for low, high in ((0, 5), (3, 200), (-9 if np.dtype(dtype).kind != "u" else 0, 100)):
        values = generator.integers(low, high, (31, 17)).astype(dtype)
        levels, counts = _count_values(values)
        expected, expected_counts = np.unique(values, return_counts=True)
        assert levels.tolist() == expected.tolist()
        assert counts.tolist() == expected_counts.tolist()

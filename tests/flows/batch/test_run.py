"""Batch: every row answered once, in order, whatever happens on the way."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, SAMPLES, Run, open_once
from tests.support.fake_engine import FakeEngine
from vipllava_cli.engine.base import Engine, ModelView
from vipllava_cli.errors import OutOfMemoryError
from vipllava_cli.flows.ask import ask
from vipllava_cli.flows.batch import run as batch
from vipllava_cli.flows.batch.plan import BatchTask
from vipllava_cli.flows.batch.run import BatchSummary
from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    SIMPLE,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.json_marks import mark_from_json, mark_to_json
from vipllava_cli.marks.marked_image import MarkedImage, open_image
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import BadRow, Row, Source
from vipllava_cli.storage.journal import open_journal, read_journal
from vipllava_cli.storage.records import Record
from vipllava_cli.storage.tables import write_table

TASK = BatchTask(("fake", "1"), ("what is this?",))


class Silent:
    """Watches nothing, keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def advance(self, summary: BatchSummary, id: str) -> None:
        pass

    def note(self, id: str, text: str) -> None:
        self.notes.append(f"{id}: {text}")


def run_over(
    rows: Sequence[Row | BadRow], out: Path, engine: Engine, task: BatchTask = TASK, **more: Any
) -> BatchSummary:
    with open_journal(out) as journal:
        source = Source(iter(rows), "test")
        return batch.BatchRun(source, task, journal, lambda: engine, Silent(), **more)()


def answers(out: Path) -> dict[str, str | None]:
    return {record["id"]: record["answer"] for record in read_journal(out)}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twenty small images that all differ."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        pixels = np.full((30, 40, 3), number * 10, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def rows(images: Path) -> list[Row]:
    return [Row(f"{number}.png", str(images / f"{number}.png")) for number in range(20)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


# --- order, batches, failures ----------------------------------------------------------------


def test_rows_stand_in_the_order_of_the_source(rows: list[Row], out: Path) -> None:
    lengths = random.Random(1)
    asked = [Row(row.id, row.image, questions=("why " * lengths.randrange(1, 60),)) for row in rows]
    engine = FakeEngine()
    summary = run_over(asked, out, engine, size=4)
    assert (summary.answered, summary.failed) == (20, 0)
    assert list(answers(out)) == [row.id for row in rows]
    assert engine.batches == [4] * 5


def test_every_question_of_a_row_is_answered(rows: list[Row], out: Path) -> None:
    task = BatchTask(("fake", "1"), ("what?", "who?", "why?"))
    run_over(rows[:3], out, FakeEngine(), task)
    ids = [f"{number}.png:q{question}" for number in range(3) for question in (1, 2, 3)]
    assert list(answers(out)) == ids
    assert [str(answer).partition(":")[2] for answer in answers(out).values()] == [
        "what?",
        "who?",
        "why?",
    ] * 3


def test_out_of_memory_halves_the_batch_and_goes_on(rows: list[Row], out: Path) -> None:
    engine = FakeEngine(fits=3)
    summary = run_over(rows, out, engine, size=16)
    assert summary.answered == 20
    assert max(engine.batches) <= 3


def test_out_of_memory_at_one_row_is_an_error_of_that_row(rows: list[Row], out: Path) -> None:
    summary = run_over(rows[:2], out, FakeEngine(fits=0))
    assert summary.failures == {"OutOfMemoryError": 2}


def test_a_row_that_breaks_the_model_fails_alone(rows: list[Row], out: Path) -> None:
    asked = [Row(row.id, row.image, questions=(f"is it {row.id}?",)) for row in rows]
    summary = run_over(asked, out, FakeEngine(broken="13.png"), size=8)
    assert summary.failures == {"GenerationError": 1}
    assert [id for id, answer in answers(out).items() if answer is None] == ["13.png"]


def test_ids_that_repeat_are_told_apart(rows: list[Row], out: Path) -> None:
    same = [Row("a", row.image) for row in rows[:3]]
    run_over(same, out, FakeEngine())
    assert list(answers(out)) == ["a", "a~2", "a~3"]
    assert run_over(same, out, FakeEngine()).kept == 3


def test_fail_fast_stops_at_the_first(rows: list[Row], out: Path) -> None:
    bad = Row("bad", "/nowhere.png")
    engine = FakeEngine()
    summary = run_over([rows[0], bad, *rows[1:]], out, engine, fail_fast=True)
    assert (summary.failed, summary.finished) == (1, False)
    assert summary.answered < 20
    assert "bad" in answers(out)


def test_what_waits_for_the_model_is_bounded(rows: list[Row], out: Path) -> None:
    """However many rows there are: of the next ones so many are read, and no more."""

    class Counting(FakeEngine):
        seen = answered = most = 0

        def view(self, image: Image.Image) -> ModelView:
            self.seen += 1
            self.most = max(self.most, self.seen - self.answered)
            return super().view(image)

        def answer_batch(self, prompts: Any, options: Any = None) -> Any:
            time.sleep(0.001)
            self.answered += len(prompts)
            return super().answer_batch(prompts)

    asked = [replace(row, id=f"{n}", questions=(f"{n}?",)) for n in range(15) for row in rows]
    engine = Counting()
    assert run_over(asked, out, engine, size=2).answered == 300
    assert engine.most <= 2 * batch.BATCHES_AT_ONCE * 2 + batch.READERS


def test_large_images_are_decoded_one_at_a_time(
    rows: list[Row], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MAX_PIXELS", 40 * 30)
    monkeypatch.setattr(batch, "READERS", 4)

    class Counting(FakeEngine):
        now = most = 0

        def view(self, image: Image.Image) -> ModelView:
            self.now += 1
            self.most = max(self.most, self.now)
            time.sleep(0.002)
            self.now -= 1
            return super().view(image)

    engine = Counting()
    assert run_over(rows, out, engine, size=4).answered == 20
    assert engine.most == 1


# --- going on --------------------------------------------------------------------------------


def test_a_second_run_asks_nothing_and_opens_no_model(rows: list[Row], out: Path) -> None:
    run_over(rows, out, FakeEngine())
    before = out.read_bytes()

    def opens() -> Engine:
        raise AssertionError("the model was opened")

    with open_journal(out) as journal:
        summary = batch.BatchRun(Source(iter(rows), "test"), TASK, journal, opens, Silent())()
    assert (summary.kept, summary.answered) == (20, 0)
    assert out.read_bytes() == before


def test_what_changed_is_asked_again_and_only_that(rows: list[Row], out: Path) -> None:
    run_over(rows, out, FakeEngine())
    before = answers(out)
    Image.new("RGB", (9, 9), (1, 2, 3)).save(rows[4].image)
    box = mark_from_json({"shape": "box", "coords": [1, 1, 20, 20]})
    changed = [
        Row(row.id, row.image, (box,)) if number == 7 else row for number, row in enumerate(rows)
    ]
    summary = run_over(changed, out, FakeEngine())
    assert (summary.kept, summary.answered) == (18, 2)
    after = answers(out)
    assert list(after) == list(before)
    assert {id for id in after if after[id] != before[id]} == {"4.png", "7.png"}


def test_failed_rows_are_tried_again(rows: list[Row], out: Path) -> None:
    Path(rows[3].image).rename(rows[3].image + ".away")
    assert run_over(rows, out, FakeEngine()).failed == 1
    Path(rows[3].image + ".away").rename(rows[3].image)
    summary = run_over(rows, out, FakeEngine())
    assert (summary.kept, summary.answered, summary.failed) == (19, 1, 0)
    assert len(answers(out)) == 20


def test_what_cannot_be_read_today_does_not_replace_its_answer(rows: list[Row], out: Path) -> None:
    run_over(rows[:3], out, FakeEngine())
    before = out.read_bytes()
    Path(rows[1].image).rename(rows[1].image + ".away")
    summary = run_over(rows[:3], out, FakeEngine())
    assert (summary.kept, summary.failed) == (2, 1)
    assert out.read_bytes() == before


def test_failed_rows_that_are_gone_leave_the_file(rows: list[Row], out: Path) -> None:
    run_over([rows[0], Row("line 2", "/nowhere.png")], out, FakeEngine())
    assert list(answers(out)) == ["0.png", "line 2"]
    run_over(rows[:2], out, FakeEngine())
    assert list(answers(out)) == ["0.png", "1.png"]


def test_ids_never_meet(rows: list[Row], out: Path) -> None:
    image = rows[0].image
    asked = [
        Row("a", image, questions=("1?",)),
        Row("a", image, questions=("2?",)),
        Row("a~2", image, questions=("3?",)),
        Row("b", image, questions=("4?", "5?")),
        Row("b:q1", image, questions=("6?",)),
    ]
    assert run_over(asked, out, FakeEngine()).answered == 6
    assert len(answers(out)) == 6
    assert run_over(asked, out, FakeEngine()).kept == 6


def test_text_that_is_no_text_is_an_error_of_its_row(rows: list[Row], out: Path) -> None:
    odd = Row("odd\udce9.png", rows[0].image, extra={"name": "\ud83d"})
    task = BatchTask(("fake", "1"), ("is it {name}?",))
    summary = run_over([odd, Row("b", rows[1].image, extra={"name": "b"})], out, FakeEngine(), task)
    assert (summary.answered, summary.failures) == (1, {"UsageError": 1})
    table = out.with_suffix(".csv")
    write_table(read_journal(out), table)
    assert "odd\\udce9.png" in table.read_text()


def test_memory_that_ran_out_once_does_not_slow_the_rest(rows: list[Row], out: Path) -> None:
    """One question that fits nowhere; the batches after it are whole again."""

    class Heavy(FakeEngine):
        def answer_batch(self, prompts: Any, options: Any = None) -> Any:
            if any(b"heavy" in bytes(prompt.ids) for prompt in prompts):
                raise OutOfMemoryError("out of memory")
            return super().answer_batch(prompts)

    asked = [Row(row.id, row.image, questions=("what?",)) for row in rows]
    asked[1] = Row("1.png", rows[1].image, questions=("heavy",))
    engine = Heavy()
    summary = run_over(asked, out, engine, size=4)
    assert (summary.answered, summary.failed) == (19, 1)
    assert max(engine.batches[-2:]) >= 2


def test_an_image_of_another_name_is_not_asked_again(rows: list[Row], out: Path) -> None:
    run_over(rows, out, FakeEngine())
    renamed = Path(rows[0].image).with_name("new.png")
    Path(rows[0].image).rename(renamed)
    engine = FakeEngine()
    summary = run_over([Row("new.png", str(renamed)), *rows[1:]], out, engine)
    assert (summary.copied, summary.kept, engine.batches) == (1, 19, [])
    assert list(answers(out))[:2] == ["new.png", "1.png"]
    assert summary.others == 1


def test_other_settings_are_asked_anew(rows: list[Row], out: Path) -> None:
    run_over(rows[:4], out, FakeEngine())
    summary = run_over(rows[:4], out, FakeEngine(), BatchTask(("fake", "2"), TASK.questions))
    assert summary.answered == 4
    assert len(answers(out)) == 4


def test_a_stop_finishes_what_is_in_flight(rows: list[Row], out: Path) -> None:
    stop = threading.Event()
    engine = FakeEngine(seconds=0.2)
    threading.Timer(0.5, stop.set).start()
    summary = run_over(rows, out, engine, size=2, stop=stop)
    assert not summary.finished
    assert 0 < summary.answered < 20
    assert len(answers(out)) == summary.answered == 2 * len(engine.batches)
    assert run_over(rows, out, FakeEngine()).kept == summary.answered


# Begins a run, in a process of its own, for each path that it is told. The process is forked from this
# one, which has imported all that a run needs: twenty fresh interpreters would take ten seconds.
RUNS = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.support.fake_engine import FakeEngine
from tests.flows.batch.test_run import Silent, TASK
from vipllava_cli.flows.batch.run import BatchRun
from vipllava_cli.storage.journal import open_journal
from vipllava_cli.sources.open import read_source

def run(out):
    with open_journal(out) as journal:
        BatchRun(read_source(sys.argv[2]), TASK, journal, lambda: FakeEngine(seconds=0.01), Silent(), 4)()

for line in sys.stdin:
    child = os.fork()
    if not child:
        run(Path(line.strip()))
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def test_a_run_that_is_killed_twenty_times_ends_as_one_that_was_not(
    tmp_path: Path, out: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(300):
        pixels = np.full((8, 8, 3), (number % 256, number // 256, 7), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    command = [sys.executable, "-c", RUNS, str(ROOT), str(folder)]
    runs = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(path: Path) -> int:
        assert runs.stdin
        runs.stdin.write(f"{path}\n")
        runs.stdin.flush()
        return told()

    def told() -> int:
        assert runs.stdout
        return int(runs.stdout.readline())

    whole = tmp_path / "whole.jsonl"
    begin(whole)
    assert told() == 0
    moments = random.Random(5)
    for _ in range(20):
        size = _size(out)
        child = begin(out)
        while _size(out) == size:
            time.sleep(0.002)  # until it writes
        time.sleep(moments.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        assert os.WTERMSIG(told()) == signal.SIGKILL, "it was over before"
        lines = [line for line in out.read_bytes().splitlines(True) if line.endswith(b"\n")]
        times = Counter(json.loads(line)["id"] for line in lines)
        assert set(times.values()) == {1}, "a row that was on disk was answered again"
    begin(out)
    assert told() == 0
    runs.communicate()

    def timeless(path: Path) -> list[dict[str, Any]]:
        return [{**record, "seconds": 0} for record in read_journal(path)]

    assert timeless(out) == timeless(whole)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


# --- bad rows --------------------------------------------------------------------------------


def bad_rows(folder: Path) -> list[dict[str, Any]]:
    """Ways to be bad, each about an image that is there or not."""
    good = str(folder / "0.png")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no image")
    (folder / "cut.png").write_bytes(Path(good).read_bytes()[:40])
    box = {"shape": "box", "coords": [1, 1, 5, 5]}
    return [
        {"image": str(folder / "gone.png")},
        {"image": str(folder / "empty.png")},
        {"image": str(folder / "text.png")},
        {"image": str(folder / "cut.png")},
        {"image": str(folder)},
        {"image": good, "marks": [{"shape": "box", "coords": [100, 100, 200, 200]}]},
        {"image": good, "marks": [{"shape": "triangle", "coords": [-99, -30, 140, -30, 20, 200]}]},
        {"image": good, "marks": [{"shape": "box", "coords": [1, 2, 3]}]},
        {"image": good, "marks": [{"shape": "star", "coords": [1, 2]}]},
        {"image": good, "marks": [{**box, "color": "no colour"}]},
        {"image": good, "marks": [box], "question": "what is {3}?"},
        {"image": good, "question": "long " * 200},
        {"question": "where is the image?"},
    ]


def test_a_thousand_rows_of_which_a_hundred_are_bad(images: Path, out: Path) -> None:
    bad = bad_rows(images)
    good = [
        {"image": str(images / f"{number % 20}.png"), "question": f"is it {number}?"}
        for number in range(900)
    ]
    mixed = [*good, *(bad[number % len(bad)] for number in range(100))]
    random.Random(3).shuffle(mixed)
    manifest = out.with_name("manifest.jsonl")
    manifest.write_text("".join(json.dumps(row) + "\n" for row in mixed))
    with open_journal(out) as journal:
        engine = FakeEngine()
        run = batch.BatchRun(read_source(str(manifest)), TASK, journal, lambda: engine, Silent())
        summary = run()
    assert (summary.answered, summary.failed) == (900, 100)
    records = list(read_journal(out))
    assert len(records) == 1000
    failed = [record["error"]["message"] for record in records if record["error"]]
    assert len({message.replace("\n", "") for message in failed}) >= len(bad)
    assert not [
        record for record in records if record["error"] and "Bug" in record["error"]["type"]
    ]


# --- the command, on the shipped model -------------------------------------------------------


pytestmark = pytest.mark.usefixtures("opened_once")


@pytest.fixture
def engine() -> Engine:
    return open_once("tiny", device="cpu")


def write_scenes(folder: Path, count: int) -> list[dict[str, Any]]:
    """Scenes that training never saw, and a manifest's rows about their marks."""
    rows = []
    for number in range(count):
        rng = scene_rng(HELD_OUT, 5000 + number)
        marked = mark_scene(rng, make_scene(rng, SIMPLE), SIMPLE)
        name = f"scene-{number}.png"
        marked.scene.image.save(folder / name)
        marks = [mark_to_json(mark) for mark in marked.marks]
        questions = [f"What is {{{place}}}?" for place in range(1, len(marks) + 1)]
        rows.append({"image": name, "marks": marks, "questions": questions})
    return rows


def test_batch_answers_as_single_asks_row_by_row(
    tmp_path: Path, run: Run, engine: Engine, out: Path
) -> None:
    rows = write_scenes(tmp_path, 8)
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    finished = run("batch", manifest, "--out", out, "--model", "tiny", "-q")
    assert (finished.code, finished.stdout) == (0, "")
    records = list(read_journal(out))
    alone: list[Record] = []
    for row in rows:
        file = open_image(str(tmp_path / row["image"]))
        marks = resolve_coordinates(
            [mark_from_json(mark) for mark in row["marks"]], *file.size
        ).marks
        asked = records[len(alone) : len(alone) + len(marks)]
        questions = [record["question"] for record in asked]
        for question in questions:
            alone.append(next(ask(engine, MarkedImage(file, marks), [question])))
    assert [record["answer"] for record in records] == [single.answer for single in alone]
    assert [record["key"] for record in records] == [single.asked.key for single in alone]


FORMATS = ("jsonl", "coco", "labelme", "voc", "yolo")


@pytest.mark.parametrize("format", FORMATS[1:])
def test_the_same_regions_in_any_format_give_equal_answers(
    tmp_path: Path, run: Run, format: str
) -> None:
    """Boxes of whole pixels, so that no format rounds them."""
    scenes = [_boxes(number) for number in range(3)]
    said = {}
    for name in (FORMATS[0], format):
        folder = tmp_path / name
        folder.mkdir()
        source = _WRITERS[name](folder, scenes)
        out = tmp_path / f"{name}.out.jsonl"
        flags = ("--question", "What is {1}?", "--model", "tiny", "-q")
        assert run("batch", source, "--out", out, *flags).code == 0
        said[name] = [
            (Path(record["image"]).name, record["marks"][0]["coords"], record["answer"])
            for record in read_journal(out)
        ]
    assert sorted(said[format]) == sorted(said[FORMATS[0]])
    assert len(said[format]) == sum(len(boxes) for _, _, boxes in scenes)


Boxes = list[tuple[int, int, int, int]]
Scenes = list[tuple[str, Image.Image, Boxes]]


def _boxes(number: int) -> tuple[str, Image.Image, Boxes]:
    """An image and a box around each of its things: left, top, right, bottom."""
    scene = make_scene(scene_rng(HELD_OUT, 7000 + number), SIMPLE)
    bounds = [tuple(round(edge) for edge in placement.box) for placement in scene.placements]
    return f"scene{number}.png", scene.image, [(a, b, c, d) for a, b, c, d in bounds]


def _save(folder: Path, scenes: Scenes) -> None:
    folder.mkdir(exist_ok=True)
    for name, image, _ in scenes:
        image.save(folder / name)


def _as_jsonl(folder: Path, scenes: Scenes) -> Path:
    _save(folder, scenes)
    rows = [
        {"image": name, "marks": [{"shape": "box", "coords": list(box)}]}
        for name, _, boxes in scenes
        for box in boxes
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _as_coco(folder: Path, scenes: Scenes) -> Path:
    _save(folder, scenes)
    annotations = [
        {"image_id": image, "category_id": 1, "bbox": [a, b, c - a, d - b]}
        for image, (_, _, boxes) in enumerate(scenes)
        for a, b, c, d in boxes
    ]
    images = [{"id": image, "file_name": name} for image, (name, _, _) in enumerate(scenes)]
    categories = [{"id": 1, "name": "thing"}]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "instances.json"
    path.write_text(json.dumps(whole))
    return path


def _as_labelme(folder: Path, scenes: Scenes) -> Path:
    _save(folder, scenes)
    for name, _, boxes in scenes:
        shapes = [
            {"label": "thing", "shape_type": "rectangle", "points": [[a, b], [c, d]]}
            for a, b, c, d in boxes
        ]
        path = (folder / name).with_suffix(".json")
        path.write_text(json.dumps({"shapes": shapes, "imagePath": name}))
    return folder


def _as_voc(folder: Path, scenes: Scenes) -> Path:
    _save(folder / "JPEGImages", scenes)
    (folder / "Annotations").mkdir()
    for name, _, boxes in scenes:
        objects = "".join(
            f"<object><name>thing</name><bndbox><xmin>{a + 1}</xmin><ymin>{b + 1}</ymin>"
            f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
            for a, b, c, d in boxes
        )
        text = f"<annotation><filename>{name}</filename>{objects}</annotation>"
        (folder / "Annotations" / name).with_suffix(".xml").write_text(text)
    return folder


def _as_yolo(folder: Path, scenes: Scenes) -> Path:
    _save(folder / "images", scenes)
    (folder / "labels").mkdir()
    (folder / "classes.txt").write_text("thing\n")
    for name, image, boxes in scenes:
        wide, high = image.size
        lines = [
            f"0 {(a + c) / 2 / wide} {(b + d) / 2 / high} {(c - a) / wide} {(d - b) / high}\n"
            for a, b, c, d in boxes
        ]
        (folder / "labels" / name).with_suffix(".txt").write_text("".join(lines))
    return folder


_WRITERS = dict(zip(FORMATS, (_as_jsonl, _as_coco, _as_labelme, _as_voc, _as_yolo), strict=True))


def test_the_readmes_line_works_as_it_stands_and_again(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SAMPLES, tmp_path / "sample_images")
    monkeypatch.chdir(tmp_path)
    first = run("batch", "sample_images/", "--out", "results.jsonl")
    assert first.code == 0
    images = [path for path in SAMPLES.iterdir() if path.suffix != ".md"]
    assert len(answers(Path("results.jsonl"))) == len(images)
    assert '"Describe this image."' in first.stderr
    second = run("batch", "sample_images/", "--out", "results.jsonl")
    assert second.code == 0
    said = " ".join(second.stderr.split())
    assert f"0 answered {len(images)} kept from before" in said


def test_failed_rows_give_exit_code_6(tmp_path: Path, run: Run) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    finished = run("batch", tmp_path / "in", "-o", tmp_path / "r.csv", "--question", "what is it?")
    assert finished.code == 6
    assert "failed: InputError" in finished.stderr
    with (tmp_path / "r.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["id"] for row in table] == ["bad.png", "good.png"]
    assert "is empty" in table[0]["error"]
    assert table[1]["answer"]


def test_parquet_holds_the_same_rows(tmp_path: Path, run: Run) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in" / "good.png")
    out = tmp_path / "r.parquet"
    box = ["--box", "1,1,90,90", "--question", "what is {1}?", "-q"]
    assert run("batch", tmp_path / "in", "-o", out, *box).code == 0
    row = pq.read_table(out).to_pylist()[0]
    record = next(read_journal(tmp_path / "r.parquet.jsonl"))
    assert row["answer"] == record["answer"]
    assert json.loads(row["marks"]) == record["marks"]
    assert row["width"] == record["width"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "--out results.jsonl"),
        (["--out", "results.txt"], ".jsonl, .csv or .parquet"),
        (["--out", "r.jsonl", "--batch-size", "many"], "--batch-size is auto or a number"),
        (["--out", "nowhere/r.jsonl"], "there is no folder nowhere"),
        (["--out", "r.jsonl", "--model", "nothing"], "there is no model 'nothing'"),
        (["--out", "r.jsonl", "--question", " "], "the question is empty"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, flags: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    finished = run("batch", str(SAMPLES), "-q", *flags)
    assert finished.code in (2, 3, 4)
    assert said in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_source_is_never_written_over(tmp_path: Path, run: Run) -> None:
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text('{"image": "a.png"}\n')
    finished = run("batch", manifest, "--out", manifest)
    assert finished.code == 2
    assert "is the source too" in finished.stderr
    assert manifest.read_text() == '{"image": "a.png"}\n'


@pytest.mark.parametrize(
    "flags",
    [
        ["--out", "r.csv", "--report", "r.csv"],
        ["--out", "r.jsonl", "--report", "rows.jsonl"],
        ["--out", "r.jsonl", "--report", "r.jsonl"],
    ],
)
def test_outputs_never_write_over_each_other(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"image": "a.png"}\n')
    finished = run("batch", "rows.jsonl", *flags)
    assert finished.code == 2
    assert "give each a name of its own" in finished.stderr
    assert os.listdir() == ["rows.jsonl"]


def test_marked_images_are_not_kept_in_the_source(tmp_path: Path, run: Run) -> None:
    shutil.copy(SAMPLES / "garden.png", tmp_path)
    out = tmp_path.with_suffix(".jsonl")
    finished = run("batch", tmp_path, "--out", out, "--save-marked", tmp_path / "marked")
    assert finished.code == 2
    assert "lies in the source" in finished.stderr
    assert not (tmp_path / "marked").exists()


def test_starting_anew_loses_nothing_before_there_is_something_new(
    tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "r.jsonl"
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in")
    assert run("batch", tmp_path / "in", "--out", out, "-q").code == 0
    before = out.read_bytes()
    anew = ("batch", tmp_path / "in", "--out", out, "--fresh", "--force", "-q")
    assert run(*anew, "--dry-run").code == 0
    import torch  # here: the runs that are killed import this file, and need to start fast

    absent = "mps" if torch.cuda.is_available() else "cuda"
    assert run(*anew, "--device", absent).code == 4
    assert out.read_bytes() == before


def test_a_pipe_among_the_images_holds_nothing_up(rows: list[Row], out: Path) -> None:
    pipe = Path(rows[0].image).with_name("pipe.png")
    os.mkfifo(pipe)
    summary = run_over([Row("pipe.png", str(pipe)), *rows], out, FakeEngine())
    assert (summary.answered, summary.failures) == (20, {"InputError": 1})
    assert "is a pipe or a device" in next(read_journal(out))["error"]["message"]


def test_numbers_beyond_all_bounds_are_carried_as_nothing(images: Path, out: Path) -> None:
    manifest = images / "rows.jsonl"
    manifest.write_text('{"image": "0.png", "a": 1e999, "b": [-1e999, 2.5], "c": NaN}\n')
    run_over(list(read_source(str(manifest)).rows), out, FakeEngine())
    line = json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(f"holds {name}"))
    assert line["extra"] == {"a": None, "b": [None, 2.5], "c": None}


def test_a_note_about_a_row_of_a_long_name_is_short(tmp_path: Path, run: Run) -> None:
    row = {"image": str(SAMPLES / "garden.png"), "id": "x" * 100_000}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    finished = run("batch", tmp_path / "rows.jsonl", "--out", tmp_path / "r.jsonl")
    assert finished.code == 0
    assert max(map(len, finished.stderr.splitlines())) < 500


def test_a_dry_run_lists_and_writes_nothing(tmp_path: Path, run: Run) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in")
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    out = tmp_path / "r.jsonl"
    finished = run(
        "batch",
        tmp_path / "in",
        "--out",
        out,
        "--dry-run",
        "--box",
        "1,1,9,9",
        "--question",
        "{1}?",
    )
    assert finished.stdout.splitlines() == [
        f"failed\tbad.png\t{tmp_path}/in/bad.png is empty: expected a JPEG, PNG, WebP, GIF, TIFF or BMP",
        "asked\tgarden.png\tthe object within the red rectangle?",
    ]
    assert not out.exists()


def test_columns_fill_the_questions_of_the_command_line(tmp_path: Path, run: Run) -> None:
    shutil.copy(SAMPLES / "garden.png", tmp_path)
    table = tmp_path / "rows.csv"
    table.write_text("image,box,animal\ngarden.png,'',lion\n".replace("''", '"1,1,90,90"'))
    finished = run(
        "batch", table, "--out", tmp_path / "r.jsonl", "--question", "is {1} a {animal}?", "-q"
    )
    assert finished.code == 0
    record = next(read_journal(tmp_path / "r.jsonl"))
    assert record["question"] == "is the object within the red rectangle a lion?"
    assert record["extra"] == {"animal": "lion"}
    wrong = run("batch", table, "--out", tmp_path / "w.jsonl", "--question", "is it a {beast}?")
    assert wrong.code == 6
    assert "the row has only" in next(read_journal(tmp_path / "w.jsonl"))["error"]["message"]


def test_marked_images_are_kept(tmp_path: Path, run: Run) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in")
    kept = tmp_path / "marked"
    flags = ["--box", "10,10,90,90", "--save-marked", kept, "-q"]
    assert run("batch", tmp_path / "in", "--out", tmp_path / "r.jsonl", *flags).code == 0
    (path,) = kept.iterdir()
    assert path.name == "garden.png.png"
    plain = np.asarray(Image.open(SAMPLES / "garden.png").convert("RGB")).astype(int)
    assert (np.asarray(Image.open(path)).astype(int) != plain).any()


# The command, whose model takes its time: to answer, or already to look at an image.
SLOW = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
slow = sys.argv.pop(1)
from tests.support.fake_engine import FakeEngine
from vipllava_cli.cli.app import app
from vipllava_cli.cli import model_loading as opening

class SlowEngine(FakeEngine):
    def view(self, image):
        if slow == "reading" and image.width > 100:
            time.sleep(60)
        return super().view(image)

opening.open_model = lambda *_: SlowEngine(seconds=60 if slow == "answering" else 0.1)
app()
"""


def start_slow(slow: str, folder: Path, out: Path) -> "subprocess.Popen[str]":
    flags = ["--out", str(out), "--batch-size", "2", "--model", "tiny"]
    command = [sys.executable, "-c", SLOW, str(ROOT), slow, "batch", str(folder), *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_finishes_what_is_in_flight_and_says_how_to_go_on(images: Path, out: Path) -> None:
    child = start_slow("nothing", images, out)
    _wait_until(lambda: _size(out) > 0)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "finishing what is in flight" in said
    assert "the same command goes on from here" in said
    assert len(list(read_journal(out))) in range(2, 20, 2)


@pytest.mark.parametrize("slow", ["reading", "answering"])
def test_a_second_ctrl_c_stops_at_once(images: Path, out: Path, slow: str) -> None:
    """What is in flight takes a minute, which nobody waits for."""
    Image.new("RGB", (200, 200)).save(images / "5.png")
    child = start_slow(slow, images, out)
    _wait_until(lambda: _size(out) > 0 if slow == "reading" else out.exists())
    time.sleep(0.3)  # until it is in the middle
    child.send_signal(signal.SIGINT)
    assert child.stderr
    while "Ctrl-C again stops at once" not in child.stderr.readline():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=30) == 130
    child.stderr.close()
    if out.exists():
        assert all(record["answer"] for record in read_journal(out))


def _wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)

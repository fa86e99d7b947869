"""Planning a batch: unique ids, kept and copied answers, bad rows."""

import json
import os
import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.batch import TASK, SilentListener, read_answers, run_over
from tests.support.fake_engine import FakeEngine
from tests.support.images import animation
from vipllava_cli.errors import InputError
from vipllava_cli.flows.batch.plan import plan_all
from vipllava_cli.flows.batch.run import BatchRun
from vipllava_cli.flows.batch.task import (
    DEFAULT_QUESTION,
    DEFAULT_QUESTION_UNMARKED,
    BatchTask,
    OnConflict,
)
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import Row, Source
from vipllava_cli.storage.journal import open_journal, read_journal
from vipllava_cli.storage.tables import write_table


def test_repeated_ids_get_numbers(rows: list[Row], out: Path) -> None:
    same = [Row("a", row.image) for row in rows[:3]]
    run_over(same, out, FakeEngine())
    assert list(read_answers(out)) == ["a", "a~2", "a~3"]
    assert run_over(same, out, FakeEngine()).kept == 3


def test_record_ids_are_unique(rows: list[Row], out: Path) -> None:
    image = rows[0].image
    same_ids = [
        Row("a", image, questions=("1?",)),
        Row("a", image, questions=("2?",)),
        Row("a~2", image, questions=("3?",)),
        Row("b", image, questions=("4?", "5?")),
        Row("b:q1", image, questions=("6?",)),
    ]
    assert run_over(same_ids, out, FakeEngine()).answered == 6
    assert len(read_answers(out)) == 6
    assert run_over(same_ids, out, FakeEngine()).kept == 6


def test_the_default_question_depends_on_the_marks(rows: list[Row], out: Path) -> None:
    marked = replace(rows[1], marks=(mark_from_json({"shape": "point", "coords": [9, 9]}),))
    with open_journal(out) as journal:
        task = BatchTask(("fake", "1"))
        source = Source(iter([rows[0], marked]), "test")
        planned = list(plan_all(source, task, journal))
    assert [row.default_question for row in planned] == [
        DEFAULT_QUESTION_UNMARKED,
        DEFAULT_QUESTION,
    ]
    assert [row.questions[0].request.question for row in planned] == [
        DEFAULT_QUESTION_UNMARKED,
        "What is the object at the red point?",
    ]


def test_a_failed_row_has_no_pending_question(rows: list[Row], out: Path) -> None:
    with open_journal(out) as journal:
        source = Source(iter([replace(rows[0], questions=("one?", "two {3}?"))]), "test")
        [planned] = plan_all(source, TASK, journal)
    assert [question.is_pending for question in planned.questions] == [True, False]
    assert planned.marked_image
    error = ValueError("broken")
    failed = planned.fail_pending(error)
    assert not any(question.is_pending for question in failed.questions)
    assert failed.questions[0].error is error
    assert failed.questions[1] == planned.questions[1]
    assert failed.marked_image is None


def test_invalid_text_in_a_question_is_an_error_of_its_row(rows: list[Row], out: Path) -> None:
    invalid = Row("odd\udce9.png", rows[0].image, extra={"name": "\ud83d"})
    valid = Row("b", rows[1].image, extra={"name": "b"})
    task = BatchTask(("fake", "1"), ("is it {name}?",))
    summary = run_over([invalid, valid], out, FakeEngine(), task)
    assert (summary.answered, summary.failures) == (1, {"UsageError": 1})
    table = out.with_suffix(".csv")
    write_table(partial(read_journal, out), table)
    assert "odd\\udce9.png" in table.read_text()


def test_a_renamed_image_copies_its_answer(rows: list[Row], out: Path) -> None:
    run_over(rows, out, FakeEngine())
    renamed = Path(rows[0].image).with_name("new.png")
    Path(rows[0].image).rename(renamed)
    engine = FakeEngine()
    summary = run_over([Row("new.png", str(renamed)), *rows[1:]], out, engine)
    assert (summary.copied, summary.kept, engine.batches) == (1, 19, [])
    assert list(read_answers(out))[:2] == ["new.png", "1.png"]
    assert summary.unlisted == 1


def test_other_settings_are_new_questions(rows: list[Row], out: Path) -> None:
    run_over(rows[:4], out, FakeEngine())
    other = BatchTask(("fake", "2"), TASK.questions, on_conflict=OnConflict.replace)
    summary = run_over(rows[:4], out, FakeEngine(), other)
    assert (summary.answered, summary.replaced) == (4, 4)
    assert len(read_answers(out)) == 4


def test_only_changed_rows_are_asked_again(rows: list[Row], out: Path) -> None:
    run_over(rows, out, FakeEngine())
    before = read_answers(out)
    Image.new("RGB", (9, 9), (1, 2, 3)).save(rows[4].image)
    box = mark_from_json({"shape": "box", "coords": [1, 1, 20, 20]})
    changed = [
        Row(row.id, row.image, (box,)) if number == 7 else row for number, row in enumerate(rows)
    ]
    replacing = replace(TASK, on_conflict=OnConflict.replace)
    summary = run_over(changed, out, FakeEngine(), replacing)
    assert (summary.kept, summary.answered) == (18, 2)
    after = read_answers(out)
    assert list(after) == list(before)
    assert {id for id in after if after[id] != before[id]} == {"4.png", "7.png"}


def make_bad_rows(folder: Path) -> list[dict[str, Any]]:
    """Make manifest rows that fail, each for another reason."""
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


def test_a_hundred_of_a_thousand_rows_are_bad(images: Path, out: Path) -> None:
    bad = make_bad_rows(images)
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
        run = BatchRun(read_source(str(manifest)), TASK, journal, lambda: engine, SilentListener())
        summary = run()
    assert (summary.answered, summary.failed) == (900, 100)
    records = list(read_journal(out))
    assert len(records) == 1000
    failed = [record["error"]["message"] for record in records if record["error"]]
    assert len({message.replace("\n", "") for message in failed}) >= len(bad)
    assert not [
        record for record in records if record["error"] and "Bug" in record["error"]["type"]
    ]


def test_a_pipe_among_the_images_is_an_error_of_its_row(rows: list[Row], out: Path) -> None:
    pipe = Path(rows[0].image).with_name("pipe.png")
    os.mkfifo(pipe)
    summary = run_over([Row("pipe.png", str(pipe)), *rows], out, FakeEngine())
    assert (summary.answered, summary.failures) == (20, {"InputError": 1})
    assert "is a pipe or a device" in next(read_journal(out))["error"]["message"]


def test_non_finite_numbers_become_null(images: Path, out: Path) -> None:
    manifest = images / "rows.jsonl"
    manifest.write_text('{"image": "0.png", "a": 1e999, "b": [-1e999, 2.5], "c": NaN}\n')
    run_over(list(read_source(str(manifest)).rows), out, FakeEngine())
    line = json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(f"contains {name}"))
    assert line["extra"] == {"a": None, "b": [None, 2.5], "c": None}


def test_each_frame_is_a_question_of_its_own(tmp_path: Path, out: Path) -> None:
    moving, still = tmp_path / "moving.gif", tmp_path / "still.png"
    moving.write_bytes(animation())
    Image.new("RGB", (40, 20)).save(still)
    rows = [Row("named", f"{moving}#frame=3"), Row("moving", str(moving)), Row("still", str(still))]
    listener = SilentListener()
    with open_journal(out) as journal:
        BatchRun(Source(iter(rows), "test"), TASK, journal, FakeEngine, listener)()
    assert listener.notes == ["moving: frame 1 of 3; --frame N chooses another"]
    first = {record["id"]: record for record in read_journal(out)}
    assert [record["image"] for record in first.values()] == [
        f"{moving}#frame=3",
        *map(str, (moving, still)),
    ]
    # The option is for rows that name no frame.
    with pytest.raises(InputError, match="moving with the frame 1, but this run has the frame 2"):
        run_over(rows, out, FakeEngine(), replace(TASK, frame=2))
    replacing = replace(TASK, frame=2, on_conflict=OnConflict.replace)
    summary = run_over(rows, out, FakeEngine(), replacing)
    assert (summary.kept, summary.answered, summary.failures) == (1, 1, {"InputError": 1})
    second = {record["id"]: record for record in read_journal(out)}
    assert second["named"] == first["named"]
    assert second["moving"]["image"] == f"{moving}#frame=2"
    assert len({record["key"] for record in (*first.values(), *second.values())}) == 4


def test_an_answer_is_copied_under_the_name_of_its_frame(tmp_path: Path, out: Path) -> None:
    moving = tmp_path / "moving.gif"
    moving.write_bytes(animation())
    run_over([Row("a", f"{moving}#frame=2")], out, FakeEngine())
    summary = run_over([Row("b", str(moving))], out, FakeEngine(), replace(TASK, frame=2))
    assert summary.copied == 1
    assert {record["image"] for record in read_journal(out)} == {f"{moving}#frame=2"}


def test_a_damaged_image_keeps_its_answer(rows: list[Row], out: Path) -> None:
    run_over(rows, out, FakeEngine())
    before = out.read_bytes()
    whole = Path(rows[3].image).read_bytes()
    os.truncate(rows[3].image, 50)
    summary = run_over(rows, out, FakeEngine())
    assert (summary.kept, summary.failures) == (len(rows) - 1, {"InputError": 1})
    assert out.read_bytes() == before
    Path(rows[3].image).write_bytes(whole)
    assert run_over(rows, out, FakeEngine()).kept == len(rows)

"""The ids of records: no answer to another request is replaced, unless the task says so."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.batch import TASK, SilentListener, read_answers, run_over
from tests.support.fake_engine import FakeEngine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import InputError
from vipllava_cli.flows.batch.record_ids import check_conflicts, with_record_ids
from vipllava_cli.flows.batch.run import BatchRun, BatchSummary
from vipllava_cli.flows.batch.task import BatchTask, OnConflict
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.rows import Row, Source
from vipllava_cli.storage.journal import open_journal, read_journal

APPEND = replace(TASK, on_conflict=OnConflict.keep_both)
REPLACE = replace(TASK, on_conflict=OnConflict.replace)


def box(coords: Sequence[float] = (1, 1, 20, 20), **more: Any) -> MarkSpec:
    return mark_from_json({"shape": "box", "coords": list(coords), **more})


def asking(*questions: str, of: BatchTask = TASK) -> BatchTask:
    return replace(of, questions=questions)


def checked_run(
    rows: Sequence[Row], out: Path, task: BatchTask = TASK, engine: FakeEngine | None = None
) -> BatchSummary:
    """Check and run, as the command does for a source that can be read twice."""
    model = engine or FakeEngine()
    with open_journal(out) as journal:
        check_conflicts(task, rows, journal)
        task = replace(task, on_conflict=OnConflict.keep_both)
        return BatchRun(Source(rows, "test"), task, journal, lambda: model, SilentListener())()


def read_questions(out: Path) -> dict[str, str]:
    return {record["id"]: record["question"] for record in read_journal(out)}


MARKED = replace(TASK, marks=(box(),))


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        (TASK, asking("who?"), 'the question "what is this?"', 'the question "who?"'),
        (TASK, MARKED, "no marks", "a red box 1,1,20,20"),
        (MARKED, replace(TASK, marks=(box((1, 1, 20, 25)),)), "1,1,20,20", "1,1,20,25"),
        (MARKED, replace(TASK, marks=(box(color="blue"),)), "a red box", "a blue box"),
        (MARKED, replace(TASK, marks=(box(width=9),)), "a mark of width 3", "a mark of width 9"),
        (MARKED, replace(TASK, marks=(box(label="dog"),)), "a mark without label", "label dog"),
        (MARKED, replace(MARKED, numbers=True), "no --numbers", "--numbers"),
        (MARKED, replace(MARKED, zoom=True), "no --zoom", "--zoom"),
        (TASK, replace(TASK, model=("other", "1")), "the model fake", "the model other"),
        (TASK, replace(TASK, model=("fake", "2")), "the revision 1", "the revision 2"),
        (TASK, replace(TASK, template="vicuna"), "the template human", "the template vicuna"),
        (
            TASK,
            replace(TASK, options=GenerationOptions(max_new_tokens=5)),
            "--max-new-tokens 256",
            "--max-new-tokens 5",
        ),
        (
            TASK,
            replace(TASK, options=GenerationOptions(choices=("a", "b"))),
            "no --choices",
            "--choices a,b",
        ),
    ],
)
def test_a_changed_request_is_refused_before_anything_is_asked(
    rows: list[Row], out: Path, before: BatchTask, after: BatchTask, old: str, new: str
) -> None:
    run_over(rows[:3], out, FakeEngine(), before)
    stored = out.read_bytes()
    engine = FakeEngine()
    with pytest.raises(InputError) as refused:
        checked_run(rows, out, after, engine)
    message = str(refused.value)
    assert message.startswith(f"{out} already answers 0.png with ")
    recorded, _, requested = message.partition(", but this run has ")
    assert old in recorded
    assert new in requested
    assert "(3 rows differ)" in message
    assert all(way in message for way in ("another --out", "--append", "--force"))
    assert engine.batches == []
    assert out.read_bytes() == stored


def test_the_choices_and_questions_of_rows_are_compared_too(rows: list[Row], out: Path) -> None:
    row = replace(rows[0], questions=("is it {1}?",), marks=(box(),), choices=("yes", "no"))
    checked_run([row], out)
    assert checked_run([row], out).kept == 1
    with pytest.raises(InputError, match="--choices yes,no, but this run has --choices yes"):
        checked_run([replace(row, choices=("yes", "maybe"))], out)
    with pytest.raises(InputError, match="blue rectangle"):
        checked_run([replace(row, marks=(box(color="blue"),))], out)


def test_long_questions_are_cut_around_their_first_difference(rows: list[Row], out: Path) -> None:
    run_over(rows[:1], out, FakeEngine(), asking("long " * 50 + "one?"))
    with pytest.raises(InputError, match="one") as refused:
        checked_run(rows[:1], out, asking("long " * 50 + "two?"))
    assert "two" in str(refused.value)
    assert len(str(refused.value)) < 500 + len(str(out))


def test_a_changed_image_alone_is_asked_again_and_counted(rows: list[Row], out: Path) -> None:
    """The new image has another size, so that its marks in percent have other pixels."""
    percent = box((10, 10, 50, 50), units="percent")
    task = replace(TASK, marks=(percent,), zoom=True, numbers=True)
    run_over(rows[:4], out, FakeEngine(), task)
    Image.new("RGB", (90, 70), (1, 2, 3)).save(rows[1].image)
    summary = checked_run(rows[:4], out, task)
    assert (summary.kept, summary.answered, summary.replaced) == (3, 1, 1)
    assert list(read_answers(out)) == [row.id for row in rows[:4]]


def test_failed_rows_are_no_conflict(rows: list[Row], out: Path) -> None:
    run_over(rows[:2], out, FakeEngine(broken="what"))
    summary = checked_run(rows[:2], out, asking("who?"))
    assert (summary.answered, summary.replaced) == (2, 0)
    assert set(read_questions(out).values()) == {"who?"}


def test_a_row_that_fails_now_keeps_its_answer(rows: list[Row], out: Path) -> None:
    run_over(rows[:2], out, FakeEngine())
    before = out.read_bytes()
    assert checked_run(rows[:2], out, asking("what is {3}?")).failed == 2
    assert out.read_bytes() == before


def test_append_keeps_both_answers_side_by_side(rows: list[Row], out: Path) -> None:
    run_over(rows[:2], out, FakeEngine())
    summary = run_over(rows[:2], out, FakeEngine(), asking("who?", of=APPEND))
    assert (summary.answered, summary.siblings, summary.unlisted) == (2, 2, 0)
    both = {
        "0.png": "what is this?",
        "0.png~2": "who?",
        "1.png": "what is this?",
        "1.png~2": "who?",
    }
    assert read_questions(out) == both
    assert list(read_questions(out)) == list(both)
    assert run_over(rows[:2], out, FakeEngine(), asking("why?", of=APPEND)).answered == 2
    assert read_questions(out)["1.png~3"] == "why?"


@pytest.mark.parametrize("task", [TASK, APPEND, REPLACE])
@pytest.mark.parametrize("question", ["what is this?", "who?"])
def test_every_appended_answer_is_found_again(
    rows: list[Row], out: Path, task: BatchTask, question: str
) -> None:
    run_over(rows[:3], out, FakeEngine())
    run_over(rows[:3], out, FakeEngine(), asking("who?", of=APPEND))
    before = out.read_bytes()
    engine = FakeEngine()
    summary = run_over(rows[:3], out, engine, asking(question, of=task))
    assert (summary.kept, summary.siblings, engine.batches) == (3, 3, [])
    assert out.read_bytes() == before


def test_append_with_several_questions(rows: list[Row], out: Path) -> None:
    run_over(rows[:1], out, FakeEngine(), asking("1?", "2?"))
    summary = run_over(rows[:1], out, FakeEngine(), asking("1?", "3?", of=APPEND))
    assert (summary.kept, summary.answered, summary.siblings) == (1, 1, 1)
    assert read_questions(out) == {"0.png:q1": "1?", "0.png:q2": "2?", "0.png~2:q2": "3?"}


def test_an_interrupted_append_ends_like_an_uninterrupted_one(rows: list[Row], out: Path) -> None:
    task = asking("who?", of=APPEND)
    shared = [replace(rows[0], id="a"), replace(rows[1], id="a"), *rows[2:5]]
    run_over(shared, out, FakeEngine())
    answered = out.read_bytes()
    run_over(shared, out, FakeEngine(), task)
    complete = read_answers(out)
    lines = [line for line in out.read_bytes().splitlines(True) if b"who?" in line]
    for kept in ([0], [4], [1, 3], [0, 1, 2, 4]):
        out.write_bytes(answered + b"".join(lines[number] for number in kept))
        summary = run_over(shared, out, FakeEngine(), task)
        assert (summary.kept, summary.answered) == (len(kept), 5 - len(kept))
        assert read_answers(out) == complete


def test_force_replaces_answers_and_counts_them(rows: list[Row], out: Path) -> None:
    run_over(rows[:3], out, FakeEngine())
    summary = run_over(rows[:3], out, FakeEngine(), asking("who?", of=REPLACE))
    assert (summary.answered, summary.replaced, summary.siblings) == (3, 3, 0)
    assert read_questions(out) == dict.fromkeys(["0.png", "1.png", "2.png"], "who?")


def test_rows_of_one_image_may_come_go_and_move(rows: list[Row], out: Path) -> None:
    """Rows without an id of their own share that of the image: `0.png`, `0.png~2`, …"""

    def ask(*questions: str) -> list[Row]:
        return [replace(rows[0], questions=(question,)) for question in questions]

    checked_run(ask("1?", "2?", "3?"), out)
    for questions, answered in (
        (("0?", "1?", "2?", "3?"), 1),
        (("3?", "2?", "1?", "0?"), 0),
        (("2?", "3?"), 0),
        (("4?", "3?", "5?", "2?", "1?", "0?"), 2),
        (("4?", "3?", "5?", "2?", "1?", "0?"), 0),
    ):
        summary = checked_run(ask(*questions), out)
        assert (summary.answered, summary.replaced) == (answered, 0)
        assert summary.kept == len(questions) - answered
        stored = list(read_questions(out).values())
        assert sorted(stored) == sorted(set(stored))
        assert [question for question in stored if question in questions] == list(questions)
    assert set(stored) == {"0?", "1?", "2?", "3?", "4?", "5?"}
    with pytest.raises(InputError, match='"1\\?", but this run has the question "other\\?"'):
        checked_run(ask("other?", "3?", "5?"), out)


def test_images_that_share_an_id_keep_their_answers(rows: list[Row], out: Path) -> None:
    shared = [replace(row, id="a") for row in rows[:3]]
    checked_run(shared, out)
    before = read_answers(out)
    summary = checked_run(shared[1:], out)
    assert (summary.kept, summary.siblings, summary.replaced) == (2, 1, 0)
    assert read_answers(out) == before


def test_a_moved_folder_keeps_its_answers(rows: list[Row], out: Path) -> None:
    run_over(rows[:2], out, FakeEngine())
    run_over(rows[:2], out, FakeEngine(), asking("who?", of=APPEND))
    folder = Path(rows[0].image).parent
    folder.rename(folder.with_name("moved"))
    moved = [replace(row, image=f"{folder.with_name('moved')}/{row.id}") for row in rows[:2]]
    assert checked_run(moved, out).kept == 2
    assert checked_run(moved, out, asking("who?")).kept == 2


def copy_to(folder: Path, rows: Sequence[Row], images: Sequence[Row]) -> list[Row]:
    """Copy images to a folder, under the names of the rows. Returns the rows with these images."""
    folder.mkdir()
    paths = [folder / row.id for row in rows]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(Path(image.image).read_bytes())
    return [replace(row, image=str(path)) for row, path in zip(rows, paths, strict=True)]


def test_another_folder_with_the_same_names_replaces_nothing(
    rows: list[Row], out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = copy_to(tmp_path / "other", rows[:3], rows[10:13])
    run_over(rows[:3], out, FakeEngine())
    before = read_answers(out)
    with pytest.raises(InputError) as refused:
        checked_run(other, out)
    assert "0.png with the image images/0.png, but this run has" in str(refused.value)
    assert "the image other/0.png (3 rows differ)" in str(refused.value)
    assert read_answers(out) == before
    assert run_over(other, out, FakeEngine(), APPEND).answered == 3
    both = read_answers(out)
    assert list(both) == [f"{n}.png{variant}" for n in range(3) for variant in ("", "~2")]
    assert both.items() >= before.items()
    for task in (TASK, APPEND, REPLACE):
        for folder in (rows[:3], other, [other[1]], [rows[2], rows[0]]):
            summary = run_over(folder, out, FakeEngine(), task)
            assert (summary.kept, summary.replaced) == (len(folder), 0)
    assert read_answers(out).items() == both.items()


def test_another_image_under_an_id_is_refused(rows: list[Row], out: Path) -> None:
    rows = [replace(row, id=str(number)) for number, row in enumerate(rows)]
    checked_run(rows[:3], out)
    shifted = [replace(row, id=str(number)) for number, row in enumerate([rows[5], *rows[:3]])]
    with pytest.raises(InputError, match=r"5\.png \(3 rows differ\)"):
        checked_run(shifted, out)
    summary = run_over(shifted, out, FakeEngine(), REPLACE)
    assert (summary.answered, summary.copied, summary.replaced) == (1, 3, 3)


def test_a_moved_folder_with_a_changed_image_is_refused(rows: list[Row], out: Path) -> None:
    run_over(rows[:2], out, FakeEngine())
    folder = Path(rows[0].image).parent
    folder.rename(folder.with_name("moved"))
    moved = [replace(row, image=f"{folder.with_name('moved')}/{row.id}") for row in rows[:2]]
    Image.new("RGB", (9, 9), "red").save(moved[1].image)
    with pytest.raises(InputError, match=r"already answers 1\.png with the image \S*1\.png"):
        checked_run(moved, out)


def test_other_marks_on_a_changed_image_are_refused(rows: list[Row], out: Path) -> None:
    """The new marks are outside the earlier, smaller image."""
    task = replace(TASK, marks=(box((1, 1, 20, 20)),))
    run_over(rows[:1], out, FakeEngine(), task)
    Image.new("RGB", (900, 900), (1, 2, 3)).save(rows[0].image)
    with pytest.raises(InputError, match="a red box 500,500,600,600"):
        checked_run(rows[:1], out, replace(TASK, marks=(box((500, 500, 600, 600)),)))


def test_a_row_with_an_impossible_frame_keeps_the_earlier_answer(
    rows: list[Row], out: Path
) -> None:
    run_over(rows[:1], out, FakeEngine())
    before = read_answers(out)
    assert checked_run([replace(rows[0], image="a.gif#frame=0")], out).failed == 1
    assert read_answers(out) == before


def test_a_stream_is_checked_row_by_row(rows: list[Row], out: Path) -> None:
    """What cannot be read twice is refused at the first row that would replace an answer."""
    run_over(rows[5:8], out, FakeEngine())
    before = read_answers(out)
    engine = FakeEngine()
    with pytest.raises(InputError, match=r"already answers 5\.png"):
        run_over(rows, out, engine, asking("who?"), batch_size=1)
    after = read_answers(out)
    assert {id: after[id] for id in before} == before
    new = {id for id, answer in after.items() if "who?" in str(answer)}
    assert new <= {row.id for row in rows[:5]}


def test_ids_take_linear_time(tmp_path: Path, rows: list[Row], out: Path) -> None:
    count = 3000
    same = [replace(rows[0], id="a", questions=(f"{number}?",)) for number in range(count)]
    with open_journal(out) as journal:
        start = time.process_time()
        ids = [row.id for row, _ in with_record_ids(TASK, (replace(row) for row in same), journal)]
        assert ids[:2] == ["a", "a~2"]
        assert len(set(ids)) == count
    run_over(same, out, FakeEngine(), batch_size=512)
    other = [replace(row, questions=(f"not {row.questions[0]}",)) for row in same]
    for questions in (same[::-1], other):
        start = time.process_time()
        with open_journal(out) as journal:
            numbered = list(with_record_ids(APPEND, questions, journal))
        assert time.process_time() - start < 8, "comparing every pair takes minutes"
        assert len({id for each in numbered for id in each.record_ids}) == count


def test_a_record_without_a_size_is_not_compared(rows: list[Row], out: Path) -> None:
    """No run writes such an answer, but a hand may."""
    run_over(rows[:1], out, FakeEngine())
    record = json.loads(out.read_text())
    out.write_text(json.dumps({**record, "width": None, "question": "who?", "key": "0"}) + "\n")
    assert checked_run(rows[:1], out).answered == 1

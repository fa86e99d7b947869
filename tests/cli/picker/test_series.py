"""`batch --pick`: one image after the other, saved to a manifest, resumed after a stop."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.picker import Box, FakeWindow, Visit, fake_window
from vipllava_cli.cli.picker.keys import Outcome
from vipllava_cli.cli.picker.marks_manifest import manifest_path
from vipllava_cli.cli.picker.series import SeriesMarks, pick_series
from vipllava_cli.cli.repeat_command import marks_command
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import ExitCode, InputError, UsageError
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import MarkStyle
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import Row

ONE: Sequence[Box] = [(10, 10, 50, 50)]
TWO: Sequence[Box] = [(10, 10, 50, 50), (60, 20, 90, 70)]
SKIP, BACK = Visit(outcome=Outcome.SKIP), Visit(outcome=Outcome.BACK)
STOP, FINISH = Visit(outcome=Outcome.CANCEL), Visit(outcome=Outcome.FINISH)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the images a.png, b.png, c.png and d.png."""
    path = tmp_path / "images"
    path.mkdir()
    for name in "abcd":
        Image.new("RGB", (200, 100), (128, 128, 128)).save(path / f"{name}.png")
    return path


def pick(
    source: Path, window: FakeWindow | None = None, marks: SeriesMarks | None = None
) -> list[Row] | None:
    """Pick marks for `results.jsonl` beside the source. `window` must have no visit left."""
    manifest = manifest_path(source.parent / "results.jsonl")
    marks = marks or SeriesMarks()
    picked = pick_series(
        read_source(str(source)), manifest, marks, Messages(), command=f"vipllava batch {manifest}"
    )
    assert window is None or not window.visits
    return None if picked is None else [row for row in picked.rows if isinstance(row, Row)]


def lines(source: Path) -> list[dict[str, object]]:
    """Return the lines of the manifest beside the source."""
    text = (source.parent / "results.marks.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def marked(source: Path) -> dict[object, int]:
    """Return the ids in the manifest with their numbers of marks."""
    counts = {}
    for line in lines(source):
        assert isinstance(line["marks"], list)
        counts[line["id"]] = len(line["marks"])
    return counts


def test_every_image_is_saved_when_it_is_accepted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    window = fake_window(monkeypatch, Visit(ONE), Visit(TWO), Visit(ONE, Outcome.CANCEL))
    assert pick(folder, window) is None
    assert window.captions == ["1 of 4: a.png", "2 of 4: b.png", "3 of 4: c.png"]
    assert marked(folder) == {"a.png": 1, "b.png": 2}
    manifest = folder.parent / "results.marks.jsonl"
    assert capsys.readouterr().err == (
        f"stopped at image 3 of 4, 2 marked images in {manifest}: repeat the command to go on, or"
        f" ask about these with `vipllava batch {manifest}`\n"
    )


def test_the_command_after_a_stop_asks_the_same_question() -> None:
    words = shlex.split(
        "vipllava batch a --pick --format folder --question 'is {1} a cat?' b -o r.csv"
    )
    command = marks_command(words, sources=["a", "b"], manifest="r.marks.jsonl")
    assert command == "vipllava batch r.marks.jsonl --question 'is {1} a cat?' -o r.csv"
    words = ["vipllava", "batch", "a", "--pick", "--out=-r.csv"]
    command = marks_command(words, sources=["a"], manifest="-r.marks.jsonl")
    assert command == "vipllava batch ./-r.marks.jsonl --out=-r.csv"


def test_a_second_line_about_an_image_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next saved mark would drop one of the lines."""
    pick(folder, fake_window(monkeypatch, Visit(ONE), STOP))
    manifest = folder.parent / "results.marks.jsonl"
    line = {**lines(folder)[0], "question": "what is {1}?"}
    manifest.write_text(manifest.read_text() + json.dumps(line) + "\n")
    before = manifest.read_bytes()
    with pytest.raises(InputError, match=r"two lines with the id 'a\.png'"):
        pick(folder, fake_window(monkeypatch, Visit(ONE)))
    assert manifest.read_bytes() == before


def test_ctrl_c_in_the_terminal_keeps_the_saved_marks_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_window(monkeypatch, Visit(ONE))
    with pytest.raises(KeyboardInterrupt):
        pick(folder)
    assert "stopped at image 2 of 4, 1 marked image in" in capsys.readouterr().err
    assert marked(folder) == {"a.png": 1}


def test_the_same_command_resumes_at_the_first_image_without_marks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pick(folder, fake_window(monkeypatch, Visit(ONE), SKIP, Visit(ONE), STOP))
    window = fake_window(monkeypatch, Visit(TWO), Visit(ONE))
    rows = pick(folder, window)
    assert window.captions == ["2 of 4: b.png", "4 of 4: d.png"]
    assert rows is not None
    assert [(row.id, len(row.marks)) for row in rows] == [
        ("a.png", 1), ("b.png", 2), ("c.png", 1), ("d.png", 1)
    ]  # fmt: skip
    assert list(marked(folder)) == ["a.png", "b.png", "c.png", "d.png"]


def test_with_all_images_marked_no_window_opens(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pick(folder, fake_window(monkeypatch, *[Visit(ONE)] * 4))
    fake_window(monkeypatch)
    monkeypatch.setattr("vipllava_cli.cli.picker.screen._can_open_window", lambda: False)
    assert pick(folder) == first
    (folder.parent / "results.marks.jsonl").unlink()
    with pytest.raises(UsageError, match=r"no display.*manifest or annotations with marks"):
        pick(folder)


def test_the_rows_are_those_that_batch_reads_from_the_manifest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pick(folder, fake_window(monkeypatch, Visit(ONE), SKIP, Visit(TWO, keys="m"), FINISH))
    manifest = read_source(str(folder.parent / "results.marks.jsonl"))
    assert list(manifest.rows) == rows


def test_an_image_without_marks_is_left_out_and_offered_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pick(folder, fake_window(monkeypatch, Visit(ONE), Visit(), SKIP, Visit(ONE)))
    assert rows is not None
    assert [row.id for row in rows] == ["a.png", "d.png"]
    assert "2 marked images in" in (err := capsys.readouterr().err)
    assert err.endswith(", 2 images without marks left out\n")
    window = fake_window(monkeypatch, FINISH)
    assert pick(folder, window) == rows
    assert window.captions == ["2 of 4: b.png"]


def test_finish_saves_the_image_and_asks_about_the_marked_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pick(folder, fake_window(monkeypatch, Visit(ONE), Visit(TWO, Outcome.FINISH)))
    assert rows is not None
    assert [row.id for row in rows] == ["a.png", "b.png"]


def test_going_back_shows_the_saved_marks_and_changes_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = fake_window(
        monkeypatch, Visit(TWO), Visit(ONE, Outcome.BACK), Visit(keys="u"), Visit(), STOP
    )
    assert pick(folder, window) is None
    assert window.captions[1:4] == ["2 of 4: b.png", "1 of 4: a.png", "2 of 4: b.png"]
    assert [len(state.kept) for state in window.states] == [0, 0, 2, 1, 0]
    assert marked(folder) == {"a.png": 1, "b.png": 1}


def test_removing_all_marks_removes_the_image_from_the_manifest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pick(folder, fake_window(monkeypatch, Visit(ONE), Visit(ONE), BACK, BACK, BACK, STOP))
    pick(folder, fake_window(monkeypatch, BACK, BACK, Visit(keys="u"), STOP))
    assert marked(folder) == {"b.png": 1}


def test_marks_of_the_command_line_are_shown_and_their_colours_left_free(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = SeriesMarks([parse_mark("box", "0,0,20,20")], MarkStyle(width=9))
    window = fake_window(monkeypatch, Visit(ONE, Outcome.FINISH))
    rows = pick(folder, window, marks)
    assert [mark.color.name for mark in window.states[0].after] == ["red"]
    assert rows is not None
    assert [(mark.color and mark.color.name, mark.width) for mark in rows[0].marks] == [("lime", 9)]


def test_a_manifest_keeps_its_questions_and_other_fields(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder.parent / "questions.jsonl"
    fields = {"image": "images/a.png", "question": "what is {1}?", "shelf": 7}
    source.write_text(json.dumps(fields) + "\n" + json.dumps({**fields, "choices": ["x", "y"]}))
    rows = pick(source, fake_window(monkeypatch, Visit(ONE), Visit(TWO)))
    assert rows is not None
    assert [row.id for row in rows] == ["images/a.png", "images/a.png~2"]
    assert [(row.questions, row.choices, row.extra) for row in rows] == [
        (("what is {1}?",), (), {"shelf": 7}),
        (("what is {1}?",), ("x", "y"), {"shelf": 7}),
    ]


def test_fields_that_the_user_added_to_the_manifest_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pick(folder, fake_window(monkeypatch, Visit(ONE), STOP))
    manifest = folder.parent / "results.marks.jsonl"
    other = {"id": "x", "image": "elsewhere.png", "marks": []}
    edited = {**lines(folder)[0], "question": "is {1} ripe?"}
    manifest.write_text(f"{json.dumps(other)}\n{json.dumps(edited)}\n")
    rows = pick(folder, fake_window(monkeypatch, BACK, Visit(TWO, Outcome.FINISH)))
    assert rows is not None
    assert [(row.id, row.questions, len(row.marks)) for row in rows] == [
        ("a.png", ("is {1} ripe?",), 3)
    ]
    assert lines(folder)[-1] == other


def test_the_manifest_of_another_folder_is_not_mistaken_for_this_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pick(folder, fake_window(monkeypatch, *[Visit(ONE)] * 4))
    other = folder.parent / "other"
    folder.rename(other)
    window = fake_window(monkeypatch, Visit(TWO, Outcome.FINISH))
    rows = pick(other, window)
    assert window.captions == ["1 of 4: a.png"]
    assert rows is not None
    assert [(row.id, len(row.marks)) for row in rows] == [("a.png", 2)]
    assert "4 lines about other images ignored" in capsys.readouterr().err
    assert len(lines(other)) == 5


def test_image_paths_hold_where_the_results_are_behind_a_link(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "far" / "away"
    deep.mkdir(parents=True)
    (tmp_path / "link").symlink_to(deep)
    fake_window(monkeypatch, Visit(ONE, Outcome.FINISH))
    out = tmp_path / "link" / "results.jsonl"
    pick_series(
        read_source(str(folder)), manifest_path(out), SeriesMarks(), Messages(), command="vipllava"
    )
    rows = list(read_source(str(tmp_path / "link" / "results.marks.jsonl")).rows)
    assert [Path(row.image).resolve() for row in rows] == [folder / "a.png"]


def test_an_image_that_cannot_be_opened_is_left_out_with_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b.png").write_text("text")
    window = fake_window(monkeypatch, Visit(ONE), BACK, Visit(ONE), Visit(ONE), Visit(ONE))
    rows = pick(folder, window)
    assert window.captions == [
        f"{n} of 4: {name}.png" for n, name in ((1, "a"), (3, "c"), (1, "a"), (3, "c"), (4, "d"))
    ]
    assert rows is not None
    assert [row.id for row in rows] == ["a.png", "c.png", "d.png"]
    assert capsys.readouterr().err.count("warning: b.png: left out: ") == 1


def test_a_damaged_manifest_is_an_error_and_stays_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = folder.parent / "results.marks.jsonl"
    manifest.write_text('{"image": "images/a.png", "marks": [\n')
    fake_window(monkeypatch)
    with pytest.raises(InputError, match=r"results\.marks\.jsonl, line 1"):
        pick(folder)
    assert manifest.read_text() == '{"image": "images/a.png", "marks": [\n'


def test_a_source_with_marks_is_refused(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder.parent / "marked.jsonl"
    mark = {"shape": "box", "coords": [1, 2, 30, 40]}
    source.write_text(json.dumps({"image": "images/a.png", "marks": [mark]}))
    fake_window(monkeypatch)
    result = run("batch", source, "--pick", "--out", folder.parent / "out.jsonl")
    assert result.code == ExitCode.USAGE
    assert result.stderr.startswith(
        "error: --pick is for images without marks, and images/a.png of the source has some"
    )


def test_a_stopped_batch_asks_nothing(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = fake_window(monkeypatch, Visit(ONE), STOP)
    result = run("batch", folder, "--pick", "--out", folder.parent / "results.jsonl", "--numbers")
    assert (result.code, result.stdout) == (ExitCode.INTERRUPTED, "")
    assert "stopped at image 2 of 4" in result.stderr
    assert not window.visits
    assert not (folder.parent / "results.jsonl").exists()
    assert marked(folder) == {"a.png": 1}

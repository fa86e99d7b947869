"""`--window`, and the notes about images of more than 8 bits, in every subcommand that draws."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SAMPLES, Run
from tests.support.commands import assert_error_line
from tests.support.deep_images import png16, ramp, tiff
from tests.support.fake_engine import FakeEngine
from vipllava_cli.errors import ExitCode
from vipllava_cli.storage.journal import read_journal

KIND = "16-bit values between the percentiles 0.5 and 99.5 are shown as black to white"


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine that every command opens."""
    fake = FakeEngine()
    monkeypatch.setattr("vipllava_cli.cli.model_loading.open_model", lambda *_: fake)
    return fake


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `scans` of three deep images and one of 8 bits, in the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.png").write_bytes(png16(ramp(top=4000 + number)))
    (folder / "height.tif").write_bytes(tiff(ramp("f4", top=9)))
    shutil.copy(SAMPLES / "garden.png", folder / "photo.png")
    return folder


def level(path: Path, x: int) -> int:
    with Image.open(path) as image:
        return int(np.asarray(image)[20, x, 0])


def test_annotate_stretches_and_says_how(run: Run, scans: Path) -> None:
    result = run("annotate", "scans/1.png", "-o", "out.png", "--point", "5,5")
    assert result.code == 0
    assert (
        "note: scans/1.png: 16-bit values from 0 to 4001 (percentiles 0.5 to 99.5)" in result.stderr
    )
    assert abs(level(Path("out.png"), 30) - 130) <= 2


@pytest.mark.parametrize("form", [["--window", "-1000,9000"], ["--window=-1000,9000"]])
def test_the_window_of_annotate_is_exact(run: Run, scans: Path, form: list[str]) -> None:
    result = run("annotate", "scans/1.png", "-o", "out.png", *form)
    assert (result.code, "percentiles" in result.stderr) == (0, False)
    value = int(ramp(top=4001)[20, 30])
    assert level(Path("out.png"), 30) == round((value + 1000) / 10000 * 255)


@pytest.mark.parametrize("command", ["ask", "annotate", "batch", "chat"])
@pytest.mark.parametrize("value", ["5", "9,1", "5,5", "a,b", "nan,1"])
def test_a_window_that_makes_no_sense_is_refused_in_one_line(
    run: Run, scans: Path, command: str, value: str
) -> None:
    more = {"ask": ["what?"], "annotate": ["-o", "o.png"], "batch": ["--out", "r.jsonl"]}
    result = run(command, "scans/1.png", *more.get(command, []), "--window", value, stdin=b"")
    assert_error_line(result, ExitCode.USAGE, "expected two numbers LOW,HIGH with LOW below HIGH")
    assert not Path("r.jsonl").exists()


def test_a_window_has_no_effect_on_8_bits_and_a_note_says_so(run: Run, scans: Path) -> None:
    assert run("annotate", "scans/photo.png", "-o", "plain.png").code == 0
    result = run("annotate", "scans/photo.png", "-o", "out.png", "--window", "0,9")
    assert "the window 0,9 has no effect on an image of 8 bits" in result.stderr
    assert Path("out.png").read_bytes() == Path("plain.png").read_bytes()


def test_ask_records_the_window_and_the_key_depends_on_it(run: Run, scans: Path) -> None:
    command = ("ask", "scans/1.png", "what is it?", "--json")
    records = [
        json.loads(run(*command, *more).stdout)
        for more in ([], ["--window", "0,4095"], ["--window", "0,100"])
    ]
    assert [record.get("window") for record in records] == [None, [0, 4095], [0, 100]]
    assert "window" not in records[0]
    assert len({record["key"] for record in records}) == 3


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_batch_notes_each_kind_of_values_once_with_a_count(
    run: Run, scans: Path, flags: list[str]
) -> None:
    result = run("batch", "scans", "--out", "r.jsonl", "--question", "what?", *flags)
    notes = [line for line in result.stderr.splitlines() if "percentiles" in line]
    assert len(notes) == 2
    assert notes[0].startswith("note: 2 images, such as ")
    assert f"1.png: {KIND}" in notes[0]
    assert "height.tif: 32-bit float values between the percentiles" in notes[1]


def test_another_window_is_another_request(run: Run, scans: Path, engine: FakeEngine) -> None:
    command = ("batch", "scans", "--out", "r.jsonl", "--question", "what?")
    assert run(*command).code == 0
    assert "4 kept" in " ".join(run(*command, "--dry-run").stderr.split())
    refused = run(*command, "--window", "0,4095")
    assert_error_line(refused, ExitCode.INPUT, "with no --window, but this run has --window 0,4095")
    assert run(*command, "--window", "0,4095", "--append").code == 0
    windows = [record.get("window") for record in read_journal(Path("r.jsonl"))]
    assert windows == [None, [0, 4095]] * 4
    again = run(*command, "--window", "0,4095", "--dry-run")
    assert "4 kept" in " ".join(again.stderr.split())
    refused = run(*command, "--window", "0,7")
    assert_error_line(refused, ExitCode.INPUT, "but this run has --window 0,7")
    assert run(*command, "--window", "0,7", "--force").code == 0


def test_the_marked_images_of_a_batch_show_the_window(run: Run, scans: Path) -> None:
    command = ("batch", "scans/1.png", "--out", "r.jsonl", "--question", "what?")
    assert run(*command, "--window", "0,8000", "--save-marked", "marked").code == 0
    [drawn] = Path("marked").iterdir()
    assert level(drawn, 59) == round(4001 / 8000 * 255)


def test_an_image_without_values_fails_its_row_only(run: Run, scans: Path) -> None:
    empty = np.full((9, 9), np.nan, np.float32)
    (scans / "empty.tif").write_bytes(tiff(empty))
    result = run("batch", "scans", "--out", "r.jsonl", "--question", "what?")
    assert result.code == ExitCode.SOME_ROWS_FAILED
    errors = {record["id"]: record["error"] for record in read_journal(Path("r.jsonl"))}
    assert [id for id, error in errors.items() if error] == ["empty.tif"]
    assert "has no values" in errors["empty.tif"]["message"]


def test_a_heic_image_of_a_folder_is_not_passed_over(
    run: Run, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vipllava_cli.images.opening._has_heic", lambda: False)
    (scans / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    result = run("batch", "scans", "--out", "r.jsonl", "--question", "what?", "--dry-run")
    assert result.code == ExitCode.SOME_ROWS_FAILED
    assert "would fail\tphone.HEIC" in result.stdout
    assert "pip install 'vipllava[heic]'" in result.stdout


def test_a_chat_keeps_its_window_in_the_session(run: Run, scans: Path) -> None:
    lines = b"what?\n/image scans/2.png\nwhat?\n"
    options = ("--window", "0,2000", "--save", "s.json")
    assert run("chat", "scans/1.png", *options, stdin=lines).code == 0
    session = json.loads(Path("s.json").read_text())
    assert session["window"] == [0, 2000]
    assert [turn["window"] for turn in session["turns"]] == [[0, 2000]] * 2
    assert run("chat", "--resume", "s.json", "--save", "s.json", stdin=b"and?\n").code == 0
    assert json.loads(Path("s.json").read_text())["turns"][-1]["window"] == [0, 2000]
    changed = run(
        "chat", "--resume", "s.json", "--window", "0,9", "--save", "t.json", stdin=b"and?\n"
    )
    assert changed.code == 0
    assert json.loads(Path("t.json").read_text())["turns"][-1]["window"] == [0, 9]


def test_a_chat_changes_its_window(run: Run, scans: Path) -> None:
    lines = b"what?\n/set window 0,5000\nwhat?\n/set window off\nwhat?\n"
    result = run("chat", "scans/1.png", "--save", "s.json", stdin=lines)
    assert result.code == 0
    turns = json.loads(Path("s.json").read_text())["turns"]
    assert [turn.get("window") for turn in turns] == [None, [0, 5000], None]
    assert "image changed; conversation kept" in result.stderr
    assert "/set window LOW,HIGH sets the range" in result.stderr

"""`vipllava batch` without a model: wrong usage, outputs, dry run, Ctrl-C."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, SAMPLES, Run
from tests.support.batch import file_size, write_grey_images
from vipllava_cli.cli.suggestions import one_of
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.storage.journal import read_journal


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_grey_images(tmp_path / "images")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "--out results.jsonl"),
        (["--out", "r.jsonl", "--label", "dog"], "--label selects regions of an annotated source"),
        (["--out", "results.txt"], ".jsonl, .csv or .parquet"),
        (["--out", "r.jsonl", "--batch-size", "many"], "expected auto or a number from 1 to 4096"),
        (["--out", "nowhere/r.jsonl"], "there is no folder nowhere"),
        (["--out", "r.jsonl", "--model", "nothing"], "there is no model 'nothing'"),
        (["--out", "r.jsonl", "--question", " "], "the question is empty"),
    ],
)
def test_wrong_usage_is_a_one_line_error(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, flags: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    finished = run("batch", str(SAMPLES), "-q", *flags)
    assert finished.code in (2, 3, 4)
    assert expected in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_an_error_that_lists_the_formats(run: Run) -> None:
    finished = run("batch", SAMPLES, "--out", "r.jsonl", "--format", "hocus")
    assert finished.code == 2
    assert "hocus" in finished.stderr
    assert f"expected {one_of(SourceFormat)}" in finished.stderr


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_an_existing_report_needs_force(
    images: Path, out: Path, run: Run, flags: list[str]
) -> None:
    report = out.with_suffix(".html")
    report.write_text("my notes")
    finished = run("batch", images, "--out", out, "--report", report, "-q", *flags)
    assert finished.code == 3
    assert f"{report} already exists: add --force to overwrite the page" in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert report.read_text() == "my notes"
    assert not out.exists(), "the run started"


def test_the_source_is_never_overwritten(tmp_path: Path, run: Run) -> None:
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text('{"image": "a.png"}\n')
    finished = run("batch", manifest, "--out", manifest)
    assert finished.code == 2
    assert "is also the source" in finished.stderr
    assert manifest.read_text() == '{"image": "a.png"}\n'


@pytest.mark.parametrize(
    "flags",
    [
        ["--out", "r.csv", "--report", "r.csv"],
        ["--out", "r.jsonl", "--report", "rows.jsonl"],
        ["--out", "r.jsonl", "--report", "r.jsonl"],
    ],
)
def test_outputs_never_overwrite_each_other(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"image": "a.png"}\n')
    finished = run("batch", "rows.jsonl", *flags)
    assert finished.code == 2
    assert "give it another name" in finished.stderr
    assert os.listdir() == ["rows.jsonl"]


def test_save_marked_refuses_a_folder_inside_the_source(tmp_path: Path, run: Run) -> None:
    shutil.copy(SAMPLES / "garden.png", tmp_path)
    out = tmp_path.with_suffix(".jsonl")
    finished = run("batch", tmp_path, "--out", out, "--save-marked", tmp_path / "marked")
    assert finished.code == 2
    assert "is inside the source" in finished.stderr
    assert not (tmp_path / "marked").exists()


def test_a_dry_run_lists_the_questions_and_writes_nothing(tmp_path: Path, run: Run) -> None:
    folder, out = tmp_path / "in", tmp_path / "r.jsonl"
    folder.mkdir()
    shutil.copy(SAMPLES / "garden.png", folder)
    (folder / "bad.png").write_bytes(b"")
    command = ("batch", folder, "--out", out, "--dry-run", "--box", "1,1,9,9", "--question", "{1}?")
    finished = run(*command)
    assert finished.stdout.splitlines() == [
        f"would fail\tbad.png\t{folder}/bad.png is empty: expected a JPEG, PNG, WebP, GIF, TIFF or BMP",
        "would ask\tgarden.png\tthe object within the red rectangle?",
    ]
    assert "1 would fail, 1 would ask" in finished.stderr
    assert finished.code == 6
    assert not out.exists()
    (folder / "bad.png").unlink()
    assert run(*command).code == 0


def test_a_dry_run_needs_no_output_file(images: Path, run: Run) -> None:
    finished = run("batch", images, "--dry-run", "--question", "what?")
    assert finished.code == 0
    assert finished.stdout.startswith("would ask\t")


def test_a_dry_run_prints_the_notes_of_a_run(images: Path, out: Path, run: Run) -> None:
    finished = run("batch", images, "--out", out, "--dry-run", "--box", "1,1,99,9")
    notes = [line for line in finished.stderr.splitlines() if line.startswith("note: ")]
    assert "the red box reaches outside" in notes[0] or "clipped" in notes[0]
    assert sum("no question given, asking" in note for note in notes) == 1
    count = len(list(images.iterdir()))
    [clipped] = [note for note in notes if "clipped" in note]
    assert clipped.startswith(f"note: {count} rows, like "), "one line for each kind of note"
    verbose = run("batch", images, "--out", out, "--dry-run", "--box", "1,1,99,9", "-v")
    assert verbose.stderr.count("clipped") == count


# Runs the command with a model that is slow to answer or slow to view an image.
SLOW_COMMAND = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
slow = sys.argv.pop(1)
from tests.support.fake_engine import FakeEngine
from vipllava_cli.__main__ import main
from vipllava_cli.cli import model_loading

class SlowEngine(FakeEngine):
    def view(self, image):
        if slow == "reading" and image.width > 100:
            time.sleep(60)
        return super().view(image)

seconds = {"answering": 60, "nothing": 2}.get(slow, 0.1)
model_loading.open_model = lambda *_: SlowEngine(seconds=seconds)
main()
"""


def start_batch(slow: str, folder: Path, out: Path) -> "subprocess.Popen[str]":
    flags = ["--out", str(out), "--batch-size", "2", "--model", "tiny"]
    command = [sys.executable, "-c", SLOW_COMMAND, str(ROOT), slow, "batch", str(folder), *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_ctrl_c_finishes_the_batch_in_flight_and_names_how_to_resume(
    images: Path, out: Path
) -> None:
    child = start_batch("nothing", images, out)
    wait_until(lambda: file_size(out) > 0)
    time.sleep(0.5)  # until the next batch has started
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "finishing the batch in flight" in stderr
    assert "stopped early; to resume: " in stderr
    assert stderr.endswith(f"batch {images} --out {out} --batch-size 2 --model tiny\n")
    assert len(list(read_journal(out))) in range(2, 20, 2)


@pytest.mark.slow
@pytest.mark.parametrize("slow", ["reading", "answering"])
def test_a_second_ctrl_c_stops_at_once(images: Path, out: Path, slow: str) -> None:
    """The batch in flight would take a minute."""
    Image.new("RGB", (200, 200)).save(images / "5.png")
    child = start_batch(slow, images, out)
    wait_until(lambda: file_size(out) > 0 if slow == "reading" else out.exists())
    time.sleep(0.3)  # until the slow step has started
    child.send_signal(signal.SIGINT)
    assert child.stderr
    while "press Ctrl-C again to stop at once" not in child.stderr.readline():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=30) == 130
    child.stderr.close()
    if out.exists():
        assert all(record["answer"] for record in read_journal(out))


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)

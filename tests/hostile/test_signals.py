"""Signals at random moments: nothing is lost, nothing is doubled, no temporary file stays."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.support import warm
from tests.support.batch import file_size
from vipllava_cli.storage.journal import read_journal

pytestmark = [pytest.mark.model, pytest.mark.slow]

NUM_IMAGES = 60
NUM_MOMENTS = 4  # of each signal
CODES: Mapping[signal.Signals, tuple[int, ...]] = {
    signal.SIGINT: (130,),
    signal.SIGTERM: (143,),
    signal.SIGHUP: (129,),
    signal.SIGKILL: (-signal.SIGKILL,),
    signal.SIGQUIT: (-signal.SIGQUIT,),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(NUM_IMAGES):
        pixels = np.full((24, 24, 3), number * 4, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The working folder. Its subfolder `tmp` is that of temporary files."""
    folder = tmp_path / "work"
    (folder / "tmp").mkdir(parents=True)
    return folder


# The command with an engine that takes little time to open, and some to answer.
FAKE_MODEL = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
from tests.support.fake_engine import FakeEngine
from vipllava_cli.__main__ import main
from vipllava_cli.cli import model_loading

model_loading.open_model = lambda *_: FakeEngine(seconds=0.02)
main()
"""
FAKE = ("-c", FAKE_MODEL, str(ROOT))
REAL = ("-m", "vipllava_cli")


class Program:
    """The command in a process of its own, which has most modules from the start."""

    def __init__(self, folder: Path, *arguments: str | Path, program: Sequence[str] = FAKE) -> None:
        environment = {
            **os.environ,
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        self.log = folder.with_name("log")
        null = os.open(os.devnull, os.O_RDONLY)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self.started = warm.start(
            *(*program, *map(str, arguments)),
            env=environment,
            folder=folder,
            streams=(null, log, log),
        )
        os.close(null)
        os.close(log)

    def send(self, number: int) -> None:
        os.kill(self.started.process, number)

    def wait(self, seconds: float = 60) -> int:
        code = self.started.wait(seconds)
        assert code is not None, "the process still runs"
        assert "Traceback" not in self.text, self.text
        assert "bug in vipllava" not in self.text
        return code

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")


def wait_until(condition: Callable[[], bool], program: Program, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, program.text
        time.sleep(0.002)


def temporary_files(folder: Path) -> list[Path]:
    """Return what a program has left in a working folder, besides results."""
    return [*folder.rglob(".vipllava-*"), *(folder / "tmp").iterdir()]


def whole_lines(path: Path) -> list[bytes]:
    data = path.read_bytes() if path.exists() else b""
    return [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")]


def batch(images: Path, *more: str | Path) -> Sequence[str | Path]:
    return ("batch", images, "--out", "r.jsonl", "--model", "tiny", "--batch-size", "2", *more)


# --- a batch ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", CODES)
def test_a_batch_that_signals_stop_at_random_moments_loses_and_doubles_nothing(
    work: Path, images: Path, number: signal.Signals
) -> None:
    out, moments = work / "r.jsonl", Random(number)
    known: dict[str, bytes] = {}
    for _ in range(NUM_MOMENTS):
        size = file_size(out)
        program = Program(work, *batch(images, "--save-marked", "marked"))
        wait_until(lambda size=size: file_size(out) > size, program)  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.06))
        program.send(number)
        assert program.wait() in CODES[number], program.text
        lines = {json.loads(line)["id"]: line for line in whole_lines(out)}
        counts = Counter(json.loads(line)["id"] for line in whole_lines(out))
        assert counts.most_common(1)[0][1] == 1, "a row was answered twice"
        assert known.items() <= lines.items(), "a row on disk was lost or changed"
        assert len(lines) < NUM_IMAGES, "the batch was stopped"
        known = lines
        if number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            assert temporary_files(work) == []
    program = Program(work, *batch(images))
    assert program.wait() == 0, program.text
    assert known.items() <= {json.loads(line)["id"]: line for line in whole_lines(out)}.items()
    assert [record["id"] for record in read_journal(out)] == [
        f"{each}.png" for each in range(NUM_IMAGES)
    ]


def test_a_stopped_job_continues_where_it_was(work: Path, images: Path) -> None:
    out, moments = work / "r.jsonl", Random(1)
    program = Program(work, *batch(images))
    wait_until(lambda: file_size(out) > 0, program)
    for _ in range(4):
        program.send(signal.SIGSTOP)
        size = file_size(out)
        time.sleep(0.1)
        assert file_size(out) == size
        program.send(signal.SIGCONT)
        time.sleep(moments.uniform(0, 0.02))
    assert program.wait() == 0
    assert len(list(read_journal(out))) == NUM_IMAGES


def test_the_second_interrupt_ends_a_batch_at_once(work: Path, images: Path) -> None:
    program = Program(work, *batch(images, "--save-marked", "marked"))
    wait_until(lambda: file_size(work / "r.jsonl") > 0, program)
    program.send(signal.SIGINT)
    program.send(signal.SIGINT)
    start = time.monotonic()
    assert program.wait() == 130
    assert time.monotonic() - start < 5
    assert temporary_files(work) == []


# --- every command ---------------------------------------------------------------------------

# Commands that write files, with the file that shows that they have begun, if one does.
COMMANDS: Mapping[str, Sequence[str]] = {
    "eval": ("eval", "clipart", "--n", "20", "--out", "run", "--model", "tiny"),
    "eval without --out": ("eval", "clipart", "--n", "20", "--model", "tiny"),
    "ask": ("ask", "{image}", "what?", "--save-marked", "marked.png", "--model", "tiny"),
    "annotate": ("annotate", "{image}", "--box", "1%,1%,90%,90%", "-o", "marked.png"),
    "report": ("report", "{records}", "-o", "page.html"),
    "export": ("export", "{records}", "--to", "labelme", "-o", "exported"),
    "compare": ("compare", "{records}", "--truth", "n", "-o", "page.html"),
    "dry run": ("batch", "{images}", "--dry-run"),
    "batch to a table": ("batch", "{images}", "--out", "r.csv", "--report", "r.html"),
}


@pytest.fixture(scope="module")
def records(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of all images, each many times, so that pages and exports take a while."""
    row = json.loads((ROOT / "tests/fixtures/0.1.0/asked.jsonl").read_text().splitlines()[0])
    path = tmp_path_factory.mktemp("records") / "many.jsonl"
    rows = [
        {**row, "id": f"{number}", "image": str(images / f"{number % NUM_IMAGES}.png")}
        for number in range(1500)
    ]
    path.write_text("".join(json.dumps({**row, "extra": {"n": "x"}}) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_at_any_moment_of_a_command_leaves_no_temporary_file(
    work: Path, images: Path, records: Path, name: str
) -> None:
    moments = Random(name)
    large = work.with_name("large.png")
    Image.new("RGB", (1500, 1500)).save(large)
    values = {"image": large, "images": images, "records": records}
    command = [part.format(**values) for part in COMMANDS[name]]
    for number in (signal.SIGTERM, signal.SIGINT):
        program = Program(work, *command)
        wait_until(lambda program=program: has_begun(program), program)  # type: ignore[misc]
        time.sleep(moments.uniform(0.0, 0.8))
        with_started = program.started.wait(0.0)
        if with_started is None:
            program.send(number)
            start = time.monotonic()
            # It may have ended by itself. `--truth` names a column without right answers.
            assert program.wait() in (*CODES[number], 0, 3), program.text
            assert time.monotonic() - start < 10
        assert temporary_files(work) == [], (name, number)


START_UP = (0.0, 0.1, 0.4, 0.9)  # seconds after the first line of the program


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_start_up_and_loading_ends_the_program_at_once(
    work: Path, images: Path, number: signal.Signals
) -> None:
    for seconds in START_UP:
        program = Program(work, *batch(images), program=REAL)
        wait_until(lambda program=program: has_begun(program), program)  # type: ignore[misc]
        time.sleep(seconds)
        program.send(number)
        start = time.monotonic()
        assert program.wait() in CODES[number], program.text
        assert time.monotonic() - start < 5
        assert temporary_files(work) == []


def has_begun(program: Program) -> bool:
    """Return whether a process handles SIGTERM: then it is this program, and not its parent's fork."""
    try:
        status = Path(f"/proc/{program.started.process}/status").read_text()
    except OSError:
        return True
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & 1 << (signal.SIGTERM - 1))


SLOW = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
from vipllava_cli.cli import model_loading
from vipllava_cli.__main__ import main

def load(*_):
    print("loading", file=sys.stderr, flush=True)
    time.sleep(60)

model_loading.open_model = load
main()
"""


def test_one_interrupt_ends_a_batch_that_loads_its_model(work: Path, images: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(ROOT), *map(str, batch(images))],
        cwd=work,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    while "loading" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - start < 3
    assert "stopped early; to resume: " in errors
    assert not (work / "r.jsonl").exists()


def test_nohup_keeps_a_batch_running(work: Path, images: Path) -> None:
    process = subprocess.Popen(
        ["nohup", sys.executable, *FAKE, *map(str, batch(images))],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not file_size(work / "r.jsonl"):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    assert process.wait() == 0
    assert len(list(read_journal(work / "r.jsonl"))) == NUM_IMAGES

"""Running a batch: order, memory, failures, stop and resume."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.support.batch import TASK, SilentListener, file_size, read_answers, run_over
from tests.support.fake_engine import FakeEngine
from vipllava_cli.engine.base import Engine, ModelView
from vipllava_cli.errors import OutOfMemoryError
from vipllava_cli.flows.batch import run as batch
from vipllava_cli.flows.batch.run import BatchRun
from vipllava_cli.flows.batch.task import BatchTask
from vipllava_cli.sources.rows import Row, Source
from vipllava_cli.storage.journal import open_journal, read_journal


def test_records_are_in_the_order_of_the_source(rows: list[Row], out: Path) -> None:
    words = random.Random(1)
    long_and_short = [
        Row(row.id, row.image, questions=("why " * words.randrange(1, 60),)) for row in rows
    ]
    engine = FakeEngine()
    summary = run_over(long_and_short, out, engine, batch_size=4)
    assert (summary.answered, summary.failed) == (20, 0)
    assert list(read_answers(out)) == [row.id for row in rows]
    assert engine.batches == [4] * 5


def test_every_question_of_a_row_is_answered(rows: list[Row], out: Path) -> None:
    task = BatchTask(("fake", "1"), ("what?", "who?", "why?"))
    run_over(rows[:3], out, FakeEngine(), task)
    ids = [f"{number}.png:q{question}" for number in range(3) for question in (1, 2, 3)]
    assert list(read_answers(out)) == ids
    assert [str(answer).partition(":")[2] for answer in read_answers(out).values()] == [
        "what?",
        "who?",
        "why?",
    ] * 3


def test_out_of_memory_halves_the_batch(rows: list[Row], out: Path) -> None:
    engine = FakeEngine(fits=3)
    summary = run_over(rows, out, engine, batch_size=16)
    assert summary.answered == 20
    assert max(engine.batches) <= 3


def test_out_of_memory_at_one_row_is_an_error_of_that_row(rows: list[Row], out: Path) -> None:
    summary = run_over(rows[:2], out, FakeEngine(fits=0))
    assert summary.failures == {"OutOfMemoryError": 2}


def test_later_batches_are_full_after_one_out_of_memory(rows: list[Row], out: Path) -> None:
    """One question never fits. The batches after it are full again."""

    class Heavy(FakeEngine):
        def answer_batch(self, prompts: Any, options: Any = None) -> Any:
            if any(b"heavy" in bytes(prompt.ids) for prompt in prompts):
                raise OutOfMemoryError("out of memory")
            return super().answer_batch(prompts)

    one_heavy = [Row(row.id, row.image, questions=("what?",)) for row in rows]
    one_heavy[1] = Row("1.png", rows[1].image, questions=("heavy",))
    engine = Heavy()
    summary = run_over(one_heavy, out, engine, batch_size=4)
    assert (summary.answered, summary.failed) == (19, 1)
    assert max(engine.batches[-2:]) >= 2


def test_a_row_that_breaks_the_model_fails_alone(rows: list[Row], out: Path) -> None:
    distinct = [Row(row.id, row.image, questions=(f"is it {row.id}?",)) for row in rows]
    summary = run_over(distinct, out, FakeEngine(broken="13.png"), batch_size=8)
    assert summary.failures == {"GenerationError": 1}
    assert [id for id, answer in read_answers(out).items() if answer is None] == ["13.png"]


def test_fail_fast_stops_at_the_first_failure(rows: list[Row], out: Path) -> None:
    bad = Row("bad", "/nowhere.png")
    engine = FakeEngine()
    summary = run_over([rows[0], bad, *rows[1:]], out, engine, fail_fast=True)
    assert (summary.failed, summary.finished) == (1, False)
    assert summary.answered < 20
    assert "bad" in read_answers(out)


def test_rows_read_ahead_are_bounded(rows: list[Row], out: Path) -> None:
    """The number of views in memory does not depend on the number of rows."""

    class Counting(FakeEngine):
        viewed = answered = max_waiting = 0

        def view(self, image: Image.Image) -> ModelView:
            self.viewed += 1
            self.max_waiting = max(self.max_waiting, self.viewed - self.answered)
            return super().view(image)

        def answer_batch(self, prompts: Any, options: Any = None) -> Any:
            time.sleep(0.001)
            self.answered += len(prompts)
            return super().answer_batch(prompts)

    many = [replace(row, id=f"{n}", questions=(f"{n}?",)) for n in range(15) for row in rows]
    engine = Counting()
    assert run_over(many, out, engine, batch_size=2).answered == 300
    assert engine.max_waiting <= 2 * batch.MAX_GROUPED_BATCHES * 2 + batch.NUM_READERS


def test_large_images_are_decoded_one_at_a_time(
    rows: list[Row], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MAX_DECODED_PIXELS", 40 * 30)
    monkeypatch.setattr(batch, "NUM_READERS", 4)

    class Counting(FakeEngine):
        active = max_active = 0

        def view(self, image: Image.Image) -> ModelView:
            self.active += 1
            self.max_active = max(self.max_active, self.active)
            time.sleep(0.002)
            self.active -= 1
            return super().view(image)

    engine = Counting()
    assert run_over(rows, out, engine, batch_size=4).answered == 20
    assert engine.max_active == 1


def test_a_second_run_asks_nothing_and_opens_no_model(rows: list[Row], out: Path) -> None:
    run_over(rows, out, FakeEngine())
    before = out.read_bytes()

    def refuse() -> Engine:
        raise AssertionError("the model was opened")

    with open_journal(out) as journal:
        summary = BatchRun(Source(iter(rows), "test"), TASK, journal, refuse, SilentListener())()
    assert (summary.kept, summary.answered) == (20, 0)
    assert out.read_bytes() == before


def test_failed_rows_are_tried_again(rows: list[Row], out: Path) -> None:
    Path(rows[3].image).rename(rows[3].image + ".away")
    assert run_over(rows, out, FakeEngine()).failed == 1
    Path(rows[3].image + ".away").rename(rows[3].image)
    summary = run_over(rows, out, FakeEngine())
    assert (summary.kept, summary.answered, summary.failed) == (19, 1, 0)
    assert len(read_answers(out)) == 20


def test_an_unreadable_row_keeps_its_earlier_answer(rows: list[Row], out: Path) -> None:
    run_over(rows[:3], out, FakeEngine())
    before = out.read_bytes()
    Path(rows[1].image).rename(rows[1].image + ".away")
    summary = run_over(rows[:3], out, FakeEngine())
    assert (summary.kept, summary.failed) == (2, 1)
    assert out.read_bytes() == before


def test_failed_rows_that_left_the_source_leave_the_file(rows: list[Row], out: Path) -> None:
    run_over([rows[0], Row("line 2", "/nowhere.png")], out, FakeEngine())
    assert list(read_answers(out)) == ["0.png", "line 2"]
    run_over(rows[:2], out, FakeEngine())
    assert list(read_answers(out)) == ["0.png", "1.png"]


def test_a_stop_finishes_the_batch_in_flight(rows: list[Row], out: Path) -> None:
    stop = threading.Event()
    engine = FakeEngine(seconds=0.2)
    threading.Timer(0.5, stop.set).start()
    summary = run_over(rows, out, engine, batch_size=2, stop=stop)
    assert not summary.finished
    assert 0 < summary.answered < 20
    assert len(read_answers(out)) == summary.answered == 2 * len(engine.batches)
    assert run_over(rows, out, FakeEngine()).kept == summary.answered


# Reads output paths from stdin, and starts a run in a process of its own for each. The processes are
# forks of this one, which has the imports: twenty new interpreters would take ten seconds.
RUN_SERVER = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.support.fake_engine import FakeEngine
from tests.support.batch import SilentListener, TASK
from vipllava_cli.flows.batch.run import BatchRun
from vipllava_cli.storage.journal import open_journal
from vipllava_cli.sources.open import read_source

def run(out):
    with open_journal(out) as journal:
        source, listener = read_source(sys.argv[2]), SilentListener()
        BatchRun(source, TASK, journal, lambda: FakeEngine(seconds=0.01), listener, 4)()

for line in sys.stdin:
    child = os.fork()
    if not child:
        run(Path(line.strip()))
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_like_an_uninterrupted_one(
    tmp_path: Path, out: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(300):
        pixels = np.full((8, 8, 3), (number % 256, number // 256, 7), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    command = [sys.executable, "-c", RUN_SERVER, str(ROOT), str(folder)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(path: Path) -> int:
        assert server.stdin
        server.stdin.write(f"{path}\n")
        server.stdin.flush()
        return read_number()

    def read_number() -> int:
        assert server.stdout
        return int(server.stdout.readline())

    uninterrupted = tmp_path / "uninterrupted.jsonl"
    start(uninterrupted)
    assert read_number() == 0
    delays = random.Random(5)
    for _ in range(20):
        size = file_size(out)
        child = start(out)
        while file_size(out) == size:
            time.sleep(0.002)  # until the run writes
        time.sleep(delays.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        assert os.WTERMSIG(read_number()) == signal.SIGKILL, "the run ended before the kill"
        lines = [line for line in out.read_bytes().splitlines(True) if line.endswith(b"\n")]
        counts = Counter(json.loads(line)["id"] for line in lines)
        assert set(counts.values()) == {1}, "a row on disk was answered again"
    start(out)
    assert read_number() == 0
    server.communicate()

    def without_times(path: Path) -> list[dict[str, Any]]:
        return [{**record, "seconds": 0} for record in read_journal(path)]

    assert without_times(out) == without_times(uninterrupted)

"""A batch of fields: one record a row, failures, and a stop between rows."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.support.batch import TASK, run_over, write_grey_images
from tests.support.fake_engine import FakeEngine
from vipllava_cli.engine.base import Answer, Prompt
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.flows.fields.grammar import parse_fields
from vipllava_cli.sources.rows import Row
from vipllava_cli.storage.journal import read_journal

FIELDS = parse_fields('kind: a|b; ok: boolean; text "read {id}": free; n: integer')
FIELD_TASK = replace(TASK, questions=(), options=GenerationOptions(fields=FIELDS))


@dataclass
class CountingEngine(FakeEngine):
    """Lists the prompts that it has answered. After `stop_after` batches it sets `stop`."""

    asked: list[str] = field(default_factory=list)
    stop_after: int = 1000
    stop: threading.Event = field(default_factory=threading.Event)

    def answer_each(
        self, prompts: Sequence[Prompt], options: Sequence[GenerationOptions]
    ) -> list[Answer]:
        answers = super().answer_each(prompts, options)
        self.asked += [f"{prompt.view.pixels} {bytes(prompt.ids).decode()}" for prompt in prompts]
        if len(self.batches) >= self.stop_after:
            self.stop.set()
        return answers


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    folder = write_grey_images(tmp_path / "images")
    return [Row(f"{number}.png", str(folder / f"{number}.png")) for number in range(8)]


def test_each_row_gets_one_record_with_all_fields(rows: list[Row], tmp_path: Path) -> None:
    out, engine = tmp_path / "out.jsonl", CountingEngine()
    summary = run_over(rows, out, engine, FIELD_TASK, batch_size=10)
    assert (summary.answered, summary.failed) == (8, 0)
    assert max(engine.batches) <= 10  # prompts, and the fields of a row stay together
    assert {size % 4 for size in engine.batches} == {0}
    for record in read_journal(out):
        assert list(record["fields"]) == ["kind", "ok", "text", "n"]
        assert record["fields"]["text"].endswith(f":read {record['id']}")
        assert set(record["field_probabilities"]) == {"kind", "ok"}
        assert record["question"].split("\n")[:2] == [
            "What is the kind in this image?", "Is this image ok?"
        ]  # fmt: skip


def test_a_stop_asks_nothing_twice_and_loses_nothing(rows: list[Row], tmp_path: Path) -> None:
    once, out = tmp_path / "once.jsonl", tmp_path / "out.jsonl"
    run_over(rows, once, FakeEngine(), FIELD_TASK, batch_size=4)
    first = CountingEngine(stop_after=3)
    stopped = run_over(rows, out, first, FIELD_TASK, batch_size=4, stop=first.stop)
    assert not stopped.finished
    second = CountingEngine()
    resumed = run_over(rows, out, second, FIELD_TASK, batch_size=4)
    assert resumed.kept == stopped.answered > 0
    asked = first.asked + second.asked
    assert len(asked) == len(set(asked)) == 8 * 4
    assert [(r["id"], r["fields"]) for r in read_journal(out)] == [
        (r["id"], r["fields"]) for r in read_journal(once)
    ]


def test_a_row_that_fails_fails_alone_with_all_its_fields(rows: list[Row], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    summary = run_over(rows, out, FakeEngine(broken="read 3.png"), FIELD_TASK, batch_size=100)
    assert (summary.answered, dict(summary.failures)) == (7, {"GenerationError": 1})
    failed = next(record for record in read_journal(out) if record["error"])
    assert failed["id"] == "3.png"
    assert failed["answer"] is None
    assert "fields" not in failed
    again = run_over(rows, out, CountingEngine(), FIELD_TASK)
    assert (again.kept, again.answered) == (7, 1)


def test_a_batch_that_does_not_fit_is_halved(rows: list[Row], tmp_path: Path) -> None:
    out, engine = tmp_path / "out.jsonl", FakeEngine(fits=8)
    summary = run_over(rows, out, engine, FIELD_TASK, batch_size=32)
    assert (summary.answered, summary.failed) == (8, 0)
    assert max(engine.batches) <= 8

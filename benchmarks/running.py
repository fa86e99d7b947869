"""`batch` with a model that is open already."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vipllava_cli.engine.base import Engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.flows.batch.run import BatchRun
from vipllava_cli.flows.batch.task import BatchTask
from vipllava_cli.sources.rows import Row, Source
from vipllava_cli.storage.journal import open_journal, read_journal

if TYPE_CHECKING:
    from vipllava_cli.flows.batch.run import BatchSummary


class SilentListener:
    """Ignores the progress of a batch."""

    def advance(self, summary: "BatchSummary", id: str) -> None:
        pass

    def note(self, id: str, text: str) -> None:
        pass


def rows_of(paths: Sequence[Path], questions: Sequence[str]) -> list[Row]:
    """Return one row for each image."""
    return [Row(path.name, str(path), questions=tuple(questions)) for path in paths]


def run_batch(engine: Engine, rows: Iterable[Row], out: Path, tokens: int) -> list[str]:
    """Answer rows as `vipllava batch` does, from the files to the records. Returns the answers."""
    task = BatchTask(
        (engine.info.name, engine.info.revision),
        template=engine.info.template_for("auto"),
        options=GenerationOptions(max_new_tokens=tokens),
    )
    run_task(engine, rows, out, task)
    return [record["answer"] for record in read_journal(out)]


def run_task(engine: Engine, rows: Iterable[Row], out: Path, task: BatchTask) -> None:
    """Answer rows into a new file."""
    out.unlink(missing_ok=True)
    with open_journal(out) as journal:
        BatchRun(Source(iter(rows), "benchmark"), task, journal, lambda: engine, SilentListener())()

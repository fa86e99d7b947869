"""`vipllava batch`: many images and questions into one file, never lost, never asked twice."""

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import (
    OUTPUT_PANEL,
    AnswerOptions,
    Choices,
    MarkOptions,
    ModelOptions,
    OutputOptions,
    out_option,
)
from vipllava_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.flows.batch.plan import BatchTask
    from vipllava_cli.flows.batch.run import BatchSummary
    from vipllava_cli.sources.rows import Source
    from vipllava_cli.storage.journal import Journal

SOURCE_PANEL = "Source"


class Format(StrEnum):
    """What a source may be; kept here so that `--help` reads no source."""

    auto = "auto"
    folder = "folder"
    jsonl = "jsonl"
    json = "json"
    csv = "csv"
    tsv = "tsv"
    coco = "coco"
    labelme = "labelme"
    voc = "voc"
    yolo = "yolo"
    vip_bench = "vip-bench"


class Per(StrEnum):
    """What one row of an annotation file is."""

    region = "region"
    image = "image"


def _source(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=SOURCE_PANEL, **more)


def _output(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=OUTPUT_PANEL, **more)


@command
def batch(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of images, a manifest (JSONL, JSON, CSV, TSV), an annotation file or"
            " folder (COCO, LabelMe, VOC, YOLO, ViP-Bench), or - for JSONL on stdin."
        ),
    ],
    out: Annotated[
        str | None,
        out_option("the records", "Its name ends in .jsonl, .csv or .parquet."),
    ] = None,
    question: Annotated[
        list[str] | None,
        _source(
            "Asked of every row that has none of its own; {1}, {label}, any column. Repeatable.",
            "--question",
            metavar="TEXT",
        ),
    ] = None,
    format: Annotated[Format, _source("What the source is.", "--format")] = Format.auto,
    per: Annotated[
        Per, _source("Annotations: a row for each region, or for each image.", "--per")
    ] = Per.region,
    label: Annotated[
        list[str] | None,
        _source(
            "Annotations: only regions with this label. Repeatable.", "--label", metavar="NAME"
        ),
    ] = None,
    batch_size: Annotated[
        str, typer.Option("--batch-size", metavar="N|auto", help="Questions answered together.")
    ] = "auto",
    zoom: Annotated[
        bool, typer.Option("--zoom", help="Look only at the marks and what is around them.")
    ] = False,
    save_marked: Annotated[
        Path | None, _output("Keep every drawn image here.", "--save-marked", metavar="DIR")
    ] = None,
    report: Annotated[
        str | None, _output("Write an HTML page of the results.", "--report", metavar="FILE")
    ] = None,
    fresh: Annotated[
        bool, _output("Start anew; throws away an --out that holds anything only with --force.")
    ] = False,
    force: Annotated[bool, _output("Write over files.", "--force")] = False,
    fail_fast: Annotated[bool, _output("Stop at the first row that fails.", "--fail-fast")] = False,
    dry_run: Annotated[
        bool, _output("List what would be asked, show the first image, ask nothing.", "--dry-run")
    ] = False,
    *,
    marks: MarkOptions,
    model: ModelOptions,
    answer: AnswerOptions,
    choices: Choices = None,
    output: OutputOptions,
) -> ExitCode:
    """Ask about many images; stop and go on whenever you like.

    vipllava batch images/ --out results.jsonl --question "what is in the red box?"
    """
    from vipllava_cli.cli.model_loading import identify_model, open_model
    from vipllava_cli.cli.terminal.progress import watch_progress
    from vipllava_cli.engine.prompts.questions import strip_question
    from vipllava_cli.flows.batch.plan import BatchTask
    from vipllava_cli.flows.batch.run import BatchRun
    from vipllava_cli.sources.open import read_source
    from vipllava_cli.storage.journal import open_journal

    messages = output.messages()
    places = _places(out, source, report, force)
    size = _batch_size(batch_size)
    task = BatchTask(
        model=identify_model(model),
        questions=tuple(map(strip_question, question or ())),
        marks=tuple(marks.specs()),
        style=marks.style(),
        numbers=marks.numbers,
        zoom=zoom,
        template=answer.template.value,
        options=answer.options(choices),
        save_marked=save_marked,
    )
    rows = read_source(source, format=format.value, per=per.value, labels=tuple(label or ()))
    for note in rows.notes:
        messages.note(note)

    try:
        with open_journal(places.journal, fresh=fresh, force=force) as journal:
            for note in journal.notes:
                messages.note(note)
            if dry_run:
                return _list(rows, task, journal, messages)
            _make_folder(save_marked, source)
            asked = rows.total and rows.total * max(len(task.questions), 1)
            with watch_progress(messages, asked) as watch:
                opener = partial(open_model, model, messages)
                run = BatchRun(rows, task, journal, opener, watch, size, fail_fast)
                with _interruptible(run.stop, messages) as interrupted:
                    summary = run()
    except KeyboardInterrupt:  # the second: threads that still read would be waited for
        os._exit(ExitCode.INTERRUPTED)
    return _conclude(summary, places, messages, interrupted=interrupted.is_set())


class Places(NamedTuple):
    """Where things are written: the records, the table made of them, the page."""

    journal: Path
    table: Path | None
    report: Path | None

    @property
    def out(self) -> Path:
        return self.table or self.journal


def _places(out: str | None, source: str, report: str | None, force: bool) -> Places:
    """Refuse, before any work is done, what cannot be written."""
    from vipllava_cli.storage.files import check_writable
    from vipllava_cli.storage.tables import TABLES, check_table

    if out is None:
        raise UsageError("say where the answers go: --out results.jsonl")
    path = Path(out)
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", *TABLES):
        raise UsageError(f"--out ends in .jsonl, {' or '.join(TABLES)}, which {out} does not")
    places = Places(
        path.with_name(path.name + ".jsonl") if suffix in TABLES else path,
        path if suffix in TABLES else None,
        Path(report) if report else None,
    )
    _check_apart(source, *places)
    if places.table:
        check_table(places.table)
        check_writable(out, force=force or places.journal.exists())
    if places.report:
        check_writable(str(report), force=True)
    return places


def _check_apart(source: str, *outputs: Path | None) -> None:
    """Refuse outputs that would write over each other or over the source."""
    taken = {os.path.realpath(source): "the source"}
    for output in outputs:
        if output is not None:
            where = os.path.realpath(output)
            if where in taken:
                raise UsageError(f"{output} is {taken[where]} too: give each a name of its own")
            taken[where] = "another output"


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise UsageError(f"--batch-size is auto or a number from 1 to 4096, not {text!r}")
    return int(text)


def _make_folder(folder: Path | None, source: str) -> None:
    from vipllava_cli.storage.files import make_folder

    if folder is None:
        return
    if os.path.isdir(source) and Path(os.path.realpath(folder)).is_relative_to(
        os.path.realpath(source)
    ):
        raise UsageError(
            f"--save-marked {folder} lies in the source, which would read the marked images the next"
            " time: give a folder elsewhere"
        )
    make_folder(folder)


@contextmanager
def _interruptible(stop: threading.Event, messages: "Messages") -> Iterator[threading.Event]:
    """Ctrl-C asks the run to stop after what is in flight; a second one stops at once. Yields what
    tells whether there was one.
    """
    interrupted = threading.Event()

    def first(number: int, frame: object) -> None:
        interrupted.set()
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        messages.say("finishing what is in flight; Ctrl-C again stops at once")

    before = signal.signal(signal.SIGINT, first)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _conclude(
    summary: "BatchSummary", places: Places, messages: "Messages", *, interrupted: bool
) -> ExitCode:
    """Say what came of it, and write what is made of the finished records."""
    from vipllava_cli.cli.html.report import write_report
    from vipllava_cli.cli.terminal.progress import summary_table
    from vipllava_cli.storage.journal import read_journal
    from vipllava_cli.storage.tables import write_table

    if summary.finished and not summary.rows:
        messages.note("the source gave no rows: nothing was asked, nothing written")
        return ExitCode.DONE
    if summary.finished and places.table:
        write_table(read_journal(places.journal), places.table)
    if not messages.quiet:
        messages.console.print(summary_table(summary, str(places.out)))
    if summary.finished and places.report:
        write_report(places.journal, places.report, force=True, messages=messages)
    if not summary.finished:
        messages.say("stopped before the end: the same command goes on from here")
    if interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.SOME_ROWS_FAILED if summary.failed else ExitCode.DONE


def _list(rows: "Source", task: "BatchTask", journal: "Journal", messages: "Messages") -> ExitCode:
    """What would be asked, a line each, and the first image as it would be seen."""
    from vipllava_cli.cli.terminal.image import show
    from vipllava_cli.cli.terminal.messages import one_line
    from vipllava_cli.flows.batch.plan import plan_all

    shown, counts = False, Counter[str]()
    for planned in plan_all(rows, task, journal):
        for item in planned.items:
            state = "failed" if item.error else "asked" if item.waits else "kept"
            counts[state] += 1
            what = str(item.error or item.asked.question)
            sys.stdout.write(f"{state}\t{one_line(item.asked.id)}\t{one_line(what)}\n")
        if planned.marked and not shown and sys.stdout.isatty():
            show(planned.marked.drawn())
            shown = True
    messages.say(", ".join(f"{count} {state}" for state, count in counts.items()) or "no rows")
    return ExitCode.DONE

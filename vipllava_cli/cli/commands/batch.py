"""`vipllava batch`: ask about many images, and resume after a stop."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import (
    OUTPUT_PANEL,
    AnswerOptions,
    Choices,
    Frame,
    MarkOptions,
    ModelOptions,
    OutputOptions,
    Zoom,
    out_option,
)
from vipllava_cli.errors import ExitCode, UsageError
from vipllava_cli.sources.formats import RowUnit, SourceFormat

if TYPE_CHECKING:  # `--help` needs none of these
    from vipllava_cli.cli.batch_outputs import BatchOutputs
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.flows.batch.run import BatchSummary

SOURCE_PANEL = "Source"
_MAX_BATCH_SIZE = 4096


def _source(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=SOURCE_PANEL, **more)


def _output(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=OUTPUT_PANEL, **more)


@command
def batch(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of images, manifest (JSONL, JSON, CSV, TSV), annotation file or folder"
            " (COCO, LabelMe, VOC, YOLO, ViP-Bench), or - for JSONL on stdin."
        ),
    ],
    out: Annotated[
        str | None,
        out_option("the records", "Its name ends in .jsonl, .csv or .parquet."),
    ] = None,
    question: Annotated[
        list[str] | None,
        _source(
            "Question for every row that has none. {1} stands for the first mark, {label} or another"
            " name for a column. Repeatable.",
            "--question",
            metavar="TEXT",
        ),
    ] = None,
    format: Annotated[
        SourceFormat, _source("Format of the source.", "--format")
    ] = SourceFormat.auto,
    per: Annotated[
        RowUnit, _source("Make one row per region or per image of an annotated source.", "--per")
    ] = RowUnit.region,
    label: Annotated[
        list[str] | None,
        _source(
            "Use only the regions with this label of an annotated source. Repeatable.",
            "--label",
            metavar="NAME",
        ),
    ] = None,
    batch_size: Annotated[
        str,
        typer.Option(
            "--batch-size",
            metavar="N|auto",
            help="Number of questions in one batch; auto: as many as fit into memory.",
        ),
    ] = "auto",
    save_marked: Annotated[
        Path | None,
        _output("Write every marked image to DIR.", "--save-marked", metavar="DIR"),
    ] = None,
    report: Annotated[
        str | None,
        _output("Write an HTML page of the results to FILE.", "--report", metavar="FILE"),
    ] = None,
    fresh: Annotated[
        bool, _output("Start over instead of resuming; needs --force if --out exists.", "--fresh")
    ] = False,
    force: Annotated[bool, _output("Overwrite existing files.", "--force")] = False,
    fail_fast: Annotated[bool, _output("Stop at the first failed row.", "--fail-fast")] = False,
    dry_run: Annotated[
        bool,
        _output("List the questions and show the first image, without asking.", "--dry-run"),
    ] = False,
    *,
    marks: MarkOptions,
    frame: Frame = None,
    zoom: Zoom = False,
    model: ModelOptions,
    answer: AnswerOptions,
    choices: Choices = None,
    output: OutputOptions,
) -> ExitCode:
    """Ask about many images. The same command resumes after a stop.

    vipllava batch images/ --out results.jsonl --question "what is in the red box?"
    """
    from vipllava_cli.cli.batch_outputs import check_outputs, make_marked_folder
    from vipllava_cli.cli.interrupt import stop_on_interrupt
    from vipllava_cli.cli.model_loading import identify_model, open_model
    from vipllava_cli.cli.terminal.dry_run import print_plan
    from vipllava_cli.cli.terminal.progress import watch_progress
    from vipllava_cli.engine.prompts.questions import strip_question
    from vipllava_cli.flows.batch.plan import BatchTask, plan_all
    from vipllava_cli.flows.batch.run import BatchRun
    from vipllava_cli.sources.open import read_source
    from vipllava_cli.storage.journal import open_journal

    messages = output.messages()
    outputs = check_outputs(source, out, report, force=force)
    size = _parse_batch_size(batch_size)
    task = BatchTask(
        model=identify_model(model),
        questions=tuple(map(strip_question, question or ())),
        marks=tuple(marks.specs()),
        style=marks.style(),
        frame=frame,
        numbers=marks.numbers,
        zoom=zoom,
        template=answer.template.value,
        options=answer.options(choices),
        save_marked=save_marked,
    )
    rows = read_source(source, format=format, per=per, labels=tuple(label or ()))
    for note in rows.notes:
        messages.note(note)

    try:
        with open_journal(outputs.journal, fresh=fresh, force=force) as journal:
            for note in journal.notes:
                messages.note(note)
            if dry_run:
                print_plan(plan_all(rows, task, journal), messages)
                return ExitCode.DONE
            if save_marked:
                make_marked_folder(save_marked, source)
            total = rows.total and rows.total * max(len(task.questions), 1)
            with watch_progress(messages, total) as listener:
                opener = partial(open_model, model, messages)
                run = BatchRun(rows, task, journal, opener, listener, size, fail_fast)
                with stop_on_interrupt(run.stop, messages) as interrupted:
                    summary = run()
    except KeyboardInterrupt:  # the second Ctrl-C: a normal exit would wait for the reader threads
        os._exit(ExitCode.INTERRUPTED)
    return _finish(summary, outputs, messages, interrupted=interrupted.is_set())


def _parse_batch_size(text: str) -> int | None:
    """Parse `--batch-size`. Returns None for `auto`. Raises UsageError."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_BATCH_SIZE:
        raise UsageError(
            f"--batch-size {text!r}: expected auto or a number from 1 to {_MAX_BATCH_SIZE}"
        )
    return int(text)


def _finish(
    summary: "BatchSummary", outputs: "BatchOutputs", messages: "Messages", *, interrupted: bool
) -> ExitCode:
    """Print the summary, and write the table and the page of a finished run."""
    from vipllava_cli.cli.html.report import write_report
    from vipllava_cli.cli.terminal.progress import summary_table
    from vipllava_cli.storage.journal import read_journal
    from vipllava_cli.storage.tables import write_table

    if summary.finished and not summary.rows:
        messages.note("the source has no rows: nothing to ask or write")
        return ExitCode.DONE
    if summary.finished and outputs.table:
        write_table(read_journal(outputs.journal), outputs.table)
    if not messages.quiet:
        messages.console.print(summary_table(summary, str(outputs.out)))
    if summary.finished and outputs.report:
        write_report(outputs.journal, outputs.report, force=True, messages=messages)
    if not summary.finished:
        messages.say("stopped early: repeat the command to resume")
    if interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.SOME_ROWS_FAILED if summary.failed else ExitCode.DONE

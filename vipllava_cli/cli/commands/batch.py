"""`vipllava batch`: ask about many images, and resume after a stop."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipllava_cli.cli.batch_size import choose_batch_size
from vipllava_cli.cli.command import command
from vipllava_cli.cli.field_options import FieldOptions
from vipllava_cli.cli.mark_style_options import MarkStyleName, MarkStyleOption
from vipllava_cli.cli.options import (
    ANSWER_PANEL,
    OUTPUT_PANEL,
    AnswerOptions,
    Choices,
    CsvSafe,
    Frame,
    MarkOptions,
    ModelOptions,
    OutputOptions,
    Pick,
    ValueWindow,
    Zoom,
    out_option,
)
from vipllava_cli.cli.server_options import ParallelServerFlags
from vipllava_cli.errors import ExitCode, UsageError
from vipllava_cli.images.window import parse_window
from vipllava_cli.marks.shape_table import Units
from vipllava_cli.sources.formats import RowUnit, SourceFormat
from vipllava_cli.storage.ending import end_process

if TYPE_CHECKING:  # `--help` needs none of these
    from vipllava_cli.cli.batch_outputs import BatchOutputs
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.base import Engine
    from vipllava_cli.flows.batch.run import BatchRun, BatchSummary
    from vipllava_cli.flows.batch.task import BatchTask
    from vipllava_cli.marks.marked_image import ImageFile
    from vipllava_cli.sources.rows import Source
    from vipllava_cli.storage.journal import Journal

LabelFromAnswer = Annotated[
    bool,
    typer.Option(
        "--label-from-answer",
        help="With --choices: let `vipllava export` make the answers the labels of the regions.",
        rich_help_panel=ANSWER_PANEL,
    ),
]

SOURCE_PANEL = "Source"


def _source(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=SOURCE_PANEL, **more)


def _output(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=OUTPUT_PANEL, **more)


@command
def batch(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folder of images, image, pattern like 'photos/*.jpg', manifest (JSONL, JSON, CSV,"
            " TSV), annotation file or folder (COCO, LabelMe, VOC, YOLO, CVAT, …), ZIP archive of"
            " these, or - for JSONL on stdin. Several are read one after the other.",
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
    images: Annotated[
        list[str] | None,
        _source(
            "Folder or ZIP archive of the images that the source names, in any of its subfolders."
            " Repeatable.",
            "--images",
            metavar="DIR",
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        _source("Encoding of the source's text. (default: utf-8)", "--encoding", metavar="NAME"),
    ] = None,
    coco: Annotated[
        str | None,
        _source(
            "COCO file with the images and categories of a list of COCO results.",
            "--coco",
            metavar="FILE",
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
    append: Annotated[
        bool,
        _output(
            "Keep earlier answers to another question or with other settings, and add the new ones.",
            "--append",
        ),
    ] = False,
    fresh: Annotated[
        bool, _output("Start over instead of resuming; needs --force if --out exists.", "--fresh")
    ] = False,
    force: Annotated[
        bool,
        _output(
            "Overwrite existing files, and replace answers to another question or with other"
            " settings.",
            "--force",
        ),
    ] = False,
    csv_safe: CsvSafe = False,
    fail_fast: Annotated[bool, _output("Stop at the first failed row.", "--fail-fast")] = False,
    dry_run: Annotated[
        bool,
        _output("List the questions and show the first image, without asking.", "--dry-run"),
    ] = False,
    *,
    marks: MarkOptions,
    mark_style: MarkStyleOption = MarkStyleName.auto,
    pick: Pick = False,
    frame: Frame = None,
    window: ValueWindow = None,
    zoom: Zoom = False,
    model: ModelOptions,
    server: ParallelServerFlags,
    answer: AnswerOptions,
    choices: Choices = None,
    fields: FieldOptions,
    label_from_answer: LabelFromAnswer = False,
    output: OutputOptions,
) -> ExitCode:
    """Ask about many images. The same command resumes after a stop.

    vipllava batch images/ --out results.jsonl --question "what is in the red box?"
    """
    messages = output.messages()
    opener = _opener(sources, out, model, server, messages, mark_style, waits=dry_run or pick)
    from vipllava_cli.cli import model_loading
    from vipllava_cli.cli.batch_outputs import check_csv_safe, check_outputs, check_replaced
    from vipllava_cli.cli.conflicts import check_conflicts, choose_on_conflict
    from vipllava_cli.engine.prompts.questions import strip_question
    from vipllava_cli.flows.batch.run import BatchRun
    from vipllava_cli.flows.batch.task import BatchTask
    from vipllava_cli.sources.arguments import parse_arguments
    from vipllava_cli.sources.open import read_sources
    from vipllava_cli.sources.read_options import ReadOptions
    from vipllava_cli.storage.journal import open_journal

    fields.refuse_questions(question or (), "--question")
    on_conflict = choose_on_conflict(append=append, fresh=fresh, force=force)
    names, pattern_notes = parse_arguments(sources, question or ())
    check_csv_safe(out, csv_safe=csv_safe)
    inputs = [*(images or ()), *([coco] if coco else []), *marks.files()]
    outputs = check_outputs(names, inputs, out, report, force=force, dry_run=dry_run and not pick)
    size = choose_batch_size(batch_size, model, messages)
    task = BatchTask(
        model=model_loading.identify_model(model),
        questions=tuple(map(strip_question, question or ())),
        marks=tuple(marks.specs()),
        style=marks.style(),
        frame=frame,
        window=parse_window(window),
        numbers=marks.numbers,
        zoom=zoom,
        template=model_loading.chosen_template(answer.template.value, model),
        options=fields.add_to(answer.options(choices), messages),
        save_marked=save_marked,
        replaces_marked=force,
        on_conflict=on_conflict,
        view_size=model_loading.model_view_size(model),
        reference=model_loading.choose_mark_style(mark_style.value, model),
    )
    reading = ReadOptions(tuple(images or ()), encoding, coco, _source_units(marks))
    source = read_sources(names, format=format, per=per, labels=tuple(label or ()), options=reading)
    source = _note_labels(source, choices) if label_from_answer else source
    messages.note(*pattern_notes, *source.notes)

    try:
        with open_journal(outputs.journal, fresh=fresh, force=force) as journal:
            messages.note(*journal.notes)
            picked = _pick_marks(sources, source, task, outputs, messages) if pick else source
            if picked is None:
                return ExitCode.INTERRUPTED
            source = picked
            task = check_conflicts(task, source, journal, force=force)
            check_replaced(outputs, task, names, source, force=force)
            if dry_run:
                return _print_plan(source, task, journal, messages)
            run = partial(BatchRun, source, task, journal, opener, fail_fast=fail_fast)
            summary, is_interrupted = _run(partial(run, batch_size=size), source, task, messages)
    except KeyboardInterrupt:  # the second Ctrl-C: a normal exit would wait for the reader threads
        end_process(ExitCode.INTERRUPTED)
    _finish(summary, outputs, task, messages, csv_safe=csv_safe)
    _print_next_command(summary, source, outputs, messages, fresh=fresh)
    return _exit_code(summary, is_interrupted=is_interrupted)


def _opener(
    sources: Sequence[str],
    out: str | None,
    model: ModelOptions,
    server: ParallelServerFlags,
    messages: "Messages",
    mark_style: MarkStyleName,
    *,
    waits: bool,
) -> Callable[[], "Engine"]:
    """Return what opens the model. A model on a server is opened now if a question is most likely.

    That is so if the sources exist, the output does not, and no mark style needs a look at the model.
    The imports that follow take long. `waits` leaves it for later.
    """
    from vipllava_cli.cli.model_loading import open_ahead, open_later

    is_new = out is not None and not os.path.lexists(out) and all(map(os.path.exists, sources))
    may_ask = is_new and mark_style is MarkStyleName.auto and not waits
    return (open_ahead if may_ask else open_later)(model, messages, server)


def _note_labels(source: "Source", choices: str | None) -> "Source":
    """Say in the records that `export` makes their answers the labels. Raises UsageError."""
    from vipllava_cli.flows.export.relabel import with_label_from_answer

    if choices is None:
        raise UsageError(
            "--label-from-answer makes one of the given answers the label of a region: add --choices"
            " A,B,…"
        )
    return with_label_from_answer(source)


def _print_plan(
    source: "Source", task: "BatchTask", journal: "Journal", messages: "Messages"
) -> ExitCode:
    """Print what the run would do, for `--dry-run`."""
    from vipllava_cli.cli.terminal.dry_run import print_plan
    from vipllava_cli.flows.batch.plan import plan_all

    failed = print_plan(plan_all(source, task, journal), messages)
    return ExitCode.SOME_ROWS_FAILED if failed else ExitCode.DONE


def _exit_code(summary: "BatchSummary", *, is_interrupted: bool) -> ExitCode:
    if is_interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.SOME_ROWS_FAILED if summary.failed else ExitCode.DONE


def _source_units(marks: MarkOptions) -> Units:
    """Return the unit of the source's bare numbers: `--units`, unless that is for marks of options."""
    return Units.px if marks.specs() else marks.units


def _run(
    make_run: Callable[..., "BatchRun"], source: "Source", task: "BatchTask", messages: "Messages"
) -> tuple["BatchSummary", bool]:
    """Run a batch. Returns its summary, and whether Ctrl-C stopped it.

    `make_run` takes `listener`, which shows the progress, and `on_image`, which looks at the images.
    """
    from vipllava_cli.cli.interrupt import stop_on_interrupt
    from vipllava_cli.cli.photo_warning import PhotoWarning
    from vipllava_cli.cli.terminal.progress import watch_progress
    from vipllava_cli.flows.batch.image_notes import ImageNotes
    from vipllava_cli.storage.files import make_folder

    if task.save_marked:
        make_folder(task.save_marked)
    photos, kinds = PhotoWarning(task.model[0]), ImageNotes()

    def check(file: "ImageFile") -> None:
        kinds.add(file)
        photos.check(file)

    total = source.total and source.total * max(len(task.questions), 1)
    with watch_progress(messages, total) as listener:
        run = make_run(listener=listener, on_image=None if messages.quiet else check)
        with stop_on_interrupt(run, messages) as interrupted:
            run()
    for line in kinds.lines():
        messages.note(line)
    photos.warn_of_all(messages)
    return run.summary, interrupted.is_set()


def _pick_marks(
    sources: Sequence[str],
    rows: "Source",
    task: "BatchTask",
    outputs: "BatchOutputs",
    messages: "Messages",
) -> "Source | None":
    """Let the user draw marks on the images. Returns None if the user stops. Raises UsageError."""
    from vipllava_cli.cli.picker.marks_manifest import manifest_path
    from vipllava_cli.cli.picker.series import SeriesMarks, pick_series
    from vipllava_cli.cli.repeat_command import marks_command

    common = SeriesMarks(task.marks, task.style, task.numbers, task.frame, task.window)
    path = manifest_path(outputs.out)
    command = marks_command(sys.argv, sources=sources, manifest=str(path))
    return pick_series(rows, path, common, messages, command=command)


def _finish(
    summary: "BatchSummary",
    outputs: "BatchOutputs",
    task: "BatchTask",
    messages: "Messages",
    *,
    csv_safe: bool,
) -> None:
    """Print the summary, and write the table and the page of a finished run."""
    from vipllava_cli.cli.html.report import write_report
    from vipllava_cli.cli.terminal.summary import print_summary
    from vipllava_cli.storage.journal import read_journal
    from vipllava_cli.storage.tables import write_table

    if summary.finished and not summary.rows:
        messages.note("the source has no rows: nothing to ask or write")
        return
    if summary.finished and outputs.table:
        write_table(partial(read_journal, outputs.journal), outputs.table, csv_safe=csv_safe)
    print_summary(summary, str(outputs.out), messages, task.on_conflict)
    if summary.finished and outputs.report:
        write_report(outputs.journal, outputs.report, force=True, messages=messages)


def _print_next_command(
    summary: "BatchSummary",
    source: "Source",
    outputs: "BatchOutputs",
    messages: "Messages",
    *,
    fresh: bool,
) -> None:
    """Print the command that continues a stopped run, or that tries failed rows again."""
    from vipllava_cli.cli.repeat_command import batch_command, retry_command
    from vipllava_cli.cli.terminal.summary import print_next_command

    if summary.finished and not summary.failed:
        return
    if summary.finished:
        advice = "to ask only the failed rows again"
        page = str(outputs.report) if outputs.report else None
        command = retry_command(sys.argv, fresh=fresh, out=str(outputs.out), page=page)
    else:
        advice = "stopped early; to resume"
        command = batch_command(sys.argv, fresh=fresh and summary.rows > 0)
    if not source.is_rereadable:
        advice += ", with the same rows on its input"
    print_next_command(messages, advice, command)

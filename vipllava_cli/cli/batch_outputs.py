"""The output files of `vipllava batch`, checked before the run starts."""

import os
import secrets
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.flows.batch.task import BatchTask, OnConflict
from vipllava_cli.images.save import check_marked_output, marked_image_path
from vipllava_cli.images.source import parse_source
from vipllava_cli.sources.rows import BadRow, Source
from vipllava_cli.storage.files import OutputError
from vipllava_cli.storage.journal import read_journal
from vipllava_cli.storage.outputs import (
    OutputKind,
    check_not_input,
    check_output,
    is_one_place,
    is_page_of,
)
from vipllava_cli.storage.tables import TABLES, check_table, is_edited, journal_path


class BatchOutputs(NamedTuple):
    """The paths of the records, of the table made from them, and of the HTML page."""

    journal: Path
    table: Path | None
    report: Path | None

    @property
    def out(self) -> Path:
        """The path that the user gave as `--out`."""
        return self.table or self.journal


def check_csv_safe(out: str | None, *, csv_safe: bool) -> None:
    """Check that `--csv-safe` is about a CSV file. Raises UsageError."""
    if csv_safe and out is not None and not out.lower().endswith(".csv"):
        raise UsageError(f"--csv-safe is about CSV: give --out a name that ends in .csv, not {out}")


def check_outputs(
    sources: Sequence[str],
    inputs: Sequence[str],
    out: str | None,
    report: str | None,
    *,
    force: bool,
    dry_run: bool = False,
) -> BatchOutputs:
    """Check that the outputs can be written, differ from each other, and keep existing files.

    An existing journal is not an error: the run resumes it. `check_replaced` checks other
    files. A dry run needs no `out`. `inputs` are files that the run reads besides the sources.
    Raises UsageError, InputError.
    """
    if out is None and dry_run:
        out = _unused_name()
    if out is None:
        raise UsageError("no output file given: add --out results.jsonl")
    path = Path(out)
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", *TABLES):
        raise UsageError(f"--out {out}: expected a name that ends in .jsonl, {' or '.join(TABLES)}")
    is_table = suffix in TABLES
    outputs = BatchOutputs(
        journal=journal_path(path) if is_table else path,
        table=path if is_table else None,
        report=Path(report) if report else None,
    )
    _check_distinct(sources, *outputs)
    for each in filter(None, outputs):
        check_not_input((*sources, *inputs), str(each))
    if outputs.table:
        check_table(outputs.table)
        kind = OutputKind.parquet if suffix == ".parquet" else OutputKind.text
        check_output(out, kind, force=force or outputs.journal.exists())
    if outputs.report:
        from vipllava_cli.cli.html.page import check_page_name

        check_page_name(outputs.report)
        check_output(str(outputs.report), OutputKind.page, force=True)
    return outputs


def _unused_name() -> str:
    """Return a name of a file for `--dry-run` without `--out`: nothing stays in it."""
    return os.path.join(tempfile.gettempdir(), f"vipllava-{secrets.token_hex(8)}.jsonl")


def check_replaced(
    outputs: BatchOutputs, task: BatchTask, sources: Sequence[str], rows: Source, *, force: bool
) -> None:
    """Check the files that the run replaces: marked images, the page, and a table edited by hand.

    `force` allows most. The journal is open. Raises UsageError, InputError.
    """
    if task.save_marked:
        _check_marked_folder(task.save_marked, sources, rows, force=force)
    if force:
        return
    # `refuse`: a conflict may come, and `--force` would replace answers.
    is_kept = task.on_conflict is OnConflict.keep_both
    kept = f" (answers in {outputs.journal} are kept)" if is_kept else ""
    report = outputs.report
    if report and os.path.lexists(report) and not is_page_of(report, outputs.journal):
        raise InputError(
            f"{report} already exists: add --force to overwrite the page{kept}, or give"
            " --report another name"
        )
    table, read = outputs.table, partial(read_journal, outputs.journal)
    if table and table.is_file() and is_edited(table, outputs.journal, read):
        raise InputError(
            f"{table} was edited after the run that wrote it, or another version wrote it: copy it,"
            f" then add --force to replace it{kept}, or give another --out"
        )


def _check_marked_folder(
    folder: Path, sources: Sequence[str], rows: Source, *, force: bool
) -> None:
    """Check that no file that a run did not make lies where `--save-marked` writes.

    Raises UsageError if the folder is inside a source, InputError.
    """
    for source in filter(os.path.isdir, sources):
        if Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(source)):
            raise UsageError(
                f"--save-marked {folder} is inside the source, so the next run would read the marked"
                " images: give a folder outside the source"
            )
    if not folder.is_dir() or not any(folder.iterdir()) or not rows.is_rereadable:
        return  # the run checks each file again when it writes it
    images, targets = set[str](), dict[str, Path]()
    for row in rows.rows:
        if isinstance(row, BadRow):
            continue
        image, target = parse_source(row.image).location, marked_image_path(folder, row.id)
        if is_one_place(os.path.dirname(image), folder):
            images.add(os.path.realpath(image))
        if os.path.lexists(target):
            targets[os.path.realpath(target)] = target
    for path, target in targets.items():
        if path in images:
            raise OutputError(
                f"{target} is an image of the source, and the marked image of another row or of itself"
                " would replace it: give --save-marked another folder"
            )
        check_marked_output(target, force=force)


def _check_distinct(sources: Sequence[str], *outputs: Path | None) -> None:
    """Refuse outputs that would overwrite each other or the source. Raises UsageError."""
    taken = [(source, "the source") for source in sources]
    for output in filter(None, outputs):
        for other, what in taken:
            if is_one_place(other, output):
                raise UsageError(f"{output} is also {what}: give it another name")
        taken.append((str(output), "another output"))

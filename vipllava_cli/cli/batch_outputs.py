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
from vipllava_cli.storage.files import check_writable, make_folder
from vipllava_cli.storage.journal import read_journal
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


def check_outputs(
    sources: Sequence[str],
    out: str | None,
    report: str | None,
    *,
    force: bool,
    dry_run: bool = False,
) -> BatchOutputs:
    """Check that the outputs can be written, differ from each other, and keep existing files.

    An existing journal is not an error: the run resumes it. `check_replaced` checks other
    files. A dry run needs no `out`. Raises UsageError, InputError.
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
    if outputs.table:
        check_table(outputs.table)
        check_writable(out, force=force or outputs.journal.exists())
    if outputs.report:
        from vipllava_cli.cli.html.page import check_page_name

        check_page_name(outputs.report)
        check_writable(str(outputs.report), force=True)
    return outputs


def _unused_name() -> str:
    """Return a name of a file for `--dry-run` without `--out`: nothing stays in it."""
    return os.path.join(tempfile.gettempdir(), f"vipllava-{secrets.token_hex(8)}.jsonl")


def check_replaced(outputs: BatchOutputs, task: BatchTask, *, force: bool) -> None:
    """Check the files that the end of the run replaces: the page, and a table edited by hand.

    `force` allows both. The journal is open. Raises InputError.
    """
    if force:
        return
    # `refuse`: a conflict may come, and `--force` would replace answers.
    is_kept = task.on_conflict is OnConflict.keep_both
    kept = f" (answers in {outputs.journal} are kept)" if is_kept else ""
    if outputs.report and os.path.lexists(outputs.report):
        raise InputError(
            f"{outputs.report} already exists: add --force to overwrite the page{kept}, or give"
            " --report another name"
        )
    table, read = outputs.table, partial(read_journal, outputs.journal)
    if table and table.is_file() and is_edited(table, outputs.journal, read):
        raise InputError(
            f"{table} was edited after the run that wrote it, or another version wrote it: copy it,"
            f" then add --force to replace it{kept}, or give another --out"
        )


def make_marked_folder(folder: Path, sources: Sequence[str]) -> None:
    """Make the folder of `--save-marked`. Raises UsageError if it is inside a source, InputError."""
    for source in filter(os.path.isdir, sources):
        if Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(source)):
            raise UsageError(
                f"--save-marked {folder} is inside the source, so the next run would read the marked"
                " images: give a folder outside the source"
            )
    make_folder(folder)


def _check_distinct(sources: Sequence[str], *outputs: Path | None) -> None:
    """Refuse outputs that would overwrite each other or the source. Raises UsageError."""
    taken = dict.fromkeys(map(os.path.realpath, sources), "the source")
    for output in outputs:
        if output is not None:
            path = os.path.realpath(output)
            if path in taken:
                raise UsageError(f"{output} is also {taken[path]}: give it another name")
            taken[path] = "another output"

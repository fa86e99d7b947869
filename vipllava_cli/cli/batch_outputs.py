"""The output files of `vipllava batch`, checked before the run starts."""

import os
from pathlib import Path
from typing import NamedTuple

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.files import check_writable, make_folder
from vipllava_cli.storage.tables import TABLES, check_table


class BatchOutputs(NamedTuple):
    """The paths of the records, of the table made from them, and of the HTML page."""

    journal: Path
    table: Path | None
    report: Path | None

    @property
    def out(self) -> Path:
        """The path that the user gave as `--out`."""
        return self.table or self.journal


def check_outputs(source: str, out: str | None, report: str | None, *, force: bool) -> BatchOutputs:
    """Check that the outputs can be written, differ from each other, and keep existing files.

    An existing journal is not an error: the run resumes it. Raises UsageError, InputError.
    """
    if out is None:
        raise UsageError("no output file given: add --out results.jsonl")
    path = Path(out)
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", *TABLES):
        raise UsageError(f"--out {out}: expected a name that ends in .jsonl, {' or '.join(TABLES)}")
    is_table = suffix in TABLES
    outputs = BatchOutputs(
        journal=path.with_name(path.name + ".jsonl") if is_table else path,
        table=path if is_table else None,
        report=Path(report) if report else None,
    )
    _check_distinct(source, *outputs)
    if outputs.table:
        check_table(outputs.table)
        check_writable(out, force=force or outputs.journal.exists())
    if outputs.report:
        check_writable(str(outputs.report), force=True)
        if os.path.lexists(outputs.report) and not force:
            raise InputError(
                f"{outputs.report} already exists: add --force to overwrite the page (answers in"
                f" {outputs.journal} are kept), or give --report another name"
            )
    return outputs


def make_marked_folder(folder: Path, source: str) -> None:
    """Make the folder of `--save-marked`. Raises UsageError if it is inside the source, InputError."""
    if os.path.isdir(source) and Path(os.path.realpath(folder)).is_relative_to(
        os.path.realpath(source)
    ):
        raise UsageError(
            f"--save-marked {folder} is inside the source, so the next run would read the marked"
            " images: give a folder outside the source"
        )
    make_folder(folder)


def _check_distinct(source: str, *outputs: Path | None) -> None:
    """Refuse outputs that would overwrite each other or the source. Raises UsageError."""
    taken = {os.path.realpath(source): "the source"}
    for output in outputs:
        if output is not None:
            path = os.path.realpath(output)
            if path in taken:
                raise UsageError(f"{output} is also {taken[path]}: give it another name")
            taken[path] = "another output"

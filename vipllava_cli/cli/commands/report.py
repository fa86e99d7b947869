"""`vipllava report`: an HTML page of records, without a model."""

from pathlib import Path
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import Force, OutputOptions, out_option
from vipllava_cli.errors import UsageError


@command
def report(
    results: Annotated[
        str,
        typer.Argument(
            help="Records of batch, eval or ask --json, one per line, or a table of batch with its"
            " records beside it; - for standard input."
        ),
    ],
    out: Annotated[
        str | None,
        out_option("the page", "(default: the name of the records with .html)"),
    ] = None,
    force: Force = False,
    *,
    output: OutputOptions,
) -> None:
    """Write one HTML page of records and their images, without a model.

    vipllava report results.jsonl -o report.html
    """
    from vipllava_cli.cli.html.page import check_page_name
    from vipllava_cli.cli.html.report import write_report
    from vipllava_cli.storage.files import STANDARD_INPUT, same_file
    from vipllava_cli.storage.outputs import is_standard_output
    from vipllava_cli.storage.tables import records_path

    source, messages = Path(results), output.messages()
    if out is None and results == STANDARD_INPUT:
        raise UsageError("records from standard input need a name for the page: add -o FILE")
    if out and is_standard_output(out):
        raise UsageError("a page cannot go to stdout: give a file with -o FILE")
    path = source.parent / f"{source.stem}.html" if out is None else Path(out)
    if same_file(source, path):
        raise UsageError(f"{path} is the record file itself: give the page another name with -o")
    check_page_name(path)
    records = records_path(source)
    if records != source:
        messages.note(f"{source} is a table: the page shows the records in {records}")
    write_report(records, path, force=force, messages=messages)

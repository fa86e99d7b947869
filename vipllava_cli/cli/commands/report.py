"""`vipllava report`: a page of the results of a batch, without any model."""

from pathlib import Path
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import OUTPUT_PANEL, OutputOptions
from vipllava_cli.errors import UsageError


@command
def report(
    results: Annotated[
        str,
        typer.Argument(help="Records, one a line, of batch or ask --json; - for stdin."),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where to write the page. (default: the name of the results with .html)",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write over a file.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    *,
    output: OutputOptions,
) -> None:
    """Make a web page of results: one file, images included; needs no model.

    vipllava report results.jsonl -o report.html
    """
    from vipllava_cli.cli.html.report import write_report
    from vipllava_cli.storage.files import STANDARD_INPUT, STANDARD_OUTPUT

    source = Path(results)
    if out is None and results == STANDARD_INPUT:
        raise UsageError("records from stdin give the page no name: say where with -o FILE")
    if out == STANDARD_OUTPUT:
        raise UsageError("a page is not written to stdout: give a file with -o FILE")
    place = source.parent / f"{source.stem}.html" if out is None else Path(out)
    write_report(source, place, force=force, messages=output.messages())

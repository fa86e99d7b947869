"""`vipllava compare`: files of results side by side, without any model."""

import json as jsons
import sys
from pathlib import Path
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import OUTPUT_PANEL, OutputOptions, out_option
from vipllava_cli.errors import UsageError


@command
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(help="Records of batch or eval about the same source, two files or more."),
    ],
    truth: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column of the source that says what is right. (default: wanted, truth, answer"
            " or expected, if there is one)",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print all as JSON.", rich_help_panel=OUTPUT_PANEL)
    ] = False,
    out: Annotated[
        Path | None,
        out_option("an HTML page of the rows that changed, with their images,"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file.", rich_help_panel=OUTPUT_PANEL)
    ] = False,
    *,
    output: OutputOptions,
) -> None:
    """Compare results: what changed, what became right or wrong, and whether by more than chance.

    vipllava compare before.jsonl after.jsonl --out changes.html
    """
    from vipllava_cli.cli.terminal.comparison import (
        comparison_as_json,
        print_comparison,
        write_comparison,
    )
    from vipllava_cli.flows.evals.compare import compare as side_by_side
    from vipllava_cli.storage.files import check_writable, same_file

    messages = output.messages()
    if out is not None:
        if any(same_file(path, out) for path in results):
            raise UsageError(f"{out} is a file of results itself: name another for the page")
        check_writable(str(out), force=force)
    comparison = side_by_side(results, truth)
    for note in comparison.notes():
        messages.note(note)
    if json:
        sys.stdout.write(jsons.dumps(comparison_as_json(comparison), indent=2) + "\n")
    else:
        print_comparison(comparison)
    if out is not None:
        write_comparison(comparison, out, messages)

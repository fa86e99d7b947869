"""`vipllava compare`: compare files of results. It loads no model."""

import json as json_format
import sys
from pathlib import Path
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import Force, Json, OutputOptions, out_option
from vipllava_cli.errors import UsageError


@command
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Two or more files of records, from batch or eval on the same source, or tables of"
            " batch with their records beside them."
        ),
    ],
    truth: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with the right answers. (default: the scores that eval stored, else the"
            " column wanted, truth, answer or expected)",
        ),
    ] = None,
    json: Json = False,
    out: Annotated[
        Path | None,
        out_option("an HTML page of the changed rows and their images"),
    ] = None,
    force: Force = False,
    *,
    output: OutputOptions,
) -> None:
    """Compare results: which answers changed, which became right or wrong, and whether by chance.

    vipllava compare before.jsonl after.jsonl --out changes.html
    """
    from vipllava_cli.cli.html.comparison import write_comparison
    from vipllava_cli.cli.terminal.comparison import comparison_to_json, print_comparison
    from vipllava_cli.flows.evals.compare import compare as compare_files
    from vipllava_cli.storage.files import check_writable, same_file
    from vipllava_cli.storage.tables import records_path

    messages = output.messages()
    records = [records_path(path) for path in results]
    if out is not None:
        if any(same_file(path, out) for path in (*results, *records)):
            raise UsageError(
                f"{out} is one of the files to compare: give another path for the page"
            )
        check_writable(str(out), force=force)
    comparison = compare_files(records, truth)
    for note in comparison.notes():
        messages.note(note)
    if json:
        sys.stdout.write(json_format.dumps(comparison_to_json(comparison), indent=2) + "\n")
    else:
        print_comparison(comparison)
    if out is not None:
        write_comparison(comparison, out, messages)

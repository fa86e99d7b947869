"""`vipllava export`: the answers in the files of annotation tools. It loads no model."""

from pathlib import Path
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import CsvSafe, OutputOptions, out_option, output_flag
from vipllava_cli.errors import UsageError
from vipllava_cli.flows.export.formats import ExportFormat


@command
def export(
    results: Annotated[
        Path,
        typer.Argument(
            help="Records of batch, eval or ask --json, or a table of batch with its records beside it;"
            " - for standard input."
        ),
    ],
    to: Annotated[ExportFormat, typer.Option("--to", help="Format of the export.")],
    out: Annotated[
        Path,
        out_option("the export", "A folder for labelme, voc, yolo and fiftyone.", metavar="OUT"),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="FILE",
            help="The annotation file that batch read. The export keeps everything in it and adds the"
            " answers.",
        ),
    ] = None,
    label_from_answer: Annotated[
        bool,
        typer.Option(
            "--label-from-answer",
            help="Make the answer the label of its region; for answers to --choices.",
        ),
    ] = False,
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--images",
            metavar="DIR",
            help="Folder or ZIP archive of the images that --source names. Repeatable.",
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", metavar="NAME", help="Encoding of --source. (default: utf-8)"),
    ] = None,
    coco: Annotated[
        str | None,
        typer.Option(
            "--coco",
            metavar="FILE",
            help="COCO file with the images and categories of COCO results in --source.",
        ),
    ] = None,
    force: Annotated[
        bool, output_flag("Replace an existing file, or an earlier export.", "--force")
    ] = False,
    csv_safe: CsvSafe = False,
    *,
    output: OutputOptions,
) -> None:
    """Write the answers of batch into the files of annotation tools, without a model.

    vipllava export answers.jsonl --to coco -o answers.json

    vipllava export answers.jsonl --to coco --source annotations.json -o answered.json
    """
    from vipllava_cli.flows.evals.result_files import find_records
    from vipllava_cli.flows.export.export import ExportTask
    from vipllava_cli.flows.export.export import export as write_export
    from vipllava_cli.sources.read_options import ReadOptions
    from vipllava_cli.storage.outputs import is_standard_output

    messages = output.messages()
    if is_standard_output(str(out)):
        raise UsageError("an export cannot go to stdout: give a file or a folder with -o OUT")
    if source is None and (images or encoding or coco):
        raise UsageError("--images, --encoding and --coco are about --source: add --source FILE")
    if csv_safe and to is not ExportFormat.csv:
        raise UsageError(f"--csv-safe is about CSV, not {to.value}: remove it, or use --to csv")
    records = find_records(results)
    if records != results:
        messages.note(f"the records are in {records}")
    options = ReadOptions(tuple(images or ()), encoding, coco)
    task = ExportTask(records, to, out, source, label_from_answer, force, options, csv_safe)
    messages.note(*write_export(task))

"""`vipllava annotate`: draw marks on an image, without any model."""

from dataclasses import replace
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import (
    OUTPUT_PANEL,
    MarkOptions,
    OutputOptions,
)
from vipllava_cli.errors import UsageError


@command
def annotate(
    image: Annotated[str, typer.Argument(help="A file, an http(s) address, or - for stdin.")],
    *,
    marks: MarkOptions,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where to write the marked image; - is stdout.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write over a file.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    model_view: Annotated[
        bool,
        typer.Option(
            "--model-view",
            help="Write what the public models see: a padded square of 336 pixels.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    zoom: Annotated[
        bool,
        typer.Option(
            "--zoom",
            help="Only the marks and what is around them.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    show: Annotated[
        bool,
        typer.Option(
            "--show", help="Draw the image in the terminal.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = False,
    pick: Annotated[
        bool,
        typer.Option(
            "--pick",
            help="Drag boxes with the mouse; prints them as flags.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    output: OutputOptions,
) -> None:
    """Draw marks on an image and write it; needs no model.

    vipllava annotate cat.jpg --ellipse 10%,20%,40%,60% -o marked.png
    """
    from vipllava_cli.cli.marked_image import open_marked_image, pick_marks
    from vipllava_cli.images.save import check_output, save_image
    from vipllava_cli.images.square import model_view as seen_by_model
    from vipllava_cli.marks.draw import MODEL_VIEW_SIDE
    from vipllava_cli.marks.marked_image import zoom_in
    from vipllava_cli.storage.files import STANDARD_OUTPUT, check_not_input

    if not (out or show or pick):
        raise UsageError("nothing to do: say where to write with -o FILE, or use --show or --pick")
    if out:
        check_output(out, force=force)
        check_not_input((image, *marks.files()), out)
    if out == STANDARD_OUTPUT and (show or pick):
        raise UsageError("-o - gives stdout to the image: --show and --pick need it too")
    messages = output.messages()
    marked = open_marked_image(image, marks, messages)
    if pick:
        marked = replace(marked, marks=pick_marks(marked.file.image, marked.marks, marks.style()))
    drawn = (zoom_in(marked) if zoom else marked).drawn()
    if model_view:
        drawn = seen_by_model(drawn, MODEL_VIEW_SIDE)
    if out:
        save_image(drawn, out, force=force)
        count = "1 mark" if len(marked.marks) == 1 else f"{len(marked.marks)} marks"
        messages.note(f"wrote {out}, {drawn.width}x{drawn.height} pixels, {count}")
    if show:
        from vipllava_cli.cli.terminal.image import show as show_image

        show_image(drawn)

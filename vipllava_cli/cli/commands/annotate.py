"""`vipllava annotate`: draw marks on an image, without a model."""

import sys
from typing import TYPE_CHECKING, Annotated

from vipllava_cli.cli.command import command
from vipllava_cli.cli.mark_style_options import DrawnStyle, DrawnStyleOption
from vipllava_cli.cli.options import (
    Force,
    Frame,
    ImageSource,
    MarkOptions,
    OutputOptions,
    Pick,
    ValueWindow,
    Zoom,
    out_option,
    output_flag,
)
from vipllava_cli.errors import ExitCode, UsageError
from vipllava_cli.images.window import parse_window
from vipllava_cli.marks.reference_style import ReferenceStyle

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages


@command
def annotate(
    image: ImageSource,
    *,
    marks: MarkOptions,
    # Another name than in `ask`: `vipllava config` may hold a style that no image alone can show.
    drawn_style: DrawnStyleOption = DrawnStyle.drawn,
    pick: Pick = False,
    frame: Frame = None,
    window: ValueWindow = None,
    zoom: Zoom = False,
    out: Annotated[str | None, out_option("the marked image", "Use - for standard output.")] = None,
    force: Force = False,
    model_view: Annotated[
        bool,
        output_flag(
            "Write the image as ViP-LLaVA sees it: padded to a square of 336 pixels.",
            "--model-view",
        ),
    ] = False,
    show: Annotated[bool, output_flag("Show the image in the terminal.", "--show")] = False,
    output: OutputOptions,
) -> ExitCode:
    """Draw marks on an image, without a model.

    vipllava annotate cat.jpg --ellipse 10%,20%,40%,60% -o marked.png
    """
    from vipllava_cli.cli.image_source import image_path
    from vipllava_cli.cli.marked_image import open_annotated_image, pick_more_marks
    from vipllava_cli.cli.terminal.image import check_can_show
    from vipllava_cli.engine.prompts.references import Reference
    from vipllava_cli.flows.numbering import with_numbers
    from vipllava_cli.flows.referring import with_reference
    from vipllava_cli.images.save import check_image_output, save_image
    from vipllava_cli.images.square import model_view as as_model_view
    from vipllava_cli.marks.marked_image import zoom_in
    from vipllava_cli.marks.shape_table import MODEL_VIEW_SIDE
    from vipllava_cli.storage.counts import count_noun
    from vipllava_cli.storage.outputs import is_standard_output

    if not (out or show or pick):
        raise UsageError("no output chosen: add -o FILE, --show or --pick")
    if out:
        inputs = map(image_path, (image, *marks.files()))
        check_image_output(out, force=force, inputs=inputs)
    if out and is_standard_output(out) and (show or pick):
        raise UsageError("-o - cannot be used with --show or --pick: they write to stdout too")
    if show:
        check_can_show()
    messages = output.messages()
    marked = open_annotated_image(image, marks, messages, frame, parse_window(window))
    if pick:
        picked = pick_more_marks(marked, marks, messages)
        if picked is None:
            return ExitCode.INTERRUPTED
        marked = picked.marked
        _print_options(picked.options, messages)
    reference = Reference(ReferenceStyle(drawn_style.value))
    marked, notes = with_numbers(with_reference(marked, reference))
    messages.note(*notes)
    drawn = (zoom_in(marked) if zoom else marked).drawn()
    if model_view:
        drawn = as_model_view(drawn, MODEL_VIEW_SIDE)
    if out:
        save_image(drawn, out, force=force)
        where = "to stdout" if is_standard_output(out) else out
        count = count_noun(len(marked.marks) + len(marked.answer_marks), "mark")
        messages.note(f"wrote {where}, {drawn.width}x{drawn.height} pixels, {count}")
    if show:
        from vipllava_cli.cli.terminal.image import show as show_image

        show_image(drawn)
    return ExitCode.DONE


def _print_options(options: str, messages: "Messages") -> None:
    """Print the drawn marks on stdout, as options for the next call."""
    if options:
        sys.stdout.write(options + "\n")
        sys.stdout.flush()
    else:
        messages.note("no marks drawn")

"""`vipllava ask`: questions about one image."""

from typing import TYPE_CHECKING, Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.field_options import FieldOptions
from vipllava_cli.cli.mark_style_options import MarkStyleName, MarkStyleOption
from vipllava_cli.cli.options import (
    IMAGE_HELP,
    OUTPUT_PANEL,
    AnswerOptions,
    Choices,
    Force,
    Frame,
    MarkOptions,
    ModelOptions,
    OutputOptions,
    Pick,
    ValueWindow,
    Zoom,
    out_option,
    output_flag,
)
from vipllava_cli.cli.server_options import ServerFlags
from vipllava_cli.errors import ExitCode
from vipllava_cli.images.window import parse_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.fields import Field
    from vipllava_cli.engine.prompts.references import Reference
    from vipllava_cli.marks.marked_image import MarkedImage
    from vipllava_cli.storage.records import Record


@command
def ask(
    image: Annotated[str | None, typer.Argument(help=IMAGE_HELP)] = None,
    questions: Annotated[
        list[str] | None,
        typer.Argument(help="One or more questions; {1} stands for the first mark."),
    ] = None,
    *,
    marks: MarkOptions,
    mark_style: MarkStyleOption = MarkStyleName.auto,
    pick: Pick = False,
    frame: Frame = None,
    window: ValueWindow = None,
    zoom: Zoom = False,
    model: ModelOptions,
    server: ServerFlags,
    answer: AnswerOptions,
    choices: Choices = None,
    fields: FieldOptions,
    out: Annotated[str | None, out_option("the answers", "Use - for standard output.")] = None,
    json: Annotated[
        bool, output_flag("Print JSON records, one per line in a pipe.", "--json")
    ] = False,
    show: Annotated[bool, output_flag("Show the marked image in the terminal.", "--show")] = False,
    save_marked: Annotated[
        str | None,
        typer.Option(
            "--save-marked",
            metavar="FILE",
            help="Write the marked image to FILE.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    force: Force = False,
    output: OutputOptions,
) -> ExitCode:
    """Ask questions about an image and its marked regions.

    vipllava ask cat.jpg "what is in the red box?" --box 20,80,340,300
    """
    from vipllava_cli.cli.answer_images import AnswerImages
    from vipllava_cli.cli.ask_arguments import read_arguments
    from vipllava_cli.cli.ask_outputs import check_ask_outputs
    from vipllava_cli.cli.marked_image import open_marked_image, pick_more_marks
    from vipllava_cli.cli.model_loading import choose_mark_style, open_model
    from vipllava_cli.cli.photo_warning import PhotoWarning
    from vipllava_cli.cli.terminal.messages import print_piece, print_probabilities
    from vipllava_cli.flows.ask import ask as answer_questions
    from vipllava_cli.flows.referring import with_reference
    from vipllava_cli.flows.small_marks import small_mark_note
    from vipllava_cli.marks.marked_image import zoom_in

    messages = output.messages()
    options = fields.add_to(answer.options(choices), messages)
    arguments = [*([] if image is None else [image]), *(questions or ())]
    given = read_arguments(arguments, needs_question=not options.fields)
    fields.refuse_questions(given.questions, "the question")
    messages.note(*given.notes)
    inputs = (given.image, *marks.files())
    outputs = check_ask_outputs(out, save_marked, inputs, show=show, force=force)
    marked = open_marked_image(given.image, marks, messages, frame, parse_window(window))
    if pick:
        picked = pick_more_marks(marked, marks, messages)
        if picked is None:
            return ExitCode.INTERRUPTED
        marked = picked.marked
        messages.note(f"marks drawn: {picked.options or 'none'}")
    reference = choose_mark_style(mark_style.value, model)
    marked = with_reference(zoom_in(marked) if zoom else marked, reference)
    marked, asked = _prepare(given.questions, options.fields, marked, reference, messages)
    if show:
        _show(marked)
    engine = open_model(model, messages, server)
    if save_marked is not None:
        _save_marked(marked, save_marked, messages, force=force)
    messages.note(*filter(None, [small_mark_note(engine.info.view_size, marked)]))
    PhotoWarning(engine.info.name).warn_of(marked.file, messages)
    is_scored = bool(options.choices or options.fields)
    streams = outputs.is_stream and not json and len(asked) == 1 and not is_scored
    records = answer_questions(
        engine,
        marked,
        asked,
        template=answer.template.value,
        options=options,
        on_text=print_piece if streams else None,
    )
    found = AnswerImages(marked, save_marked, messages, shows=show)
    for record in records:
        if json:
            outputs.write_record(record)
        else:
            outputs.write_answer(record, streamed=streams, single_line=len(asked) > 1)
            print_probabilities(record, messages)
        _note_length(record, options.max_new_tokens, messages)
        found.add(record)
    found.finish()
    outputs.finish(messages)
    return ExitCode.DONE


def _show(marked: "MarkedImage") -> None:
    """Show the marked image in the terminal."""
    from vipllava_cli.cli.terminal.image import show

    show(marked.drawn())


def _save_marked(marked: "MarkedImage", name: str, messages: "Messages", *, force: bool) -> None:
    """Write the marked image to a file. Raises InputError."""
    from vipllava_cli.images.save import save_image
    from vipllava_cli.storage.counts import count_noun

    drawn = marked.drawn()
    save_image(drawn, name, force=force)
    count = count_noun(len(marked.marks), "mark")
    messages.note(f"wrote {name}, {drawn.width}x{drawn.height} pixels, {count}")


def _prepare(
    questions: "Sequence[str]",
    fields: "Sequence[Field]",
    marked: "MarkedImage",
    reference: "Reference",
    messages: "Messages",
) -> tuple["MarkedImage", list[str]]:
    """Return the image with the numbers that the questions need, and the questions as the model reads
    them. Print notes. Raises UsageError.
    """
    from vipllava_cli.engine.prompts.questions import prepare_question
    from vipllava_cli.flows.fields.wording import fields_question
    from vipllava_cli.flows.numbering import with_numbers
    from vipllava_cli.flows.referring import name_marks

    if fields:
        questions = [fields_question(fields, has_marks=bool(marked.marks))]
        _note_other_marks(fields, len(marked.marks), messages)
    names = name_marks(marked, reference, has_fields=bool(fields))
    prepared = [prepare_question(question, marked.marks, names=names) for question in questions]
    marked, numbers_notes = with_numbers(marked, questions)
    notes = (note for question in prepared for note in question.notes)
    messages.note(*dict.fromkeys((*numbers_notes, *notes)))
    return marked, [question.text for question in prepared]


def _note_other_marks(fields: "Sequence[Field]", marks: int, messages: "Messages") -> None:
    """Print a note if there are marks that no question of the fields is about."""
    if marks > 1 and not any(field.question for field in fields):
        messages.note(
            "the fields are about {1}, the first mark: a question of a field may name others, as in"
            " 'same \"is {1} like {2}?\": yes|no'"
        )


def _note_length(record: "Record", max_new_tokens: int, messages: "Messages") -> None:
    """Print the size of an answer with `-v`, and a note if it was cut."""
    if record.finish_reason == "length":
        is_option = record.fields is not None or record.answer_tokens >= max_new_tokens
        reason = ": raise --max-new-tokens for a longer one" if is_option else ", the model's limit"
        size = "" if record.fields is not None else f" at {record.answer_tokens} tokens"
        messages.note(f"answer cut off{size}{reason}")
    messages.detail(
        f"{record.prompt_tokens} prompt tokens, {record.answer_tokens} answer tokens,"
        f" {record.seconds} s"
    )

"""`vipllava ask`: questions about one image."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import (
    AnswerOptions,
    Choices,
    ImageSource,
    MarkOptions,
    ModelOptions,
    OutputOptions,
    Pick,
    Zoom,
    output_flag,
)
from vipllava_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.base import Engine
    from vipllava_cli.marks.marked_image import MarkedImage
    from vipllava_cli.storage.records import Record


@command
def ask(
    image: ImageSource,
    questions: Annotated[
        list[str], typer.Argument(help="One or more questions; {1} stands for the first mark.")
    ],
    *,
    marks: MarkOptions,
    pick: Pick = False,
    zoom: Zoom = False,
    model: ModelOptions,
    answer: AnswerOptions,
    choices: Choices = None,
    json: Annotated[bool, output_flag("Print one JSON record per line.", "--json")] = False,
    output: OutputOptions,
) -> ExitCode:
    """Ask questions about an image and its marked regions.

    vipllava ask cat.jpg "what is in the red box?" --box 20,80,340,300
    """
    from vipllava_cli.cli.marked_image import open_marked_image, pick_more_marks
    from vipllava_cli.cli.model_loading import open_model
    from vipllava_cli.cli.terminal.messages import print_piece
    from vipllava_cli.engine.prompts.questions import prepare_question
    from vipllava_cli.flows.ask import ask as answer_questions
    from vipllava_cli.marks.marked_image import zoom_in

    messages = output.messages()
    options = answer.options(choices)
    _check_questions(questions)
    marked = open_marked_image(image, marks, messages)
    if pick:
        picked = pick_more_marks(marked, marks, messages)
        if picked is None:
            return ExitCode.INTERRUPTED
        marked = picked.marked
        messages.note(f"marks drawn: {picked.options or 'none'}")
    prepared = [prepare_question(question, marked.marks) for question in questions]
    for note in dict.fromkeys(note for question in prepared for note in question.notes):
        messages.note(note)
    if zoom:
        marked = zoom_in(marked)
    engine = open_model(model, messages)
    _note_small_mark(engine, marked, messages, zoom=zoom)
    streams = sys.stdout.isatty() and not json and len(questions) == 1 and not options.choices
    records = answer_questions(
        engine,
        marked,
        [question.text for question in prepared],
        template=answer.template.value,
        options=options,
        on_text=print_piece if streams else None,
    )
    for record in records:
        if json:
            sys.stdout.write(record.to_line() + "\n")
            sys.stdout.flush()
        else:
            _print_answer(record, messages, streamed=streams, single_line=len(questions) > 1)
        _note_length(record, options.max_new_tokens, messages)
    return ExitCode.DONE


def _check_questions(questions: list[str]) -> None:
    """Raise UsageError for a question that is a file: probably the user gave several images."""
    for question in questions:
        if os.path.isfile(question):
            raise UsageError(
                f"ask takes one image and then questions, but {question} is a file: use"
                " `vipllava batch` for several images"
            )


def _note_small_mark(
    engine: "Engine", marked: "MarkedImage", messages: "Messages", *, zoom: bool
) -> None:
    """Print a note if a mark is too small for the model."""
    from vipllava_cli.flows.small_marks import find_small_mark

    mark = find_small_mark(engine, marked)
    if mark:
        advice = ", even with --zoom" if zoom else ": add --zoom"
        messages.note(
            f"the {mark.color.name} {mark.shape} is smaller than one patch of the model's view{advice}"
        )


def _print_answer(
    record: "Record", messages: "Messages", *, streamed: bool, single_line: bool
) -> None:
    """Print an answer and the scores of its choices. End the line of a streamed answer."""
    from vipllava_cli.cli.terminal.messages import print_answer, print_choices, print_piece

    if streamed:
        print_piece("\n")
    else:
        print_answer(record.answer or "", single_line=single_line)
    if record.choices:
        print_choices(record.choices, messages)


def _note_length(record: "Record", max_new_tokens: int, messages: "Messages") -> None:
    """Print the size of an answer with `-v`, and a note if it was cut."""
    if record.finish_reason == "length":
        is_option = record.answer_tokens >= max_new_tokens
        reason = ": raise --max-new-tokens for a longer one" if is_option else ", the model's limit"
        messages.note(f"answer cut off at {record.answer_tokens} tokens{reason}")
    messages.detail(
        f"{record.prompt_tokens} prompt tokens, {record.answer_tokens} answer tokens,"
        f" {record.seconds} s"
    )

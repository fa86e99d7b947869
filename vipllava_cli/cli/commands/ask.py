"""`vipllava ask`: questions about one image."""

import os
import sys
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import (
    MARKS_PANEL,
    OUTPUT_PANEL,
    AnswerOptions,
    Choices,
    MarkOptions,
    ModelOptions,
    OutputOptions,
)
from vipllava_cli.errors import UsageError


@command
def ask(
    image: Annotated[str, typer.Argument(help="A file, an http(s) address, or - for stdin.")],
    questions: Annotated[
        list[str], typer.Argument(help="One or more; {1} stands for the first mark.")
    ],
    *,
    marks: MarkOptions,
    zoom: Annotated[
        bool,
        typer.Option(
            "--zoom",
            help="Look only at the marks and what is around them.",
            rich_help_panel=MARKS_PANEL,
        ),
    ] = False,
    model: ModelOptions,
    answer: AnswerOptions,
    choices: Choices = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON record a line.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    output: OutputOptions,
) -> None:
    """Ask about an image and the regions marked on it.

    vipllava ask cat.jpg "what is in the red box?" --box 20,80,340,300
    """
    from vipllava_cli.cli.marked_image import open_marked_image
    from vipllava_cli.cli.model_loading import open_model
    from vipllava_cli.cli.terminal.messages import print_answer, print_choices, print_piece
    from vipllava_cli.engine.prompts.questions import prepare_question
    from vipllava_cli.flows.ask import ask as answer_questions
    from vipllava_cli.flows.small_marks import find_small_mark
    from vipllava_cli.marks.marked_image import zoom_in

    messages = output.messages()
    options = answer.options(choices)
    _refuse_images(questions)
    marked = open_marked_image(image, marks, messages)
    prepared = [prepare_question(question, marked.marks) for question in questions]
    for note in dict.fromkeys(note for question in prepared for note in question.notes):
        messages.note(note)
    if zoom:
        marked = zoom_in(marked)
    engine = open_model(model, messages)
    small = find_small_mark(engine, marked)
    if small:
        messages.note(
            f"the {small.color.name} {small.shape} is smaller than one patch of what the model sees"
            + (" even so" if zoom else ": --zoom looks closer")
        )
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
        elif streams:
            print_piece("\n")
        else:
            print_answer(record.answer or "", single_line=len(questions) > 1)
        if record.choices and not json:
            print_choices(record.choices, messages)
        if record.finish_reason == "length":
            more = (
                ": --max-new-tokens allows more"
                if record.answer_tokens >= options.max_new_tokens
                else ", the end of what the model can hold"
            )
            messages.note(f"the answer was cut at {record.answer_tokens} tokens{more}")
        messages.detail(
            f"{record.prompt_tokens} + {record.answer_tokens} tokens, {record.seconds} s"
        )


def _refuse_images(questions: list[str]) -> None:
    """Several images in one call: the model was trained with one a question."""
    for question in questions:
        if os.path.isfile(question):
            raise UsageError(
                f"ask takes one image, then questions, and {question} is a file: the model was"
                " trained with one image a question; `vipllava batch` asks about many"
            )

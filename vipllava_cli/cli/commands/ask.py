"""`vipllava ask`: questions about one picture."""

import os
import sys
from typing import Annotated

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import (
    MARKS_PANEL,
    OUTPUT_PANEL,
    AnswerFlags,
    Choices,
    MarkFlags,
    ModelFlags,
    OutputFlags,
)
from vipllava_cli.errors import UsageError


@command
def ask(
    picture: Annotated[str, typer.Argument(help="A file, an http(s) address, or - for stdin.")],
    questions: Annotated[
        list[str], typer.Argument(help="One or more; {1} stands for the first mark.")
    ],
    *,
    marks: MarkFlags,
    zoom: Annotated[
        bool,
        typer.Option(
            "--zoom",
            help="Look only at the marks and what is around them.",
            rich_help_panel=MARKS_PANEL,
        ),
    ] = False,
    model: ModelFlags,
    answer: AnswerFlags,
    choices: Choices = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON record a line.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    output: OutputFlags,
) -> None:
    """Ask about a picture and the regions marked on it.

    vipllava ask cat.jpg "what is in the red box?" --box 20,80,340,300
    """
    from vipllava_cli.cli.marked_image import mark_picture
    from vipllava_cli.cli.model_loading import open_model
    from vipllava_cli.cli.terminal.messages import print_answer, print_choices, print_piece
    from vipllava_cli.engine.prompts import prepare_question
    from vipllava_cli.flows import ask as flow
    from vipllava_cli.marks.marked_image import zoomed

    messages = output.messages()
    options = answer.options(choices)
    _refuse_pictures(questions)
    marked = mark_picture(picture, marks, messages)
    prepared = [prepare_question(question, marked.marks) for question in questions]
    for note in dict.fromkeys(note for question in prepared for note in question.notes):
        messages.note(note)
    if zoom:
        marked = zoomed(marked)
    engine = open_model(model, messages)
    small = flow.small_mark(engine, marked)
    if small:
        messages.note(
            f"the {small.color.name} {small.shape} is smaller than one patch of what the model sees"
            + (" even so" if zoom else ": --zoom looks closer")
        )
    streams = sys.stdout.isatty() and not json and len(questions) == 1 and not options.choices
    records = flow.ask(
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


def _refuse_pictures(questions: list[str]) -> None:
    """Several pictures in one call: the model was trained with one a question."""
    for question in questions:
        if os.path.isfile(question):
            raise UsageError(
                f"ask takes one picture, then questions, and {question} is a file: the model was"
                " trained with one picture a question; `vipllava batch` asks about many"
            )

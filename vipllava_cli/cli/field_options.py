"""`--fields` and `--schema`: structured answers."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from vipllava_cli.cli.options import ANSWER_PANEL
from vipllava_cli.errors import InputError, UsageError

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.options import GenerationOptions


@dataclass(frozen=True, eq=False, repr=False)
class FieldOptions:
    """The fields of a structured answer."""

    fields: Annotated[
        str | None,
        typer.Option(
            metavar="NAME: A|B; …",
            help="Answer with several fields, like 'material: metal|wood; damaged: yes|no; text: free'.",
            rich_help_panel=ANSWER_PANEL,
        ),
    ] = None
    schema: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Take the fields from a JSON Schema with flat properties.",
            rich_help_panel=ANSWER_PANEL,
        ),
    ] = None

    @property
    def name(self) -> str | None:
        """The option that the user gave, or None."""
        if self.fields is not None:
            return "--fields"
        return None if self.schema is None else "--schema"

    def add_to(self, options: "GenerationOptions", messages: "Messages") -> "GenerationOptions":
        """Add the fields to the options. Raises UsageError, and InputError for a schema file."""
        if self.name is None:
            return options
        if self.fields is not None and self.schema is not None:
            raise UsageError("--fields and --schema both give the fields: give one of them")
        if options.choices:
            raise UsageError(
                f"{self.name} has the choices of each field: remove --choices, or write a field like"
                f' "answer: {"|".join(options.choices)}"'
            )
        if options.temperature > 0:
            raise UsageError(
                f"{self.name} takes the likeliest answers, without sampling: remove --temperature"
            )
        from vipllava_cli.flows.fields.grammar import parse_fields
        from vipllava_cli.flows.fields.json_schema import read_schema

        if self.schema is not None:
            schema = read_schema(self.schema)
            for note in schema.notes:
                messages.note(f"{self.schema}: {note}")
            return replace(options, fields=schema.fields)
        try:
            return replace(options, fields=parse_fields(self.fields or ""))
        except InputError as error:
            raise UsageError(f"--fields: {error}") from None

    def refuse_questions(self, questions: "list[str] | tuple[str, ...]", what: str) -> None:
        """Raise UsageError for a question beside the fields. `what` names where it comes from."""
        if self.name is not None and questions:
            raise UsageError(
                f"{self.name} asks a question for each field: remove {what}, or make it the question"
                " of a field, as in 'material \"what is {1} made of?\": metal|wood'"
            )

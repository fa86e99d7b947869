"""The outputs of `ask`: answers on stdout or in a file, and the marked image in a file or shown."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rich.cells import cell_len

from vipllava_cli.cli.image_source import image_path
from vipllava_cli.cli.terminal.escapes import safe
from vipllava_cli.cli.terminal.image import check_can_show
from vipllava_cli.cli.terminal.json_output import print_json
from vipllava_cli.cli.terminal.messages import Messages, one_line
from vipllava_cli.engine.fields import FieldValue
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.save import check_image_output
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.outputs import (
    OutputKind,
    check_distinct,
    check_output,
    is_standard_output,
)
from vipllava_cli.storage.records import Record, field_text


@dataclass
class AskOutputs:
    """Where an `ask` writes. `answers` is a file, or None for stdout.

    A file of answers is complete or does not exist: `finish` writes it.
    """

    answers: str | None
    lines: list[str] = field(default_factory=list)

    @property
    def is_stream(self) -> bool:
        """Whether an answer can appear while it grows: stdout is a terminal and has it."""
        return self.answers is None and sys.stdout.isatty()

    def write_record(self, record: Record) -> None:
        """Write a record: in a file one line of JSON, on stdout as `print_json` does."""
        if self.answers is None:
            print_json(record.to_json())
        else:
            self._write(record.to_line())

    def write_answer(self, record: Record, *, streamed: bool, single_line: bool) -> None:
        """Write an answer, one line for each of its fields, or the end of a streamed answer's line."""
        if record.fields is not None:
            self._write_fields(record.fields)
            return
        text = "" if streamed else record.answer or ""
        self._write(one_line(text) if single_line else safe(text))

    def _write_fields(self, fields: Mapping[str, FieldValue]) -> None:
        """Write the name and the value of each field in two columns."""
        names = [one_line(name) for name in fields]
        width = max(map(cell_len, names))
        for name, value in zip(names, fields.values(), strict=True):
            space = " " * (width - cell_len(name) + 2)
            self._write(f"{name}{space}{one_line(field_text(value))}".rstrip())

    def _write(self, line: str) -> None:
        if self.answers is None:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        else:
            self.lines.append(line)

    def finish(self, messages: Messages) -> None:
        """Write the file of answers, if there is one, and print a note.

        Raises InputError if that fails, after it has written the answers on stdout.
        """
        if self.answers is None:
            return
        try:
            with atomic_file(self.answers) as file:
                file.writelines(f"{line}\n".encode() for line in self.lines)
        except InputError as error:  # the model has run: its answers must not be lost
            sys.stdout.writelines(f"{line}\n" for line in self.lines)
            sys.stdout.flush()
            raise InputError(f"{error}; stdout has the answers") from None
        messages.note(f"wrote {self.answers}, {count_noun(len(self.lines), 'answer')}")


def check_ask_outputs(
    out: str | None, marked: str | None, inputs: Iterable[str], *, show: bool, force: bool
) -> AskOutputs:
    """Check, before a model loads, that every output can be written. Raises UsageError, InputError."""
    answers = None if out and is_standard_output(out) else out
    if show:
        check_can_show(instead="use --save-marked FILE")
    names = [image_path(name) for name in inputs]
    if marked and is_standard_output(marked):
        raise UsageError(
            "--save-marked - would mix the image with the answers: name a file, or use"
            " `vipllava annotate IMAGE -o -`"
        )
    if answers is not None:
        if answers.lower().endswith(image_suffixes()):
            raise UsageError(
                f"-o {answers} would hold text, not an image: name it like answers.txt;"
                " --save-marked FILE writes the marked image"
            )
        check_output(answers, OutputKind.answers, force=force, inputs=names)
    if marked is not None:
        check_image_output(marked, force=force, inputs=names)
    check_distinct(path for path in (answers, marked) if path is not None)
    return AskOutputs(answers)

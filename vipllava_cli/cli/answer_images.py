"""The marks that the answers of `ask` point at: shown in the terminal, and drawn on the marked image."""

from dataclasses import dataclass, field, replace

from vipllava_cli.cli.terminal.answer_marks import describe_answer_marks
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import InputError
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.recorded_marks import read_recorded_marks
from vipllava_cli.marks.types import Mark
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.records import Record


@dataclass
class AnswerImages:
    """The marked image with the marks of its answers.

    `file` is the marked image of `--save-marked`, which exists when the first answer comes; or None.
    With `shows`, the image goes to the terminal after each answer that points at something.
    """

    marked: MarkedImage
    file: str | None
    messages: Messages
    shows: bool
    _marks: list[Mark] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Take the marks of an answer. Prints a note about regions that are no marks."""
        if record.note:
            self.messages.note(record.note)
        if not record.answer_marks:
            return
        marks = read_recorded_marks(record.answer_marks, self.marked.file.size)
        self._marks += marks
        self.messages.detail(describe_answer_marks(marks))
        if self.shows:
            from vipllava_cli.cli.terminal.image import show

            show(replace(self.marked, answer_marks=marks).drawn())

    def finish(self) -> None:
        """Draw the marks of all answers on the marked image. A file that cannot be written is a note."""
        if self.file is None or not self._marks:
            return
        from vipllava_cli.images.save import save_image

        count = count_noun(len(self._marks), "mark")
        try:
            marks = tuple(self._marks)
            save_image(replace(self.marked, answer_marks=marks).drawn(), self.file, force=True)
        except InputError as error:  # the answers must not be lost
            self.messages.note(f"{count} of the answer could not be drawn: {error}")
        else:
            self.messages.note(f"drew {count} of the answer on {self.file}")

"""Pick marks on the images of a batch, one after the other, and save them as the user goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vipllava_cli.cli.picker.help_strip import Help
from vipllava_cli.cli.picker.keys import SERIES, SERIES_HELP, Outcome
from vipllava_cli.cli.picker.marks_manifest import MarksManifest, name_uniquely
from vipllava_cli.cli.picker.screen import check_display, max_window_size
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.cli.picker.window import PickerWindow
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.window import Window
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.resolve import NO_STYLE, resolve_marks
from vipllava_cli.marks.types import Mark, MarkSpec, MarkStyle
from vipllava_cli.sources.rows import Row, Source, StoredRows
from vipllava_cli.storage.counts import count_noun


@dataclass(frozen=True)
class SeriesMarks:
    """The marks of the command line on every image, after the drawn ones, and the style of all.

    `frame` is for images whose name chooses none, `window` for images of more than 8 bits.
    """

    common: Sequence[MarkSpec] = ()
    style: MarkStyle = NO_STYLE
    numbers: bool = False
    frame: int | None = None
    window: Window | None = None


def pick_series(
    source: Source, manifest_path: Path, marks: SeriesMarks, messages: Messages, *, command: str
) -> Source | None:
    """Let the user draw marks on the images of a source without marks.

    Starts at the first image that has none in the manifest. `command` asks about the marks in it
    without the window. Returns the marked rows; None if the user stops. Raises UsageError if the source
    has marks, or if there is no display.
    """
    rows = _unmarked_rows(source, messages)
    manifest = MarksManifest(manifest_path, rows)
    series = MarkSeries(rows, manifest, marks, messages)
    if series.find_unmarked(0) < len(rows):
        check_display(instead="give batch a manifest or annotations with marks")
    try:
        is_finished = series.pick()
    except KeyboardInterrupt:
        messages.say(_describe_stop(series, command))
        raise
    if not is_finished:
        messages.say(_describe_stop(series, command))
        return None
    marked = manifest.marked_rows()
    left_out, unlisted = len(rows) - len(marked), manifest.count_unlisted()
    messages.note(
        _count_marked(manifest)
        + (f", {count_noun(left_out, 'image')} without marks left out" if left_out else "")
        + (f", {count_noun(unlisted, 'line')} about other images ignored" if unlisted else "")
    )
    return replace(source, rows=StoredRows(lambda: iter(marked)), total=len(marked))


def _describe_stop(series: "MarkSeries", command: str) -> str:
    """Say where the user stopped, and how to go on."""
    manifest = series.manifest
    return (
        f"stopped at image {series.position + 1} of {len(series.rows)}, {_count_marked(manifest)}:"
        " repeat the command to go on"
        + (f", or ask about these with `{command}`" if manifest.marked_rows() else "")
    )


def _count_marked(manifest: MarksManifest) -> str:
    return f"{count_noun(len(manifest.marked_rows()), 'marked image')} in {manifest.path}"


def _unmarked_rows(source: Source, messages: Messages) -> list[Row]:
    """Read the rows. Raises UsageError if one of them has marks."""
    rows = []
    for row in source.rows:
        if not isinstance(row, Row):
            messages.warning(f"{row.id}: left out: {row.error}")
        elif row.marks:
            raise UsageError(
                f"--pick is for images without marks, and {row.id} of the source has some: leave out"
                " --pick, or read the images of a folder with --format folder"
            )
        else:
            rows.append(row)
    return list(name_uniquely(rows))


@dataclass
class MarkSeries:
    """The way of the user through the images of a source.

    `position` is the number of the row in the window. `drafts` are marks that the user has drawn and
    not saved, by the number of the row. `unreadable` are the numbers of rows whose image cannot be
    opened.
    """

    rows: Sequence[Row]
    manifest: MarksManifest
    marks: SeriesMarks
    messages: Messages
    position: int = 0
    drafts: dict[int, tuple[Mark, ...]] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)

    def pick(self) -> bool:
        """Let the user draw. Returns whether the user went to the end, or finished before it."""
        self.position = self.find_unmarked(0)
        if self.position == len(self.rows):
            return True
        with PickerWindow(max_window_size()) as window:
            while self.position < len(self.rows):
                row = self.rows[self.position]
                try:
                    outcome, kept = self._pick_on(window, row)
                except InputError as error:
                    self.messages.warning(f"{row.id}: left out: {error}")
                    self.unreadable.add(self.position)
                    self.position = self.find_unmarked(self.position)
                    continue
                if outcome is Outcome.CANCEL:
                    return False
                self.drafts[self.position] = kept
                if outcome in (Outcome.ACCEPT, Outcome.FINISH):
                    self.manifest.save(row, kept)
                self.position = self._next(outcome)
        return True

    def find_unmarked(self, start: int) -> int:
        """Find the next row without saved marks whose image can be opened, else the end."""
        numbers = range(start, len(self.rows))
        unmarked = (
            number
            for number in numbers
            if number not in self.unreadable and not self.manifest.marks(self.rows[number])
        )
        return next(unmarked, len(self.rows))

    def _pick_on(self, window: PickerWindow, row: Row) -> tuple[Outcome, tuple[Mark, ...]]:
        """Let the user draw on one image. Raises InputError if it cannot be opened."""
        marks, file = self.marks, open_image(row.image, self.marks.frame, self.marks.window)
        kept = self.drafts.get(self.position)
        if kept is None:
            kept = resolve_marks(
                self.manifest.marks(row), file.size, read_orientation=file.read_orientation
            ).marks
        common = resolve_marks(
            marks.common, file.size, style=marks.style, read_orientation=file.read_orientation
        ).marks
        state = PickerState(file.size, after=common, style=marks.style, kept=kept)
        help = Help(f"{self.position + 1} of {len(self.rows)}: {row.id}", SERIES_HELP)
        outcome, state = window.pick(file.image, state, help, SERIES, numbers=marks.numbers)
        return outcome, state.kept

    def _next(self, outcome: Outcome) -> int:
        """Return the number of the row to show next."""
        number = self.position
        earlier = (index for index in reversed(range(number)) if index not in self.unreadable)
        following: Mapping[Outcome, int] = {
            Outcome.ACCEPT: self.find_unmarked(number + 1),
            Outcome.SKIP: number + 1,
            Outcome.BACK: next(earlier, number),
            Outcome.FINISH: len(self.rows),
        }
        return following[outcome]

"""The notes about the types of the images of a batch: one line for each kind, with a count."""

from dataclasses import dataclass, field
from operator import itemgetter

from vipllava_cli.images.source import display_name
from vipllava_cli.marks.marked_image import ImageFile
from vipllava_cli.storage.counts import count_noun


@dataclass
class ImageNotes:
    """Collects the images of a run by their notes, each image once. Thread-safe."""

    _images: dict[str, dict[str, str]] = field(default_factory=dict)  # note -> fingerprint -> name

    def add(self, file: ImageFile) -> None:
        """Add an image. Does not decode it."""
        note = file.kind_note()
        if note:
            names = self._images.setdefault(note, {})
            names.setdefault(file.fingerprint, display_name(file.source))

    def lines(self) -> list[str]:
        """Return one line for each note, with the number of images and the name of one.

        Threads add images in any order, so the lines are in the order of these names.
        """
        named = {note: sorted(names.values()) for note, names in self._images.items()}
        return [_line(note, names) for note, names in sorted(named.items(), key=itemgetter(1))]


def _line(note: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]}: {note}"
    return f"{count_noun(len(names), 'image')}, such as {names[0]}: {note}"

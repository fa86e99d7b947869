"""Warn that `tiny` answers about an image that looks like a photograph."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED
from vipllava_cli.errors import InputError, ModelError
from vipllava_cli.images.source import display_name
from vipllava_cli.storage.sizes import decimal_size

if TYPE_CHECKING:
    from vipllava_cli.marks.marked_image import ImageFile

PHOTO_MODEL = next(iter(PUBLISHED))  # the smallest model that knows photographs


@dataclass
class PhotoWarning:
    """Finds photographs among the images of a run, each image once.

    `model` is the name of the model that answers. `photographs` are the fingerprints found.
    """

    model: str
    checked: set[str] = field(default_factory=set)
    photographs: set[str] = field(default_factory=set)

    def check(self, file: "ImageFile") -> bool:
        """Return whether an image is a new photograph that the model does not know. Thread-safe.

        A damaged image is none: the question about it reports that.
        """
        if self.model not in BUNDLED or file.fingerprint in self.checked:
            return False
        from vipllava_cli.images.photograph import looks_like_photograph

        self.checked.add(file.fingerprint)
        try:
            is_photograph = looks_like_photograph(file.image)
        except InputError:
            return False
        if is_photograph:
            self.photographs.add(file.fingerprint)
        return is_photograph

    def warn_of(self, file: "ImageFile", messages: Messages) -> None:
        """Print a warning if this image is a new photograph."""
        if not messages.quiet and self.check(file):
            messages.warning(
                f"{display_name(file.source)} looks like a photograph: {self.model} knows only"
                f" clip-art, and its answers mean nothing; {advise_photo_model('--model {}')}"
            )

    def warn_of_all(self, messages: Messages) -> None:
        """Print one warning with the number of photographs."""
        found, checked = len(self.photographs), len(self.checked)
        if found:
            look = "looks like a photograph" if found == 1 else "look like photographs"
            messages.warning(
                f"{found} of {checked} images {look}: {self.model} knows only clip-art, and its"
                f" answers about them mean nothing; {advise_photo_model('--model {}')}"
            )


def advise_photo_model(step: str) -> str:
    """Say how to get a model that knows photographs, which may be on this machine already.

    `step` is what to do then: `--model {}`, with a place for the name.
    """
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint  # takes 0.1 s

    use: Callable[[str], str] = step.format
    try:
        find_checkpoint(PHOTO_MODEL)
    except ModelError:
        size = decimal_size(PUBLISHED[PHOTO_MODEL].size)
        return (
            f"for photographs: `vipllava models pull {PHOTO_MODEL}` ({size}), then"
            f" `{use(PHOTO_MODEL)}`"
        )
    return f"for photographs: `{use(PHOTO_MODEL)}`"

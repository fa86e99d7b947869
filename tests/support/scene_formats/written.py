"""What a writer of a format returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.scene_formats.scenes import SceneImage


@dataclass(frozen=True)
class Written:
    """A source, and the options that it needs."""

    source: Path
    images: Path | None = None
    coco: Path | None = None

    @property
    def arguments(self) -> list[str]:
        """The words of the command line."""
        options = {"--images": self.images, "--coco": self.coco}
        words = [[name, str(path)] for name, path in options.items() if path]
        return [str(self.source), *(word for pair in words for word in pair)]


def label_numbers(images: Sequence[SceneImage]) -> dict[str, int]:
    """Number the labels from 0, in alphabetical order."""
    labels = sorted({region.label for image in images for region in image.regions})
    return {label: number for number, label in enumerate(labels)}

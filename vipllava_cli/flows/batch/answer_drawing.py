"""Draw the marks that answers point at on the marked images that a run has written."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.flows.pointing.record_marks import find_composed_sizes
from vipllava_cli.images.save import marked_image_path, save_marked_image
from vipllava_cli.marks.marked_image import draw_answer_marks
from vipllava_cli.marks.recorded_marks import read_recorded_marks
from vipllava_cli.marks.types import Mark, scale_mark, shift_mark
from vipllava_cli.storage.records import Record

Size = tuple[int, int]  # width, height


class AnswerDrawing:
    """Draws on the images in `folder`; None if the run writes none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._paths: dict[str, Path] = {}  # of the questions without an answer yet

    def expect(self, id: str, marked_id: str) -> None:
        """Remember the marked image of a question that the model will answer."""
        if self._folder is not None:
            self._paths[id] = marked_image_path(self._folder, marked_id)

    def draw(self, record: Record) -> str:
        """Draw the marks of an answer on its image. Returns a note if that fails, else empty text."""
        request = record.request
        path = self._paths.pop(request.id, None)
        if path is None or not record.answer_marks or not request.width or not request.height:
            return ""
        try:
            size = (request.width, request.height)
            marks = read_recorded_marks(record.answer_marks, size)
            with Image.open(path) as image:
                image.load()
            composed = find_composed_sizes(request, size)
            if composed is None:
                drawn = draw_answer_marks(image, marks, request.crop)
            else:
                part = request.crop or (0, 0, *size)
                drawn = _draw_composed(image, marks, part, composed.whole)
            drawn.info = image.info
            save_marked_image(drawn, path, source=request.image, force=False)
        except (OSError, InputError) as error:
            return f"the marks of the answer are not drawn on {path}: {error}"
        return ""


def _draw_composed(
    image: Image.Image, marks: Sequence[Mark], part: tuple[int, int, int, int], whole: Size
) -> Image.Image:
    """Draw on an image with enlarged regions beside it. The image itself is at the top left."""
    scale = whole[0] / (part[2] - part[0])
    shown = [scale_mark(shift_mark(mark, -part[0], -part[1]), scale) for mark in marks]
    image.paste(draw_answer_marks(image.crop((0, 0, *whole)), shown), (0, 0))
    return image

"""Records to export, and the regions that a reader finds in an export."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import Mark
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import Row

SIZE = (200, 100)
ORIENTATION = 0x0112  # of EXIF

# One mark of each shape, with fractions of a pixel, inside an image of SIZE.
COORDS: Mapping[str, Sequence[Any]] = {
    "box": [20.25, 10.5, 100.75, 60.125],
    "ellipse": [30, 20, 90, 50],
    "arrow": [10, 10, 70.5, 40.25],
    "point": [120.5, 33.25],
    "triangle": [10, 10, 150.5, 20, 80, 90],
    "scribble": [10, 10, 50, 60, 90.5, 20.75],
    "mask": [[20, 20, 80, 20, 80, 70, 20, 70]],
    "contour": [[10.5, 10, 150, 20.25, 80, 90]],
}

# A ring: the second part is a hole.
RING = [[20, 20, 120, 20, 120, 80, 20, 80], [50, 40, 90, 40, 90, 60, 50, 60]]


def mark(shape: str, coords: Sequence[Any] | None = None, **more: Any) -> dict[str, Any]:
    """Make a mark as records hold it."""
    values = COORDS[shape] if coords is None else coords
    return {"shape": shape, "coords": values, "color": "red", "units": "px", **more}


def record(image: str | Path, id: str, *marks: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Make a record about an image of SIZE."""
    return {
        "schema": 1,
        "id": id,
        "key": "0",
        "image": str(image),
        "width": SIZE[0],
        "height": SIZE[1],
        "marks": list(marks),
        "question": "what is the object within the red rectangle?",
        "answer": "metal",
        "error": None,
        "extra": {},
        "model": "tiny",
        "revision": "0.1.0",
        **more,
    }


def choice(answer: str, *others: str, probability: float = 0.75) -> dict[str, Any]:
    """Return the fields of a record with choices."""
    rest = (1 - probability) / max(len(others), 1)
    listed = [(answer, probability), *((other, rest) for other in others)]
    texts = [{"text": t, "log_likelihood": -1.0, "probability": p} for t, p in listed]
    return {"answer": answer, "choices": texts}


def write_records(path: Path, *records: Mapping[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in records))
    return path


def write_image(path: Path, orientation: int = 1) -> Path:
    """Write a grey image that is SIZE upright, stored with an EXIF orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    size = SIZE[::-1] if orientation > 4 else SIZE
    Image.new("RGB", size, (128, 128, 128)).save(path, exif=exif)
    return path


def read_regions(source: Path, **options: Any) -> list[tuple[Row, tuple[Mark, ...]]]:
    """Read a source as `batch` does: each row with its marks on its image."""
    found = []
    for row in read_source(str(source), **options).rows:
        assert isinstance(row, Row), row
        assert row.image_error is None, row.image_error
        file = open_image(row.image)
        marks = resolve_marks(row.marks, file.size, read_orientation=file.read_orientation)
        found.append((row, marks.marks))
    return found


def points(one: Mark) -> list[list[float]]:
    """Return the points of a mark, as records hold them."""
    return [[value for point in part for value in point] for part in one.parts]

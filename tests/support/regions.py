"""Read the regions of a source on their images, as a batch does."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from vipllava_cli.errors import InputError
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.read_options import ReadOptions
from vipllava_cli.sources.rows import BadRow

CASES = ROOT / "tests" / "fixtures" / "cases"

Bounds = tuple[float, float, float, float]


@dataclass
class Found:
    """The regions of a source: shapes and bounds, columns, errors, and all notes."""

    regions: list[tuple[str, Bounds]] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def labels(self) -> list[str | None]:
        return [each["label"] for each in self.columns]


def read_regions(source: Path | str, **options: Any) -> Found:
    """Read a source and resolve its marks. Rounds bounds to two decimals."""
    read = read_source(str(source), options=ReadOptions(**options))
    found = Found(notes=list(read.notes))
    for row in read.rows:
        try:
            if isinstance(row, BadRow):
                raise row.error
            if row.image_error:
                raise row.image_error
            file = open_image(row.image)
            resolved = resolve_marks(row.marks, file.size, read_orientation=file.read_orientation)
        except InputError as error:
            found.errors.append(str(error))
            continue
        for mark in resolved.marks:
            left, top, right, bottom = (round(float(value), 2) for value in mark.bounds)
            found.regions.append((mark.shape, (left, top, right, bottom)))
            found.columns.append(dict(row.extra))
        found.notes += resolved.notes
    assert not any("\n" in error for error in found.errors)
    return found


def copy_case(name: str, folder: Path) -> Path:
    """Copy a case to a folder of the test."""
    return Path(shutil.copytree(CASES / name, folder / "case"))


def edit(file: Path, change: Callable[[str], str]) -> Path:
    """Change the text of a file."""
    file.write_text(change(file.read_text("utf-8")), "utf-8")
    return file

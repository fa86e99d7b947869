"""CSV: a manifest with one row for each region, or group of regions.

`marks` holds the regions, and `x1`, `y1`, `x2`, `y2` the box around a single one.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from vipllava_cli.flows.export.attributes import answer_attributes, source_attributes
from vipllava_cli.flows.export.dataset import Dataset, ExportImage, Group
from vipllava_cli.flows.export.geometry import rounded
from vipllava_cli.flows.export.image_names import relative_names
from vipllava_cli.flows.export.manifest_marks import written_marks
from vipllava_cli.flows.export.output import SINGLE, Export, Target
from vipllava_cli.storage.csv_cells import text_cell, text_rows

_COLUMNS = ("id", "image", "width", "height", "label", "x1", "y1", "x2", "y2", "marks")
_READ_AS_ROW = ("questions", "choices")  # attributes of these names would change how a row is read

Row = dict[str, Any]


def write_csv(dataset: Dataset, target: Target) -> Export:
    """Write a dataset."""
    images = [image for image in dataset.images if image.size[0]]
    names = relative_names([image.name for image in images], target.folder, target.paths)
    rows = [row for image in images for row in _rows(image, names[image.name])]
    found = dict.fromkeys(name for row in rows for name in row)
    columns = [*_COLUMNS, *(name for name in found if name not in _COLUMNS)]
    text = io.StringIO(newline="")
    if target.csv_safe:
        rows, columns = list(text_rows(rows)), [text_cell(name) for name in columns]
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return Export({SINGLE: text.getvalue().encode("utf-8", "backslashreplace")})


def _rows(image: ExportImage, name: str) -> Iterator[Row]:
    grouped = {position for group in image.groups for position in group.regions}
    rest = [Group((p,)) for p, _, _ in image.marked() if p not in grouped]
    groups = [*image.groups, *rest]
    for number, group in enumerate(sorted(groups, key=lambda group: group.regions), 1):
        yield _row(image, group, name, number)


def _row(image: ExportImage, group: Group, name: str, number: int) -> Row:
    regions = [image.regions[position] for position in group.regions]
    answers = answer_attributes(group.answers)
    id = group.answers[0].record_id if group.answers else f"{image.id}#{number}"
    labels = [region.label for region in regions if region.label]
    row: Row = {"id": id, "image": name, "width": image.size[0], "height": image.size[1]}
    row["label"] = ", ".join(labels)
    row["marks"] = json.dumps(written_marks(regions)) if regions else ""
    if len(regions) == 1 and regions[0].mark is not None:
        edges = zip(("x1", "y1", "x2", "y2"), regions[0].mark.bounds, strict=True)
        row |= {edge: rounded(value) for edge, value in edges}
        answers = {**source_attributes(regions[0].extra, answers), **answers}
    for attribute, value in answers.items():
        is_taken = attribute in (*_COLUMNS, *_READ_AS_ROW)
        row[f"extra_{attribute}" if is_taken else attribute] = value
    return row

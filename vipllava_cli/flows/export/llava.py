"""LLaVA: training rows of an image and a conversation, as ShareGPT has them.

A question names its region as the model read it. `bboxes` holds the boxes around the regions, and `marks`
the regions themselves. https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md
"""

import json
from collections.abc import Iterator
from typing import Any

from vipllava_cli.flows.export.dataset import Answer, Dataset, ExportImage, Group
from vipllava_cli.flows.export.geometry import box_around, rounded
from vipllava_cli.flows.export.image_names import relative_names
from vipllava_cli.flows.export.manifest_marks import written_marks
from vipllava_cli.flows.export.output import SINGLE, Export, Target, json_bytes
from vipllava_cli.storage.counts import count_noun

Json = dict[str, Any]


def write_llava(dataset: Dataset, target: Target) -> Export:
    """Write a row for each region, or group of regions, and each model that answered about it."""
    images = [image for image in dataset.images if image.size[0]]
    names = relative_names([image.name for image in images], target.folder, target.paths)
    rows: list[Json] = []
    unanswered = 0
    for image in images:
        groups = [*image.groups, *_unanswered(image)]
        for group in groups:
            new = list(_rows(image, group, names[image.name]))
            unanswered += not new
            rows += new
    _make_ids_unique(rows)
    notes = (
        [f"{count_noun(unanswered, 'region')} without an answer: left out"] if unanswered else []
    )
    if target.suffix == ".jsonl":
        return Export({SINGLE: "".join(f"{json.dumps(row)}\n" for row in rows).encode()}, notes)
    return Export({SINGLE: json_bytes(rows)}, notes)


def _unanswered(image: ExportImage) -> Iterator[Group]:
    asked = {position for group in image.groups for position in group.regions}
    for position, _, _ in image.marked():
        if position not in asked:
            yield Group((position,))


def _rows(image: ExportImage, group: Group, name: str) -> Iterator[Json]:
    by_model: dict[tuple[str, str], list[Answer]] = {}
    for answer in group.answers:
        if answer.text:
            by_model.setdefault((answer.model, answer.revision), []).append(answer)
    marks = [image.regions[position] for position in group.regions]
    boxes = [box_around(region.mark, image.size) for region in marks if region.mark is not None]
    for answers in by_model.values():
        row: Json = {
            "id": answers[0].record_id,
            "image": name,
            "width": image.size[0],
            "height": image.size[1],
            "conversations": list(_turns(answers)),
        }
        if boxes:
            row["bboxes"] = [[rounded(value) for value in box] for box in boxes]
            row["marks"] = written_marks(marks)
        labels = [region.label for region in marks]
        yield row if not any(labels) else {**row, "label": ", ".join(filter(None, labels))}


def _turns(answers: list[Answer]) -> Iterator[Json]:
    for number, answer in enumerate(answers):
        sign = "" if number else "<image>\n"
        yield {"from": "human", "value": f"{sign}{answer.question}"}
        yield {"from": "gpt", "value": answer.text}


def _make_ids_unique(rows: list[Json]) -> None:
    taken: set[str] = set()
    for row in rows:
        id, number = row["id"], 1
        while row["id"] in taken:
            number += 1
            row["id"] = f"{id}~{number}"
        taken.add(row["id"])

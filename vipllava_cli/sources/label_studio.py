"""Label Studio: tasks with annotations, exported as JSON or JSON-MIN -> annotated images.

https://labelstud.io/guide/export
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.sources.files import load_json, matches_all, read_head_text
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.label_studio_images import (
    AMBIGUOUS,
    TaskImage,
    choose_image,
    original_name,
    task_images,
)
from vipllava_cli.sources.label_studio_regions import (
    iter_annotation_regions,
    iter_min_regions,
    plain_value,
)
from vipllava_cli.sources.manifest import json_or_text
from vipllava_cli.sources.one_file import AnnotationFile, open_annotation_file
from vipllava_cli.sources.plain_tables import iter_records
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import AnnotatedImage, Annotations, Region, scalar_fields
from vipllava_cli.sources.rows import BadRow

# Regions have the size of the image. A task without regions, or with predictions that were made
# elsewhere, has the rest.
_SIGNATURES = (
    (rb'"original_width"\s*:',),
    (rb'"result"\s*:\s*\[', rb'"(?:annotations|predictions)"\s*:\s*\[', rb'"data"\s*:\s*\{'),
)
_TABLE_SIGNATURE = '""original_width""'
# Fields of a task in JSON-MIN that are about the annotation.
_MIN_FIELDS = ("annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement")

JsonObject = Mapping[str, Any]


def is_label_studio(name: str) -> bool:
    """Return whether a JSON file looks like an export of Label Studio. It may be malformed."""
    return any(matches_all(name, map(re.compile, patterns)) for patterns in _SIGNATURES)


def is_label_studio_table(name: str) -> bool:
    """Return whether a table looks like an export of Label Studio: with regions in its cells."""
    return _TABLE_SIGNATURE in read_head_text(name)


def read_label_studio(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read an export, or the only one in a folder. Raises InputError."""
    file = _open(name, options)
    tasks = _load(file.path, options)
    if isinstance(tasks, dict) and ("data" in tasks or "result" in tasks):
        tasks = [_task(tasks)]  # of a storage: one task, or one annotation with its task
    if not isinstance(tasks, list):
        found = short_repr(tasks)
        raise InputError(f"{file.path}: expected Label Studio's list of tasks, found {found}")
    return Annotations(
        name,
        SourceFormat.label_studio,
        partial(_iter_images, file, tasks, prefers_files=bool(options.image_folders)),
        notes=tuple(f"{file.path}: {note}" for note in _notes(tasks)),
    )


def _open(name: str, options: ReadOptions) -> AnnotationFile:
    """Find the file. A folder may hold the JSON and the CSV of the same tasks: the JSON is read."""
    find = partial(open_annotation_file, name, options, SourceFormat.label_studio)
    if os.path.isdir(name):
        files = list_folder(name).with_suffix(".json")
        if not any(is_label_studio(os.path.join(name, file)) for file in files):
            return find(".csv", is_label_studio_table)
    return find(".json", is_label_studio)


def _load(name: str, options: ReadOptions) -> Any:
    """Read the tasks of a file. A CSV has the columns of JSON-MIN, with JSON in its cells."""
    if not is_label_studio_table(name):
        return load_json(name, encoding=options.encoding)
    return [
        {
            column: json_or_text(cell) if cell.startswith(("[", "{")) else cell
            for column, cell in record.items()
        }
        for record in iter_records(name, options.encoding)
    ]


def _task(value: JsonObject) -> JsonObject:
    task = value.get("task")
    return (
        {**task, "annotations": [value]} if isinstance(task, dict) and "result" in value else value
    )


def _notes(tasks: Sequence[Any]) -> Iterator[str]:
    """Yield how many tasks have several annotations, only predictions, or nothing but skips."""
    objects = [task for task in tasks if isinstance(task, dict)]
    several = sum(len(_annotations(task)) > 1 for task in objects)
    if several:
        yield (
            "tasks with several annotations (the ground truth is used, or else the first one):"
            f" {several}"
        )
    predicted = sum(_chosen(task) is not None and not _annotations(task) for task in objects)
    if predicted:
        yield f"tasks without annotations (their first prediction is used): {predicted}"
    skipped = sum(bool(_listed(task)) and not _annotations(task) for task in objects)
    if skipped:
        yield f"tasks that their annotators have skipped (no regions): {skipped}"


# --- annotations -----------------------------------------------------------------------------


def _listed(task: JsonObject, *names: str) -> list[JsonObject]:
    for name in names or ("annotations", "completions"):
        value = task.get(name)
        if isinstance(value, list) and value:
            return [each for each in value if isinstance(each, dict)]
    return []


def _annotations(task: JsonObject) -> list[JsonObject]:
    listed = _listed(task)
    return [each for each in listed if not (each.get("was_cancelled") or each.get("skipped"))]


def _chosen(task: JsonObject) -> JsonObject | None:
    """Return the annotation of a task or, without any, its first prediction."""
    annotations = _annotations(task)
    if annotations or _listed(task):
        truth = (each for each in annotations if each.get("ground_truth"))
        return next(truth, annotations[0] if annotations else None)
    return next(iter(_listed(task, "predictions")), None)


def _prediction_columns(task: JsonObject, chosen: JsonObject) -> dict[str, Any]:
    if _annotations(task):
        return {}
    return scalar_fields({name: chosen.get(name) for name in ("score", "model_version")})


# --- images ----------------------------------------------------------------------------------


def _iter_images(
    file: AnnotationFile, tasks: Sequence[Any], *, prefers_files: bool
) -> Iterator[AnnotatedImage | BadRow]:
    listed = [task_images(task, prefers_files) if isinstance(task, dict) else [] for task in tasks]
    names = {image.name for images in listed for image in images}
    uploads = Counter(map(original_name, names))
    for number, (task, images) in enumerate(zip(tasks, listed, strict=True), 1):
        if not images:
            reason = f"{file.path}, task {number}: expected an image, found {short_repr(task)}"
            yield BadRow(f"task {number}", "", InputError(reason))
            continue
        try:
            regions = _regions(task, images)
        except InputError as error:
            yield BadRow(f"task {number}", "", InputError(f"{file.path}, task {number}: {error}"))
            continue
        for image in images:
            # Two uploads of one name may be two images.
            is_unique = uploads[original_name(image.name)] == 1
            also = [original_name(image.name)] if is_unique and image.names else []
            web = [image.address] if image.address else []
            found = file.find_image([*image.names, *also, *web])
            id = original_name(image.name) if is_unique else image.name
            yield AnnotatedImage(
                id, found.path, file.path, tuple(regions[image]), None, found.error
            )


def _regions(task: JsonObject, images: Sequence[TaskImage]) -> Mapping[TaskImage, list[Region]]:
    """Return the regions of a task by image. Raises InputError if their image is not certain."""
    regions: dict[TaskImage, list[Region]] = defaultdict(list)
    columns = _task_columns(task, images)
    chosen = _chosen(task)
    if chosen is None:
        found = [] if _listed(task) else list(iter_min_regions(task))
        if found and len(images) > 1:
            raise InputError(f"{AMBIGUOUS}; export it as JSON")
        regions[images[0]] = [_with_columns(region, columns) for region in found]
        return regions
    columns = {**columns, **_prediction_columns(task, chosen)}
    for result, region in iter_annotation_regions(chosen.get("result")):
        image = choose_image(images, result.get("to_name"), result.get("item_index"))
        regions[image].append(_with_columns(region, columns))
    return regions


def _with_columns(region: Region, columns: Mapping[str, Any]) -> Region:
    return Region(region.label, region.make_mark, {**columns, **region.extra})


def _task_columns(task: JsonObject, images: Sequence[TaskImage]) -> dict[str, Any]:
    """Return the data of a task that is no image: text, numbers and, in JSON-MIN, choices."""
    data = task.get("data")
    is_min = not isinstance(data, dict)
    fields: JsonObject = task if not isinstance(data, dict) else data
    names = {image.field for image in images}
    return scalar_fields(
        {
            name: plain_value(value) if is_min and isinstance(value, dict) else value
            for name, value in fields.items()
            if name not in names and not (is_min and name in _MIN_FIELDS)
        }
    )

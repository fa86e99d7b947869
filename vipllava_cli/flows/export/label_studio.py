"""Label Studio: a JSON list of tasks with predictions, one for each model.

Coordinates are percentages of the sides. The answer about a region has the id of its region: a choice
for `--choices`, else text. https://labelstud.io/guide/predictions
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from vipllava_cli.flows.export.dataset import Answer, Dataset, ExportImage, Region
from vipllava_cli.flows.export.geometry import ShapeConverter, brush_bytes, fill
from vipllava_cli.flows.export.image_names import readable_names
from vipllava_cli.flows.export.output import SINGLE, Export, Target, json_bytes
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.images.source import is_address
from vipllava_cli.marks.types import Mark
from vipllava_cli.sources.files import load_json
from vipllava_cli.sources.label_studio_images import original_name, task_images
from vipllava_cli.storage.counts import count_noun

_SHAPES = {"triangle": "contour", "arrow": "point", "scribble": "box"}
_LOCAL_FILES = "/data/local-files/?d="  # the address of a file in a local storage
_DIGITS = 6  # of a percentage
_IMAGE, _ANSWER, _CHOICE = "image", "answer", "choice"  # names in the labelling interface

# Kind of a region -> the name of its control in the interface. A source has names of its own.
_CONTROLS = {"rectangle": "label"}

_LABELS = "labels"  # the end of the type of a region with a label
_KINDS = ("rectangle", "ellipse", "polygon", "keypoint", "brush")

Json = dict[str, Any]


def write_label_studio(dataset: Dataset, target: Target) -> Export:
    """Write a dataset as tasks, or add predictions to those of the source. Raises InputError."""
    shapes = ShapeConverter(_SHAPES)
    if target.source is not None:
        tasks = load_json(target.source.files[0], encoding=target.encoding)
        if _is_editable(tasks):
            notes = _add_predictions(tasks, dataset, shapes)
            return Export({SINGLE: json_bytes(tasks)}, [*shapes.notes(), *notes])
    dataset.drop_unread_images()
    names = readable_names([image.name for image in dataset.images], target.folder, target.paths)
    tasks = [
        {
            "id": id,
            "data": {_IMAGE: _address(names[image.name])},
            "predictions": list(_predictions(image, shapes)),
        }
        for id, image in enumerate(dataset.images, 1)
    ]
    return Export({SINGLE: json_bytes(tasks)}, list(shapes.notes()))


def _address(name: str) -> str:
    if is_address(name) or is_data_address(name):
        return name
    return _LOCAL_FILES + quote(name, errors="surrogateescape")


def _predictions(
    image: ExportImage, shapes: ShapeConverter, originals: Mapping[str, Json] | None = None
) -> Iterator[Json]:
    """Make a prediction for each model, with all regions of the image.

    `originals` are the regions as the source has them, by their ids.
    """
    if not image.size[0]:
        return
    answers = [answer for group in image.groups for answer in group.answers]
    models = list(dict.fromkeys(_version(answer) for answer in answers)) or ["none"]
    regions = [
        (position, _original(region, originals or {}) or _converted(region, mark, image, shapes))
        for position, region, mark in image.marked()
    ]
    for model in models:
        results: list[Json] = []
        for position, region in regions:
            id = _region_id(image, position)
            of_region = [a for a in image.answers_of(position) if _version(a) == model]
            scores = _scores(of_region)
            score = {"score": round(min(scores), _DIGITS)} if scores else {}
            results.append({**region, "id": id, **score})
            results += (_answer(answer, id) for answer in of_region if answer.text is not None)
        of_image = [a for a in image.answers if _version(a) == model and a.text is not None]
        results += (_answer(a, _region_id(image, -1 - n)) for n, a in enumerate(of_image))
        prediction: Json = {"model_version": model, "result": results}
        scores = _scores([answer for answer in answers if _version(answer) == model])
        if scores:
            prediction["score"] = round(sum(scores) / len(scores), _DIGITS)
        yield prediction


def _converted(region: Region, mark: Mark, image: ExportImage, shapes: ShapeConverter) -> Json:
    return _region(shapes.convert(mark, image.size), region, image.size)


def _original(region: Region, originals: Mapping[str, Json]) -> Json | None:
    """Return a region as the source has it, with its new label; None if it cannot hold a label."""
    result = originals.get(str(region.extra.get("region_id")))
    if result is None or (region.label and not result["type"].endswith(_LABELS)):
        return None
    if not region.is_relabelled:
        return result
    return {**result, "value": {**result["value"], result["type"]: [region.label]}}


def _version(answer: Answer) -> str:
    return f"{answer.model} {answer.revision}".strip() or "unknown"


def _scores(answers: list[Answer]) -> list[float]:
    return [answer.probability for answer in answers if answer.probability is not None]


def _region_id(image: ExportImage, position: int) -> str:
    """Return an id that is the same in every export of the same records."""
    return hashlib.sha256(f"{image.id}#{position}".encode("utf-8", "replace")).hexdigest()[:10]


def _region(mark: Mark, region: Region, size: tuple[int, int]) -> Json:
    kind, value = _SHAPE_VALUES[mark.shape](mark, size)
    if len(mark.parts) > 1:
        kind, value = _brush(mark, size)
    type = f"{kind}labels" if region.label else kind
    labels = {type: [region.label]} if region.label else {}
    return {
        "type": type,
        "from_name": _CONTROLS.get(kind, kind),
        "to_name": _IMAGE,
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {**value, **labels},
    }


def _answer(answer: Answer, id: str) -> Json:
    """Make the result with an answer. It belongs to the region with this id, or to the image."""
    common = {"id": id, "to_name": _IMAGE, "meta": {"text": [answer.question]}}
    if answer.choices:
        value = {"choices": [answer.text]}
        score = answer.probability
        scored = {} if score is None else {"score": round(score, _DIGITS)}
        return {**common, "from_name": _CHOICE, "type": "choices", "value": value, **scored}
    return {**common, "from_name": _ANSWER, "type": "textarea", "value": {"text": [answer.text]}}


# --- shapes ----------------------------------------------------------------------------------

Value = tuple[str, Json]


def _percent(value: float, side: int) -> float:
    return round(value / side * 100, _DIGITS)


def _box(mark: Mark, size: tuple[int, int]) -> Value:
    left, top, right, bottom = mark.bounds
    return "rectangle", {
        "x": _percent(left, size[0]),
        "y": _percent(top, size[1]),
        "width": _percent(right - left, size[0]),
        "height": _percent(bottom - top, size[1]),
        "rotation": 0,
    }


def _ellipse(mark: Mark, size: tuple[int, int]) -> Value:
    left, top, right, bottom = mark.bounds
    return "ellipse", {
        "x": _percent((left + right) / 2, size[0]),
        "y": _percent((top + bottom) / 2, size[1]),
        "radiusX": _percent((right - left) / 2, size[0]),
        "radiusY": _percent((bottom - top) / 2, size[1]),
        "rotation": 0,
    }


def _polygon(mark: Mark, size: tuple[int, int]) -> Value:
    points = [[_percent(x, size[0]), _percent(y, size[1])] for x, y in mark.parts[0]]
    return "polygon", {"points": points, "closed": True}


def _keypoint(mark: Mark, size: tuple[int, int]) -> Value:
    x, y = mark.parts[0][0]
    return "keypoint", {"x": _percent(x, size[0]), "y": _percent(y, size[1]), "width": 0.5}


def _brush(mark: Mark, size: tuple[int, int]) -> Value:
    return "brush", {"format": "rle", "rle": brush_bytes(fill(mark.parts, size))}


_SHAPE_VALUES: Mapping[str, Callable[[Mark, tuple[int, int]], Value]] = {
    "box": _box,
    "ellipse": _ellipse,
    "contour": _polygon,
    "point": _keypoint,
    "mask": _brush,
}


# --- the source ------------------------------------------------------------------------------


def _is_editable(tasks: Any) -> bool:
    """Return whether the content of a file is a list of tasks, which can hold predictions."""
    return isinstance(tasks, list) and all(
        isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks
    )


def _add_predictions(tasks: list[Json], dataset: Dataset, shapes: ShapeConverter) -> list[str]:
    """Add predictions to tasks. Those of the same models are replaced. Returns notes."""
    waiting: dict[str, deque[ExportImage]] = defaultdict(deque)
    for each in dataset.images:
        waiting[each.id].append(each)
    names = _control_names(tasks)
    own = {(each["type"], each.get("from_name")) for task in tasks for each in _results(task)}
    rest = 0
    for task in tasks:
        found = task_images(task, prefers_files=False)
        images = [_next_image(waiting, each.name) for each in found]
        answered = [image for image in images if image and image.size[0] and image.groups]
        if len(found) != 1 or not answered:
            rest += len(answered)
            continue
        image = answered[0]
        new = list(_predictions(image, shapes, _original_regions(task)))
        versions = {prediction["model_version"] for prediction in new}
        old = task.get("predictions")
        kept = [
            prediction
            for prediction in (old if isinstance(old, list) else [])
            if not isinstance(prediction, dict) or prediction.get("model_version") not in versions
        ]
        task["predictions"] = kept + _with_names(new, names, own)
    left_out = f"{count_noun(rest, 'image')} of tasks with several images: no predictions added"
    return [left_out] if rest else []


def _next_image(waiting: Mapping[str, deque[ExportImage]], name: str) -> ExportImage | None:
    """Take the image of a task. Several tasks may be about one image."""
    ids = (name, original_name(name))
    return next((waiting[id].popleft() for id in ids if waiting.get(id)), None)


def _original_regions(task: Json) -> dict[str, Json]:
    """Map ids to the regions of a task, without those whose id occurs twice."""
    found: dict[str, list[Json]] = {}
    for result in _results(task):
        has_names = "id" in result and "from_name" in result and "to_name" in result
        if result["type"].removesuffix(_LABELS) in _KINDS and has_names:
            found.setdefault(str(result.get("id")), []).append(result)
    kept = ("type", "from_name", "to_name", "original_width", "original_height", "image_rotation")
    return {
        id: {name: each[name] for name in (*kept, "value") if name in each}
        for id, (each, *others) in found.items()
        if not others and isinstance(each.get("value"), dict)
    }


def _results(task: Json) -> Iterator[Json]:
    """Iterate over all results of a task."""
    listed = (task.get(field) for field in ("annotations", "predictions"))
    for annotation in (each for items in listed if isinstance(items, list) for each in items):
        results = annotation.get("result") if isinstance(annotation, dict) else None
        for result in results if isinstance(results, list) else []:
            if isinstance(result, dict) and isinstance(result.get("type"), str):
                yield result


def _control_names(tasks: list[Json]) -> dict[str, tuple[Any, Any]]:
    """Map the types of results in a file to the names of their control and of its image."""
    names: dict[str, tuple[Any, Any]] = {}
    for task in tasks:
        for result in _results(task):
            pair = result.get("from_name"), result.get("to_name")
            names.setdefault(result["type"], pair)
    return names


def _with_names(
    predictions: list[Json], names: Mapping[str, tuple[Any, Any]], own: Collection[tuple[str, Any]]
) -> list[Json]:
    """Use the names of a file's own controls. All controls are about the same image.

    `own` are the types and names of all its controls.
    """
    to_name = next((to for _, to in names.values() if to), _IMAGE)
    for prediction in predictions:
        for result in prediction["result"]:
            if (result["type"], result["from_name"]) in own:
                continue
            from_name, _ = names.get(result["type"], (None, None))
            result["from_name"] = from_name or result["from_name"]
            result["to_name"] = to_name
    return predictions

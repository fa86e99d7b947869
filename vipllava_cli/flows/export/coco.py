"""COCO: one JSON file with `images`, `annotations` and `categories`.

Answers are the `attributes` of an annotation, as CVAT writes them. A box is a `bbox` with an empty
`segmentation`. Other regions have both, and the attribute `mark_shape` says that the outline counts.
https://cocodataset.org/#format-data
"""

from collections.abc import Iterator
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.flows.export.attributes import (
    Attributes,
    answer_attributes,
    region_attributes,
)
from vipllava_cli.flows.export.dataset import UNLABELLED, Dataset, ExportImage
from vipllava_cli.flows.export.geometry import (
    ShapeConverter,
    box_around,
    fill,
    overlaps_itself,
    polygon_area,
    rounded,
    run_lengths,
)
from vipllava_cli.flows.export.image_names import readable_names
from vipllava_cli.flows.export.output import SINGLE, Export, Target, json_bytes
from vipllava_cli.flows.export.read_source import SourceFile, pair_regions
from vipllava_cli.marks.types import Mark
from vipllava_cli.sources.coco_region import MARK_SHAPE, id_key
from vipllava_cli.sources.files import load_json

_SHAPES = {"ellipse": "contour", "arrow": "point", "scribble": "box"}
_OUTLINED = ("triangle", "contour", "mask", "point")

Json = dict[str, Any]


def write_coco(dataset: Dataset, target: Target) -> Export:
    """Write a dataset, or add its answers to the source. Raises InputError."""
    if target.source is not None:
        content = load_json(_only_file(target.source), encoding=target.encoding)
        if isinstance(content, dict):
            notes = _add_answers(content, dataset)
            return Export({SINGLE: json_bytes(content)}, notes)
    dataset.drop_unread_images()
    shapes = ShapeConverter(_SHAPES)
    labels = dataset.labels(UNLABELLED)
    names = readable_names([image.name for image in dataset.images], target.folder, target.paths)
    content = {
        "info": {"description": "Answers of vipllava", "version": "1.0"},
        "licenses": [],
        "images": [_image(image, id, names) for id, image in enumerate(dataset.images, 1)],
        "annotations": list(_annotations(dataset, labels, shapes)),
        "categories": [{"id": id, "name": name} for id, name in enumerate(labels, 1)],
    }
    return Export({SINGLE: json_bytes(content)}, list(shapes.notes()))


def _only_file(source: SourceFile) -> str:
    """Return the file of a source. Raises InputError for a folder with several."""
    files = sorted(set(source.files))
    if len(files) > 1:
        raise InputError(
            f"{source.name} contains {len(files)} COCO files, and an export is one: give one of them as"
            f" --source, like {files[0]}"
        )
    return files[0]


def _image(image: ExportImage, id: int, names: dict[str, str]) -> Json:
    width, height = image.size
    value: Json = {"id": id, "file_name": names[image.name], "width": width, "height": height}
    attributes = answer_attributes(image.answers)
    return {**value, "attributes": attributes} if attributes else value


def _annotations(
    dataset: Dataset, labels: list[str], shapes: ShapeConverter
) -> Iterator[dict[str, Any]]:
    ids = _AnnotationIds(dataset)
    numbers = {label: number for number, label in enumerate(labels, 1)}
    for image_id, image in enumerate(dataset.images, 1):
        for position, region, original in image.marked():
            mark = shapes.convert(original, image.size)
            attributes = region_attributes(region.extra, image.answers_of(position))
            if mark.shape in _OUTLINED:
                attributes[MARK_SHAPE] = mark.shape
            yield {
                "id": ids.next(region.extra.get("annotation_id")),
                "image_id": image_id,
                "category_id": numbers[region.label or UNLABELLED],
                **_geometry(mark, image.size),
                "iscrowd": 0,
                "attributes": attributes,
            }


class _AnnotationIds:
    """Gives annotations their ids in the source, where these are whole numbers that occur once."""

    def __init__(self, dataset: Dataset) -> None:
        wanted = [
            region.extra.get("annotation_id")
            for image in dataset.images
            for _, region, _ in image.marked()
        ]
        known = [id for id in wanted if type(id) is int and id > 0]
        self._are_unique = len(set(known)) == len(known)
        self._last = max(known, default=0) if self._are_unique else 0

    def next(self, wanted: Any) -> int:
        if self._are_unique and type(wanted) is int and wanted > 0:
            return int(wanted)
        self._last += 1
        return self._last


def _geometry(mark: Mark, size: tuple[int, int]) -> Json:
    is_exact = mark.shape in ("box", "point")
    left, top, right, bottom = mark.bounds if is_exact else box_around(mark, size)
    bbox = [rounded(value) for value in (left, top, right - left, bottom - top)]
    if mark.shape == "box":
        return {"bbox": bbox, "segmentation": [], "area": rounded(bbox[2] * bbox[3])}
    if mark.shape == "point":
        point = [rounded(left), rounded(top), 2]
        empty: Json = {"bbox": bbox, "segmentation": [], "area": 0}
        return {**empty, "keypoints": point, "num_keypoints": 1}
    if overlaps_itself(mark.parts, size):  # polygons cannot hold holes
        pixels = fill(mark.parts, size)
        counts = run_lengths(pixels.T.reshape(-1))
        rle = {"size": [size[1], size[0]], "counts": counts}
        return {"bbox": bbox, "segmentation": rle, "area": int(pixels.sum())}
    polygons = [[rounded(value) for point in part for value in point] for part in mark.parts]
    area = sum(polygon_area(part) for part in mark.parts)
    return {"bbox": bbox, "segmentation": polygons, "area": rounded(area)}


# --- the source ------------------------------------------------------------------------------


def _add_answers(content: Json, dataset: Dataset) -> list[str]:
    """Add answers and new labels to a COCO file. Everything else stays as it is. Returns notes."""
    content_images = content["images"]
    by_image: dict[Any, list[Json]] = {}
    for annotation in _annotation_objects(content):
        by_image.setdefault(id_key(annotation.get("image_id")), []).append(annotation)
    categories = _Categories(content)
    seen = set()
    exported = iter(dataset.images)
    for image in content_images:
        key = id_key(image.get("id")) if isinstance(image, dict) else None
        if not isinstance(image, dict) or (key is not None and key in seen):
            continue
        seen.add(key)
        if not (image.get("file_name") or image.get("coco_url")):
            continue
        answered = next(exported, None)
        if answered is None:
            break
        _add_attributes(image, answer_attributes(answered.answers))
        regions = pair_regions(by_image.get(key, []), answered, answered.name)
        for position, (annotation, region) in enumerate(regions):
            _add_attributes(annotation, answer_attributes(answered.answers_of(position)))
            if region.is_relabelled and region.label:
                annotation["category_id"] = categories.id_of(region.label)
    return [f"new categories: {', '.join(categories.added)}"] if categories.added else []


def _annotation_objects(content: Json) -> list[Json]:
    return [each for each in content.get("annotations") or [] if isinstance(each, dict)]


def _add_attributes(item: Json, added: Attributes) -> None:
    if added:
        existing = item.get("attributes")
        item["attributes"] = {**(existing if isinstance(existing, dict) else {}), **added}


class _Categories:
    """The categories of a file by name. New ones get ids above all others."""

    def __init__(self, content: Json) -> None:
        listed = content.get("categories")
        self._list: list[Any] = listed if isinstance(listed, list) else []
        content["categories"] = self._list
        named = [each for each in self._list if isinstance(each, dict) and "name" in each]
        self._ids = {str(each["name"]): each.get("id") for each in named}
        used = [each.get("category_id") for each in _annotation_objects(content)]
        numbers = (id_key(id) for id in (*self._ids.values(), *used))
        self._last = max((number for number in numbers if isinstance(number, int)), default=0)
        self.added: list[str] = []

    def id_of(self, name: str) -> Any:
        """Return the id of a category. Adds it if it is new."""
        if name not in self._ids:
            self._last += 1
            self._ids[name] = self._last
            self._list.append({"id": self._last, "name": name})
            self.added.append(name)
        return self._ids[name]

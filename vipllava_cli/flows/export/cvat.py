"""CVAT for images 1.1: one XML file. Answers are attributes of a shape, or a tag of the image.

The labels and attributes in `<meta>` are those of a task that takes the file.
https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, SubElement

from vipllava_cli.flows.export.attributes import (
    Attributes,
    answer_attributes,
    attribute_text,
    region_attributes,
)
from vipllava_cli.flows.export.dataset import UNLABELLED, Dataset
from vipllava_cli.flows.export.geometry import ShapeConverter, crop, fill, rounded, run_lengths
from vipllava_cli.flows.export.image_names import readable_names
from vipllava_cli.flows.export.output import SINGLE, Export, Target, xml_bytes
from vipllava_cli.flows.export.read_source import pair_regions
from vipllava_cli.marks.types import Mark, Points
from vipllava_cli.sources.xml_files import parse_xml

_SHAPES = {"triangle": "contour", "arrow": "point"}
_TAG = "answer"  # the label of the tag with the answers about an image
_WITHOUT_REGION = ("tag", "attribute")


def write_cvat(dataset: Dataset, target: Target) -> Export:
    """Write a dataset, or add its answers to the source. Raises InputError."""
    if target.source is not None:
        root = parse_xml(target.source.files[0], target.encoding)
        if root.find("image") is not None and root.find("track") is None:
            _add_answers(root, dataset)
            return Export({SINGLE: xml_bytes(root)})
    dataset.drop_unread_images()
    shapes = ShapeConverter(_SHAPES)
    names = readable_names([image.name for image in dataset.images], target.folder, target.paths)
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    root.append(Element("meta"))
    attributes_of: dict[str, dict[str, None]] = {}
    for id, image in enumerate(dataset.images):
        width, height = image.size
        values = {"id": str(id), "name": names[image.name], "width": str(width)}
        element = SubElement(root, "image", {**values, "height": str(height)})
        for position, region, original in image.marked():
            mark = shapes.convert(original, image.size)
            label = region.label or UNLABELLED
            attributes = region_attributes(region.extra, image.answers_of(position))
            attributes_of.setdefault(label, {}).update(dict.fromkeys(attributes))
            element.append(_shape(mark, label, attributes, image.size))
        attributes = answer_attributes(image.answers)
        if attributes:
            attributes_of.setdefault(_TAG, {}).update(dict.fromkeys(attributes))
            _add_tag(element, attributes)
    _fill_meta(root, len(dataset.images), attributes_of)
    return Export({SINGLE: xml_bytes(root)}, list(shapes.notes()))


def _shape(mark: Mark, label: str, attributes: Attributes, size: tuple[int, int]) -> Element:
    tag, geometry = _geometry(mark, size)
    common = {"label": label, "source": "file", "occluded": "0"}
    element = Element(tag, {**common, **geometry, "z_order": "0"})
    _set_attributes(element, attributes)
    return element


def _geometry(mark: Mark, size: tuple[int, int]) -> tuple[str, Mapping[str, str]]:
    """Return the tag and the coordinates of a mark."""
    left, top, right, bottom = mark.bounds
    if mark.shape == "box":
        edges = {"xtl": left, "ytl": top, "xbr": right, "ybr": bottom}
        return "box", {name: str(rounded(value)) for name, value in edges.items()}
    if mark.shape == "ellipse":
        values = {
            "cx": (left + right) / 2,
            "cy": (top + bottom) / 2,
            "rx": (right - left) / 2,
            "ry": (bottom - top) / 2,
        }
        return "ellipse", {name: str(rounded(value)) for name, value in values.items()}
    if mark.shape == "mask" or len(mark.parts) > 1:
        x, y, pixels = crop(fill(mark.parts, size))
        height, width = pixels.shape
        place = {"left": x, "top": y, "width": width, "height": height}
        runs = ", ".join(map(str, run_lengths(pixels.reshape(-1))))
        return "mask", {"rle": runs, **{name: str(value) for name, value in place.items()}}
    tags = {"point": "points", "scribble": "polyline"}
    return tags.get(mark.shape, "polygon"), {"points": _points(mark.parts[0])}


def _points(points: Points) -> str:
    return ";".join(f"{rounded(x)},{rounded(y)}" for x, y in points)


def _set_attributes(element: Element, attributes: Attributes) -> None:
    """Set the attributes of a shape. Others that it has stay."""
    for existing in element.findall("attribute"):
        if existing.get("name") in attributes:
            element.remove(existing)
    for name, value in attributes.items():
        SubElement(element, "attribute", {"name": name}).text = attribute_text(value)


def _add_tag(image: Element, attributes: Attributes) -> None:
    for old in image.findall("tag"):
        if old.get("label") == _TAG:
            image.remove(old)
    _set_attributes(SubElement(image, "tag", {"label": _TAG, "source": "file"}), attributes)


def _fill_meta(root: Element, images: int, attributes_of: Mapping[str, Mapping[str, None]]) -> None:
    """Describe the labels and their attributes, as a task of CVAT declares them."""
    meta = root.find("meta")
    if meta is None:
        return
    task = SubElement(meta, "task")
    for name, value in (("size", str(images)), ("mode", "annotation")):
        SubElement(task, name).text = value
    labels = SubElement(task, "labels")
    for label, attributes in attributes_of.items():
        labels.append(_label(label, attributes))


def _label(name: str, attributes: Mapping[str, None]) -> Element:
    label = Element("label")
    SubElement(label, "name").text = name
    listed = SubElement(label, "attributes")
    for attribute in attributes:
        listed.append(_declared(attribute))
    return label


def _declared(name: str) -> Element:
    """Declare an attribute of free text."""
    element = Element("attribute")
    fields = {"name": name, "mutable": "False", "input_type": "text"}
    for field, text in {**fields, "default_value": "", "values": ""}.items():
        SubElement(element, field).text = text
    return element


# --- the source ------------------------------------------------------------------------------


def _add_answers(root: Element, dataset: Dataset) -> None:
    """Add answers and new labels to the shapes of a file, and declare them in its `<meta>`."""
    added: dict[str, dict[str, None]] = {}
    named = (image for image in root.findall("image") if image.get("name"))
    for element, image in zip(named, dataset.images, strict=False):
        shapes = [shape for shape in element if shape.tag not in _WITHOUT_REGION]
        pairs = pair_regions(shapes, image, element.get("name") or "")
        for position, (shape, region) in enumerate(pairs):
            attributes = answer_attributes(image.answers_of(position))
            if region.is_relabelled and region.label:
                shape.set("label", region.label)
            _set_attributes(shape, attributes)
            added.setdefault(shape.get("label") or "", {}).update(dict.fromkeys(attributes))
        attributes = answer_attributes(image.answers)
        if attributes:
            _add_tag(element, attributes)
            added.setdefault(_TAG, {}).update(dict.fromkeys(attributes))
    for labels in root.iterfind("meta/*/labels"):
        _declare(labels, added)


def _declare(labels: Element, added: Mapping[str, Mapping[str, None]]) -> None:
    known = {label.findtext("name"): label for label in labels.findall("label")}
    for name, attributes in added.items():
        label = known.get(name)
        if label is None:
            labels.append(_label(name, attributes))
            continue
        listed = label.find("attributes")
        listed = SubElement(label, "attributes") if listed is None else listed
        declared = set(_declared_names(listed))
        for attribute in attributes:
            if attribute not in declared:
                listed.append(_declared(attribute))


def _declared_names(listed: Element) -> Iterator[str]:
    for attribute in listed.findall("attribute"):
        yield attribute.findtext("name") or ""

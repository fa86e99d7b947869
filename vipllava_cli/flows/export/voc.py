"""Pascal VOC: one XML file for each image. Answers are `<attributes>` of an object, as CVAT writes them.

VOC counts pixels from 1, so that a box starts one after its left edge. An object that is no box also has
a `<polygon>`, and the attribute `mark_shape` says that this counts.
http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
"""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

from vipllava_cli.flows.export.attributes import (
    Attributes,
    answer_attributes,
    attribute_text,
    region_attributes,
)
from vipllava_cli.flows.export.dataset import UNLABELLED, Dataset, ExportImage, Region
from vipllava_cli.flows.export.geometry import ShapeConverter, box_around, rounded
from vipllava_cli.flows.export.image_names import relative_names
from vipllava_cli.flows.export.output import Content, Export, Target, xml_bytes
from vipllava_cli.flows.export.per_image import file_names, source_files
from vipllava_cli.flows.export.read_source import pair_regions
from vipllava_cli.marks.types import Mark
from vipllava_cli.sources.coco_region import MARK_SHAPE
from vipllava_cli.sources.voc import find_objects
from vipllava_cli.sources.xml_files import child_text, parse_xml

_SHAPES = {"ellipse": "contour", "point": "box", "arrow": "box", "scribble": "box"}
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def write_voc(dataset: Dataset, target: Target) -> Export:
    """Write a dataset, or add its answers to the files of the source. Raises InputError."""
    if target.source is not None:
        return Export(_with_answers(dataset, target, target.source.files))
    shapes = ShapeConverter(_SHAPES, is_single_part=True)
    files: dict[str, Content] = {}
    for image, file in file_names(dataset, target, ".xml"):
        folder = (target.folder / file).parent
        path = relative_names([image.name], folder, target.paths)[image.name]
        files[file] = xml_bytes(_annotation(image, path, shapes))
    return Export(files, list(shapes.notes()))


def _annotation(image: ExportImage, path: str, shapes: ShapeConverter) -> Element:
    root = Element("annotation")
    folder, _, name = path.rpartition("/")
    _add(root, "folder", folder.rpartition("/")[2])
    _add(root, "filename", name if not folder else path)
    _add(root, "path", path)
    _add(SubElement(root, "source"), "database", "Unknown")
    size = SubElement(root, "size")
    for side, value in (("width", image.size[0]), ("height", image.size[1]), ("depth", 3)):
        _add(size, side, value)
    _add(root, "segmented", 0)
    _add_attributes(root, answer_attributes(image.answers))
    for position, region, mark in image.marked():
        converted = shapes.convert(mark, image.size)
        root.append(_object(image, position, region, converted))
    return root


def _object(image: ExportImage, position: int, region: Region, mark: Mark) -> Element:
    element = Element("object")
    _add(element, "name", region.label or UNLABELLED)
    _add(element, "pose", "Unspecified")
    for flag in ("truncated", "difficult", "occluded"):
        _add(element, flag, int(region.extra.get(flag) == 1))
    left, top, right, bottom = box_around(mark, image.size)
    box = SubElement(element, "bndbox")
    for edge, value in zip(_EDGES, (left + 1, top + 1, right, bottom), strict=True):
        _add(box, edge, rounded(value))
    attributes = region_attributes(region.extra, image.answers_of(position))
    if mark.shape != "box":
        attributes[MARK_SHAPE] = mark.shape
        polygon = SubElement(element, "polygon")
        for number, (x, y) in enumerate(mark.parts[0], 1):
            _add(polygon, f"x{number}", rounded(x))
            _add(polygon, f"y{number}", rounded(y))
    _add_attributes(element, attributes)
    return element


def _add(parent: Element, name: str, value: object) -> None:
    SubElement(parent, name).text = str(value)


def _add_attributes(parent: Element, attributes: Attributes) -> None:
    """Set the `<attributes>` of an element. Others that it has stay."""
    if not attributes:
        return
    existing = parent.find("attributes")
    listed = SubElement(parent, "attributes") if existing is None else existing
    for attribute in listed.findall("attribute"):
        if child_text(attribute, "name") in attributes:
            listed.remove(attribute)
    for name, value in attributes.items():
        attribute = SubElement(listed, "attribute")
        _add(attribute, "name", name)
        _add(attribute, "value", attribute_text(value))


# --- the source ------------------------------------------------------------------------------


def _with_answers(dataset: Dataset, target: Target, sources: Sequence[str]) -> dict[str, Content]:
    files: dict[str, Content] = {}
    for image, file, source in source_files(dataset, target, sources):
        root = parse_xml(source, target.encoding)
        _add_attributes(root, answer_attributes(image.answers))
        objects = pair_regions(find_objects(root), image, source)
        for position, (element, region) in enumerate(objects):
            _add_attributes(element, answer_attributes(image.answers_of(position)))
            name = element.find("name")
            if region.is_relabelled and name is not None:
                name.text = region.label
        if target.paths.exists(image.name):
            _set_path(
                root, relative_names([image.name], (target.folder / file).parent, target.paths)
            )
        files[file] = xml_bytes(root)
    return files


def _set_path(root: Element, names: Mapping[str, str]) -> None:
    """Set the path of the image from the place of the new file. The file name stays."""
    element = root.find("path")
    element = SubElement(root, "path") if element is None else element
    element.text = next(iter(names.values()))

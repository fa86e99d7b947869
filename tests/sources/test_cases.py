"""Files as other programs write them: one small case for each kind of report.

The image `a.jpg` is 160x120. Most cases hold one region: the box 20,30 - 60,55, labelled `bolt`.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from vipllava_cli.errors import InputError
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.shape_table import Units
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.read_options import ReadOptions
from vipllava_cli.sources.rows import BadRow, Row

CASES = ROOT / "tests" / "fixtures" / "cases"

Bounds = tuple[float, float, float, float]
Region = tuple[str | None, str, Bounds]  # label, shape, bounds in pixels of the upright image

BOX: Bounds = (20, 30, 60, 55)
BOLT: Region = ("bolt", "box", BOX)


@dataclass(frozen=True)
class Case:
    """A source below CASES, and the regions that it gives. `note` is part of a note.

    `bad` rows fail, each with one line.
    """

    source: str
    regions: Sequence[Region] = (BOLT,)
    note: str = ""
    images: Sequence[str] = ()
    bad: int = 0
    options: dict[str, Any] = field(default_factory=dict)


def case(source: str, *regions: Region, note: str = "", **options: Any) -> Any:
    images, bad = options.pop("images", ()), options.pop("bad", 0)
    return pytest.param(Case(source, regions or (BOLT,), note, images, bad, options), id=source)


def text_of(error: Exception) -> str:
    assert "\n" not in str(error)
    return str(error)


def read_case(each: Case) -> tuple[list[Row | BadRow], list[str]]:
    folders = tuple(str(CASES / folder) for folder in each.images)
    options = ReadOptions(image_folders=folders, **each.options)
    source = read_source(str(CASES / each.source), options=options)
    return list(source.rows), list(source.notes)


def resolve_row(row: Row) -> tuple[list[Region], tuple[str, ...]]:
    """Resolve the marks of a row on its image, as a batch does."""
    if row.image_error:
        raise row.image_error
    file = open_image(row.image)
    resolved = resolve_marks(row.marks, file.size, read_orientation=file.read_orientation)
    return [(mark.label, mark.shape, mark.bounds) for mark in resolved.marks], resolved.notes


TURNED = (80.0, 100.0, 110.0, 150.0)

TURNED_BOX = (18.134, 26.717, 61.866, 58.283)  # BOX, by 10 degrees about its centre
UPRIGHT_ELLIPSE = (50.0, 30.0, 70.0, 90.0)  # an ellipse of 60x20, by 90 degrees about its centre
PIXELS = (20.5, 30.5, 59.5, 54.5)  # the centres of the outermost pixels in BOX

VIA: Sequence[Region] = (
    BOLT,
    ("nut", "contour", UPRIGHT_ELLIPSE),
    ("nut", "ellipse", (50, 50, 70, 70)),
    ("nut", "contour", BOX),
    ("nut", "scribble", BOX),
    (None, "point", (20, 30, 20, 30)),
)
SUPERVISELY: Sequence[Region] = (
    BOLT,
    ("bolt", "contour", BOX),
    ("bolt", "mask", PIXELS),
    ("bolt", "mask", PIXELS),
    ("bolt", "point", (20, 30, 20, 30)),
    ("bolt", "scribble", BOX),
    BOLT,
    ("bolt", "contour", TURNED_BOX),
    ("bolt", "contour", (20, 25, 70, 55)),
)
CVAT_SHAPES: Sequence[Region] = (
    ("bolt", "mask", PIXELS),
    ("bolt", "contour", UPRIGHT_ELLIPSE),
    ("bolt", "ellipse", (30, 50, 90, 70)),
    ("bolt", "point", (20, 30, 20, 30)),
    BOLT,
    ("bolt", "scribble", BOX),
    BOLT,
    ("bolt", "contour", (20, 25, 70, 55)),
    ("bolt", "contour", TURNED_BOX),
)
STILL: Region = ("nut", "contour", BOX)
CVAT_FRAMES: Sequence[Region] = (
    *(BOLT, STILL),
    *(("bolt", "box", (25, 30, 65, 60)), STILL),
    *(("bolt", "box", (30, 30, 70, 65)), STILL),
    ("bolt", "box", (35, 30, 75, 70)),
    ("bolt", "box", (40, 30, 80, 75)),
    ("bolt", "box", (40, 30, 80, 75)),
    ("bolt", "contour", TURNED_BOX),
    BOLT,
    ("bolt", "contour", TURNED_BOX),
)
LABEL_STUDIO: Sequence[Region] = (
    ("bolt", "box", (20, 30, 60, 54)),
    ("nut", "contour", UPRIGHT_ELLIPSE),
    ("nut", "contour", BOX),
    ("tip", "point", (20, 30, 20, 30)),
    ("bolt", "mask", PIXELS),
    ("bolt", "box", (20, 30, 60, 54)),
    ("bolt", "contour", (-4, 30, 20, 70)),
    ("v", "scribble", (20, 30, 60, 54)),
)

READ = [
    case("01-coco-float-ids/ann.json"),
    case("02-coco-string-ids/ann.json"),
    case("03-coco-empty-bbox/ann.json", *[("bolt", "contour", BOX)] * 2),
    case(
        "08-coco-unlisted-category/ann.json",
        (None, "box", BOX),
        (None, "box", BOX),
        BOLT,
        note="2 annotations without a listed category",
    ),
    case("09-coco-exif/ann.json", ("bolt", "box", TURNED), note="before the EXIF turn"),
    case("10-coco-resized/ann.json", ("bolt", "box", (25, 20, 35, 27.5)), note="640x480"),
    case("11-coco-backslash/ann.json"),
    case("12-coco-bom-crlf/ann.json"),
    case("12c-coco-gbk/ann.json", ("螺栓", "box", BOX), encoding="gbk"),
    case("13-coco-results/bbox_results.json", coco=str(CASES / "01-coco-float-ids" / "ann.json")),
    case("14-roboflow-coco-folder"),
    case("15-coco-keypoints-layout/annotations/person_keypoints_val2017.json"),
    case("15-coco-keypoints-layout"),
    case("15b-coco-instances-layout/annotations/instances_val2017.json"),
    case("15c-coco-instances_default-cvat/annotations/instances_default.json"),
    case("15c-coco-instances_default-cvat"),
    case("19-coco-attributes/ann.json", ("bolt", "contour", (16.43, 21.67, 63.57, 63.33))),
    case("04-coco-seg-nested-empty/ann.json", bad=1),
    case("06-coco-zero-area/ann.json", bad=2),
    case(
        "07-coco-outside/ann.json",
        ("bolt", "box", (0, 0, 35, 17)),
        ("bolt", "box", (150, 100, 160, 120)),
        note="reaches outside",
        bad=1,
    ),
    case("16-coco-nan/ann.json", bad=1),
    case("22-coco-no-categories/ann.json", ("1", "box", BOX), note="category numbers"),
    case("23-coco-supercat-space/ann.json"),
    case("24-coco-bbox-strings/ann.json"),
    case("69-lvis-no-filename/annotations/lvis_v1_val.json"),
    case("67-manifest-bbox-columns/m.csv", (None, "box", BOX)),
    case("67-manifest-bbox-columns/m.jsonl", *[(None, "box", BOX)] * 3, note="prompt"),
    case("66-llava-jsonl/vip.json", (None, "box", BOX)),
    case(
        "60-cvat-xml/annotations.xml",
        ("bolt", "contour", (18.134, 26.717, 61.866, 58.283)),
        ("nut", "contour", BOX),
    ),
    case(
        "60-cvat-xml",
        ("bolt", "contour", (18.134, 26.717, 61.866, 58.283)),
        ("nut", "contour", BOX),
    ),
    case("61-labelstudio-json/project-1.json", ("bolt", "box", (20, 30, 60, 54))),
    case("61-labelstudio-json/min.json", ("bolt", "box", (20, 30, 60, 54))),
    case("65-hf-imagefolder", ("0", "box", BOX)),
    case("65-hf-imagefolder/metadata.jsonl", ("0", "box", BOX)),
    case("68-openimages/val.csv", ("/m/0cmf2", "box", (16, 24, 64, 60))),
    case("68-openimages", ("/m/0cmf2", "box", (16, 24, 64, 60))),
    case("68b-openimages-masks", ("/m/0a", "mask", (21, 31, 59, 55)), note="class-descriptions"),
    case(
        "68c-openimages-classes",
        ("Bolt", "box", (16, 24, 64, 60)),
        ("Nut, hex", "box", (16, 24, 64, 60)),
    ),
    case("98-coco-ann-data-imgs"),
    case("98-coco-ann-data-imgs/ann/instances.json"),
    case("62-via-json", *VIA, note="'Class' is the label"),
    case("62-via-json/via_region_data.json", *VIA),
    case("62b-via-csv", *VIA),
    case("62b-via-csv/via.csv", *VIA),
    case("62c-via-project", *VIA),
    case("62c-via-project/via_project.json", *VIA),
    case("63-supervisely", *SUPERVISELY, bad=1),
    case("63-supervisely/ds/ann/a.jpg.json", *SUPERVISELY, bad=1),
    case("60b-cvat-shapes", *CVAT_SHAPES, bad=1),
    case("60b-cvat-shapes/annotations.xml", *CVAT_SHAPES, bad=1),
    case("60c-cvat-video", *CVAT_FRAMES),
    case("60c-cvat-video/annotations.xml", *CVAT_FRAMES),
    case("61b-labelstudio-types/project.json", *LABEL_STUDIO, note="reaches outside"),
    case(
        "61b-labelstudio-types/min.json",
        ("bolt", "box", (20, 30, 60, 54)),
        ("nut", "box", (20, 30, 60, 54)),
    ),
    case(
        "61b-labelstudio-types/brush-min.json",
        ("bolt", "mask", PIXELS),
        ("tip", "point", (20, 30, 20, 30)),
    ),
    case("30-labelme-mask", ("bolt", "mask", (20.5, 30.5, 60.5, 55.5))),
    case("32-labelme-windows"),
    case("32-labelme-windows/ann/a.json"),
    case("33-labelme-imagedata-only"),
    case("34-labelme-split-dirs"),
    case("34-labelme-split-dirs/labels/a.json"),
    case(
        "35-labelme-odd",
        BOLT,
        ("bolt", "scribble", BOX),
        ("bolt", "scribble", (20, 30, 70, 70)),
        ("bolt", "ellipse", (50, 50, 70, 70)),
        ("bolt", "contour", (20, 30, 60, 60)),
        ("3", "box", BOX),
        ("bolt", "point", (20, 30, 20, 30)),
        bad=5,
    ),
    case("36-labelme-gbk/a.json", ("螺栓", "box", BOX), encoding="gbk"),
    case("37-labelme-size-mismatch", ("bolt", "box", (50, 30, 75, 50)), note="640x480"),
    case("40-voc-float-order", ("bolt", "box", (20.4, 30.6, 60.2, 55.9))),
    case("42-voc-backslash"),
    case("42-voc-backslash/1.xml"),
    case("43b-voc-latin1-undeclared", ("Straße", "box", BOX), encoding="latin-1"),
    case("43c-voc-utf8-declared", ("Straße", "box", BOX)),
    case("47-voc-splitdirs-xmls"),
    case("47-voc-splitdirs-xmls/xml/a.xml"),
    case("48-voc-no-name-xml-decl-space"),
    case("50-yolo-pose4", ("nut", "box", (60, 45, 100, 75))),
    case("50b-yolo-pose17", ("bolt", "box", (60, 45, 100, 75))),
    case(
        "51-yolo-track",
        ("bolt", "box", (60, 45, 100, 75)),
        ("nut", "box", (24, 18, 40, 30)),
    ),
    case("52-yolo-obb", ("bolt", "contour", (60.8, 48, 96, 72))),
    case("52c-yolo-seg-conf", ("bolt", "contour", (64, 48, 96, 72))),
    case(
        "53-yolo-float-class",
        ("bolt", "box", (60, 45, 100, 75)),
        ("nut", "box", (24, 18, 40, 30)),
    ),
    case("54-yolo-pixels", ("nut", "box", (150.4, 112.8, 160, 120)), note="outside", bad=1),
    case("56-yolo-class-out-of-range", ("bolt", "box", (60, 45, 100, 75)), bad=1),
    case("96-yolo-upper-case"),
    case("57-yolo-commas", ("bolt", "box", (60, 45, 100, 75))),
    case("58-yolo-yaml-elsewhere", ("bolt", "box", (60, 45, 100, 75))),
    case("58-yolo-yaml-elsewhere/cfg/data.yaml", ("bolt", "box", (60, 45, 100, 75))),
    case("58b-yolo-train-txt", ("bolt", "box", (60, 45, 100, 75))),
    case("58b-yolo-train-txt/data.yaml", ("bolt", "box", (60, 45, 100, 75))),
    case("58c-roboflow-yolo", *[("bolt", "box", (60, 45, 100, 75))] * 2),
    case("58c-roboflow-yolo/data.yaml", *[("bolt", "box", (60, 45, 100, 75))] * 2, note="test:"),
    case("58d-darknet", ("bolt", "box", (60, 45, 100, 75))),
    case("59-yolo-names-str", ("bolt", "box", (60, 45, 100, 75))),
    case("59c-yolo-names-missing-class-txt-ls", ("bolt", "box", (60, 45, 100, 75))),
]


@pytest.mark.parametrize("each", READ)
def test_a_case_gives_its_regions(each: Case) -> None:
    rows, notes = read_case(each)
    regions: list[Region] = []
    errors: list[InputError] = []
    for row in rows:
        if isinstance(row, BadRow):
            errors.append(row.error)
            continue
        try:
            found, row_notes = resolve_row(row)
        except InputError as error:
            errors.append(error)
            continue
        regions += found
        notes += row_notes
    assert len([*map(text_of, errors)]) == each.bad, errors
    assert [region[:2] for region in regions] == [region[:2] for region in each.regions]
    for (_, _, bounds), (_, _, expected) in zip(regions, each.regions, strict=True):
        assert bounds == pytest.approx(expected, abs=0.01)
    assert any(each.note in note for note in notes) if each.note else True


@pytest.mark.parametrize(
    ("source", "question"),
    [
        ("66-llava-jsonl/train.json", "What is it?"),
        ("66-llava-jsonl/vip.json", "What is {1}?"),
        ("66-llava-jsonl/questions.jsonl", "What color is it?"),
        ("67-manifest-bbox-columns/Caps.csv", "what?"),
        ("67-manifest-bbox-columns/path.csv", "what?"),
        ("67-manifest-bbox-columns/sep.csv", "what?"),
        ("67-manifest-bbox-columns/utf16.csv", "où?"),
        ("65-hf-imagefolder/metadata.csv", "what is in it?"),
    ],
)
def test_a_manifest_gives_its_image_and_question(source: str, question: str) -> None:
    [row], notes = read_case(Case(source))
    assert isinstance(row, Row)
    assert open_image(row.image).size == (160, 120)
    assert row.questions == (question,)
    has_word = b"<image>" in (CASES / source).read_bytes()
    dropped = f"{CASES / source}: dropped <image> from the question"
    assert [note.partition(": the prompt")[0] for note in notes] == [dropped] * has_word


def test_a_manifest_of_another_encoding_names_the_option() -> None:
    source = "67-manifest-bbox-columns/latin1.csv"
    with pytest.raises(InputError, match="--encoding"):
        read_case(Case(source))
    [row], _ = read_case(Case(source, options={"encoding": "latin-1"}))
    assert isinstance(row, Row)
    assert row.questions == ("où est-ce?",)


def test_data_addresses_are_never_shown_whole() -> None:
    row, *_ = read_case(Case("67-manifest-bbox-columns/data-uri.jsonl"))[0]
    assert isinstance(row, Row)
    assert row.id == "line 1"
    assert open_image(row.image).size == (160, 120)
    with pytest.raises(InputError) as caught:
        open_image("data:image/png;base64," + "QUJD" * 500)
    assert len(str(caught.value)) < 200


@dataclass(frozen=True)
class Refused:
    source: str
    words: Sequence[str]


REFUSED = [
    Refused("12c-coco-gbk/ann.json", ("--encoding",)),
    Refused("13-coco-results/bbox_results.json", ("COCO results", "--coco FILE")),
    Refused("20-coco-duplicate-ids/ann.json", ("two images", "id 1", "a.jpg", "b.jpg")),
    Refused("93-coco-captions/captions_val2017.json", ("captions",)),
    Refused("93-coco-captions", ("captions",)),
    Refused("94-coco-panoptic/panoptic_val2017.json", ("panoptic",)),
    Refused("94-coco-panoptic", ("panoptic",)),
    Refused("38-labelme-flags-only", ("no region", "--per image")),
    Refused("36-labelme-gbk/a.json", ("--encoding",)),
    Refused("43b-voc-latin1-undeclared/a.xml", ("--encoding",)),
]


@pytest.mark.parametrize("each", REFUSED, ids=lambda each: each.source)
def test_a_case_is_refused_in_one_line(each: Refused) -> None:
    with pytest.raises(InputError) as caught:
        read_source(str(CASES / each.source))
    for word in each.words:
        assert word in text_of(caught.value)


def test_an_image_that_is_only_on_the_web_is_named() -> None:
    [row], _ = read_case(Case("17-coco-url/ann.json"))
    assert isinstance(row, Row)
    with pytest.raises(InputError, match=r"notthere\.jpg.*--images"):
        resolve_row(row)


def test_attributes_and_scores_are_columns() -> None:
    [row], _ = read_case(Case("19-coco-attributes/ann.json"))
    assert isinstance(row, Row)
    assert row.extra["color"] == "red"
    rows, _ = read_case(Case("51-yolo-track"))
    assert [dict(row.extra) for row in rows if isinstance(row, Row)] == [
        {"label": "bolt", "confidence": 0.87, "track": 12},
        {"label": "nut", "confidence": 0.66, "track": 13},
    ]
    [outline], _ = read_case(Case("52c-yolo-seg-conf"))
    assert isinstance(outline, Row)
    assert outline.extra["confidence"] == 0.91


def test_reversed_corners_of_voc_are_put_in_order() -> None:
    rows, _ = read_case(Case("44-voc-reversed"))
    marks = [resolve_row(row)[0][0][2] for row in rows if isinstance(row, Row)]
    assert marks[:3] == [BOX, (0, 0, 160, 120), (29, 29, 30, 30)]


def test_label_files_may_have_an_upper_case_suffix(tmp_path: Path) -> None:
    copy = tmp_path / "set"
    shutil.copytree(CASES / "53-yolo-float-class", copy)
    labels = copy / "labels" / "train"
    (labels / "a.txt").rename(labels / "a.TXT")
    rows = list(read_source(str(copy)).rows)
    assert [row.extra["label"] for row in rows if isinstance(row, Row)] == ["bolt", "nut"]


def test_another_aspect_ratio_fails_the_row_with_both_sizes(tmp_path: Path) -> None:
    copy = tmp_path / "case"
    shutil.copytree(CASES / "10-coco-resized", copy)
    text = (copy / "ann.json").read_text().replace("480", "500")
    (copy / "ann.json").write_text(text)
    [row] = read_source(str(copy / "ann.json")).rows
    assert isinstance(row, Row)
    with pytest.raises(InputError, match=r"640x500.*160x120"):
        resolve_row(row)


def test_results_find_images_that_are_named_by_their_number(tmp_path: Path) -> None:
    images = tmp_path / "val"
    images.mkdir()
    shutil.copy(CASES / "13-coco-results" / "a.jpg", images / "000000000001.jpg")
    source = str(CASES / "13-coco-results" / "bbox_results.json")
    [row] = read_source(source, options=ReadOptions((str(images),))).rows
    assert isinstance(row, Row)
    assert row.image == str(images / "000000000001.jpg")
    assert resolve_row(row)[0] == [("1", "box", BOX)]
    assert row.extra["score"] == 0.91


def test_units_apply_to_the_coordinates_of_a_source(tmp_path: Path) -> None:
    shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", tmp_path)
    manifest = tmp_path / "m.csv"
    manifest.write_text("image,x1,y1,x2,y2\na.jpg,0.125,0.25,0.375,0.5\n")
    coco = tmp_path / "ann.json"
    coco.write_text(
        '{"images": [{"id": 1, "file_name": "a.jpg", "width": 160, "height": 120}], "annotations":'
        ' [{"image_id": 1, "bbox": [0.125, 0.25, 0.25, 0.25]}]}'
    )
    for source in (manifest, coco):
        [pixels] = read_source(str(source)).rows
        assert isinstance(pixels, Row)
        assert "--units unit" in resolve_row(pixels)[1][0]
        [shares] = read_source(str(source), options=ReadOptions(units=Units.unit)).rows
        assert isinstance(shares, Row)
        regions, notes = resolve_row(shares)
        assert regions[0][2] == (20, 30, 60, 60)
        assert notes == ()


def test_a_rotation_of_label_studio_is_about_the_top_left_corner(tmp_path: Path) -> None:
    copy = tmp_path / "case"
    shutil.copytree(CASES / "61-labelstudio-json", copy)
    file = copy / "min.json"
    file.write_text(file.read_text().replace('"rotation": 0', '"rotation": 90'))
    [row] = read_source(str(file)).rows
    assert isinstance(row, Row)
    [(_, shape, bounds)], _ = resolve_row(row)
    assert shape == "contour"
    assert bounds == pytest.approx((-4, 30, 20, 70))


def test_two_uploads_of_one_name_are_not_one_image(tmp_path: Path) -> None:
    copy = tmp_path / "case"
    shutil.copytree(CASES / "61-labelstudio-json", copy)
    file = copy / "project-1.json"
    text = file.read_text().strip()
    file.write_text(f"{text[:-1]}, {text[1:-1].replace('0f61', '1a2b')}]")
    rows = list(read_source(str(file)).rows)
    assert [isinstance(row, Row) and bool(row.image_error) for row in rows] == [True, True]


@pytest.mark.parametrize(
    "task",
    [
        '{"data": 7, "annotations": [{"result": [1, null, {"id": [], "type": "labels"}]}]}',
        '{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"value": {"x": "y"}}]}]}',
        '{"data": {"image": "a.jpg"}, "annotations": [7], "label": [{"original_width": []}]}',
        "7",
    ],
)
def test_malformed_tasks_of_label_studio_are_bad_rows(tmp_path: Path, task: str) -> None:
    good = (CASES / "61-labelstudio-json" / "min.json").read_text().strip()
    shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", tmp_path)
    source = tmp_path / "tasks.json"
    source.write_text(f"{good[:-1]}, {task}]")
    first, *rest = read_source(str(source)).rows
    assert isinstance(first, Row)
    assert all(isinstance(row, BadRow) for row in rest)

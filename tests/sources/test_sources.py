"""Sources of a batch: folders, manifests and annotation files, and what is wrong in them."""

import csv
import io
import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.json_marks import mark_from_json, mark_to_json
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import Mark, MarkSpec
from vipllava_cli.sources.open import FORMATS, read_source
from vipllava_cli.sources.rows import BadRow, Row

WIDTH, HEIGHT = 200, 100

# Two images: one with two boxes and an outline, one with nothing on it.
BOXES = (("dog", (20.0, 10.0, 100.0, 60.0)), ("cat", (0.0, 0.0, 200.0, 100.0)))
OUTLINE = ("sofa", (10.0, 10.0, 150.0, 20.0, 80.0, 90.0))


def images(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).save(path)


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def rows(source: Path | str, **options: Any) -> list[Row]:
    """The rows of a source in which none is bad."""
    found = list(read_source(str(source), **options).rows)
    assert all(isinstance(row, Row) for row in found), found
    return [row for row in found if isinstance(row, Row)]


def bad_rows(source: Path | str, **options: Any) -> list[BadRow]:
    found = read_source(str(source), **options).rows
    return [row for row in found if isinstance(row, BadRow)]


def ids(source: Path | str, **options: Any) -> list[str]:
    return [row.id for row in read_source(str(source), **options).rows]


def refusal(source: Path | str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_source(str(source), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def placed(marks: Sequence[MarkSpec]) -> tuple[Mark, ...]:
    return resolve_coordinates(marks, WIDTH, HEIGHT).marks


# --- the same scene in every format ----------------------------------------------------------


def coco(folder: Path) -> Path:
    images(folder, "val2017/a.jpg", "val2017/b.jpg")
    annotations: list[dict[str, Any]] = [
        {"id": 70 + number, "image_id": 1, "category_id": number}
        for number, _ in enumerate((*BOXES, OUTLINE), 1)
    ]
    for annotation, (_, (left, top, right, bottom)) in zip(annotations, BOXES, strict=False):
        annotation["bbox"] = [left, top, right - left, bottom - top]
        annotation["segmentation"] = [[left, top, right, top, right, bottom]]
    annotations[2]["segmentation"] = [list(OUTLINE[1])]
    value = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": annotations,
        "categories": [
            {"id": number, "name": label} for number, (label, _) in enumerate((*BOXES, OUTLINE), 1)
        ],
    }
    return write(folder / "annotations" / "instances_val2017.json", value)


def labelme(folder: Path) -> Path:
    images(folder, "a.jpg", "b.jpg")
    shapes: list[dict[str, Any]] = [
        # Drawn from the bottom right to the top left.
        {"label": label, "shape_type": "rectangle", "points": [corners[2:], corners[:2]]}
        for label, corners in BOXES
    ]
    flat = OUTLINE[1]
    points = list(zip(flat[::2], flat[1::2], strict=True))
    shapes.append({"label": OUTLINE[0], "shape_type": "polygon", "points": points})
    write(folder / "a.json", {"shapes": shapes, "imagePath": "a.jpg", "imageData": "AAAA"})
    write(folder / "b.json", {"shapes": [], "imagePath": "b.jpg", "imageData": None})
    return folder


def voc_object(label: str, corners: Sequence[float]) -> str:
    edges = "".join(
        f"<{name}>{value:g}</{name}>"
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{escape(label)}</name><bndbox>{edges}</bndbox></object>"


def voc_file(image: str, *objects: str) -> str:
    return f"<annotation><filename>{image}</filename>{''.join(objects)}</annotation>"


def voc(folder: Path) -> Path:
    images(folder, "JPEGImages/a.jpg", "JPEGImages/b.jpg")
    objects = [
        voc_object(label, (left + 1, top + 1, right, bottom))
        for label, (left, top, right, bottom) in BOXES
    ]
    write(folder / "Annotations" / "a.xml", voc_file("a.jpg", *objects))
    write(folder / "Annotations" / "b.xml", voc_file("b.jpg"))
    return folder


def yolo(folder: Path) -> Path:
    images(folder, "images/train/a.jpg", "images/train/b.jpg")
    lines = []
    for number, (_, (left, top, right, bottom)) in enumerate(BOXES):
        middle = ((left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT)
        size = ((right - left) / WIDTH, (bottom - top) / HEIGHT)
        lines.append(f"{number} {' '.join(f'{value:.6f}' for value in (*middle, *size))}")
    sides = (WIDTH, HEIGHT) * 3
    shares = (value / side for value, side in zip(OUTLINE[1], sides, strict=True))
    lines.append(f"2 {' '.join(f'{share:.6f}' for share in shares)}")
    write(folder / "labels" / "train" / "a.txt", "\n".join(lines) + "\n")
    write(folder / "data.yaml", "names:\n  0: dog\n  1: cat\n  2: sofa\n")
    return folder


FORMATS_OF_REGIONS: Mapping[str, Callable[[Path], Path]] = {
    "coco": coco,
    "labelme": labelme,
    "voc": voc,
    "yolo": yolo,
}


def scene() -> list[MarkSpec]:
    specs = [parse_mark("box", ",".join(map(str, corners))) for _, corners in BOXES]
    return [*specs, parse_mark("contour", ",".join(map(str, OUTLINE[1])))]


def assert_the_scene(marks: Sequence[Mark]) -> None:
    assert marks
    for mark, expected in zip(marks, placed(scene())[: len(marks)], strict=True):
        assert mark.shape == expected.shape
        assert np.allclose(mark.parts, expected.parts, atol=0.01)


@pytest.mark.parametrize("format", FORMATS_OF_REGIONS)
def test_every_annotation_format_gives_the_same_regions(tmp_path: Path, format: str) -> None:
    source = FORMATS_OF_REGIONS[format](tmp_path)
    found = rows(source, per="image")
    labels = ["dog", "cat"] if format == "voc" else ["dog", "cat", "sofa"]  # VOC knows only boxes
    assert [list(row.extra["labels"]) for row in found] == [labels, []]
    assert [mark.label for mark in found[0].marks] == labels
    assert_the_scene(placed(found[0].marks))
    assert found[1].marks == ()
    assert all(os.path.isfile(row.image) for row in found)

    read = read_source(str(source))
    one_each = [row for row in read.rows if isinstance(row, Row)]
    assert read.kind == format
    assert read.total == len(one_each) == len(labels)
    assert [row.extra["label"] for row in one_each] == labels
    assert [row.id for row in one_each] == [f"{found[0].id}#{n + 1}" for n in range(len(labels))]
    assert tuple(mark for row in one_each for mark in row.marks) == found[0].marks
    assert any("without a region" in note and note.endswith(": 1") for note in read.notes)


def test_a_manifest_gives_the_same_regions_again(tmp_path: Path) -> None:
    marks = [mark_to_json(mark) for mark in placed(scene())]
    row = {"id": 7, "image": "a.jpg", "marks": marks, "question": "what?", "scale": 2}
    sources = [
        write(tmp_path / "m.jsonl", row),
        write(tmp_path / "m.json", [row]),
        write(tmp_path / "named.json", {"classes": ["dog"], "rows": [row]}),
        write(tmp_path / "only.json", {"version": 1, "anything": [row]}),
        tmp_path / "m.csv",
        tmp_path / "m.tsv",
    ]
    for path, dialect in ((sources[4], "excel"), (sources[5], "excel-tab")):
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(row), dialect=dialect)
            table.writeheader()
            table.writerow({**row, "marks": json.dumps(marks)})
    for source in sources:
        [found] = rows(source)
        assert (found.id, found.image) == ("7", str(tmp_path / "a.jpg"))
        assert found.questions == ("what?",)
        assert str(found.extra["scale"]) == "2"
        assert_the_scene(placed(found.marks))


# --- what kind of source it is ---------------------------------------------------------------


def vip_bench(folder: Path) -> Path:
    for split in ("human", "bbox"):
        images(folder / split / "images", "0.png")
        lines = [
            {"question_id": number, "image": "0.png", "text": f"{split} {number}?", "category": "x"}
            for number in (0, 1)
        ]
        write(folder / split / "questions.jsonl", "\n".join(map(json.dumps, lines)))
    return folder


def image_folder(folder: Path) -> Path:
    images(folder, "a.jpg", "b/c.png")
    write(folder / "a.txt", "a caption of the image, not a label")
    return folder


# With names that give nothing away where a file tells it by itself.
ONE_OF_EACH: Mapping[str, Callable[[Path], Path]] = {
    "folder": image_folder,
    "jsonl": lambda folder: write(folder / "list.txt", '{"image": "a.jpg"}\n{"image": "b.jpg"}\n'),
    "json": lambda folder: write(folder / "list.txt", [{"image": "a.jpg"}]),
    "csv": lambda folder: write(folder / "list.txt", "id,image\n1,a.jpg\n"),
    "tsv": lambda folder: write(folder / "list.txt", "id\timage\n1\ta.jpg\n"),
    "coco": lambda folder: coco(folder).rename(folder / "of-coco.txt"),
    "labelme": labelme,
    "voc": voc,
    "yolo": yolo,
    "vip-bench": vip_bench,
}


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_known_by_its_content(tmp_path: Path, format: str) -> None:
    source = read_source(str(ONE_OF_EACH[format](tmp_path)))
    assert source.kind == format
    assert len(list(source.rows)) == source.total


def test_a_format_that_is_not_said_right_is_one_line(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    for source in (
        write(tmp_path / "notes.txt", "nothing of use\n"),
        write(tmp_path / "empty.txt", ""),
        write(tmp_path / "x.xml", "<svg></svg>"),
        write(tmp_path / "x.bin", bytes(range(256))),
    ):
        said = refusal(source)
        assert "--format" in said
        assert all(format in said for format in FORMATS)
    assert "ask" in refusal(tmp_path / "a.jpg")
    assert "no file" in refusal(tmp_path / "absent.jsonl")
    with pytest.raises(UsageError, match="hocus"):
        read_source(str(tmp_path), format="hocus")


@pytest.mark.parametrize("format", FORMATS)
def test_content_that_does_not_fit_the_format_is_one_line(tmp_path: Path, format: str) -> None:
    images(tmp_path / "images", "a.jpg")
    wrong = {
        "file": write(tmp_path / "wrong.json", '{\n "title": "x",\n "names": [],\n "tags": []\n}'),
        "binary": write(tmp_path / "wrong.bin", b"\xff\xfe\x00\x01" * 100),
        "absent": tmp_path / "absent",
        **({} if format == "folder" else {"folder": tmp_path / "images"}),
    }
    for source in wrong.values():
        assert str(source) in refusal(source, format=format)


def test_a_folder_of_annotations_says_how_it_is_read(tmp_path: Path) -> None:
    notes = read_source(str(labelme(tmp_path))).notes
    assert any("labelme" in note and "--format folder" in note for note in notes)
    assert ids(tmp_path, format="folder") == ["a.jpg", "b.jpg"]


# --- folders ---------------------------------------------------------------------------------


def test_a_folder_gives_its_images_in_natural_order(tmp_path: Path) -> None:
    names = ["10.jpg", "2.PNG", "1.webp", "b/10/x.gif", "b/9/x.bmp", "a.tif"]
    images(tmp_path, *names)
    source = read_source(str(tmp_path))
    assert source.total == len(names)
    found = list(source.rows)
    assert [row.id for row in found] == [
        "1.webp", "2.PNG", "10.jpg", "a.tif", "b/9/x.bmp", "b/10/x.gif"
    ]  # fmt: skip
    assert [row.image for row in found] == [f"{tmp_path}/{row.id}" for row in found]
    assert source.notes == ()


def test_what_is_passed_over_in_a_folder_is_counted_in_one_note(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", ".hidden.jpg", ".folder/b.jpg", "b/._c.jpg", "b/c.jpg")
    for name in ("notes.txt", "clip.mp4", "b/drawing.svg"):
        write(tmp_path / name, "x")
    source = read_source(str(tmp_path))
    assert [row.id for row in source.rows] == ["a.jpg", "b/c.jpg"]
    assert source.notes == ("passed over 3 files that are not images and 3 hidden ones",)


def test_links_that_lead_round_give_each_image_once(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    source = tmp_path / "source"
    images(outside, "far.jpg")
    images(source, "z/near.jpg")
    (source / "a").symlink_to(source / "z")
    (source / "z" / "round").symlink_to(source)
    (source / "out").symlink_to(outside)
    (outside / "back").symlink_to(source)
    (outside / "again").symlink_to(outside)
    assert ids(source) == ["out/far.jpg", "z/near.jpg"]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "notes.txt", "x")
    assert "no image" in refusal(tmp_path)
    assert "no file or folder" in refusal(tmp_path / "absent")


# --- manifests -------------------------------------------------------------------------------


def test_paths_are_relative_to_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mask_file = {"shape": "mask", "file": "masks/a.png"}
    lines: list[dict[str, Any]] = [
        {"image": "pics/a.jpg", "marks": [mask_file]},
        {"image": "/elsewhere/b.jpg"},
        {"image": "https://example.org/c.jpg"},
    ]
    write(tmp_path / "lists" / "m.jsonl", "\n".join(map(json.dumps, lines)))
    found = rows("lists/m.jsonl")
    assert [row.image for row in found] == [
        "lists/pics/a.jpg", "/elsewhere/b.jpg", "https://example.org/c.jpg"
    ]  # fmt: skip
    assert [row.id for row in found] == [line["image"] for line in lines]
    assert found[0].marks[0].file == "lists/masks/a.png"
    write(tmp_path / "lists" / "m.csv", "image,mask\npics/a.jpg,blue:masks/a.png\n")
    [row] = rows("lists/m.csv")
    assert row.marks[0].file == "lists/masks/a.png"
    assert row.marks[0].color
    assert row.marks[0].color.name == "blue"


def test_a_manifest_from_a_spreadsheet_or_a_windows_editor_reads_the_same(tmp_path: Path) -> None:
    plain = b"id,image,question\n1,a.jpg,what is \xc3\xa4?\n"
    expected = Row("1", str(tmp_path / "a.jpg"), (), ("what is ä?",))
    for content in (
        plain,
        b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"),
        plain.replace(b",", b";"),
        b'"id", "image", "question"\n"1", "a.jpg", "what is \xc3\xa4?"\n',
    ):
        assert rows(write(tmp_path / "m.csv", content)) == [expected]
    line = json.dumps({"id": 1, "image": "a.jpg", "question": "what is ä?"}, ensure_ascii=False)
    content = b"\xef\xbb\xbf\r\n" + line.encode() + b"\r\n\r\n"
    source = read_source(str(write(tmp_path / "m.jsonl", content)))
    assert source.total == 1
    assert list(source.rows) == [expected]


def test_a_table_has_columns_for_shapes_as_typed_after_the_flags(tmp_path: Path) -> None:
    table = (
        "image,box,box,arrow,marks,questions,weight\n"
        'a.jpg,"red:10,20,110,60","5%,20%,+50%,+40%",,,"[""one?"", ""two?""]",3\n'
        'b.jpg,,,"blue:50,50","[{""shape"": ""point"", ""coords"": [4, 5]}]",,\n'
    )
    first, second = rows(write(tmp_path / "m.csv", table))
    assert first.marks == (
        parse_mark("box", "red:10,20,110,60"),
        parse_mark("box", "5%,20%,+50%,+40%"),
    )
    assert (first.questions, first.extra) == (("one?", "two?"), {"weight": "3"})
    assert [mark.shape for mark in second.marks] == ["arrow", "point"]
    assert (second.questions, second.extra) == ((), {"weight": ""})


def test_a_cell_may_hold_several_lines_and_long_marks(tmp_path: Path) -> None:
    outline = [value for x in range(20_000) for value in (x / 100, 50 + 40 * (x % 2))]
    marks = json.dumps([{"shape": "contour", "coords": outline}])
    path = tmp_path / "m.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerows([("image", "question", "marks"), ("a.jpg", "one\ntwo", marks)])
        table.writerow(("", "three", ""))
    found = list(read_source(str(path)).rows)
    assert isinstance(found[0], Row)
    assert found[0].questions == ("one\ntwo",)
    assert len(found[0].marks[0].parts[0]) == len(outline)
    assert found[1].id == "line 4"


BAD_ROWS: Mapping[str, tuple[object, str]] = {
    "broken JSON": ('{"image": "a.jpg"', "JSON"),
    "not an object": ("[1, 2]", "object"),
    "not UTF-8 escaped": ('{"image": 7}', "image"),
    "no image": ({"question": "what?"}, "image"),
    "empty image": ({"image": ""}, "image"),
    "marks no list": ({"image": "a.jpg", "marks": {"shape": "box"}}, "list"),
    "wrong mark": ({"image": "a.jpg", "marks": [{"shape": "box", "coords": [1, 2]}]}, "mark 1"),
    "NaN": (
        {"image": "a.jpg", "marks": [{"shape": "point", "coords": [1, float("nan")]}]},
        "finite",
    ),
    "question a number": ({"image": "a.jpg", "question": 7}, "question"),
    "question empty": ({"image": "a.jpg", "question": " "}, "question"),
    "questions a text": ({"image": "a.jpg", "questions": "what?"}, "list"),
    "both": ({"image": "a.jpg", "question": "a?", "questions": ["b?"]}, "both"),
    "id a list": ({"image": "a.jpg", "id": [1]}, "id"),
    "too deep": ('{"image": ' + "[" * 100_000, "JSON"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_line_is_a_bad_row_and_the_others_go_on(tmp_path: Path, name: str) -> None:
    line, said = BAD_ROWS[name]
    text = line if isinstance(line, str) else json.dumps(line)
    path = write(tmp_path / "m.jsonl", f'{{"image": "0.jpg"}}\n\n{text}\n{{"image": "1.jpg"}}\n')
    before, bad, after = read_source(str(path)).rows
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert isinstance(bad, BadRow)
    assert bad.id == "line 3"
    message = str(bad.error)
    assert message.startswith(f"{path}, line 3: ")
    assert said in message
    assert "\n" not in message


def test_a_bad_row_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    value = [{"id": "mine", "image": "a.jpg", "marks": 7}, {"image": "b.jpg", "question": 1}, 5]
    bad = bad_rows(write(tmp_path / "m.json", value))
    assert [row.id for row in bad] == ["mine", "row 2", "row 3"]
    assert [row.image for row in bad] == [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"), ""]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.jpg", "2 cells"),
        ("a.jpg,10,20,30,40", "double quotes"),
        (",what?", "image"),
        ('a.jpg,"1,2,3"', "X1,Y1,X2,Y2"),
        ('a.jpg,"1,2,3,4"x', "cells"),
        ('a.jpg,"mauvish:1,2,3,4"', "colour"),
    ],
)
def test_a_bad_line_of_a_table_is_a_bad_row(tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path / "m.csv", f'image,box\n\n{line}\nb.jpg,"1,2,3,4"\n')
    bad, good = read_source(str(path)).rows
    assert isinstance(bad, BadRow)
    assert bad.id == "line 3"
    assert said in str(bad.error)
    assert isinstance(good, Row)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.jsonl", b"", "empty"),
        ("m.jsonl", b'{"image": "a.jpg"}\n{"image": "\xe4.jpg"}\n', "line 2"),
        ("m.jsonl", b"a.jpg\nb.jpg\n", "object"),
        ("m.json", b"[]", "empty"),
        ("m.json", b'[{"image": "a.jpg"}', "line 1"),
        ("m.json", b'{"a": [1], "b": [2]}', "rows"),
        ("m.csv", b"photo,question\na.jpg,what?\n", "'photo,question'"),
        ("m.csv", b"image,id,id\na.jpg,1,2\n", "two columns"),
        ("m.csv", b"image,question\n", "no rows"),
        ("m.csv", b"image\n\xe4.jpg\n", "line 2"),
        ("m.tsv", "image\tid\n".encode("utf-16"), "UTF-8"),
    ],
)
def test_a_manifest_that_is_wrong_as_a_whole_is_refused_at_once(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    assert said in refusal(write(tmp_path / name, content))


def test_a_long_manifest_is_never_whole_in_memory(tmp_path: Path) -> None:
    count = 100_000
    path = tmp_path / "m.jsonl"
    with path.open("w") as file:
        file.writelines(
            f'{{"image": "{number}.jpg", "pad": "{"x" * 100}"}}\n' for number in range(count)
        )
    tracemalloc.start()
    try:
        source = read_source(str(path))
        found = sum(isinstance(row, Row) for row in islice(source.rows, 5000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert source.total == count
    assert found == 5000
    assert peak < 1_000_000 < path.stat().st_size


class Endless(io.RawIOBase):
    """A manifest that never ends, and how much of it was read."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[: len(self.line)] = self.line
        self.read_bytes += len(self.line)
        return len(self.line)


def test_standard_input_is_read_no_further_than_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = Endless(b'{"image": "-"}\n')
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(endless)))
    source = read_source("-")
    assert (source.kind, source.total) == ("jsonl", None)
    assert endless.read_bytes == 0
    # A file of that name, not standard input, which holds the rows.
    assert [row.image for row in islice(source.rows, 3)] == ["./-"] * 3
    assert endless.read_bytes < 100_000


def test_other_formats_come_through_standard_input_when_they_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for format, text in (("csv", "image\na.jpg\n"), ("json", '[{"image": "a.jpg"}]')):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert ids("-", format=format) == ["a.jpg"]


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=('{"image": "a.jpg"}\n' * 2,))
    writer.start()
    source = read_source(str(pipe))
    assert [row.id for row in source.rows] == ["a.jpg", "a.jpg"]
    assert source.total is None
    writer.join()


# --- regions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS_OF_REGIONS)
def test_labels_choose_regions_and_leave_their_numbers(tmp_path: Path, format: str) -> None:
    source = FORMATS_OF_REGIONS[format](tmp_path)
    [one] = rows(source, labels=["CAT"])
    assert one.id.endswith("#2")
    assert one.extra["label"] == "cat"
    [image] = rows(source, labels=["Cat", "dog"], per="image")
    assert list(image.extra["labels"]) == ["dog", "cat"]
    said = refusal(source, labels=["cat", "dgo"])
    assert "'dgo'" in said
    assert said.index("dog") < said.index("cat")


def test_labels_are_refused_where_nothing_has_one(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    with pytest.raises(UsageError, match="label"):
        read_source(str(tmp_path), labels=["dog"])


def test_a_class_without_a_region_leaves_nothing(tmp_path: Path) -> None:
    write(yolo(tmp_path) / "data.yaml", "names: [dog, cat, sofa, fish]\n")
    assert "fish" in refusal(tmp_path, labels=["fish"])


def test_a_source_without_any_region_is_refused_unless_images_are_asked_for(
    tmp_path: Path,
) -> None:
    images(tmp_path, "a.jpg")
    source = write(tmp_path / "a.json", {"shapes": [], "imagePath": "a.jpg"})
    assert "no region" in refusal(source)
    assert ids(source, per="image") == ["a.jpg"]


def test_an_image_that_no_annotation_names_is_said(tmp_path: Path) -> None:
    images(labelme(tmp_path), "c.jpg")
    assert any("1 image that no" in note for note in read_source(str(tmp_path)).notes)


def test_a_bad_region_is_one_bad_row_and_spoils_its_image_whole(tmp_path: Path) -> None:
    source = coco(tmp_path)
    value = json.loads(source.read_text())
    value["annotations"][0]["bbox"][2] = -5
    write(source, value)
    first, *others = read_source(str(source)).rows
    assert isinstance(first, BadRow)
    assert first.id == "a.jpg#1"
    assert str(source) in str(first.error)
    assert [row.id for row in others if isinstance(row, Row)] == ["a.jpg#2", "a.jpg#3"]
    spoilt, whole = read_source(str(source), per="image").rows
    assert isinstance(spoilt, BadRow)
    assert "region 1" in str(spoilt.error)
    assert isinstance(whole, Row)


# --- COCO ------------------------------------------------------------------------------------


def coco_with(folder: Path, *annotations: Mapping[str, Any]) -> Path:
    """A file of one image, whose annotations are all of the class thing."""
    value = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 3, **each} for each in annotations],
        "categories": [{"id": 3, "name": "thing"}],
    }
    return write(folder / "coco.json", value)


def two_blobs() -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(pixels, (60, 50), (40, 25), 20, 0, 360, 1, -1)
    pixels[70:95, 150:190] = 1
    return pixels


def test_run_lengths_become_the_outlines_of_what_they_show(tmp_path: Path) -> None:
    pixels = two_blobs()
    compressed = mask.encode(np.asfortranarray(pixels))
    flat = pixels.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    uncompressed = np.diff([0, *edges, flat.size]).tolist()
    source = coco_with(
        tmp_path,
        {"segmentation": {"size": [HEIGHT, WIDTH], "counts": compressed["counts"].decode()}},
        {"segmentation": {"size": [HEIGHT, WIDTH], "counts": uncompressed}},
    )
    for row in rows(source):
        [mark] = placed(row.marks)
        assert mark.shape == "contour"
        assert len(mark.parts) == 2
        again = np.zeros_like(pixels)
        outlines = [np.array(part, np.float64) - 0.5 for part in mark.parts]
        cv2.fillPoly(again, [outline.astype(np.int32) for outline in outlines], 1)
        assert np.array_equal(again, pixels)


def test_polygons_of_several_parts_are_one_contour(tmp_path: Path) -> None:
    parts = [[10, 10, 50, 10, 50, 50], [100, 10, 150, 10, 150.5, 50, 100, 50]]
    [row] = rows(coco_with(tmp_path, {"id": 12, "segmentation": parts, "iscrowd": 0}))
    assert row.marks == (mark_from_json({"shape": "contour", "coords": parts, "label": "thing"}),)
    assert row.extra == {"label": "thing", "annotation_id": 12}


@pytest.mark.parametrize(
    "annotation",
    [
        {},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, 3, float("nan")]},
        {"bbox": [1, 2, 3, "4"]},
        {"bbox": [1, 2, 0, 4]},
        {"bbox": "1,2,3,4"},
        {"bbox": [1, 2, 3, 10**400]},
        {"bbox": [1, 2, 3, 4], "category_id": 99},
        {"segmentation": [[1, 2, 3, 4]]},
        {"segmentation": [[1, 2, 3, 4, 5]]},
        {"segmentation": 7},
        {"segmentation": {"size": [5, 5], "counts": [3, 4]}},
        {"segmentation": {"size": [5, 5], "counts": [30, 40]}},
        {"segmentation": {"size": [5, 5], "counts": [30, -5]}},
        {"segmentation": {"size": [5, 5], "counts": [25]}},
        {"segmentation": {"size": [10**6, 10**6], "counts": [10**12]}},
        {"segmentation": {"size": [5], "counts": [5]}},
        {"segmentation": {"size": [5, 5], "counts": "PPPPo"}},
        {"segmentation": {"size": [5, 5], "counts": "ä\x00"}},
        {"segmentation": {"size": [5, 5]}},
    ],
)
def test_a_wrong_annotation_is_a_bad_row(tmp_path: Path, annotation: Mapping[str, Any]) -> None:
    good = {"bbox": [1, 2, 3, 4]}
    bad, other = read_source(str(coco_with(tmp_path, annotation, good))).rows
    assert isinstance(bad, BadRow)
    assert "\n" not in str(bad.error)
    assert isinstance(other, Row)


def test_what_belongs_to_no_image_is_a_bad_row(tmp_path: Path) -> None:
    value = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2}, "b.jpg"],
        "annotations": [
            {"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"id": 6, "image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4]},
            "junk",
        ],
        "categories": [{"id": 3, "name": "thing"}],
    }
    source = write(tmp_path / "coco.json", value)
    assert ids(source) == ["a.jpg#1", "image 2", "image 3", "annotation 6", "annotation ?"]
    assert len(bad_rows(source)) == 4


@pytest.mark.parametrize(
    ("json_file", "image"),
    [
        ("coco.json", "a.jpg"),
        ("coco.json", "images/a.jpg"),
        ("annotations/coco.json", "images/a.jpg"),
        ("annotations/instances_train2017.json", "train2017/a.jpg"),
    ],
)
def test_images_are_found_where_coco_sets_keep_them(
    tmp_path: Path, json_file: str, image: str
) -> None:
    images(tmp_path, image)
    source = coco_with(tmp_path, {"bbox": [1, 2, 3, 4]})
    (tmp_path / json_file).parent.mkdir(exist_ok=True)
    [row] = rows(source.rename(tmp_path / json_file))
    assert (row.id, row.image) == ("a.jpg#1", str(tmp_path / image))


# --- LabelMe ---------------------------------------------------------------------------------


def labelme_with(folder: Path, *shapes: object, image: str = "a.jpg") -> Path:
    return write(folder / "a.json", {"shapes": shapes, "imagePath": image})


def test_every_shape_of_labelme_has_a_mark(tmp_path: Path) -> None:
    expected = {
        "circle": ([[50, 50], [80, 90]], parse_mark("ellipse", "0,0,100,100")),
        "point": ([[10, 20]], parse_mark("point", "10,20")),
        "line": ([[10, 20], [30, 40]], parse_mark("scribble", "10,20,30,40")),
        "linestrip": ([[1, 2], [3, 4], [5, 6]], parse_mark("scribble", "1,2,3,4,5,6")),
        "polygon": ([[1, 2], [30, 4], [5, 60]], parse_mark("contour", "1,2,30,4,5,60")),
        None: ([[1, 2], [30, 4], [5, 60]], parse_mark("contour", "1,2,30,4,5,60")),
        "rectangle": ([[1, 2], [30, 2], [30, 40], [1, 40]], parse_mark("box", "1,2,30,40")),
    }
    shapes = [{"shape_type": kind, "points": points} for kind, (points, _) in expected.items()]
    found = rows(labelme_with(tmp_path, *shapes))
    assert [row.marks[0] for row in found] == [mark for _, mark in expected.values()]


@pytest.mark.parametrize(
    "shape",
    [
        "junk",
        {"shape_type": "mask", "points": [[1, 2], [3, 4]]},
        {"shape_type": "rectangle", "points": [[1, 2]]},
        {"shape_type": "rectangle", "points": [[1, 2], [1, 9]]},
        {"shape_type": "rectangle", "points": [[1, 2], [3, float("nan")]]},
        {"shape_type": "circle", "points": [[1, 2], [1, 2]]},
        {"shape_type": "polygon", "points": [[1, 2], [3, 4]]},
        {"shape_type": "polygon", "points": [[1, 2], [3, 4], [5]]},
        {"shape_type": "point", "points": None},
        {"shape_type": ["point"], "points": [[1, 2]]},
    ],
)
def test_a_wrong_shape_of_labelme_is_a_bad_row(tmp_path: Path, shape: object) -> None:
    good = {"label": "x", "shape_type": "point", "points": [[1, 2]]}
    bad, other = read_source(str(labelme_with(tmp_path, shape, good))).rows
    assert isinstance(bad, BadRow)
    assert isinstance(other, Row)


def test_an_image_named_on_another_machine_is_found_beside_its_file(tmp_path: Path) -> None:
    point = {"shape_type": "point", "points": [[1, 2]]}
    images(tmp_path, "a.jpg", "sub/b.jpg")
    for named, found in (
        ("C:\\work\\a.jpg", "a.jpg"),
        ("sub\\b.jpg", "sub/b.jpg"),
        ("was.renamed.png", "a.jpg"),
    ):
        [row] = rows(labelme_with(tmp_path, point, image=named))
        assert row.image == str(tmp_path / found)


def test_a_broken_file_among_others_is_a_bad_row(tmp_path: Path) -> None:
    source = labelme(tmp_path)
    write(source / "broken.json", '{"imagePath": "c.jpg", "shapes": [')
    write(source / "settings.json", {"theme": "dark"})
    [bad] = bad_rows(source)
    assert bad.id == "broken.json"
    assert "broken.json" in str(bad.error)
    assert "broken.json" in refusal(source / "broken.json")
    assert any("another kind: 1" in note for note in read_source(str(source)).notes)


# --- Pascal VOC ------------------------------------------------------------------------------


def test_a_box_of_voc_counts_from_one_and_that_of_a_careless_tool_from_zero(tmp_path: Path) -> None:
    source = write(
        tmp_path / "a.xml",
        voc_file("a.jpg", voc_object("whole", (1, 1, 200, 100)), voc_object("zero", (0, 5, 20, 9))),
    )
    first, second = rows(source)
    assert placed(first.marks)[0].bounds == (0, 0, 200, 100)
    assert placed(second.marks)[0].bounds == (0, 5, 20, 9)


@pytest.mark.parametrize(
    "thing",
    [
        "<object><name>x</name></object>",
        voc_object("x", (10, 10, 5, 20)),
        voc_object("x", (10, 10, float("nan"), 20)),
        voc_object("x", (10, 10, 20, 20)).replace("<xmax>20</xmax>", ""),
        voc_object("x", (10, 10, 20, 20)).replace("<xmax>20", "<xmax>wide"),
    ],
)
def test_a_wrong_object_of_voc_is_a_bad_row(tmp_path: Path, thing: str) -> None:
    good = voc_object("y", (1, 2, 3, 4))
    bad, other = read_source(str(write(tmp_path / "a.xml", voc_file("a.jpg", thing, good)))).rows
    assert isinstance(bad, BadRow)
    assert isinstance(other, Row)


def test_an_xml_that_would_swell_is_refused(tmp_path: Path) -> None:
    entities = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    content = entities + voc_file("&b;", voc_object("x", (1, 1, 2, 2)))
    assert "XML" in refusal(write(tmp_path / "a.xml", content))


def test_a_voc_image_is_found_without_its_suffix(tmp_path: Path) -> None:
    images(tmp_path, "JPEGImages/a.jpg")
    content = voc_file("a", voc_object("x", (1, 1, 20, 20)))
    write(tmp_path / "Annotations" / "a.xml", content)
    [row] = rows(tmp_path)
    assert (row.id, row.image) == ("JPEGImages/a.jpg#1", str(tmp_path / "JPEGImages" / "a.jpg"))


# --- YOLO ------------------------------------------------------------------------------------


def test_yolo_classes_come_from_whatever_file_names_them(tmp_path: Path) -> None:
    source = yolo(tmp_path)
    description = source / "data.yaml"
    for name, content in (
        ("dataset.yaml", "path: .\ntrain: images/train\nnames: [dog, cat, sofa]\n"),
        ("classes.txt", "dog\r\ncat\r\nsofa\r\n"),
        ("labels/classes.txt", "dog\ncat\nsofa\n"),
        ("obj.names", "dog\ncat\nsofa"),
    ):
        description.unlink()
        description = write(source / name, content)
        assert [row.extra["label"] for row in rows(source)] == ["dog", "cat", "sofa"]
    description.unlink()
    bare = read_source(str(source))
    assert [row.extra["label"] for row in bare.rows if isinstance(row, Row)] == ["0", "1", "2"]
    assert any("no class file" in note for note in bare.notes)


def test_a_yolo_description_is_a_source_too(tmp_path: Path) -> None:
    description = write(yolo(tmp_path / "set") / "data.yaml", "path: .\nnames: [dog, cat, sofa]\n")
    assert ids(description) == [f"images/train/a.jpg#{number}" for number in (1, 2, 3)]
    for split in ("images", "images/train"):
        found = rows(tmp_path / "set" / split, format="yolo")
        assert [row.extra["label"] for row in found] == ["dog", "cat", "sofa"]
    moved = write(tmp_path / "elsewhere.yaml", "path: set\nnames: [dog, cat, sofa]\n")
    assert rows(moved) == rows(description)


def test_yolo_labels_may_lie_beside_the_images(tmp_path: Path) -> None:
    images(tmp_path, "images.jpg", "sub/b.jpg")
    write(tmp_path / "sub" / "b.txt", "0 0.5 0.5 0.5 0.5 0.875\n")
    write(tmp_path / "classes.txt", "dog\n")
    [row] = rows(tmp_path)
    assert row.id == "sub/b.jpg#1"
    assert row.extra == {"label": "dog", "confidence": 0.875}
    assert placed(row.marks)[0].bounds == (50, 25, 150, 75)


@pytest.mark.parametrize(
    "line",
    [
        "dog 0.5 0.5 0.5 0.5",
        "9 0.5 0.5 0.5 0.5",
        "0",
        "0 0.5 0.5 0.5",
        "0 0.5 0.5 0.5 -0.5",
        "0 0.5 0.5 nan 0.5",
        "0 0.5 0.5 wide 0.5",
        "0 0.1 0.1 0.5 0.5 0.9 0.1 0.2",
    ],
)
def test_a_wrong_line_of_yolo_is_a_bad_row(tmp_path: Path, line: str) -> None:
    source = yolo(tmp_path)
    write(source / "labels" / "train" / "a.txt", f"0 0.5 0.5 0.5 0.5\n{line}\n")
    good, bad = read_source(str(source)).rows
    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    assert bad.id == "images/train/a.jpg#2"
    assert "a.txt" in str(bad.error)


# --- ViP-Bench -------------------------------------------------------------------------------


def test_vip_bench_is_read_split_by_split(tmp_path: Path) -> None:
    source = vip_bench(tmp_path)
    found = rows(source)
    assert [row.id for row in found] == ["bbox/v1_0", "bbox/v1_1", "human/v1_0", "human/v1_1"]
    assert [row.questions for row in found][2:] == [("human 0?",), ("human 1?",)]
    assert found[0].image == str(source / "bbox" / "images" / "0.png")
    assert found[0].extra == {"question_id": 0, "category": "x"}
    assert ids(source / "human") == ["v1_0", "v1_1"]
    write(source / "human" / "questions.jsonl", '{"image": "0.png", "text": "x"}\n')
    assert len(bad_rows(source)) == 1

"""Manifests in JSONL, JSON, CSV and TSV: rows, bad rows, and how much is read."""

import csv
import io
import json
import os
import tracemalloc
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources import (
    assert_scene,
    read_bad_rows,
    read_error,
    read_ids,
    read_rows,
    resolve,
    scene_marks,
    write_file,
)
from vipllava_cli.errors import InputError
from vipllava_cli.marks.json_marks import mark_to_json
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import BadRow, Row


def test_every_manifest_format_gives_the_same_marks(tmp_path: Path) -> None:
    marks = [mark_to_json(mark) for mark in resolve(scene_marks())]
    row = {"id": 7, "image": "a.jpg", "marks": marks, "question": "what?", "scale": 2}
    sources = [
        write_file(tmp_path / "m.jsonl", row),
        write_file(tmp_path / "m.json", [row]),
        write_file(tmp_path / "named.json", {"classes": ["dog"], "rows": [row]}),
        write_file(tmp_path / "only.json", {"version": 1, "anything": [row]}),
        tmp_path / "m.csv",
        tmp_path / "m.tsv",
    ]
    for path, dialect in ((sources[4], "excel"), (sources[5], "excel-tab")):
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(row), dialect=dialect)
            table.writeheader()
            table.writerow({**row, "marks": json.dumps(marks)})
    for source in sources:
        [only] = read_rows(source)
        assert (only.id, only.image) == ("7", str(tmp_path / "a.jpg"))
        assert only.questions == ("what?",)
        assert str(only.extra["scale"]) == "2"
        assert_scene(resolve(only.marks))


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
    write_file(tmp_path / "lists" / "m.jsonl", "\n".join(map(json.dumps, lines)))
    rows = read_rows("lists/m.jsonl")
    assert [row.image for row in rows] == [
        "lists/pics/a.jpg", "/elsewhere/b.jpg", "https://example.org/c.jpg"
    ]  # fmt: skip
    assert [row.id for row in rows] == [line["image"] for line in lines]
    assert rows[0].marks[0].file == "lists/masks/a.png"
    write_file(tmp_path / "lists" / "m.csv", "image,mask\npics/a.jpg,blue:masks/a.png\n")
    [row] = read_rows("lists/m.csv")
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
        b"sep=\t\r\n" + plain.replace(b",", b"\t"),
        b'"id", "image", "question"\n"1", "a.jpg", "what is \xc3\xa4?"\n',
    ):
        assert read_rows(write_file(tmp_path / "m.csv", content)) == [expected]
    line = json.dumps({"id": 1, "image": "a.jpg", "question": "what is ä?"}, ensure_ascii=False)
    content = b"\xef\xbb\xbf\r\n" + line.encode() + b"\r\n\r\n"
    source = read_source(str(write_file(tmp_path / "m.jsonl", content)))
    assert source.total == 1
    assert list(source.rows) == [expected]


def test_table_columns_of_shapes_have_the_form_of_command_line_values(tmp_path: Path) -> None:
    table = (
        "image,box,box,arrow,marks,questions,weight\n"
        'a.jpg,"red:10,20,110,60","5%,20%,+50%,+40%",,,"[""one?"", ""two?""]",3\n'
        'b.jpg,,,"blue:50,50","[{""shape"": ""point"", ""coords"": [4, 5]}]",,\n'
    )
    first, second = read_rows(write_file(tmp_path / "m.csv", table))
    assert first.marks == (
        parse_mark("box", "red:10,20,110,60"),
        parse_mark("box", "5%,20%,+50%,+40%"),
    )
    assert (first.questions, first.extra) == (("one?", "two?"), {"weight": "3"})
    assert [mark.shape for mark in second.marks] == ["arrow", "point"]
    assert (second.questions, second.extra) == ((), {"weight": ""})


def test_a_cell_may_contain_several_lines_and_long_marks(tmp_path: Path) -> None:
    outline = [value for x in range(20_000) for value in (x / 100, 50 + 40 * (x % 2))]
    marks = json.dumps([{"shape": "contour", "coords": outline}])
    path = tmp_path / "m.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerows([("image", "question", "marks"), ("a.jpg", "one\ntwo", marks)])
        table.writerow(("", "three", ""))
    rows = list(read_source(str(path)).rows)
    assert isinstance(rows[0], Row)
    assert rows[0].questions == ("one\ntwo",)
    assert len(rows[0].marks[0].parts[0]) == len(outline)
    assert rows[1].id == "line 4"


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
def test_a_bad_line_is_a_bad_row_between_good_ones(tmp_path: Path, name: str) -> None:
    line, expected = BAD_ROWS[name]
    text = line if isinstance(line, str) else json.dumps(line)
    path = write_file(
        tmp_path / "m.jsonl", f'{{"image": "0.jpg"}}\n\n{text}\n{{"image": "1.jpg"}}\n'
    )
    before, bad, after = read_source(str(path)).rows
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert isinstance(bad, BadRow)
    assert bad.id == "line 3"
    message = str(bad.error)
    assert message.startswith(f"{path}, line 3: ")
    assert expected in message
    assert "\n" not in message


def test_a_bad_row_keeps_its_id_and_image_if_they_are_known(tmp_path: Path) -> None:
    value = [{"id": "mine", "image": "a.jpg", "marks": 7}, {"image": "b.jpg", "question": 1}, 5]
    bad = read_bad_rows(write_file(tmp_path / "m.json", value))
    assert [row.id for row in bad] == ["mine", "row 2", "row 3"]
    assert [row.image for row in bad] == [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"), ""]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.jpg", "2 cells"),
        ("a.jpg,10,20,30,40", "double quotes"),
        (",what?", "image"),
        ('a.jpg,"1,2,3"', "X1,Y1,X2,Y2"),
        ('a.jpg,"1,2,3,4"x', "cells"),
        ('a.jpg,"mauvish:1,2,3,4"', "colour"),
    ],
)
def test_a_bad_line_of_a_table_is_a_bad_row(tmp_path: Path, line: str, expected: str) -> None:
    path = write_file(tmp_path / "m.csv", f'image,box\n\n{line}\nb.jpg,"1,2,3,4"\n')
    bad, good = read_source(str(path)).rows
    assert isinstance(bad, BadRow)
    assert bad.id == "line 3"
    assert expected in str(bad.error)
    assert isinstance(good, Row)


def test_an_open_quote_is_named_with_its_line(tmp_path: Path) -> None:
    path = write_file(tmp_path / "m.csv", 'image,question\na.jpg,x\nb.jpg,"what?\nc.jpg,y\n')
    good, bad = read_source(str(path)).rows
    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    assert "m.csv, line 3: a quote is not closed" in str(bad.error)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
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
        ("m.csv", b"image,question\ra.jpg,what?\rb.jpg,why?\r", "end in CR only"),
        ("m.csv", b"image\n\xe4.jpg\n", "line 2"),
        ("m.tsv", "image\tid\n".encode("utf-16-le"), "no column 'image'"),
        ("m.tsv", "image\tid\n".encode("utf-16"), "no rows"),
        ("m.tsv", "image\tid\n".encode("utf-16") + b"\n", "not utf-16"),
    ],
)
def test_a_manifest_malformed_as_a_whole_is_an_error(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    assert expected in read_error(write_file(tmp_path / name, content))


def test_a_long_manifest_is_never_completely_in_memory(tmp_path: Path) -> None:
    count = 100_000
    path = tmp_path / "m.jsonl"
    with path.open("w") as file:
        file.writelines(
            f'{{"image": "{number}.jpg", "pad": "{"x" * 100}"}}\n' for number in range(count)
        )
    tracemalloc.start()
    try:
        source = read_source(str(path))
        rows_read = sum(isinstance(row, Row) for row in islice(source.rows, 5000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert source.total == count
    assert rows_read == 5000
    assert peak < 1_000_000 < path.stat().st_size


class EndlessFile(io.RawIOBase):
    """An endless manifest. `read_bytes` counts the bytes read."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[: len(self.line)] = self.line
        self.read_bytes += len(self.line)
        return len(self.line)


def test_standard_input_is_read_lazily(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = EndlessFile(b'{"image": "-"}\n')
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(endless)))
    source = read_source("-")
    assert (source.format, source.total) == ("jsonl", None)
    assert endless.read_bytes == 0
    # The image `-` is a file of that name: standard input contains the rows.
    assert [row.image for row in islice(source.rows, 3)] == ["./-"] * 3
    assert endless.read_bytes < 100_000


def test_standard_input_may_have_another_format_if_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for format, text in (("csv", "image\na.jpg\n"), ("json", '[{"image": "a.jpg"}]')):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert read_ids("-", format=format) == ["a.jpg"]


def test_a_pipe_that_the_shell_opened_is_read_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"image": "a.jpg"}\n' * 2)
    os.close(writing)
    source = read_source(f"/dev/fd/{reading}")
    assert [row.id for row in source.rows] == ["a.jpg", "a.jpg"]
    assert source.total is None
    os.close(reading)


def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="it is a pipe, and a regular file is expected"):
        read_source(str(tmp_path / "pipe"))

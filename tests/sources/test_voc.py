"""Pascal VOC: pixel counting, malformed objects, hostile XML."""

from pathlib import Path

import pytest

from tests.support.regions import read_regions
from tests.support.sources import (
    HEIGHT,
    WIDTH,
    read_error,
    read_rows,
    resolve,
    voc_file,
    voc_object,
    write_file,
    write_images,
)
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import BadRow, Row


def test_a_box_counts_pixels_from_one_unless_an_edge_is_zero(tmp_path: Path) -> None:
    source = write_file(
        tmp_path / "a.xml",
        voc_file("a.jpg", voc_object("whole", (1, 1, 200, 100)), voc_object("zero", (0, 5, 20, 9))),
    )
    first, second = read_rows(source)
    assert resolve(first.marks)[0].bounds == (0, 0, 200, 100)
    assert resolve(second.marks)[0].bounds == (0, 5, 20, 9)


@pytest.mark.parametrize(
    "element",
    [
        "<object><name>x</name></object>",
        voc_object("x", (10, 10, float("nan"), 20)),
        voc_object("x", (10, 10, 20, 20)).replace("<xmax>20</xmax>", ""),
        voc_object("x", (10, 10, 20, 20)).replace("<xmax>20", "<xmax>wide"),
    ],
)
def test_a_malformed_object_is_a_bad_row(tmp_path: Path, element: str) -> None:
    good = voc_object("y", (1, 2, 3, 4))
    bad, other = read_source(
        str(write_file(tmp_path / "a.xml", voc_file("a.jpg", element, good)))
    ).rows
    assert isinstance(bad, BadRow)
    assert isinstance(other, Row)


def test_xml_entities_are_an_error(tmp_path: Path) -> None:
    entities = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    content = entities + voc_file("&b;", voc_object("x", (1, 1, 2, 2)))
    assert "XML" in read_error(write_file(tmp_path / "a.xml", content))


def test_an_image_is_found_if_its_name_has_no_suffix(tmp_path: Path) -> None:
    write_images(tmp_path, "JPEGImages/a.jpg")
    content = voc_file("a", voc_object("x", (1, 1, 20, 20)))
    write_file(tmp_path / "Annotations" / "a.xml", content)
    [row] = read_rows(tmp_path)
    assert (row.id, row.image) == ("JPEGImages/a.jpg#1", str(tmp_path / "JPEGImages" / "a.jpg"))


def test_the_size_that_labelme_on_the_web_declares_is_compared(tmp_path: Path) -> None:
    points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((40, 20), (200, 20), (200, 120)))
    write_images(tmp_path, "a.jpg")
    write_file(
        tmp_path / "a.xml",
        f"<annotation><filename>a.jpg</filename><object><name>dog</name><polygon>{points}</polygon>"
        f"</object><imagesize><nrows>{2 * HEIGHT}</nrows><ncols>{2 * WIDTH}</ncols></imagesize>"
        "</annotation>",
    )
    found = read_regions(tmp_path / "a.xml")
    assert found.regions == [("contour", (20, 10, 100, 60))]
    assert any(f"{2 * WIDTH}x{2 * HEIGHT}" in note for note in found.notes)


def test_deleted_objects_of_labelme_on_the_web_are_left_out(tmp_path: Path) -> None:
    kept, deleted = (
        voc_object(name, (10, 10, 20, 20)).replace("<name>", f"<deleted>{flag}</deleted><name>")
        for name, flag in (("kept", 0), ("gone", 1))
    )
    rows = read_rows(write_file(tmp_path / "a.xml", voc_file("a.jpg", deleted, kept)))
    assert [row.extra["label"] for row in rows] == ["kept"]

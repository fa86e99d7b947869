"""YOLO: class files, label files, malformed lines."""

from pathlib import Path

import pytest

from tests.support.sources import (
    read_error,
    read_ids,
    read_rows,
    resolve,
    write_file,
    write_images,
    write_yolo,
)
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import BadRow, Row


def test_class_names_come_from_any_class_file(tmp_path: Path) -> None:
    source = write_yolo(tmp_path)
    data_yaml = source / "data.yaml"
    for name, content in (
        ("dataset.yaml", "path: .\ntrain: images/train\nnames: [dog, cat, sofa]\n"),
        ("classes.txt", "dog\r\ncat\r\nsofa\r\n"),
        ("labels/classes.txt", "dog\ncat\nsofa\n"),
        ("obj.names", "dog\ncat\nsofa"),
    ):
        data_yaml.unlink()
        data_yaml = write_file(source / name, content)
        assert [row.extra["label"] for row in read_rows(source)] == ["dog", "cat", "sofa"]
    data_yaml.unlink()
    unnamed = read_source(str(source))
    assert [row.extra["label"] for row in unnamed.rows if isinstance(row, Row)] == ["0", "1", "2"]
    assert any("no class file" in note for note in unnamed.notes)


def test_a_data_yaml_is_a_source(tmp_path: Path) -> None:
    data_yaml = write_file(
        write_yolo(tmp_path / "set") / "data.yaml", "path: .\nnames: [dog, cat, sofa]\n"
    )
    assert read_ids(data_yaml) == [f"images/train/a.jpg#{number}" for number in (1, 2, 3)]
    for split in ("images", "images/train"):
        rows = read_rows(tmp_path / "set" / split, format=SourceFormat.yolo)
        assert [row.extra["label"] for row in rows] == ["dog", "cat", "sofa"]
    moved = write_file(tmp_path / "elsewhere.yaml", "path: set\nnames: [dog, cat, sofa]\n")
    assert read_rows(moved) == read_rows(data_yaml)


def test_label_files_may_be_beside_the_images(tmp_path: Path) -> None:
    write_images(tmp_path, "images.jpg", "sub/b.jpg")
    write_file(tmp_path / "sub" / "b.txt", "0 0.5 0.5 0.5 0.5 0.875\n")
    write_file(tmp_path / "classes.txt", "dog\n")
    [row] = read_rows(tmp_path)
    assert row.id == "sub/b.jpg#1"
    assert row.extra == {"label": "dog", "confidence": 0.875}
    assert resolve(row.marks)[0].bounds == (50, 25, 150, 75)


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
        "0 0.1 0.1 0.5 0.5 0.9 0.1 2",
        "0.5 0.1 0.1 0.5 0.5",
        "0 40 30 20 10",
        "0 0.5 0.5 0.2 0.2 0.9 1",
        "0 0.5 0.5 0.5 0.2 1.57",
        "0 0.5 0.5 0.5 0.2 -0.3",
    ],
)
def test_a_malformed_line_is_a_bad_row(tmp_path: Path, line: str) -> None:
    source = write_yolo(tmp_path)
    write_file(source / "labels" / "train" / "a.txt", f"0 0.5 0.5 0.5 0.5\n{line}\n")
    good, bad = read_source(str(source)).rows
    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    assert bad.id == "images/train/a.jpg#2"
    assert "a.txt" in str(bad.error)


BOX = "0.25 0.354166667 0.25 0.208333333"
OBB = "0.125 0.25 0.375 0.25 0.375 0.458333 0.125 0.458333"
PERSON = " ".join(
    f"{0.15 + 0.2 * (k % 5) / 4:g} {0.26 + 0.19 * (k % 7) / 6:g} 0.9{k}" for k in range(17)
)
OUTLINE = " ".join(f"{0.4 + k / 200:g} {0.4 + (k % 13) / 100:g}" for k in range(27))


@pytest.mark.parametrize(
    ("numbers", "shape", "columns"),
    [
        (f"{BOX} 90", "box", {"track": 90}),
        (f"{BOX} 0.9 12", "box", {"confidence": 0.9, "track": 12}),
        (f"{OBB} 0.8", "contour", {"confidence": 0.8}),
        (f"{OBB} 0.8 3", "contour", {"confidence": 0.8, "track": 3}),
        (f"{BOX} {PERSON}", "box", {}),
        (f"{BOX} {PERSON} 0.7", "box", {"confidence": 0.7}),
        (f"{BOX} {PERSON} 0.7 4", "box", {"confidence": 0.7, "track": 4}),
        (BOX.replace(".", ","), "box", {}),
        (BOX.replace(" ", ", "), "box", {}),
    ],
)
def test_what_follows_a_place_is_no_place(
    tmp_path: Path, numbers: str, shape: str, columns: dict[str, float]
) -> None:
    write_images(tmp_path / "images", "a.jpg")
    write_file(tmp_path / "labels" / "a.txt", f"0 {numbers}\n")
    [row] = read_rows(tmp_path)
    [mark] = resolve(row.marks)
    assert mark.shape == shape
    assert mark.bounds == pytest.approx((25, 25, 75, 45.83), abs=0.02)
    assert {name: value for name, value in row.extra.items() if name != "label"} == columns


def test_a_small_outline_is_no_pose(tmp_path: Path) -> None:
    """Its second point as the size of a box around the first one would contain all others."""
    write_images(tmp_path / "images", "a.jpg")
    write_file(tmp_path / "labels" / "a.txt", f"0 {OUTLINE} 0.9\n")
    [row] = read_rows(tmp_path)
    assert resolve(row.marks)[0].shape == "contour"
    assert row.extra["confidence"] == 0.9


@pytest.mark.parametrize(
    "outline",
    ["0.65 0 0.61 0.86 0.40 0.56 0 0.25 0.39 0", "0.52 1 0.93 0.61 1 0.69 1 0.98 0.98 1"],
    ids=["left-top", "right-bottom"],
)
def test_an_outline_along_the_edges_of_the_image_is_no_pose(tmp_path: Path, outline: str) -> None:
    """Its 0 and 1 stand where the visibilities of two keypoints would."""
    write_images(tmp_path / "images", "a.jpg")
    write_file(tmp_path / "labels" / "a.txt", f"0 {outline}\n")
    [row] = read_rows(tmp_path)
    [mark] = resolve(row.marks)
    assert (mark.shape, len(mark.parts[0])) == ("contour", 5)


POSE = "0 0.5 0.5 0.2 0.2 0.45 0.45 0.55 0.45 0.5 0.55"
POSE_BOX = (80.0, 40.0, 120.0, 60.0)


def write_one(folder: Path, line: str, **files: str) -> Path:
    """Write one image with one label line, and files by name, with `_` for a dot."""
    write_images(folder, "images/a.jpg")
    write_file(folder / "labels" / "a.txt", line)
    for name, text in files.items():
        write_file(folder / name.replace("_", "."), text)
    return folder


@pytest.mark.parametrize("shape", ["[3, 2]", "(3, 2)", "'[3, 2]'", "\n- 3\n- 2"])
@pytest.mark.parametrize("file", ["data_yaml", "tiger-pose_yaml", "parts_yml"])
def test_keypoints_are_read_from_a_yaml_of_any_name(file: str, shape: str, tmp_path: Path) -> None:
    yaml = f"train: images\nnames: {{0: tiger}}\nkpt_shape: {shape}\n"
    folder = write_one(tmp_path / "set", POSE, **{file: yaml})
    for source in (folder, folder / "images"):
        [row] = read_rows(source, format=SourceFormat.yolo)
        assert row.extra["label"] == "tiger"
        [mark] = resolve(row.marks)
        assert mark.shape == "box"
        assert mark.bounds == pytest.approx(POSE_BOX)


def test_keypoints_count_beside_another_file_of_names(tmp_path: Path) -> None:
    yaml = "train: images\nnc: 1\nkpt_shape: [3, 2]\n"
    folder = write_one(tmp_path, POSE, classes_txt="cat\n", pose_yaml=yaml)
    [row] = read_rows(folder)
    assert row.extra["label"] == "cat"
    assert resolve(row.marks)[0].bounds == pytest.approx(POSE_BOX)
    write_file(folder / "other.yaml", yaml.replace("3, 2", "2, 3"))
    assert "have different kpt_shape" in read_error(folder)


def test_keypoints_of_another_form_are_refused(tmp_path: Path) -> None:
    folder = write_one(tmp_path, POSE, data_yaml="names: [tiger]\nkpt_shape: [3, 4]\n")
    assert "data.yaml: expected kpt_shape" in read_error(folder)


def test_a_dataset_without_names_has_class_numbers(tmp_path: Path) -> None:
    folder = write_one(tmp_path, "1 0.5 0.5 0.2 0.2", data_yaml="train: images\nnc: 2\n")
    source = read_source(str(folder))
    assert [row.extra["label"] for row in source.rows if isinstance(row, Row)] == ["1"]
    assert any("data.yaml has no names" in note for note in source.notes)


@pytest.mark.parametrize("number", ["1", "1.0", "1.000000000000000000e+00", "1e0"])
def test_class_numbers_as_numpy_writes_them(number: str, tmp_path: Path) -> None:
    line = f"{number} 5.0e-01 5.0e-01 2.0e-01 2.0e-01"
    [row] = read_rows(write_one(tmp_path, line, classes_txt="cat\ndog\n"))
    assert row.extra["label"] == "dog"
    assert resolve(row.marks)[0].bounds == pytest.approx(POSE_BOX)


def test_the_first_track_of_an_oriented_box_is_no_point(tmp_path: Path) -> None:
    corners = "0.4 0.4 0.6 0.42 0.6 0.6 0.4 0.58"
    [row] = read_rows(write_one(tmp_path / "track", f"0 {corners} 0.93 1"))
    assert {"confidence": 0.93, "track": 1}.items() <= row.extra.items()
    assert resolve(row.marks)[0].bounds == pytest.approx((80.0, 40.0, 120.0, 60.0))
    [outline] = read_rows(
        write_one(tmp_path / "outline", "0 0.4 0.4 0.6 0.4 0.7 0.6 0.6 0.8 0.4 1")
    )
    assert resolve(outline.marks)[0].bounds == pytest.approx((80.0, 40.0, 140.0, 100.0))


@pytest.mark.parametrize("first", ["", "# class x y w h", "nan"])
def test_a_folder_is_yolo_where_the_first_files_hold_no_regions(first: str, tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(30 if not first else 5)]
    write_images(tmp_path, *(f"images/{name}.jpg" for name in names))
    for name in names[:-1]:
        write_file(tmp_path / "labels" / f"{name}.txt", first)
    write_file(tmp_path / "labels" / f"{names[-1]}.txt", "0 0.5 0.5 0.2 0.2")
    source = read_source(str(tmp_path))
    assert source.format == SourceFormat.yolo
    *bad, last = source.rows
    assert len(bad) == (len(names) - 1 if first else 0)
    assert isinstance(last, Row)

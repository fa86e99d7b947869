"""Randomly damaged files: one line, or rows with marks on the image; never a traceback or a hang.

`VIPLLAVA_DAMAGED_FILES` is the number of files for each reader, `VIPLLAVA_DAMAGE_SEED` chooses others.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.conftest import ROOT, Run
from tests.support.damage import damage
from tests.support.damaged_sources import IMAGES, MAX_MESSAGE, READERS, write_damaged
from tests.support.sources import read_rows, write_file, write_images

COUNT = int(os.environ.get("VIPLLAVA_DAMAGED_FILES", "150"))
SEED = int(os.environ.get("VIPLLAVA_DAMAGE_SEED", "1"))
SECONDS = 60 + COUNT  # for one reader on a busy machine


@pytest.mark.slow
@pytest.mark.parametrize("reader", [*READERS, IMAGES])
def test_a_damaged_file_gives_one_line_or_marks_on_the_image(reader: str) -> None:
    # In a process of its own: what other tests have loaded would count as memory.
    options = ("--count", str(COUNT), "--seed", str(SEED), "--reader", reader)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.damaged_sources", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr[-2000:]


@pytest.mark.parametrize("reader", READERS)
def test_the_command_lists_a_damaged_file(reader: str, run: Run, tmp_path: Path) -> None:
    for number in range(5):
        written = write_damaged(reader, SEED, number, tmp_path / str(number))
        ended = run("batch", *written.arguments, "--dry-run")
        assert ended.code in (0, 2, 3, 6), ended.stderr
        lines = ended.stderr.splitlines()
        assert "a bug in vipllava" not in ended.stderr
        assert sum(line.startswith("error: ") for line in lines) == (ended.code in (2, 3))
        assert all(line.startswith(("note: ", "warning: ")) for line in lines[:-1])


def many_names(levels: int) -> str:
    """Return a YAML file that repeats its parts: its class name has 10^`levels` parts."""
    lines = ["a0: &a0 [x]"]
    for number in range(1, levels + 1):
        lines.append(f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]")
    return "\n".join([*lines, f"names: [*a{levels}]"])


EDGES = "ImageID,LabelName,XMin,YMin,XMax,YMax"
ANNOTATION = {"image_id": 1, "bbox": [1, 1, 9, 9]}


def coco(image: dict[str, object]) -> dict[str, object]:
    return {"images": [{"id": 1, **image}], "annotations": [ANNOTATION], "categories": []}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("data.yaml", many_names(12), "expected text as class names, found [[[["),
        ("data.yaml", "names: 0x" + "f" * 5000, "found '0xfff"),
        ("boxes.csv", f"{EDGES}\na,b\rc,0,0,1,1\n", "new-line character"),
        ("a.json", coco({"coco_url": "http://[::1"}), 'expected a "file_name"'),
        ("a.json", coco({"file_name": "x" * 5000}), "found no image xxx"),
        ("a.csv", f"image\n{'x' * 5000}.jpg\n", "…"),
        ("a.jsonl", {"image": "a.jpg", "marks": [{"x" * 5000: 1}]}, "a mark has no field 'xxx"),
    ],
)
def test_a_damaged_file_is_refused_in_a_short_line(
    name: str, content: object, words: str, run: Run, tmp_path: Path
) -> None:
    ended = run("batch", write_file(tmp_path / name, content), "--dry-run")
    assert ended.code in (3, 6)
    [line] = [line for line in (ended.stdout + ended.stderr).splitlines() if words in line]
    assert len(line) < MAX_MESSAGE


@pytest.mark.parametrize("place", ["/", "/dev/zero", "../" * 40, '"a\\0b"'])
@pytest.mark.parametrize("field", ["path", "train"])
def test_a_dataset_is_neither_the_whole_disk_nor_a_device(
    field: str, place: str, tmp_path: Path
) -> None:
    write_images(tmp_path, "images/a.jpg")
    write_file(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.5 0.5")
    source = write_file(tmp_path / "data.yaml", f"{field}: {place}\nnames: [dog]\n")
    assert [row.extra["label"] for row in read_rows(source)] == ["dog"]


def test_an_id_that_is_no_number_goes_to_no_record(image: Path, tmp_path: Path) -> None:
    text = json.dumps(coco({"file_name": str(image)}))
    source = write_file(tmp_path / "a.json", text.replace('"image_id"', '"id": NaN, "image_id"'))
    [row] = read_rows(source)
    assert row.extra["annotation_id"] is None


def test_a_confidence_that_is_no_number_goes_to_no_record(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg")
    lines = f"{EDGES},Confidence\na,b,0,0,1,1,nan\na,b,0,0,1,1,0.5\n"
    rows = read_rows(write_file(tmp_path / "boxes.csv", lines))
    assert [row.extra.get("confidence") for row in rows] == [None, 0.5]


def test_the_damage_depends_on_the_seed_only() -> None:
    content = b'{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}'

    def damaged(seed: int) -> list[bytes]:
        rng = Random(seed)
        return [damage(content, "a.json", rng) for _ in range(20)]

    assert damaged(1) == damaged(1) != damaged(2)
    assert sum(each != content for each in damaged(1)) > 15

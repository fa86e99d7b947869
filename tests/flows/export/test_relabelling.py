"""Wrong labels of clip-art regions become right ones: COCO, batch with choices, and export."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES
from vipllava_cli.flows.evals.clipart.scenes import make_scene, scene_rng

pytestmark = pytest.mark.model

REGIONS = 300
CLASSES = ("dog", "cat", "bus", "banana", "guitar", "tree", "drum", "clock", "penguin", "bicycle")
MIN_RIGHT = 0.95
_STREAM = 77  # of the random numbers of the scenes


def write_wrong_labels(folder: Path, count: int) -> tuple[Path, dict[int, str]]:
    """Write scenes, and a COCO file with a wrong label for each of `count` regions.

    Returns the file, and the right labels by the ids of the annotations.
    """
    indices = [
        next(i for i, each in enumerate(OBJECT_CLASSES) if each.name == name) for name in CLASSES
    ]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    right: dict[int, str] = {}
    while len(right) < count:
        number = len(images) + 1
        rng = scene_rng(_STREAM, number)
        chosen = rng.choice(indices, size=int(rng.integers(1, 5)), replace=False).tolist()
        scene = make_scene(rng, classes=chosen)
        scene.image.save(folder / f"{number}.png")
        width, height = scene.image.size
        file = {"id": number, "file_name": f"{number}.png", "width": width, "height": height}
        images.append(file)
        for placement in scene.placements[: count - len(right)]:
            id, name = 1000 + len(right), placement.object_class.name
            left, top, low_right, bottom = placement.box
            wrong = CLASSES[(CLASSES.index(name) + 1 + number) % len(CLASSES)]
            other = CLASSES[(CLASSES.index(name) + 1) % len(CLASSES)]
            category = CLASSES.index(other if wrong == name else wrong) + 1
            box = [left, top, low_right - left, bottom - top]
            place = {"image_id": number, "bbox": box, "iscrowd": 0}
            annotations.append({"id": id, "category_id": category, **place})
            right[id] = name
    categories = [{"id": id, "name": name} for id, name in enumerate(CLASSES, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    file_path = folder / "wrong.json"
    file_path.write_text(json.dumps(content))
    return file_path, right


def labels(path: Path) -> dict[int, str]:
    content = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    return {each["id"]: names[each["category_id"]] for each in content["annotations"]}


def relabel(run: Run, folder: Path, count: int) -> float:
    """Return the share of right labels after `batch` and `export`."""
    file, right = write_wrong_labels(folder, count)
    assert not any(labels(file)[id] == label for id, label in right.items())
    results, out = folder / "results.jsonl", folder / "right.json"
    asked = ("--question", "what is {1}?", "--choices", ",".join(CLASSES), "--label-from-answer")
    assert run("batch", file, "--out", results, *asked, "--model", "tiny").code == 0
    ended = run("export", results, "--to", "coco", "--source", file, "-o", out)
    assert ended.code == 0, ended
    assert f"labels from answers: {count} regions" in ended.stderr
    found = labels(out)
    assert found.keys() == right.keys()
    return sum(found[id] == label for id, label in right.items()) / count


@pytest.mark.slow
@pytest.mark.usefixtures("opened_once")
def test_wrong_labels_of_many_regions_become_right(tmp_path: Path, run: Run) -> None:
    share = relabel(run, tmp_path, REGIONS)
    assert share >= MIN_RIGHT, share


@pytest.mark.usefixtures("opened_once")
def test_batch_notes_that_its_answers_are_labels(tmp_path: Path, run: Run) -> None:
    assert relabel(run, tmp_path, 3) >= 2 / 3


def test_labels_from_answers_need_choices(tmp_path: Path, run: Run) -> None:
    file, _ = write_wrong_labels(tmp_path, 1)
    ended = run("batch", file, "--out", tmp_path / "r.jsonl", "--label-from-answer")
    assert ended.code == 2
    assert ended.stderr.count("\n") == 1
    assert "--choices" in ended.stderr

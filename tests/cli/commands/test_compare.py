"""`vipllava compare` on answers and scores of the shipped model."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAMPLES, Run
from tests.support.benchmark_files import boxes, save, scenes
from tests.support.evals import QUIET
from tests.support.report_pages import blocks, images
from tests.support.sample_scenes import PLACES

pytestmark = pytest.mark.model


@pytest.fixture(autouse=True)
def _share_engines(opened_once: None) -> None:
    """Let all commands of these tests share one engine."""


def test_answers_about_the_same_images_with_a_mark_on_another_object(
    run: Run, tmp_path: Path
) -> None:
    """The second file has the same rows, but one mark is on another object."""
    scenes = [("garden", "butterfly", "snail"), ("street", "bus", "bus"), ("farm", "cow", "cow")]
    for name, which in (("a", 1), ("b", 2)):
        lines = []
        for image, *marked in scenes:
            left, top, right, bottom = PLACES[image][marked[which - 1]]
            box = [left - 5, top - 5, right + 5, bottom + 5]
            lines.append({
                "id": image, "image": str(SAMPLES / f"{image}.png"), "truth": f"a {marked[0]}",
                "question": "what is in the red box?", "marks": [{"shape": "box", "coords": box}],
            })  # fmt: skip
        manifest = tmp_path / f"{name}.manifest.jsonl"
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
        out = tmp_path / f"{name}.jsonl"
        assert run("batch", manifest, "--out", out, "--model", "tiny", "-q").code == 0
    files = (tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    found = json.loads(run("compare", *files, "--json", "-o", tmp_path / "page.html").stdout)
    assert found["truth"] == "truth"
    assert [file["right"] for file in found["files"]] == [1.0, 0.6667]
    assert found["against_first"][0]["right_to_wrong"] == ["garden"]
    (shown,) = blocks(tmp_path / "page.html")["data"]["rows"]
    assert shown["answers"][2] == ["b.jsonl", "a snail", "wrong"]
    assert images(tmp_path / "page.html")[0]["src"]


# Labels as different people write them, for a name.
RELABELLED = ("{}", "{}s", "THE {}", "A {}.", '"{}"', "the_{}")


def write_relabelled_coco(folder: Path, count: int) -> Path:
    """Write COCO of `count` scenes of four objects, with a form of its label for each region."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes(count)):
        images.append({"id": number, "file_name": save(scene, folder, f"{number}.png")})
        for placement, (left, top, right, bottom) in zip(
            scene.placements, boxes(scene), strict=True
        ):
            annotations.append({
                "id": len(annotations), "image_id": number, "category_id": len(annotations),
                "bbox": [left, top, right - left, bottom - top],
                "name": RELABELLED[len(annotations) % 6].format(placement.object_class.name),
            })  # fmt: skip
    categories = [{"id": each["id"], "name": each.pop("name")} for each in annotations]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    file = folder / "coco.json"
    file.write_text(json.dumps(coco))
    return file


def test_answers_equal_the_labels_of_people(run: Run, tmp_path: Path) -> None:
    coco, out = write_relabelled_coco(tmp_path / "coco", 6), tmp_path / "r.csv"
    asked = run("batch", coco, "--out", out, "--question", "what is {1}?", *QUIET)
    assert asked.code == 0, asked.stderr
    (found,) = json.loads(run("compare", out, "--truth", "label", "--json").stdout)["files"]
    assert (found["rows"], found["right"]) == (24, 1.0), found["confusions"]
    strict = run("compare", out, "--truth", "label", "--strict", "--json")
    assert json.loads(strict.stdout)["files"][0]["right"] < 0.2


def test_folders_of_eval_are_compared(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        command = ("eval", "clipart", "--n", 1, "--out", tmp_path / name / "run")
        assert run(*command, *QUIET).code == 0
    folders = [tmp_path / name / "run" for name in ("one", "two")]
    found = json.loads(run("compare", *folders, "--json").stdout)
    assert (found["scorer"], found["against_first"][0]["changed"]) == ("words", [])
    scores = json.loads((folders[0] / "scores.json").read_text())["figures"][0]
    assert (scores["what"], scores["right"]) == ("all", found["files"][0]["score"])


def test_compare_has_the_scores_of_eval(run: Run, tmp_path: Path) -> None:
    """The benchmark scores lists by their overlap, which the truth column alone does not tell."""
    scores = {}
    for transform in ("none", "half"):
        out = tmp_path / transform
        command = ("eval", "clipart", "--n", 2, "--transform", transform, "--out", out)
        assert run(*command, *QUIET).code == 0
        figures = json.loads((out / "scores.json").read_text())["figures"]
        counted = [f for f in figures if f["what"] in ("kind", "in other words")]
        moved = [r for r in (out / "records.jsonl").read_text().splitlines() if "-moved-" in r]
        total = sum(f["right"] * f["of"] for f in counted)
        total += sum(json.loads(record)["extra"]["scores"]["words"] for record in moved)
        scores[transform] = total / (sum(f["of"] for f in counted) + len(moved))
    files = [tmp_path / transform / "records.jsonl" for transform in scores]
    found = json.loads(run("compare", *files, "--json").stdout)
    assert found["scorer"] == "words"
    assert [file["score"] for file in found["files"]] == pytest.approx(
        list(scores.values()), abs=2e-4
    )

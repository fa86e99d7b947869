"""`vipllava compare` on answers and scores of the shipped model."""

import json
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
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

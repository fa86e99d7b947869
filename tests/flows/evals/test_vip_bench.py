"""ViP-Bench: capabilities, stored predictions, and the choice of a judge."""

import json
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
from tests.support import benchmark_files as files
from tests.support.evals import QUIET, find_score, read_records

pytestmark = pytest.mark.model

# The marks are drawn in these images of sample_images, and the model answers them correctly.
ROWS = [
    ("0", SAMPLES / "zoo-red-box.png", "what is in the red box?", "bird<OR>penguin", ["rec"]),
    (
        "1",
        SAMPLES / "zoo-red-box.png",
        "what is in the red box?",
        "penguin<AND>ice",
        ["rec", "know"],
    ),
    ("2", SAMPLES / "sky-two-marks.png", "what is in the red box?", "rocket", ["rec", "ocr"]),
    ("7", SAMPLES / "sky-two-marks.png", "what is in the red box?", "kite", ["know"]),
]
CAPABILITIES = {"rec": 2 / 3, "know": 0.0, "ocr": 1.0}
SETS = {"rec": 1.0, "know+rec": 0.0, "ocr+rec": 1.0, "know": 0.0}


def test_scores_are_by_capability_and_by_exact_set_also_of_stored_predictions(
    run: Run, tmp_path: Path
) -> None:
    data, out = files.vip_bench(tmp_path / "data", ROWS), tmp_path / "out"
    command = (
        "eval", "vip-bench", "--data", data, "--split", "human", "--judge", "exact", "--json",
    )  # fmt: skip
    result = run(*command, "--out", out, *QUIET)
    assert result.code == 0, result.stderr
    scores = json.loads(result.stdout)
    judge = scores["judge"]
    assert "no judge" in judge
    assert find_score(scores, judge) == (0.5, 4)  # over all rows, not over capabilities
    found = {(f["what"], f["group"]): f["right"] for f in scores["figures"]}
    assert {group: found["capability", group] for group in CAPABILITIES} == pytest.approx(
        CAPABILITIES, abs=1e-4
    )
    assert {group: found["exact set", group] for group in SETS} == SETS
    predictions = json.loads((out / "predictions.json").read_text())
    assert list(predictions) == ["v1_0", "v1_1", "v1_2", "v1_7"]
    assert "penguin" in predictions["v1_0"]
    stored_scores = [record["extra"]["scores"] for record in read_records(out).values()]
    assert stored_scores == [{judge: 1.0}, {judge: 0.0}, {judge: 1.0}, {judge: 0.0}]

    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps({**predictions, "v1_7": "a kite", "v1_99": "left over"}))
    graded = run(*command, "--out", tmp_path / "graded", "--predictions", stored)
    assert graded.code == 0, graded.stderr
    assert find_score(json.loads(graded.stdout), judge) == (0.75, 4)
    assert f"predictions without a question in {data}: 1" in graded.stderr

    stored.write_text(json.dumps({"v1_0": "a penguin"}))
    graded = run(*command, "--out", tmp_path / "some", "--predictions", stored, "-q")
    assert graded.code == 6
    scores = json.loads(graded.stdout)
    assert (find_score(scores, judge), scores["failed"]) == ((0.25, 4), 3)


def test_stored_predictions_do_not_replace_the_scores_of_another_run(
    run: Run, tmp_path: Path
) -> None:
    out, stored = tmp_path / "out", tmp_path / "stored.json"
    rows = files.visual7w(tmp_path / "v7w", 1)
    assert run("eval", "visual7w", "--data", rows, "--out", out, *QUIET).code == 0
    scores = (out / "scores.json").read_bytes()
    stored.write_text(json.dumps({"v1_0": "a penguin"}))
    data = files.vip_bench(tmp_path / "data", ROWS)
    result = run(
        "eval", "vip-bench", "--data", data, "--judge", "exact", "--predictions", stored, "--out", out,
    )  # fmt: skip
    assert result.code == 3
    assert result.stderr == (
        f"error: {out} has a run of visual7w, but this run is of vip-bench: give another --out\n"
    )
    assert (out / "scores.json").read_bytes() == scores


def test_without_a_judge_a_run_writes_predictions_and_names_the_options(
    run: Run, tmp_path: Path
) -> None:
    data = files.vip_bench(tmp_path / "data", ROWS[:1])
    result = run("eval", "vip-bench", "--data", data, "--out", tmp_path / "out", "--model", "tiny")
    assert (result.code, result.stdout) == (0, "")
    assert "nothing is graded: choose a judge with --judge-model and --judge-url" in result.stderr
    assert f"wrote {tmp_path / 'out/predictions.json'}, 1 answers" in result.stderr
    assert (tmp_path / "out/predictions.json").exists()


def test_the_folder_and_the_metadata_are_checked(run: Run, tmp_path: Path) -> None:
    command = ("eval", "vip-bench", "--data", tmp_path, "--out", tmp_path / "out", *QUIET)
    result = run(*command)
    assert result.code == 3
    assert "vip-bench-meta-data.json" in result.stderr
    files.vip_bench(tmp_path / "a", ROWS[:2])
    meta = tmp_path / "a/vip-bench-meta-data.json"
    entries = json.loads(meta.read_text())
    del entries["v1_1"]
    meta.write_text(json.dumps(entries))
    out = tmp_path / "out"
    result = run(
        "eval", "vip-bench", "--data", tmp_path / "a", "--out", out, "--judge", "exact", *QUIET
    )
    assert result.code == 6
    assert "has no v1_1" in read_records(out)["v1_1"]["error"]["message"]

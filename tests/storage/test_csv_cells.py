"""Cells of a CSV file that a spreadsheet would run."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.conftest import Run
from vipllava_cli.errors import ExitCode
from vipllava_cli.flows.evals.metrics import Metric
from vipllava_cli.flows.evals.output_files import format_csv
from vipllava_cli.storage.csv_cells import text_cell


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+A1", "-A1", "@SUM(A1)", "\tq", "\rq", "=", "-", "+5", "\n=1", "\uff1d1", "\uff201"],
)
def test_a_formula_becomes_text(text: str) -> None:
    assert text_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "a=1", "'=1", "-5", "-1.5e3", -5, 1.5, None, True, " =1"])
def test_numbers_and_other_texts_stay(value: object) -> None:
    assert text_cell(value) == value


RECORD = {
    "schema": 1, "id": "=id", "key": "k", "image": "-a.png", "width": 10, "height": 10, "marks": [],
    "numbers": False, "crop": None, "question": "@q", "answer": "=HYPERLINK(1)",
    "finish_reason": "stop", "prompt_tokens": 1, "answer_tokens": 1, "seconds": 0.1, "model": "m",
    "revision": "1", "template": "human", "options": {}, "dtype": "fp32", "device": "cpu",
    "extra": {"=name": "+cmd", "n": "-5"}, "error": None,
}  # fmt: skip


def read_rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(), newline="")))


def test_an_export_is_safe_for_spreadsheets_if_asked(run: Run, tmp_path: Path) -> None:
    records, out = tmp_path / "r.jsonl", tmp_path / "e.csv"
    records.write_text(json.dumps(RECORD) + "\n")
    assert run("export", records, "--to", "csv", "-o", out, "--csv-safe").code == 0
    cells = [cell for row in read_rows(out) for cell in row]
    assert {"'=id", "'@q", "'=HYPERLINK(1)"} <= set(cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    assert run("export", records, "--to", "csv", "-o", out, "--force").code == 0
    assert "=HYPERLINK(1)" in read_rows(out)[1]


def test_the_option_is_refused_where_no_csv_is_written(
    run: Run, tmp_path: Path, image: Path
) -> None:
    records = tmp_path / "r.jsonl"
    records.write_text(json.dumps(RECORD) + "\n")
    export = run("export", records, "--to", "coco", "-o", tmp_path / "e.json", "--csv-safe")
    batch = run("batch", image, "--out", tmp_path / "x.jsonl", "--csv-safe", "--dry-run")
    for finished in (export, batch):
        assert finished.code == ExitCode.USAGE
        assert "--csv-safe is about CSV" in finished.stderr


def test_scores_are_safe_for_spreadsheets_if_asked() -> None:
    metric = Metric("rule", "=kind", "=group", 0.5, 2, 0, 0.1, 0.9)
    safe = format_csv([metric], csv_safe=True)
    assert "'=kind,'=group,50.00" in safe
    assert "rule,=kind,=group" in format_csv([metric])

"""The files of scores and predictions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.benchmark import Benchmark
from vipllava_cli.flows.evals.metrics import Metric
from vipllava_cli.flows.evals.output_files import (
    format_csv,
    format_json,
    format_markdown,
    overall_lines,
    read_predictions,
    write_predictions,
)

BENCHMARK = Benchmark("x", lambda options: iter(()))
METRIC = Metric("a|b", "all", "all", 0.5, 2, 0, 0.1, 0.9, {"7B": 48.4})


def test_a_markdown_table_escapes_its_cells() -> None:
    facts = {"model": "a\nb", "limit": None}
    lines = format_markdown([METRIC], "x", facts, BENCHMARK).splitlines()
    assert lines[0] == "# x"
    assert "- model: a b" in lines
    assert "- limit: None" not in lines
    assert lines[2] == "accuracy 50.0% \u00b7 95% CI 10.0\u201390.0 \u00b7 n 2"
    assert "| scorer | group | accuracy | 95% CI | n | failed | 7B |" in lines
    assert "| a\\|b | all | 50.0 | 10.0\u201390.0 | 2 | 0 | 48.4 |" in lines


def test_the_overall_line_names_what_is_special() -> None:
    metric = Metric("published", "task", "Q to AR", 0.5, 4, 1, 0.25, 0.75)
    others = [replace(metric, scorer="lenient"), replace(metric, group="Q to A")]
    benchmark = replace(BENCHMARK, measure="score", overall=("task", "Q to AR"))
    assert overall_lines([metric, *others], benchmark) == [
        "Q to AR, published score 50.0% \u00b7 95% CI 25.0\u201375.0 \u00b7 n 4 \u00b7 failed 1",
        "Q to AR, lenient score 50.0% \u00b7 95% CI 25.0\u201375.0 \u00b7 n 4 \u00b7 failed 1",
    ]


def test_json_and_csv_have_the_keys_of_version_0_1_0() -> None:
    old = json.loads((ROOT / "tests/fixtures/0.1.0/eval/scores.json").read_text())
    (figure,) = json.loads(format_json([METRIC], {"benchmark": "x"}))["figures"]
    assert list(figure) == list(old["figures"][0])
    assert figure | {"published": {}} == {
        "rule": "a|b", "what": "all", "group": "all", "right": 0.5, "of": 2, "failed": 0,
        "low": 0.1, "high": 0.9, "published": {},
    }  # fmt: skip
    assert format_csv([METRIC]).splitlines() == [
        "rule,what,group,right,low,high,of,failed,7B",
        "a|b,all,all,50.00,10.00,90.00,2,0,48.4",
    ]


def test_predictions_are_one_object_of_texts(tmp_path: Path) -> None:
    path = write_predictions(tmp_path, {"v1_0": "a dog", "v1_1": ""})
    assert read_predictions(path) == {"v1_0": "a dog", "v1_1": ""}
    for text in ("[]", "prose"):
        path.write_text(text)
        with pytest.raises(InputError, match="expected one JSON object"):
            read_predictions(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_predictions(tmp_path / "gone.json")


def test_an_answer_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "predictions.json"
    path.write_text('{"v1_0": "a dog", "v1_1": null, "v1_2": 5}')
    with pytest.raises(InputError, match="the prediction of 'v1_1' is None: expected a text"):
        read_predictions(path)

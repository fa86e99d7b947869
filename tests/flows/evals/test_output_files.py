"""The files of scores and predictions."""

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.metrics import Metric
from vipllava_cli.flows.evals.output_files import (
    format_csv,
    format_json,
    format_markdown,
    read_predictions,
    write_predictions,
)

METRIC = Metric("a|b", "all", "all", 0.5, 2, 0, 0.1, 0.9, {"7B": 48.4})


def test_a_markdown_table_escapes_its_cells() -> None:
    lines = format_markdown([METRIC], "x", {"model": "a\nb", "limit": None}).splitlines()
    assert lines[0] == "# x"
    assert "- model: a b" in lines
    assert "- limit: None" not in lines
    assert r"| a\|b | all | 50.0 | 10.0-90.0 | 2 | 0 | 48.4 |" in lines


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
    for text in ("[]", '{"v1_0": 1}', "prose"):
        path.write_text(text)
        with pytest.raises(InputError, match="expected one JSON object"):
            read_predictions(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_predictions(tmp_path / "gone.json")

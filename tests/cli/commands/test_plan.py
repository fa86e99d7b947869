"""`vipllava plan`."""

import json

import pytest

from tests.conftest import Run
from vipllava_cli.engine.hub.registry import PUBLISHED

pytestmark = pytest.mark.model


def test_the_parts_of_a_plan_add_up_to_the_parameters(run: Run) -> None:
    planned = run("plan", "7b", "--max-memory", "0=8GiB,cpu=20GiB", "--json")
    plan = json.loads(planned.stdout)
    total = sum(part["weights"] for part in plan["parts"])
    assert total == pytest.approx(2 * PUBLISHED["7b"].parameters, rel=0.01)
    assert {part["place"] for part in plan["parts"]} == {0, "cpu"}
    assert plan["places"]["0"]["cache"] == 1088 * 512 * 1024  # 512 KiB a token
    assert plan["tokens_a_second"] > 0
    table = run("plan", "7b", "--max-memory", "0=8GiB,cpu=20GiB").stdout
    for words in (
        "vision tower",
        "decoder layers 0 to",
        "GPU 0",
        "13.2 GiB",
        "14.2 GB to download",
    ):
        assert words in table
    table = run("plan", "7b", "--max-memory", "cpu=2.8GiB").stdout
    for words in ("decoder layer 0 ", "decoder layers 1 to 31"):
        assert words in table


def test_a_plan_shows_a_placement_that_fits(run: Run) -> None:
    refused = run("plan", "7b", "--quantize", "int8", "--max-memory", "cpu=6GiB")
    assert (refused.code, refused.stdout) == (4, "")
    assert "--quantize nf4" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert run("plan", "7b", "--max-memory", "8GiB").code == 2

"""Every benchmark still runs: a quick run of all, in new processes, with the shipped model."""

import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.registry import SCENARIOS
from tests.conftest import ROOT

pytestmark = [pytest.mark.model, pytest.mark.slow]

# Figures that only a machine with the package, or an idle machine, has.
MAY_BE_ABSENT = "is not installed|not installed; see|the machine is busy"
PROCESSOR_SECONDS = 120  # a minute of both cores of an idle machine


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the results of a quick run."""
    out = tmp_path_factory.mktemp("benchmarks")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "benchmarks", "run", "--quick", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert taken < PROCESSOR_SECONDS
    return out


@pytest.fixture
def events(finished: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (finished / "results.jsonl").read_text().splitlines()]


def scenarios_of_a_cpu() -> Iterator[str]:
    for name, scenario in SCENARIOS.items():
        if "cpu" in scenario.devices:
            yield name


def test_the_first_line_describes_the_machine(events: list[dict[str, Any]]) -> None:
    machine = events[0]
    assert machine["event"] == "machine"
    assert machine["cpu"]
    assert machine["cores"] >= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", machine["date"])
    assert machine["versions"]["torch"]


@pytest.mark.parametrize("name", scenarios_of_a_cpu())
def test_a_scenario_yields_figures_or_says_what_is_missing(
    name: str, events: list[dict[str, Any]]
) -> None:
    own = [event for event in events if event.get("scenario") == name]
    kinds = [event["event"] for event in own]
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    measures = [event for event in own if event["event"] == "measure"]
    reasons = [event["reason"] for event in own if event["event"] == "absent"]
    assert all(re.search(MAY_BE_ABSENT, reason) for reason in reasons)
    assert measures or reasons
    for measure in measures:
        assert measure["low"] is None or measure["low"] <= measure["value"] <= measure["high"]
        assert measure["value"] >= 0
        assert measure["samples"] >= 1


def test_the_table_has_a_row_for_each_figure(finished: Path, events: list[dict[str, Any]]) -> None:
    lines = (finished / "results.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in rows} == {6}
    measures = [event for event in events if event["event"] == "measure"]
    assert len(rows) == len(measures) + 2
    for row, measure in zip(rows[2:], measures, strict=True):
        assert row.startswith(f"| {measure['scenario']}, {measure['size']} | {measure['what']}")

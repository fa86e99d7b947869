"""Every benchmark still runs: a quick run of all, in new processes, with the shipped model."""

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.registry import SCENARIOS
from tests.conftest import ROOT

pytestmark = [pytest.mark.model, pytest.mark.slow]

Event = dict[str, Any]

# Why a scenario may have no figures: a machine lacks a package.
MAY_BE_ABSENT = "is not installed|: not installed; see"
PROCESSOR_SECONDS = 120  # a minute of both cores of an idle machine


def test_a_quick_run_leaves_figures_of_every_scenario_and_a_table(tmp_path: Path) -> None:
    """One test, because one run takes a minute."""
    assert run_quickly(tmp_path) < PROCESSOR_SECONDS
    machine, *events = [
        json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()
    ]
    check_machine(machine)
    names = [name for name, scenario in SCENARIOS.items() if "cpu" in scenario.devices]
    assert {event["scenario"] for event in events} == set(names)
    for name in names:
        check_scenario([event for event in events if event["scenario"] == name])
    check_table((tmp_path / "results.md").read_text(), events)


def run_quickly(out: Path) -> float:
    """Run everything. Returns the processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "benchmarks", "run", "--quick", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def check_machine(machine: Event) -> None:
    assert machine["event"] == "machine"
    assert machine["cpu"]
    assert machine["cores"] >= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", machine["date"])
    assert machine["versions"]["torch"]


def check_scenario(events: list[Event]) -> None:
    """Check that a scenario has figures, or says what is missing."""
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    measures = [event for event in events if event["event"] == "measure"]
    reasons = [event["reason"] for event in events if event["event"] == "absent"]
    assert all(re.search(MAY_BE_ABSENT, reason) for reason in reasons), reasons
    assert measures or reasons
    for measure in measures:
        assert measure["low"] is None or measure["low"] <= measure["value"] <= measure["high"]
        assert measure["value"] >= 0
        assert measure["samples"] >= 1


def check_table(text: str, events: list[Event]) -> None:
    """Check that the table has a row for each figure, and a line for what is missing."""
    lines = text.splitlines()
    assert re.search(r"The scenarios took [0-9.]+ minutes\.$", lines[0])
    rows = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in rows} == {6}
    measures = [event for event in events if event["event"] == "measure"]
    for row, measure in zip(rows[2:], measures, strict=True):
        assert row.startswith(f"| {measure['scenario']}, {measure['size']} | {measure['what']}")
    absent = [event for event in events if event["event"] == "absent"]
    assert len([line for line in lines if line.startswith("- ")]) == len(absent)

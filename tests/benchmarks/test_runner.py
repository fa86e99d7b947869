"""The harness: names, limits, and scenarios that fail, hang or crash."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import runner
from benchmarks.measuring import interleave, summarize, summarize_ratio
from benchmarks.registry import SCENARIOS
from benchmarks.runner import Event, Job, Runner
from tests.conftest import ROOT

SCENARIO_FOLDER = ROOT / "benchmarks" / "scenarios"
HELPERS = {"__init__", "answering"}

# A worker whose scenarios behave as their names say.
WORKER = """
import json, os, signal, sys, time
for name in sys.argv[1:sys.argv.index("--size")]:
    print(json.dumps({"event": "start", "scenario": name}), flush=True)
    if name == "hangs":
        time.sleep(600)
    if name == "crashes":
        os._exit(3)
    if name == "leaves":
        sys.exit()
    if name == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    print(json.dumps({"event": "end", "scenario": name, "seconds": 0}), flush=True)
"""


def test_every_scenario_has_a_module_and_every_module_a_scenario() -> None:
    modules = {path.stem for path in SCENARIO_FOLDER.glob("*.py")} - HELPERS
    assert {scenario.module for scenario in SCENARIOS.values()} == modules
    assert all(find_spec(f"benchmarks.scenarios.{module}") for module in modules)


def test_the_list_names_every_scenario_and_imports_no_torch() -> None:
    code = (
        "import sys; from benchmarks.__main__ import main; sys.argv[1:] = ['list']; main();"
        " assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(SCENARIOS)


def test_names_are_chosen_by_their_start_and_device() -> None:
    assert program.choose_names(["decode", "placement"], "cuda:0") == [
        "decode",
        "placement-one",
        "placement-cpu",
        "placement-disk",
    ]
    assert "placement-cpu" not in program.choose_names([], "cpu")
    assert "equality" not in program.choose_names([], "cpu")
    assert "equality" in program.choose_names([], "cpu", is_quick=True)
    assert program.choose_names(["equality"], "cpu") == ["equality"]
    with pytest.raises(SystemExit, match="no scenario nonsense"):
        program.choose_names(["nonsense"], "cpu")


def test_sizes_replace_those_of_scenarios_with_a_model() -> None:
    jobs = program.choose_jobs(["throughput", "startup"], ["7b"])
    assert jobs == [Job("throughput", "7b"), Job("startup", "-")]
    assert program.choose_jobs(["throughput"], []) == [
        Job("throughput", "tiny"),
        Job("throughput", "mid"),
    ]


def test_no_default_size_is_the_7b() -> None:
    assert all("7b" not in scenario.sizes for scenario in SCENARIOS.values())


def test_quartiles_and_ratios() -> None:
    measure = summarize("a time", [5.0, 1.0, 2.0, 3.0, 4.0], "s")
    assert (measure.low, measure.value, measure.high, measure.samples) == (2.0, 3.0, 4.0, 5)
    assert summarize_ratio("a ratio", [2.0, 6.0, 4.0], [1.0, 2.0, 4.0]).value == 2.0


def test_works_take_turns_after_a_warm_up() -> None:
    calls: list[str] = []
    times = interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}


# --- failures --------------------------------------------------------------------------------

OUTCOMES = {
    "crashes": "the process ended with exit code 3",
    "leaves": "the process ended with exit code 0",
    "is killed": "the process was killed: the memory may have been full",
}

RunJobs = Callable[..., list[Event]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunJobs:
    """Run jobs with the worker above, in the size `tiny`."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    (tmp_path / "benchmarks" / "worker.py").write_text(WORKER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    scenario = SCENARIOS["decode"]
    limited = dict.fromkeys((*OUTCOMES, "works", "also", "hangs"), scenario)
    monkeypatch.setattr(runner, "SCENARIOS", limited)
    monkeypatch.setattr(Runner, "_limit", lambda self, job: 2)

    def run_jobs(*names: str, seconds: float = 60) -> list[Event]:
        deadline = time.monotonic() + seconds
        jobs = [Job(name, "tiny") for name in names]
        return list(Runner("cpu", False, tmp_path, tmp_path, deadline).run(jobs))

    return run_jobs


def outcomes(events: list[Event]) -> list[tuple[str, str]]:
    return [
        (event["scenario"], event.get("reason", "end"))
        for event in events
        if event["event"] in {"end", "error"}
    ]


@pytest.mark.parametrize(("name", "reason"), OUTCOMES.items())
def test_a_crash_leaves_an_error_and_the_others_run(run: RunJobs, name: str, reason: str) -> None:
    assert outcomes(run("works", name, "also")) == [
        ("works", "end"),
        (name, reason),
        ("also", "end"),
    ]


def test_a_scenario_over_its_limit_is_stopped_and_the_others_run(run: RunJobs) -> None:
    assert outcomes(run("works", "hangs", "also")) == [
        ("works", "end"),
        ("hangs", "stopped: the time of hangs (2 s) was over"),
        ("also", "end"),
    ]


def test_nothing_starts_after_the_end_of_the_run(run: RunJobs) -> None:
    assert outcomes(run("works", "also", seconds=0)) == [
        ("works", "not run: the time of the whole run was over"),
        ("also", "not run: the time of the whole run was over"),
    ]


# --- the command -----------------------------------------------------------------------------


def start(*options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks", "run", *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--quick",)])
def test_an_interrupted_run_ends_at_once_and_leaves_its_figures(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    process = start("kills", "startup", "--out", str(tmp_path), *options)
    assert process.stdout
    assert any("start" in line for line in process.stdout if "load" not in line)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=4)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == f"interrupted: {tmp_path} has the figures until now"
    assert "Traceback" not in errors
    assert '"start"' in (tmp_path / "results.jsonl").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "gpu"), "invalid device 'gpu': expected cpu or cuda:0"),
        (("--seconds", "0"), "invalid time '0': expected seconds above 0"),
        (("--images", "missing"), "there is no folder missing"),
        (("--out", __file__), f"{__file__} cannot be written: File exists; choose another --out"),
    ],
)
def test_a_wrong_option_gives_a_line(options: tuple[str, ...], message: str) -> None:
    process = start("startup", *options)
    output, errors = process.communicate()
    assert process.returncode in (1, 2)
    assert errors.splitlines()[-1].endswith(message)
    assert "Traceback" not in errors
    assert "start" not in output.splitlines()[1:]


def test_a_scenario_of_another_device_is_refused() -> None:
    with pytest.raises(SystemExit, match="none of these scenarios runs on cuda:0: loading"):
        program.choose_names(["loading"], "cuda:0")


def test_the_script_for_a_gpu_needs_folders(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "gpu.sh"
    done = subprocess.run(
        ["/bin/bash", str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: usage: bash benchmarks/gpu.sh WHEELS OUT ")
    assert not done.stdout

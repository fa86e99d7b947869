"""`vipllava plan`."""

import json
import re

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


def test_a_size_without_a_device_says_how_to_name_one(run: Run) -> None:
    refused = run("plan", "7b", "--max-memory", "8GB")
    assert refused.stderr == (
        "error: invalid --max-memory '8GB': use cpu=8GiB, or 0=8GiB for GPU 0\n"
    )
    for limits in re.findall(r"\S+=8GiB", refused.stderr):
        assert run("plan", "7b", "--max-memory", limits, "--length", "640").code == 0


def test_the_plan_of_a_machine_with_given_speeds_measures_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vipllava_cli.engine.hardware.estimate.measure_speed", None)
    machine = ("plan", "7b", "--device", "cuda:1", "--max-memory", "1=24GiB")
    speeds = ("--bandwidth", "1=3.35TB/s", "--tflops", "1=400")
    plan = json.loads(run(*machine, *speeds, "--json").stdout)
    assert plan["tokens_a_second"] == pytest.approx(247, rel=0.05)
    assert plan["prompt_seconds"] == pytest.approx(8.7e12 / 400e12, rel=0.05)
    assert plan["speeds"]["1"] == {
        "bytes_a_second": 3_350_000_000_000,
        "bytes_from": "given",
        "operations_a_second": 400_000_000_000_000,
        "operations_from": "given",
    }
    assert (plan["assumed"], plan["absent"]) == ([], [1])
    table = run(*machine, *speeds).stdout
    assert "given: GPU 1 with 3350 GB/s and 400 TFLOP/s" in table
    assert "not on this machine: GPU 1" in table
    half = run(*machine, "--bandwidth", "1=600").stdout
    assert "given: GPU 1 with 600 GB/s\n" in half
    assert "assumed, not measured: GPU 1 with 20 TFLOP/s\n" in half


def test_a_given_bandwidth_of_the_cpu_decides_the_speed_of_tokens(run: Run) -> None:
    machine = ("plan", "7b", "--device", "cpu", "--max-memory", "cpu=64GiB")
    speed = ("--bandwidth", "cpu=1000GB/s", "--json")
    measured = json.loads(run(*machine, *speed).stdout)
    given = json.loads(run(*machine, *speed, "--tflops", "cpu=1").stdout)
    assert measured["tokens_a_second"] == given["tokens_a_second"] > 60


def test_the_bus_and_the_disk_may_be_given(run: Run) -> None:
    machine = ("plan", "7b", "--max-memory", "0=8GiB,cpu=4GiB", "--tflops", "0=400")
    fast = "0=3350GB/s,bus=64GB/s,disk=7GB/s"
    slow = json.loads(run(*machine, "--json").stdout)
    plan = json.loads(run(*machine, "--bandwidth", fast, "--json").stdout)
    assert plan["tokens_a_second"] > 3 * slow["tokens_a_second"]
    assert {name: link["bytes_from"] for name, link in plan["links"].items()} == {
        "bus": "given",
        "disk": "given",
    }
    assert slow["assumed"][-2:] == ["a bus of 16 GB/s", "a disk of 1.5 GB/s"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bandwidth", "fast"], "invalid --bandwidth 'fast': expected a GPU number or cpu"),
        (["--bandwidth", "cpu=0"], "invalid --bandwidth '0': expected a number above 0 in GB/s"),
        (["--bandwidth", "cpu=5kg"], "invalid --bandwidth '5kg'"),
        (["--tflops", "cpu=nan"], "invalid --tflops 'nan': expected a number of TFLOP/s above 0"),
        (["--tflops", "disk=1"], "invalid --tflops 'disk=1': expected a GPU number or cpu or mps"),
        (["--tflops", "cpu=1,cpu=2"], "it names cpu twice"),
        (["--max-memory", "cpu=20GiB", "--tflops", "7=1"], "--tflops names GPU 7, and this plan"),
        (
            ["--max-memory", "cpu=20GiB", "--bandwidth", "mps=3"],
            "--bandwidth names mps, and this plan",
        ),
        (["--device", "gpu"], "invalid --device 'gpu': expected auto, cpu, mps, cuda for all GPUs"),
        (["--device", "cuda:9"], "there is no GPU 9 for --device cuda:9"),
    ],
)
def test_an_invalid_value_is_one_line(run: Run, options: list[str], message: str) -> None:
    refused = run("plan", "7b", *options)
    assert (refused.code, refused.stdout) == (4 if "there is no" in message else 2, "")
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_the_advice_of_a_refusal_works_on_the_command_line(run: Run) -> None:
    refused = run("plan", "13b", "--quantize", "nf4", "--max-memory", "0=8GiB,cpu=20GiB")
    assert refused.code == 4
    assert "GPU 0 may hold 8.0 GiB, and the model needs 9.4 GiB there" in refused.stderr
    advice = refused.stderr.rpartition("it fits ")[2]
    assert "without --quantize" in advice
    assert run("plan", "13b", "--max-memory", "0=8GiB,cpu=20GiB").code == 0
    for limits in re.findall(r"--max-memory (\S+GiB)", advice):
        device = [] if limits.startswith("0") else ["--device", "cpu"]
        planned = run("plan", "13b", "--quantize", "nf4", "--max-memory", limits, *device)
        assert planned.code == 0, planned.stderr


def test_two_models_are_refused_and_a_default_model_is_overridden(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run("plan", "tiny", "-m", "7b")
    assert (refused.code, refused.stdout) == (2, "")
    assert refused.stderr == "error: two models, tiny and --model 7b: give one of them\n"
    monkeypatch.setenv("VIPLLAVA_MODEL", "7b")
    assert json.loads(run("plan", "tiny", "--json").stdout)["model"] == "tiny"


def test_the_plan_that_the_error_about_a_missing_gpu_names_runs(run: Run) -> None:
    refused = run("plan", "tiny", "--device", "cuda:9")
    found = re.search(r"use (--device \w+), .*`vipllava (plan .*)` plans for", refused.stderr)
    assert found
    assert run("plan", "tiny", *found[1].split()).code == 0
    assert run(*found[2].split()).code == 0


def test_a_published_model_is_planned_by_its_hub_name_too(run: Run) -> None:
    plans = [
        json.loads(run("plan", name, "--max-memory", "0=24GiB,cpu=32GiB", "--json").stdout)
        for name in ("7b", PUBLISHED["7b"].repository)
    ]
    assert plans[0]["parts"] == plans[1]["parts"]

"""`vipllava eval`: the old names, and the options of a judge."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support import benchmark_files
from tests.support.evals import QUIET
from tests.support.vision_server import MODEL, VisionServer, serving
from vipllava_cli.engine.prompts.templates import LETTER_LINE

pytestmark = pytest.mark.model


@pytest.fixture(autouse=True)
def _share_engines(opened_once: None) -> None:
    """Let all commands of these tests share one engine."""


def test_demo_runs_clipart_and_warns(run: Run, tmp_path: Path) -> None:
    clipart, demo = tmp_path / "clipart", tmp_path / "demo"
    settings = ("--n", 1, "--transform", "half", "--json", *QUIET)
    expected = run("eval", "clipart", "--out", clipart, *settings)
    assert (expected.code, expected.stderr) == (0, "")
    scores = json.loads(expected.stdout)
    assert (scores["benchmark"], scores["journey"]) == ("clipart", "half")
    # Both old names at once.
    old_settings = ("--n", 1, "--journey", "half", "--json", "--model", "tiny")
    found = run("eval", "demo", "--out", demo, *old_settings)
    assert found.code == 0
    assert found.stderr == "warning: `eval demo` is now `eval clipart`: use the new name\n"
    assert found.stdout == expected.stdout
    assert (demo / "scores.json").read_bytes() == (clipart / "scores.json").read_bytes()


def test_without_a_folder_no_files_remain(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("eval", "clipart", "--n", 1, *QUIET)
    assert result.code == 0
    assert "naming" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_another_seed_into_the_same_folder_needs_force(run: Run, tmp_path: Path) -> None:
    folder, one = tmp_path / "out", ("eval", "clipart", "--n", 1, *QUIET)
    assert run(*one, "--out", folder).code == 0
    refused = run(*one, "--seed", 1, "--out", folder)
    assert (refused.code, refused.stdout) == (3, "")
    assert refused.stderr == (
        f"error: {folder} has a run with --seed 0, but this run has --seed 1: give another --out, or"
        f" add --force to start over in {folder}\n"
    )
    assert run(*one, "--seed", 1, "--out", folder, "--force").code == 0
    assert run(*one, "--seed", 1, "--out", folder).code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--judge-url", "http://localhost:1/v1"), "add --judge-model NAME"),
        (("--judge", "exact", "--judge-model", "m"), "remove --judge-url and --judge-model"),
        (("--judge-url", "nowhere", "--judge-model", "m"), "is an address like"),
    ],
)
def test_half_a_judge_is_wrong_usage(
    run: Run, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = run("eval", "vip-bench", "--data", tmp_path, "--out", tmp_path / "out", *options)
    assert result.code == 2
    assert message in result.stderr


def test_reasons_of_failed_rows_are_printed_and_a_limit_can_be_raised(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that thinks longer than the benchmark's limit says what to raise."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    data, out = benchmark_files.visual7w(tmp_path / "data", 3), tmp_path / "out"
    command = ("eval", "visual7w", "--data", data, "--out", out, "--model", "box")
    with serving(VisionServer()) as server:
        assert run("models", "add", "box", "--url", server.url, "--model", MODEL).code == 0
        server.answers = {LETTER_LINE: {"content": "<think>A or", "finish_reason": "length"}}
        failed = run(*command)
        assert failed.code == 6
        assert re.fullmatch(
            rf"3 rows failed, for example v7w-[012]: the answer of {MODEL} did not begin within 128"
            " tokens, which its thoughts took: raise --max-new-tokens",
            failed.stderr.splitlines()[-1],
        )
        server.answers = {LETTER_LINE: "<think>A or B?</think>B"}
        again = run(*command, "--max-new-tokens", "4096", "--json")
    assert (again.code, again.stderr) == (0, "")
    assert server.bodies[-1]["max_tokens"] == 4096
    (published, _) = json.loads(again.stdout)["figures"]
    assert (published["right"], published["failed"]) == (0.3333, 0)

"""Unusable models and devices: one error line, and the exit code of a missing model."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import Run
from tests.support.broken_checkpoints import (
    config_of_another_size,
    invalid_config_json,
    missing_shard,
    other_architecture,
    pickle_only,
)
from tests.support.commands import BOX, QUESTION, assert_error_line
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.errors import ExitCode

pytestmark = pytest.mark.model


def test_a_question_too_long_for_the_model_is_refused(run: Run, image: Path) -> None:
    result = run("ask", image, "word " * 100_000, "--box", BOX, "--arrow", BOX)
    assert_error_line(result, ExitCode.USAGE, "reads at most")


def test_an_unknown_model_is_refused(run: Run, image: Path) -> None:
    result = run("ask", image, QUESTION, "--model", "sdxl")
    assert_error_line(result, ExitCode.MODEL, "expected tiny, 7b, 13b")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing_shard, "is missing"),
        (invalid_config_json, "JSON"),
        (config_of_another_size, "mismatched"),
        (other_architecture, "expected a checkpoint of ViP-LLaVA"),
        (pickle_only, "pickle"),
    ],
)
def test_a_damaged_model_is_one_error_line(
    run: Run, image: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = shutil.copytree(BUNDLED["tiny"], tmp_path / "model")
    damage(folder)
    result = run("ask", image, QUESTION, "--model", folder)
    assert_error_line(result, ExitCode.MODEL, message)


MISSING_DEVICES = [
    name
    for name, is_available in (
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    )
    if not is_available
]


@pytest.mark.parametrize("device", MISSING_DEVICES)
def test_a_missing_device_is_refused(run: Run, image: Path, device: str) -> None:
    result = run("ask", image, QUESTION, "--device", device)
    assert_error_line(result, ExitCode.MODEL, f"no {device} device on this machine")

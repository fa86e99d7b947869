"""`vipllava doctor`."""

import json

import pytest
import torch

from tests.conftest import Run

pytestmark = pytest.mark.model


def test_doctor_lists_the_machine_and_the_choice_of_a_run(run: Run) -> None:
    found = json.loads(run("doctor", "--json").stdout)
    assert set(found) == {"versions", "machine", "speed", "models", "terminal", "chosen"}
    assert found["versions"]["torch"] == torch.__version__
    assert found["versions"]["flash-attn"] == "not installed"
    assert found["chosen"]["model"].startswith("tiny: the default")
    assert found["chosen"]["precision"].startswith("fp32: small")
    assert "in this package" in found["models"]["tiny"]
    refused = run("doctor", "--model", "7b", "--max-memory", "cpu=1GiB").stdout
    assert "the model does not fit" in refused
    assert "--model or VIPLLAVA_MODEL" in refused

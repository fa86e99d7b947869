"""Which model answers: after `models pull` and `models use`, by flag and by variable."""

import json
from pathlib import Path

import pytest

from tests.cli.commands.test_models import line_of
from tests.conftest import SAMPLES, Run
from tests.support.hub import COMMIT, StandInHub

pytest_plugins = ("tests.support.hub_fixtures",)
pytestmark = pytest.mark.model

ZOO = SAMPLES / "zoo-red-box.png"


@pytest.mark.usefixtures("online")
def test_a_model_is_downloaded_chosen_asked_and_removed(
    hub: StandInHub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not downloaded" in line_of(run("models", "list").stdout, "7b")
    pulled = run("models", "pull", "7b")
    assert (pulled.code, pulled.stdout) == (0, ""), pulled.stderr
    names = {name for name, _, _ in hub.asked}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not names & {"pytorch_model.bin", "notes.pdf", "README.md"}

    assert run("models", "use", "7b").code == 0
    listed = run("models", "list").stdout
    assert line_of(listed, "7b").startswith("*")
    assert COMMIT in line_of(listed, "7b")
    assert "complete" in run("models", "info", "7b").stdout
    with monkeypatch.context() as offline:
        offline.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        answered = run("ask", ZOO, "what is in the red box?", "--json")
    record = json.loads(answered.stdout)
    assert (record["model"], record["revision"]) == ("7b", COMMIT)
    assert (record["answer"], answered.stderr) == ("a penguin", "")

    assert run("models", "remove", "7b").code == 2  # no terminal to ask on
    assert run("models", "remove", "7b", "--yes").code == 0
    assert "not downloaded" in line_of(run("models", "list").stdout, "7b")


def test_the_flag_overrides_the_variable_and_that_overrides_the_settings(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("models", "use", "somebody/something", "--revision", "v2").code == 0
    ask = ("ask", ZOO, "what is in the red box?")
    assert "somebody/something at revision v2" in run(*ask).stderr
    monkeypatch.setenv("VIPLLAVA_MODEL", "somebody/else")
    assert "somebody/else is not" in run(*ask).stderr
    assert run(*ask, "--model", "tiny").stdout == "a penguin\n"
    monkeypatch.delenv("VIPLLAVA_MODEL")
    assert run("models", "use", "tiny").code == 0
    answered = run(*ask)
    assert (answered.stdout, answered.stderr) == ("a penguin\n", "")

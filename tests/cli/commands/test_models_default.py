"""`vipllava models`: the messages about the default model."""

from pathlib import Path

import pytest

from tests.conftest import Run


@pytest.fixture(autouse=True)
def _empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a settings folder and a hub cache that are empty."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_use_sets_the_default_model(run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "config" / "settings.json"
    result = run("models", "use", "tiny")
    assert (result.code, result.stdout) == (0, "")
    assert result.stderr == f"default model is now tiny ({settings})\n"
    assert settings.read_text() == '{"model": "tiny"}\n'
    assert run("models", "use", "tiny", "-q").stderr == ""


def test_use_stores_the_usual_spelling(run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "config" / "settings.json"
    assert run("models", "use", "TINY").code == 0
    assert settings.read_text() == '{"model": "tiny"}\n'
    assert run("models", "use", "https://huggingface.co/llava-hf/vip-llava-7b-hf/").code == 0
    assert settings.read_text() == '{"model": "llava-hf/vip-llava-7b-hf"}\n'


def test_use_warns_of_a_variable_that_overrides_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPLLAVA_MODEL", "13b")
    result = run("models", "use", "tiny")
    assert result.code == 0
    assert (
        result.stderr.splitlines()[1]
        == "warning: VIPLLAVA_MODEL is set and overrides this choice: 13b"
    )


def test_removing_a_model_that_is_not_downloaded_is_an_error(run: Run) -> None:
    result = run("models", "remove", "7b")
    assert (result.code, result.stdout) == (4, "")
    assert result.stderr == (
        "error: llava-hf/vip-llava-7b-hf is not downloaded: `vipllava models list` lists the"
        " downloaded models\n"
    )

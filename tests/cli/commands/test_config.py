"""`vipllava config`: the user's defaults, and where each value comes from."""

import json
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
from tests.support.commands import assert_error_line
from vipllava_cli.cli.options import OPTION_KEYS, Quantize
from vipllava_cli.engine.options import Quantization
from vipllava_cli.errors import ExitCode

ZOO = SAMPLES / "zoo-red-box.png"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file, which does not exist yet, on a machine without models."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "config" / "settings.json"


def shown(run: Run) -> dict[str, tuple[object, str]]:
    """Return the value and the source of each setting."""
    rows = json.loads(run("config", "show", "--json").stdout)
    return {key: (row["value"], row["source"]) for key, row in rows.items()}


def test_without_a_file_the_defaults_apply(run: Run, file: Path) -> None:
    assert shown(run) == {
        "model": ("tiny", "default"),
        "revision": (None, "default"),
        "device": ("auto", "default"),
        "dtype": ("auto", "default"),
        "quantize": ("none", "default"),
        "attention": ("auto", "default"),
        "mark-style": ("auto", "default"),
        "template": ("auto", "default"),
        "max-new-tokens": (256, "default"),
    }
    assert run("config", "path").stdout == f"{file}\n"
    assert not file.exists()


def test_a_setting_is_set_shown_and_unset(run: Run, file: Path) -> None:
    result = run("config", "set", "max_new_tokens", "64")
    assert (result.code, result.stdout) == (0, "")
    assert result.stderr == f"max-new-tokens is now 64 ({file})\n"
    assert file.read_text() == '{"max_new_tokens": 64}\n'
    assert shown(run)["max-new-tokens"] == (64, "settings")
    assert run("config", "show", "max-new-tokens").stdout == "64\n"
    assert "[default: 64]" in run("ask", "--help").stdout
    assert run("config", "unset", "max-new-tokens").stderr == (
        "max-new-tokens is no longer set: now 256 (default)\n"
    )
    assert "was not set" in run("config", "unset", "max-new-tokens").stderr
    assert shown(run)["max-new-tokens"] == (256, "default")


@pytest.mark.parametrize("key", [name.replace("_", "-") for name in OPTION_KEYS])
def test_a_value_is_checked_as_the_option_checks_it(run: Run, file: Path, key: str) -> None:
    result = run("config", "set", key, "nonesuch")
    assert_error_line(result, ExitCode.USAGE, f"invalid {key} 'nonesuch': expected ")
    assert not file.exists()


def test_an_unknown_setting_is_an_error_with_the_known_ones(run: Run) -> None:
    for words in (["set", "tempalte", "chat"], ["unset", "tempalte"], ["show", "tempalte"]):
        result = run("config", *words)
        assert_error_line(result, ExitCode.USAGE, "unknown setting 'tempalte': expected model, ")
        assert "did you mean template?" in result.stderr
    assert_error_line(run("config", "set", "template", ""), ExitCode.USAGE, "config unset template")


def test_setting_the_model_does_what_models_use_does(run: Run, file: Path) -> None:
    run("config", "set", "template", "chat")
    used = run("models", "use", "7b", "--revision", "v1")
    written = file.read_text()
    assert json.loads(written) == {"model": "7b", "revision": "v1", "template": "chat"}
    run("config", "unset", "model")
    assert json.loads(file.read_text()) == {"template": "chat"}
    run("config", "set", "model", "7b")
    result = run("config", "set", "revision", "v1")
    assert (result.code, result.stderr) == (0, used.stderr)
    assert file.read_text() == written
    assert result.stderr.startswith("default model is now 7b at revision v1 (")


def test_a_revision_needs_a_model_of_the_hub(run: Run) -> None:
    set_revision = ("config", "set", "revision", "v1")
    assert_error_line(run(*set_revision), ExitCode.USAGE, "models use NAME --revision REV")
    run("models", "use", "tiny")
    assert_error_line(run(*set_revision), ExitCode.USAGE, "tiny is not on the hub")


def test_the_variable_overrides_the_model_and_its_revision(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("models", "use", "7b", "--revision", "v1")
    assert shown(run)["revision"] == ("v1", "settings")
    monkeypatch.setenv("VIPLLAVA_MODEL", "13b")
    found = shown(run)
    assert (found["model"], found["revision"]) == (("13b", "environment"), (None, "default"))
    assert "VIPLLAVA_MODEL" in run("config", "show").stdout


@pytest.mark.model
@pytest.mark.usefixtures("opened_once")
def test_a_setting_takes_effect_and_the_option_overrides_it(run: Run) -> None:
    for key, value in (("template", "vicuna"), ("max-new-tokens", "1"), ("quantize", "int8")):
        assert run("config", "set", key, value).code == 0
    ask = ("ask", ZOO, "what is in the red box?", "--json")
    record = json.loads(run(*ask).stdout)
    found = (record["template"], record["options"]["max_new_tokens"], record["dtype"])
    assert found == ("vicuna", 1, "int8")
    options = ("--template", "human", "--max-new-tokens", "9", "--quantize", "none")
    record = json.loads(run(*ask, *options).stdout)
    found = (record["template"], record["options"]["max_new_tokens"], record["dtype"])
    assert found == ("human", 9, "fp32")


@pytest.mark.model
@pytest.mark.usefixtures("opened_once")
def test_a_batch_refuses_to_replace_what_other_settings_answered(run: Run, tmp_path: Path) -> None:
    """It compares the effective options, wherever they come from."""
    batch = ("batch", SAMPLES, "--out", tmp_path / "r.jsonl", "--question", "what?")

    def states(*options: str) -> set[str]:
        listed = run(*batch, "--dry-run", *options).stdout.splitlines()
        return {line.partition("\t")[0] for line in listed}

    assert run(*batch, "-q").code == 0
    assert states() == {"kept"}
    run("config", "set", "template", "vicuna")
    message = "with the template human, but this run has the template vicuna"
    assert_error_line(run(*batch, "--dry-run"), ExitCode.INPUT, message)
    assert states("--template", "human") == {"kept"}


def test_an_entry_without_effect_is_a_warning_and_stays(run: Run, file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"modell": "7b"}')
    result = run("config", "show", "model")
    assert (result.code, result.stdout) == (0, "tiny\n")
    assert result.stderr == (
        f"warning: 'modell' in {file} has no effect: it is not a setting; did you mean model?\n"
    )
    run("config", "set", "template", "chat")
    assert json.loads(file.read_text()) == {"modell": "7b", "template": "chat"}


def test_a_damaged_file_stops_only_what_needs_it(run: Run, file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    file.write_text("[")
    assert_error_line(run("ask", ZOO, "q"), ExitCode.USAGE, "correct the file or delete it")
    assert_error_line(run("config", "show"), ExitCode.USAGE, "correct the file or delete it")
    assert run("ask", "--help").code == 0
    assert run("annotate", ZOO, "-o", tmp_path / "a.png").code == 0
    assert run("config", "path").code == 0


def test_every_quantization_is_a_value_of_the_option() -> None:
    assert {each.value for each in Quantize} == {"none", *Quantization}

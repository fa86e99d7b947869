"""The family of a model, without loading it."""

import subprocess
import sys
from pathlib import Path

import pytest

from vipllava_cli.engine.family import model_reference
from vipllava_cli.engine.prompts.references import DRAWN
from vipllava_cli.engine.server.config import make_server_model
from vipllava_cli.errors import UsageError
from vipllava_cli.storage.settings import UserSettings, write_settings


def test_a_checkpoint_has_its_model_type_and_a_server_the_name_of_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    box = make_server_model("box", "http://localhost:1/v1", "qwen3-vl:8b")
    other = make_server_model("other", "http://localhost:1/v1", "a-model")
    write_settings(UserSettings(servers={"box": box.to_json(), "other": other.to_json()}))
    for model in ("tiny", "box", "other"):
        assert model_reference("auto", model) == model_reference("drawn", model) == DRAWN
    convention = model_reference("coordinates", "box").convention
    assert convention
    assert convention.family == "Qwen3-VL"
    with pytest.raises(UsageError, match="how other reads coordinates"):
        model_reference("coordinates", "other")
    tiny = model_reference("coordinates", "tiny").convention
    assert tiny
    assert tiny.family == "LLaVA-1.5"


def test_no_torch_is_needed() -> None:
    code = (
        "import sys; from vipllava_cli.engine.family import model_reference;"
        " model_reference('coordinates', 'tiny'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

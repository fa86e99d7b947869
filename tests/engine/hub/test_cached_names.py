"""The names of cached models, without the client of the hub."""

import json
from pathlib import Path

import pytest

from vipllava_cli.engine.hub.cached_names import cached_folders, cached_names
from vipllava_cli.engine.hub.catalog import known_models


def test_only_vipllava_models_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    configs = {
        "models--zoe--vip": json.dumps({"model_type": "vipllava"}),
        "models--ann--vip-2": json.dumps({"model_type": "vipllava"}),
        "models--ann--bert": json.dumps({"model_type": "bert"}),
        "models--ann--list": "[]",
        "models--ann--damaged": "{",
        "datasets--ann--vip": json.dumps({"model_type": "vipllava"}),
    }
    for name, text in configs.items():
        folder = tmp_path / name / "snapshots" / "abc"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(text)
    (tmp_path / "models--ann--empty").mkdir()
    assert list(cached_names()) == ["ann/vip-2", "zoe/vip"]


def test_there_may_be_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    assert list(cached_names()) == []


@pytest.mark.parametrize(
    "stray", ["models--ann--vip--copy", "models--ann--vip..2", "models--a--b.git"]
)
def test_a_folder_that_is_no_hub_name_is_passed_over(
    stray: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (tmp_path / stray / "blobs").mkdir(parents=True)
    (tmp_path / "models--ann-b_c--vip.2-x").mkdir()
    assert [name for name, _ in cached_folders()] == ["ann-b_c/vip.2-x"]
    assert [model.name for model in known_models()] == ["tiny", "7b", "13b"]

"""The list of models and the facts about each."""

import shutil
from pathlib import Path

import pytest

from vipllava_cli.engine.hub.catalog import known_models, model_facts
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED
from vipllava_cli.errors import ModelError


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty local cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_the_shipped_and_the_published_models_are_listed() -> None:
    models = {model.name: model for model in known_models()}
    assert list(models) == ["tiny", "7b", "13b"]
    assert models["tiny"].parameters == 7_128_384
    assert models["tiny"].where == "in this package"
    assert models["7b"].size == PUBLISHED["7b"].size
    assert models["7b"].where == "not downloaded"


def test_a_partial_download_is_incomplete(empty_cache: Path) -> None:
    blobs = empty_cache / "models--llava-hf--vip-llava-7b-hf" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "0123.incomplete").write_bytes(b"half")
    models = {model.name: model for model in known_models()}
    assert models["7b"].where == "incomplete"
    assert models["13b"].where == "not downloaded"


def test_a_published_model_is_described_before_it_is_downloaded() -> None:
    facts = model_facts("13b")
    assert facts["repository"] == "llava-hf/vip-llava-13b-hf"
    assert facts["parameters"] == 13_372_476_416
    assert facts["decoder layers"] == 40
    assert "vipllava models pull 13b" in str(facts["state"])
    assert model_facts("tiny")["state"] == "complete"


def test_an_unknown_model_has_no_facts() -> None:
    with pytest.raises(ModelError, match="models pull somebody/something"):
        model_facts("somebody/something")


@pytest.mark.parametrize(("reference", "shown"), [("v1.0", "v1.0"), ("", "0123abc")])
def test_a_model_at_another_revision_than_main_is_listed(
    reference: str, shown: str, empty_cache: Path
) -> None:
    root = empty_cache / "models--somebody--something"
    snapshot = shutil.copytree(BUNDLED["tiny"], root / "snapshots" / "0123abc")
    (root / "blobs").mkdir()
    (root / "blobs" / "weights").write_bytes(b"weights")
    (root / "refs").mkdir()
    if reference:
        (root / "refs" / reference).write_text("0123abc")
    models = {model.name: model for model in known_models()}
    assert models["somebody/something"].where == f"at revision {shown}"
    advice = (
        f"is on this machine at revision {shown}, not main: use --revision {shown}, or download"
    )
    with pytest.raises(ModelError, match=advice):
        model_facts("somebody/something")
    assert model_facts("somebody/something", shown)["folder"] == str(snapshot)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="is incomplete on this machine"):
        model_facts("somebody/something")

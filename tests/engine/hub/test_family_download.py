"""Models of other families on a stand-in for the hub: pulled, listed, described, planned."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.conftest import Run
from tests.support.family_checkpoints import make_family_checkpoint
from tests.support.hub import COMMIT, StandInHub, serving
from vipllava_cli.cli.completion import complete_hub_models, complete_models
from vipllava_cli.engine.hub.checkpoints import find_checkpoint, hub_name, read_config
from vipllava_cli.engine.hub.download import read_remote_config
from vipllava_cli.errors import ModelError

pytest_plugins = ("tests.support.hub_fixtures",)
pytestmark = [pytest.mark.model, pytest.mark.usefixtures("online")]

NAME = "Qwen/Qwen2.5-VL-3B-Instruct"
# What such repositories hold beside what loading reads.
OTHER_FILES = {
    "README.md": b"#",
    "pytorch_model.bin": b"pickle",
    "consolidated.safetensors": b"twice",
    "modeling_evil.py": b"raise SystemExit",
    "params.json": b"{}",
    "tekken.json": b"{}",
    "notes.txt": b"notes",
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[StandInHub]:
    """Serve a model of Qwen2.5-VL in shards."""
    folder = make_family_checkpoint("qwen2_5_vl", tmp_path / "source", in_shards=True)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    large = frozenset(name for name in files if name.endswith(".safetensors"))
    with serving(StandInHub(NAME, {**OTHER_FILES, **files}, large)) as hub:
        yield hub


def shards_of(hub: StandInHub) -> set[str]:
    return {name for name in hub.files if name.startswith("model-")}


def test_a_model_of_another_family_is_pulled_listed_described_and_removed(
    hub: StandInHub, run: Run
) -> None:
    assert "models pull" in run("models", "info", NAME).stderr
    pulled = run("models", "pull", NAME)
    assert (pulled.code, pulled.stdout) == (0, "")
    checkpoint = find_checkpoint(NAME)
    assert checkpoint.revision == COMMIT
    assert {path.name for path in checkpoint.folder.iterdir()} == hub.files.keys() - OTHER_FILES
    order = [name for name, _, _ in hub.asked]
    assert set(order[-len(shards_of(hub)) :]) == shards_of(hub)  # the small files come first

    facts = json.loads(run("models", "info", NAME, "--json").stdout)
    assert (facts["state"], facts["family"]) == ("complete", "Qwen2.5-VL")
    assert facts["parameters"] == 200_608
    rows = json.loads(run("models", "list", "--json").stdout)
    [row] = [row for row in rows if row["name"] == NAME]
    assert row["parameters"] == 200_608
    assert NAME in [name for name, _ in complete_models()]
    assert run("models", "remove", NAME, "--yes").code == 0
    with pytest.raises(ModelError, match="not on this machine"):
        find_checkpoint(NAME)


def test_only_the_config_is_downloaded_for_a_plan(hub: StandInHub, run: Run) -> None:
    name = hub_name(NAME)
    assert name is not None
    config, missing = read_remote_config(NAME, name)
    assert [file for file, _, _ in hub.asked] == ["config.json"]
    assert missing > sum(len(hub.files[shard]) for shard in shards_of(hub))
    planned = run("plan", NAME, "--max-memory", "cpu=8GiB", "--json")
    parts = json.loads(planned.stdout)["parts"]
    assert sum(part["parameters"] for part in parts) == 200_608
    assert {file for file, _, _ in hub.asked} == {"config.json"}
    assert config["text_config"]["num_hidden_layers"] == 2


def test_a_plan_without_the_hub_names_the_download(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused = run("plan", NAME)
    assert refused.code == 4
    assert f"download it with `vipllava models pull {NAME}`" in refused.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "qwen2"}, "'qwen2', which reads no images: expected a checkpoint of"),
        (
            {"model_type": "internvl_chat", "auto_map": {"AutoModel": "a.B"}},
            "needs code of the checkpoint (auto_map), which is never run",
        ),
        (
            {"quantization_config": {"quant_method": "fp8"}},
            "is quantized ('fp8'): expected weights",
        ),
        ({"text_config": {"num_hidden_layers": 10**6}}, "num_hidden_layers is 1000000: expected"),
    ],
)
def test_what_is_not_supported_is_refused_before_the_weights(
    hub: StandInHub, run: Run, changes: dict[str, object], message: str
) -> None:
    config = json.loads(hub.files["config.json"]) | changes
    hub.files["config.json"] = json.dumps(config).encode()
    for command in (("models", "pull", NAME), ("plan", NAME)):
        refused = run(*command)
        assert refused.code == 4
        [line] = refused.stderr.splitlines()
        assert message in line
    assert {name for name, _, _ in hub.asked} == {"config.json"}


def test_the_published_form_of_a_config_is_read(tmp_path: Path) -> None:
    """Qwen2.5-VL published the fields of its text model beside those of the whole."""
    folder = make_family_checkpoint("qwen2_5_vl", tmp_path / "model")
    nested = read_config(folder, "model")
    path = folder / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values.pop("text_config") | values))
    flat = read_config(folder, "model")
    assert flat["vision_config"] == nested["vision_config"]
    shared = {"dtype", "tie_word_embeddings"}
    for field in nested["text_config"].keys() - shared:
        assert flat["text_config"][field] == nested["text_config"][field]
    assert flat["text_config"].keys() == nested["text_config"].keys() - shared
    assert flat.keys() == nested.keys()
    find_checkpoint(str(folder))


@pytest.mark.usefixtures("home")
def test_the_shell_completes_an_example_of_every_family() -> None:
    names = [name for name, _ in complete_hub_models()]
    assert {"7b", NAME, "google/gemma-3-4b-it"} <= set(names)
    assert len(names) == len(set(names))
    assert NAME not in [name for name, _ in complete_models()]

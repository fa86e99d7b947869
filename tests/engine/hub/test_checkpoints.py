"""Names of models -> complete checkpoints on this machine."""

import shutil
from pathlib import Path

import pytest

from vipllava_cli.engine.hub.checkpoints import find_checkpoint
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED
from vipllava_cli.errors import ModelError, UsageError


def test_a_hub_name_is_found_in_the_local_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "models--llava-hf--vip-llava-7b-hf"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("0123abc")
    shutil.copytree(BUNDLED["tiny"], root / "snapshots" / "0123abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    checkpoint = find_checkpoint("7b")
    assert (checkpoint.name, checkpoint.revision) == ("7b", "0123abc")
    assert checkpoint.folder == root / "snapshots" / "0123abc"


@pytest.mark.parametrize("name", [*PUBLISHED, "somebody/something"])
def test_a_model_that_is_not_downloaded_names_the_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"vipllava models pull "):
        find_checkpoint(name)


@pytest.mark.parametrize("name", ["gpt", "", "./nothing", "a/b/c", "../x/y", "a b/c", "é/ü"])
def test_an_unknown_name_is_one_line(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_checkpoint(name)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_on_the_hub_has_no_revisions() -> None:
    with pytest.raises(UsageError, match="tiny is not on the hub"):
        find_checkpoint("tiny", "v2")


def test_named_templates_beside_the_default_one_are_accepted(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED["tiny"], folder)
    templates = folder / "additional_chat_templates"
    templates.mkdir()
    for name in ("rag", "tool_use"):
        (templates / f"{name}.jinja").write_text("{{ messages }}")
    assert find_checkpoint(str(folder)).folder == folder


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"rag": 1 << 20}, "at most 16 templates of 256 KiB each"),
        ({f"t{number}": 8 for number in range(17)}, "at most 16 templates of 256 KiB each"),
    ],
)
def test_named_templates_are_few_and_small(
    files: dict[str, int], problem: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED["tiny"], folder)
    templates = folder / "additional_chat_templates"
    templates.mkdir()
    for name, size in files.items():
        (templates / f"{name}.jinja").write_text("x" * size)
    with pytest.raises(ModelError, match=problem):
        find_checkpoint(str(folder))


def test_a_named_template_is_no_link_to_another_place(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED["tiny"], folder)
    (folder / "additional_chat_templates").mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "additional_chat_templates" / "rag.jinja").symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError, match="outside of the checkpoint"):
        find_checkpoint(str(folder))

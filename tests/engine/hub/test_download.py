"""Downloads from a stand-in for the hub."""

from pathlib import Path

import pytest

from tests.support.hub import COMMIT, StandInHub
from vipllava_cli.engine.hub.checkpoints import HubName, find_checkpoint
from vipllava_cli.engine.hub.download import (
    RemoteModel,
    check_disk_space,
    delete_damaged_files,
    fetch,
    look_up,
)
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED
from vipllava_cli.errors import InputError, ModelError

pytest_plugins = ("tests.support.hub_fixtures",)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("online")]

MIB = 1 << 20
HUB_NAME = HubName(PUBLISHED["7b"].repository, "main")


def pull() -> tuple[RemoteModel, list[int]]:
    """Download the model. Returns it with the reported progress."""
    progress: list[int] = []
    remote = look_up("7b", HUB_NAME, print)
    fetch("7b", remote, progress.append, print)
    return remote, progress


def test_only_needed_files_are_downloaded_and_all_bytes_reported(hub: StandInHub) -> None:
    remote, progress = pull()
    names = {name for name, _, _ in hub.asked}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not names & {"pytorch_model.bin", "notes.pdf", "README.md"}
    assert sum(progress) == remote.size
    assert remote.missing_size == 0
    checkpoint = find_checkpoint("7b")
    assert checkpoint.revision == COMMIT
    for file in remote.files:
        assert (checkpoint.folder / file.name).read_bytes() == (
            BUNDLED["tiny"] / file.name
        ).read_bytes()


def test_a_second_download_fetches_no_weights(hub: StandInHub) -> None:
    pull()
    hub.asked.clear()
    remote, progress = pull()
    assert hub.sent("model.safetensors") == 0
    assert sum(progress) == remote.size


def test_a_connection_that_drops_is_resumed_within_the_run(hub: StandInHub) -> None:
    hub.files["model.safetensors"] = hub.files["model.safetensors"].ljust(12 * MIB, b"\0")
    hub.cut_after = 11 * MIB
    pull()
    assert [first for name, first, _ in hub.asked if name == "model.safetensors"] == [
        0,
        11 * MIB,
    ]


def test_a_file_with_a_wrong_checksum_is_deleted_on_arrival(hub: StandInHub) -> None:
    hub.damaged = True
    with pytest.raises(ModelError, match=r"model\.safetensors of 7b has a wrong checksum"):
        pull()
    hub.damaged = False
    pull()
    assert find_checkpoint("7b").revision == COMMIT


def test_a_file_that_the_disk_damaged_is_deleted(hub: StandInHub) -> None:
    remote, _ = pull()
    assert delete_damaged_files(remote) == []
    weights = find_checkpoint("7b").folder / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xff")
    assert delete_damaged_files(remote) == ["model.safetensors"]
    assert not weights.exists()
    with pytest.raises(ModelError, match=r"incomplete: model\.safetensors is missing"):
        find_checkpoint("7b")
    pull()
    assert weights.read_bytes() == hub.files["model.safetensors"]


def test_a_full_disk_is_found_before_the_first_byte(hub: StandInHub) -> None:
    hub.claimed = {"model.safetensors": 10**15}
    remote = look_up("7b", HUB_NAME, print)
    with pytest.raises(InputError, match=r"too little space: 1\.0 PB are still to download"):
        check_disk_space(remote)
    assert hub.sent("model.safetensors") == 0


def test_a_partial_download_names_the_command_that_continues(
    hub: StandInHub, tmp_path: Path
) -> None:
    look_up("7b", HUB_NAME, print)  # downloads config.json only
    with pytest.raises(ModelError, match="incomplete"):
        find_checkpoint("7b")

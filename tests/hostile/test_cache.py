"""A cache whose files were tampered with: nothing hangs, nothing outside changes, and a pull heals it."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.devices import link_to_device
from tests.support.hub import COMMIT, StandInHub, git_id
from vipllava_cli.engine.hub import cache, download
from vipllava_cli.engine.hub.cached_names import cached_names
from vipllava_cli.engine.hub.catalog import known_models
from vipllava_cli.engine.hub.checkpoints import HubName, find_checkpoint
from vipllava_cli.engine.hub.registry import PUBLISHED
from vipllava_cli.errors import ModelError

pytest_plugins = ("tests.support.hub_fixtures",)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("online")]

HUB_NAME = HubName(PUBLISHED["7b"].repository, "main")
WEIGHTS = "model.safetensors"
MAX_SECONDS = 20
MAX_TWICE = 0.05  # of the weights

Tamper = Callable[[Path, StandInHub], object]


def blob(folder: Path, hub: StandInHub, name: str = WEIGHTS) -> Path:
    data = hub.files[name]
    found = hashlib.sha256(data).hexdigest() if name in hub.large else git_id(data)
    return folder / "blobs" / found


def part(folder: Path, hub: StandInHub) -> Path:
    path = blob(folder, hub)
    return path.with_name(f"{path.name}.vipllava.incomplete")


def instead(path: Path, make: Callable[[Path], object]) -> None:
    """Put something else in the place of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def link_to_victim(path: Path) -> None:
    path.symlink_to(path.parents[4] / "victim.txt")


def linked_snapshot(folder: Path, hub: StandInHub) -> None:
    """Make the folder of the commit a link to a folder of the user."""
    snapshot = folder / "snapshots" / COMMIT
    outside = folder.parents[2] / "outside"
    for path in (folder / "snapshots" / COMMIT).iterdir():
        path.unlink()
    snapshot.rmdir()
    snapshot.symlink_to(outside)


def reference(make: Callable[[Path], object]) -> Tamper:
    return lambda folder, hub: instead(folder / "refs" / "main", make)


def snapshot_file(name: str, make: Callable[[Path], object]) -> Tamper:
    return lambda folder, hub: instead(folder / "snapshots" / COMMIT / name, make)


def half_blob(folder: Path, hub: StandInHub) -> None:
    os.truncate(blob(folder, hub), 1000)


def other_blob(folder: Path, hub: StandInHub) -> None:
    path = blob(folder, hub)
    path.write_bytes(bytes(path.stat().st_size))


def part_in_place_of_blob(make: Callable[[Path], object]) -> Tamper:
    def tamper(folder: Path, hub: StandInHub) -> None:
        blob(folder, hub).unlink()
        instead(part(folder, hub), make)

    return tamper


# Each tampers with a complete model. The bool says whether its weights were damaged.
TAMPERED: Mapping[str, tuple[Tamper, bool]] = {
    "reference leaves the cache": (reference(lambda path: path.write_text("../../../x")), False),
    "reference is absolute": (reference(lambda path: path.write_text("/etc")), False),
    "reference of 1 GB": (reference(huge), False),
    "reference is a pipe": (reference(os.mkfifo), False),
    "reference is a device": (reference(link_to_device), False),
    "reference is binary": (reference(lambda path: path.write_bytes(bytes(range(99)))), False),
    "reference is empty": (reference(Path.touch), False),
    "reference to itself": (reference(lambda path: path.symlink_to(path.name)), False),
    "reference links outside": (reference(link_to_victim), False),
    "config is a pipe": (snapshot_file("config.json", os.mkfifo), False),
    "config links outside": (snapshot_file("config.json", link_to_victim), False),
    "config is a page": (snapshot_file("config.json", lambda path: path.write_text("<p>")), False),
    "weights link outside": (snapshot_file(WEIGHTS, link_to_victim), False),
    "weights link to a device": (
        snapshot_file(WEIGHTS, link_to_device),
        False,
    ),
    "snapshot links outside": (linked_snapshot, False),
    "blob is cut": (half_blob, True),
    "blob has other bytes": (other_blob, True),
    "blob is a pipe": (lambda folder, hub: instead(blob(folder, hub), os.mkfifo), True),
    "blob links outside": (lambda folder, hub: instead(blob(folder, hub), link_to_victim), True),
    "part is a pipe": (part_in_place_of_blob(os.mkfifo), True),
    "part links outside": (part_in_place_of_blob(link_to_victim), True),
    "part links to a device": (
        part_in_place_of_blob(link_to_device),
        True,
    ),
    "part of 1 GB": (part_in_place_of_blob(huge), True),
}


@pytest.fixture
def folder(tmp_path: Path, hub: StandInHub) -> Path:
    """Pull a complete model beside files of the user. Returns its folder in the cache."""
    (tmp_path / "victim.txt").write_text("dear")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "config.json").write_text("mine")
    fetch()
    hub.asked.clear()
    return cache.repository_folder(HUB_NAME.repository)


def fetch() -> None:
    remote = download.look_up("7b", HUB_NAME, print)
    download.delete_damaged_files(remote)
    download.fetch("7b", remote, lambda _: None, print)


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_cache_harms_nothing_and_heals(
    name: str, folder: Path, hub: StandInHub, tmp_path: Path
) -> None:
    tamper, is_damaged = TAMPERED[name]
    tamper(folder, hub)
    started = time.monotonic()
    list(cached_names())
    assert len(list(known_models())) == 3
    try:
        find_checkpoint("7b")
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017 - some attacks leave the model complete
    fetch()
    assert time.monotonic() - started < MAX_SECONDS
    assert (tmp_path / "victim.txt").read_text() == "dear"
    assert (tmp_path / "outside" / "config.json").read_text() == "mine"
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["config.json"]
    assert find_checkpoint("7b").revision == COMMIT
    for file in (WEIGHTS, "config.json", "tokenizer.json"):
        assert (folder / "snapshots" / COMMIT / file).read_bytes() == hub.files[file]
    allowed = (1 + MAX_TWICE) * len(hub.files[WEIGHTS]) if is_damaged else 0
    assert hub.sent(WEIGHTS) <= allowed


@pytest.mark.parametrize(
    "name",
    ["models--a--\x1b[2Jb", "models--a\n--b", "models----", "models--a--b--c d", "models--é--b"],
)
def test_folder_names_that_are_no_models_are_passed_over(name: str, folder: Path) -> None:
    snapshot = folder.parent / name / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"model_type": "vipllava"}')
    assert list(cached_names()) == [HUB_NAME.repository]
    assert len(list(known_models())) == 3


def test_a_second_pull_at_the_same_time_is_one_line(folder: Path, hub: StandInHub) -> None:
    remote = download.look_up("7b", HUB_NAME, print)
    is_held, is_done = threading.Event(), threading.Event()

    def hold() -> None:
        with download._locked("7b", remote):
            is_held.set()
            is_done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert is_held.wait(20)
        with pytest.raises(ModelError, match="another process is downloading 7b"):
            download.fetch("7b", remote, lambda _: None, print)
    finally:
        is_done.set()
        thread.join()
    fetch()


def test_removing_a_tampered_model_keeps_what_it_links_to(
    folder: Path, hub: StandInHub, tmp_path: Path
) -> None:
    linked_snapshot(folder, hub)
    instead(blob(folder, hub), link_to_victim)
    cache.remove_repository(HUB_NAME.repository)
    assert not folder.exists()
    assert (tmp_path / "victim.txt").read_text() == "dear"
    assert (tmp_path / "outside" / "config.json").read_text() == "mine"

"""Hubs that misbehave: each costs little time and memory, says one line and harms no file.

After each, one pull from a good hub ends whole.
"""

from pathlib import Path

import pytest

from tests.support.budget import Measured
from tests.support.hostile_hub import (
    LISTING,
    LOOK_UP,
    OK_HEAD,
    REPOSITORY,
    VICTIM,
    WEIGHTS,
    HostileHub,
    Reply,
    body,
    bomb,
    changed_entry,
    cut,
    endless,
    files_outside,
    headed,
    hostile,
    is_whole,
    more_entries,
    named,
    pages,
    pull,
    raw,
    repository_cache,
    stall,
    status,
    value,
)
from vipllava_cli.engine.hub.checkpoints import HubName
from vipllava_cli.engine.hub.download import delete_damaged_files, fetch, look_up
from vipllava_cli.engine.hub.registry import PUBLISHED

pytestmark = pytest.mark.slow

MAX_SECONDS = 60
MAX_MEMORY = 250 << 20  # bytes
MAX_TWICE = 0.05  # of the weights
MIB = 1 << 20

PAGE = b"<!doctype html>\n<html><title>Sign in</title></html>"
HTML = {"Content_Type": "text/html; charset=utf-8"}
CHUNKED = OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
DEEP = b"[" * 100_000 + b"]" * 100_000
PATH = f"../../../../../{VICTIM}"
FOREIGN = "answered with a web page or other data"
AGAIN = "run the same command to continue"
SHA = "0123456789abcdef0123456789abcdef01234567"
FILE = {"type": "file", "path": "extra.json", "size": 3, "oid": SHA}


def _is_path(number: int) -> str:
    return f"http://127.0.0.1:9/api/models/x/tree/y?cursor=c{number}"


# The replies that any JSON request may get.
JSON_REPLIES: dict[str, tuple[Reply, str]] = {
    "page": (body(PAGE, **HTML), FOREIGN),
    "empty": (body(b""), FOREIGN),
    "null": (value(None), FOREIGN),
    "number": (value(7), FOREIGN),
    "text": (value("main"), FOREIGN),
    "deep": (body(DEEP), FOREIGN),
    "half": (body(b'{"sha": "0123'), FOREIGN),
    "no utf-8": (body(b'{"sha": "\xff\xfe"}'), FOREIGN),
    "long number": (body(b"[" + b"9" * 5000 + b"]"), FOREIGN),
    "204": (status(204), "it answered 204"),
    "304": (status(304), "it answered 304"),
    "400 with endless body": (
        endless(b"HTTP/1.1 400 Bad\r\nX-Error-Message: \x1b[31m\r\n\r\n", b"x" * 65536),
        "it answered 400",
    ),
    "500": (status(500, b"oops"), "it answered 500"),
    "endless": (endless(OK_HEAD + b"\r\n", b" " * 65536), "more than 4 MiB"),
    "bomb": (bomb(60), "more than 4 MiB"),
    "damaged gzip": (body(b"\x1f\x8b\x08no", Content_Encoding="gzip"), "is damaged"),
    "brotli": (body(b"{}", Content_Encoding="br"), "packed as 'br'"),
}

LOOK_UPS: dict[str, tuple[Reply, str]] = {
    "list": (value([]), FOREIGN),
    "no sha": (value({"id": "x"}), "sha is None"),
    "sha null": (value({"sha": None}), "sha is None"),
    "sha list": (value({"sha": [SHA]}), "sha is ["),
    "sha path": (value({"sha": PATH}), "sha is '../"),
    "sha short": (value({"sha": "abc"}), "sha is 'abc'"),
    "sha line": (value({"sha": SHA + "\n"}), "sha is '0123"),
    "sha in capitals": (value({"sha": SHA.upper()}), "sha is '0123"),
    "no http": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), AGAIN),
    "status 999": (raw(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"), AGAIN),
    "nothing": (raw(b""), AGAIN),
    "wrong chunks": (raw(CHUNKED + b"zz\r\nno"), AGAIN),
    "body cut": (status(200, b"{", 500), AGAIN),
    "endless header": (endless(OK_HEAD + b"X: ", b"x" * 65536), AGAIN),
    "endless headers": (endless(OK_HEAD, b"X: yyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 999), AGAIN),
    "endless 100": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999), "headers of its reply"),
    "stalled": (stall(b""), AGAIN),
    "slow headers": (endless(OK_HEAD + b"X: ", b"x", pause=0.2), AGAIN),
    "slow body": (endless(OK_HEAD + b"\r\n", b" ", pause=0.2), AGAIN),
    "slow chunk sizes": (endless(CHUNKED + b"1;", b"x", pause=0.2), AGAIN),
    "429 for a day": (status(429, Retry_After="86400"), "asks to wait 86400 s): wait, then run"),
    "429 often": (status(429, Retry_After="1"), "it answered 429"),
    "429 never": (status(429, Retry_After="-1e999 \x1b[2J"), "it answered 429"),
    "loop": (status(302, Location="/api/models/a/b/revision/main"), "redirects too often"),
    "redirect to nothing": (status(302), "it answered 302"),
    "redirect to a file": (status(302, Location="file:///etc/passwd"), "no valid address"),
    "redirect to no host": (status(302, Location="http://[::1"), "no valid address"),
    "redirect without end": (
        endless(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n", b"x" * 65536),
        "Connection refused",
    ),
    "401": (status(401), "there is no model"),
    "token refused": (
        status(401, X_Error_Message="Invalid credentials in Authorization header"),
        "refuses the token",
    ),
    "gated": (status(403, X_Error_Code="GatedRepo", X_Error_Message="\x1b[2J"), "is gated"),
}

LISTINGS: dict[str, tuple[Reply, str]] = {
    "object": (value({}), "no list"),
    "kinds": (value([1, None, []]), "no object"),
    "endless pages": (pages(_is_path), "has no end"),
    "endless big pages": (pages(_is_path, 20_000), "more than 50000 files"),
    "same page": (pages(lambda _: "http://127.0.0.1:9/?cursor=same"), "has no end"),
    "page elsewhere": (pages(lambda _: "http://127.0.0.1:9/other"), "has no cursor"),
    "no files": (value([]), "has no config.json"),
    "lfs.oid path": (changed_entry(WEIGHTS, lfs={"oid": PATH}), "oid is '../"),
    "lfs.oid absolute": (changed_entry(WEIGHTS, lfs={"oid": "/etc/passwd"}), "oid is '/etc"),
    "lfs.oid short": (changed_entry(WEIGHTS, lfs={"oid": SHA}), "oid is '0123"),
    "lfs list": (changed_entry(WEIGHTS, lfs=[1]), "lfs is [1]"),
    "two sizes": (changed_entry(WEIGHTS, lfs={"oid": "a" * 64, "size": 1}), "two sizes"),
    "oid path": (changed_entry("config.json", oid=PATH), "oid is '../"),
    "no oid": (changed_entry("config.json", oid=None), "oid is None"),
    "no size": (changed_entry("config.json", size=None), "size is None"),
    "size below 0": (changed_entry("config.json", size=-1), "size is -1"),
    "size 1.5": (changed_entry("config.json", size=1.5), "size is 1.5"),
    "size true": (changed_entry("config.json", size=True), "size is True"),
    "size text": (changed_entry("config.json", size="9"), "size is '9'"),
    "size huge": (changed_entry("config.json", size=10**30), "size is 1000"),
    "config of 100 MB": (changed_entry("config.json", size=10**8), "config.json of 100"),
    "no checksum": (changed_entry("tokenizer.json", size=10**10), "no checksum"),
    "twice": (more_entries(FILE, FILE), "listed twice"),
    "capitals": (more_entries(FILE, FILE | {"path": "Extra.json"}), "listed twice"),
    "many small": (
        more_entries(*(FILE | {"path": f"{n}.json"} for n in range(300))),
        "at most 200",
    ),
}

FILES: dict[str, tuple[str, Reply, str]] = {
    "page": (WEIGHTS, body(PAGE, **HTML), "a web page in place of model.safetensors"),
    "page as config": ("config.json", body(PAGE, **HTML), "a web page in place of config"),
    "longer": (WEIGHTS, body(b"x" * 20 * MIB), "with 20971520 in place of"),
    "shorter": (WEIGHTS, body(b"x"), "with 1 in place of"),
    "empty": ("config.json", body(b""), "with 0 in place of"),
    "204": (WEIGHTS, status(204), "it answered 204"),
    "304": ("config.json", status(304), "it answered 304"),
    "404": (WEIGHTS, status(404, X_Error_Code="EntryNotFound"), "it answered 404"),
    "416": (WEIGHTS, status(416), "it answered 416"),
    "other range": (
        WEIGHTS,
        status(206, b"x", Content_Range="bytes 5-5/9"),
        "another part of model.safetensors",
    ),
    "no range": (WEIGHTS, status(206, b"x"), "another part of model.safetensors"),
    "endless weights": (
        WEIGHTS,
        endless(OK_HEAD + b"\r\n", b"x" * 65536),
        "has a wrong checksum and was deleted",
    ),
    "endless config": (
        "config.json",
        endless(OK_HEAD + b"\r\n", b"x" * 65536),
        "config.json of 7b has a wrong checksum",
    ),
    "other config": ("config.json", cut(0, with_length=False), "ended after 0 of"),
    "bomb": ("config.json", bomb(60), "has a wrong checksum"),
    "stalled": (WEIGHTS, stall(OK_HEAD + b"\r\n"), AGAIN),
    "slow": (WEIGHTS, endless(OK_HEAD + b"\r\n", b"x", pause=0.2), AGAIN),
    "cut often": (WEIGHTS, cut(65536), AGAIN),
    "cut without length": (WEIGHTS, cut(99_999, with_length=False), "ended after"),
    "redirect to a file": (WEIGHTS, status(302, Location="file:///etc/passwd"), "no valid"),
    "503": (WEIGHTS, status(503, PAGE, Retry_After="1"), "it answered 503"),
}

FAILING: dict[str, tuple[str, Reply, str]] = {
    **{f"look-up: {name}": (LOOK_UP, *case) for name, case in (JSON_REPLIES | LOOK_UPS).items()},
    **{f"listing: {name}": (LISTING, *case) for name, case in (JSON_REPLIES | LISTINGS).items()},
    **{f"file: {name}": case for name, case in FILES.items()},
}

ODD_NAMES = (
    *("..\\evil.json", "../evil.json", "/evil.json", "C:evil.json", "\x1b[2J.json", "con.json"),
    *("évil.json", "evil\n.json", "..", "", "a/../../evil.json", ".evil.json", "x" * 300 + ".json"),
)

ODD_PATHS: tuple[object, ...] = (1, {}, None)

# Hubs that a pull survives.
HARMLESS: dict[str, tuple[str, Reply, int]] = {
    "odd names": (LISTING, named(*ODD_NAMES), 99),
    "name of another kind": (
        LISTING,
        more_entries(*({"type": "file", "path": path} for path in ODD_PATHS)),
        9,
    ),
    "etag path": (WEIGHTS, headed(ETag=f'"{PATH}"', X_Repo_Commit=SHA), 99),
    "etag path of config": ("config.json", headed(ETag=PATH, X_Linked_ETag=PATH), 99),
    "commit path": ("config.json", headed(X_Repo_Commit=PATH, ETag='"x"'), 99),
    "cut once": (WEIGHTS, cut(5 * MIB), 1),
    "stalled once": ("config.json", stall(b""), 1),
    "503 once": (WEIGHTS, status(503), 1),
    "429 once": (LOOK_UP, status(429, Retry_After="1"), 1),
    "nothing once": (LISTING, raw(b""), 1),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with a file of the user."""
    (tmp_path / VICTIM).write_text("dear")
    return tmp_path


def check(ended: Measured, code: int, message: str, folder: Path) -> None:
    """Assert the exit code, the message, the budgets and the files of a pull."""
    assert ended.code == code, ended.stderr
    assert message in ended.stderr
    assert 1 <= len(ended.stderr.splitlines()) <= 3, ended.stderr
    assert not any(bad in ended.stderr for bad in ("Traceback", "a bug in", "\x1b"))
    assert ended.seconds < MAX_SECONDS
    assert ended.peak_bytes < MAX_MEMORY
    assert files_outside(folder) == {VICTIM: b"dear"}
    assert sum(path.stat().st_size for path in (folder / "hf").rglob("*") if path.is_file()) < 60e6


def heal(hub: HostileHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pull from the hub, which is good now. Returns how many bytes of the weights it sent."""
    hub.reply = None
    hub.asked.clear()
    settings = {"HF_HUB_CACHE": str(folder / "hf" / "hub"), "HF_HUB_OFFLINE": False}
    for name, setting in {**settings, "ENDPOINT": hub.endpoint}.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", setting)
    remote = look_up("7b", HubName(PUBLISHED["7b"].repository, "main"), print)
    delete_damaged_files(remote)
    progress: list[int] = []
    fetch("7b", remote, progress.append, print)
    assert sum(progress) == remote.size
    assert is_whole(hub, folder)
    assert not list(repository_cache(folder).rglob("*.incomplete"))
    return hub.sent(WEIGHTS)


@pytest.mark.parametrize("name", FAILING)
def test_a_hostile_hub_costs_one_line(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, reply, message = FAILING[name]
    with hostile(target, reply) as hub:
        ended = pull(hub, folder)
        check(ended, 4, message, folder)
        parts = list(repository_cache(folder).glob("blobs/*.incomplete"))
        good = sum(part.stat().st_size for part in parts) if name.startswith("file: cut") else 0
        size = len(hub.files[WEIGHTS])
        assert heal(hub, folder, monkeypatch) <= size - good + MAX_TWICE * size


@pytest.mark.parametrize("name", HARMLESS)
def test_a_strange_hub_is_survived(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, reply, times = HARMLESS[name]
    with hostile(target, reply, times=times) as hub:
        ended = pull(hub, folder)
        check(ended, 0, "7b is complete", folder)
        assert is_whole(hub, folder)
        snapshot = repository_cache(folder) / "snapshots" / SHA
        assert {path.name for path in snapshot.iterdir()} <= set(hub.files)
        assert hub.sent(WEIGHTS) <= (1 + MAX_TWICE) * len(hub.files[WEIGHTS])
        assert heal(hub, folder, monkeypatch) == 0


def test_the_wait_that_a_hub_asks_for_is_said(folder: Path) -> None:
    with hostile(LOOK_UP, status(429, Retry_After="1"), times=1) as hub:
        assert "note: the hub answered 429: waiting 1 s as it asks" in pull(hub, folder).stderr


def test_a_branch_that_moves_does_not_mix_two_commits(folder: Path) -> None:
    """The first reply names the commit; later ones would name another."""
    shas = iter([SHA])
    with hostile(LOOK_UP, lambda handler: handler.send_json({"sha": next(shas, "f" * 40)})) as hub:
        assert pull(hub, folder).code == 0
        assert is_whole(hub, folder)
        assert not any("f" * 40 in path for path in hub.paths)


def test_a_pull_asks_the_hub_only_for_its_model(tmp_path: Path) -> None:
    """huggingface_hub would ask for a list of agents, and keep a reply of any length."""
    with hostile() as hub:
        assert pull(hub, tmp_path).code == 0
        assert hub.paths
        assert [path for path in hub.paths if REPOSITORY not in path] == []


def test_an_index_without_shards_does_not_hide_the_single_file(tmp_path: Path) -> None:
    with hostile() as hub:
        hub.files["model.safetensors.index.json"] = b'{"weight_map": {"a": "model-1-of-1.bin"}}'
        ended = pull(hub, tmp_path)
        assert ended.code == 0, ended.stderr
        assert is_whole(hub, tmp_path)

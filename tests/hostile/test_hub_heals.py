"""A pull that was stopped or whose files were damaged: the same command ends whole."""

import hashlib
import os
import random
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile_hub import (
    OK_HEAD,
    WEIGHTS,
    HostileHub,
    endless,
    hostile,
    is_whole,
    pull,
    repository_cache,
    stall,
    start_pull,
    status,
)
from tests.support.hub import git_id
from tests.support.warm import Started

pytestmark = pytest.mark.slow

PAGE = b"<!doctype html>\n<html><title>Sign in</title></html>"
MIB = 1 << 20
MAX_TWICE = 0.05  # of the weights
STOPS = 10


@pytest.fixture
def hub() -> Iterator[HostileHub]:
    with hostile() as hub:
        yield hub


def blobs(folder: Path) -> Path:
    """Make the folder of the contents in the cache."""
    path = repository_cache(folder) / "blobs"
    path.mkdir(parents=True, exist_ok=True)
    return path


def part(hub: HostileHub, folder: Path) -> Path:
    """Return the path of the partial weights."""
    name = hashlib.sha256(hub.files[WEIGHTS]).hexdigest()
    return blobs(folder) / f"{name}.vipllava.incomplete"


# Partial weights, made of the good ones; and how many bytes of those are still to fetch.
PARTS: dict[str, tuple[Callable[[bytes], bytes], Callable[[int], int]]] = {
    "empty": (lambda good: b"", lambda size: size),
    "half": (lambda good: good[: len(good) // 2], lambda size: size - size // 2),
    "whole": (lambda good: good, lambda size: 0),
    "longer than promised": (lambda good: good + PAGE, lambda size: 0),
    "a page": (lambda good: PAGE, lambda size: size),
    "a longer page": (lambda good: PAGE.ljust(len(good) + 99), lambda size: size),
    "zeros after a power cut": (lambda good: bytes(4 * MIB), lambda size: size),
    "half, then zeros": (
        lambda good: good[:MIB] + bytes(MIB),
        lambda size: 2 * size - 2 * MIB,  # only the checksum of the whole shows the damage
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_partial_file_heals(name: str, hub: HostileHub, tmp_path: Path) -> None:
    make, missing = PARTS[name]
    part(hub, tmp_path).write_bytes(make(hub.files[WEIGHTS]))
    ended = pull(hub, tmp_path)
    assert ended.code == 0, ended.stderr
    assert is_whole(hub, tmp_path)
    assert hub.sent(WEIGHTS) == missing(len(hub.files[WEIGHTS]))


def test_a_server_that_ignores_the_range_keeps_the_part(hub: HostileHub, tmp_path: Path) -> None:
    good = hub.files[WEIGHTS]
    part(hub, tmp_path).write_bytes(good[: 5 * MIB])
    hub.target, hub.reply = WEIGHTS, lambda handler: handler.send(200, good)
    assert pull(hub, tmp_path).code == 0
    assert is_whole(hub, tmp_path)


def test_a_web_page_keeps_the_part(hub: HostileHub, tmp_path: Path) -> None:
    good = hub.files[WEIGHTS]
    part(hub, tmp_path).write_bytes(good[: 5 * MIB])
    hub.target, hub.reply = WEIGHTS, lambda handler: handler.send(200, PAGE, None)
    assert pull(hub, tmp_path).code == 4
    hub.reply = None
    assert pull(hub, tmp_path).code == 0
    assert hub.sent(WEIGHTS) == len(good) - 5 * MIB


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_damaged_small_file_is_found(name: str, hub: HostileHub, tmp_path: Path) -> None:
    assert pull(hub, tmp_path).code == 0
    (blobs(tmp_path) / git_id(hub.files[name])).write_bytes(PAGE)
    hub.asked.clear()
    assert pull(hub, tmp_path).code == 0
    assert is_whole(hub, tmp_path)
    assert [asked for asked, _, _ in hub.asked] == [name]


def test_a_full_disk_is_one_line_and_keeps_what_fits(hub: HostileHub, tmp_path: Path) -> None:
    """A limit on the size of a file ends writing as a full disk does, after a part of a block."""
    limit = 3 * MIB + 1234
    process = start_pull(hub, tmp_path)
    limit_files(process, limit)
    code, text = process.wait(), (tmp_path / "stderr").read_text()
    assert (code, text.count("\n")) == (3, 2), text
    assert "is full: free some space, then run the same command to continue" in text
    assert part(hub, tmp_path).read_bytes() == hub.files[WEIGHTS][:limit]
    hub.asked.clear()
    assert pull(hub, tmp_path).code == 0
    assert hub.sent(WEIGHTS) == len(hub.files[WEIGHTS]) - limit


def test_a_file_in_place_of_the_cache_is_one_line(hub: HostileHub, tmp_path: Path) -> None:
    (tmp_path / "hf").write_text("mine")
    ended = pull(hub, tmp_path)
    assert (ended.code, ended.stderr.count("\n")) == (3, 1), ended.stderr
    assert "set HF_HOME to another folder" in ended.stderr
    ended = pull(hub, tmp_path, HF_HUB_CACHE=str(tmp_path / "hf"), HF_HOME=str(tmp_path / "home"))
    assert (ended.code, ended.stderr.count("\n")) == (3, 1), ended.stderr
    assert "cannot be used" in ended.stderr
    assert (tmp_path / "hf").read_text() == "mine"


def slow_weights(hub: HostileHub, starts: list[int]) -> Any:
    """Send the weights from the first byte that is asked for, 16 KiB every 2 ms.

    Adds each first byte to `starts`.
    """

    def reply(handler: Any) -> None:
        good = hub.files[WEIGHTS]
        first = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        starts.append(first)
        headers = {"Content_Range": f"bytes {first}-{len(good) - 1}/{len(good)}"} if first else {}
        handler.send(206 if first else 200, b"", len(good) - first, **headers)
        for start in range(first, len(good), 1 << 14):
            handler.wfile.write(good[start : start + (1 << 14)])
            time.sleep(0.002)

    return reply


@pytest.mark.parametrize(
    "refused",
    [
        status(416, Content_Range="bytes */9"),
        status(206, b"x"),
        status(206, b"x", Content_Range="bytes 5-5/9"),
        status(206, b"--x\r\n", Content_Type="multipart/byteranges; boundary=x"),
    ],
    ids=["416", "no range", "another range", "multipart"],
)
def test_a_server_that_refuses_parts_sends_the_whole_file(
    hub: HostileHub, tmp_path: Path, refused: Any
) -> None:
    """Without that, the same command would ask for the same part for ever."""
    good = hub.files[WEIGHTS]
    part(hub, tmp_path).write_bytes(good[:MIB])

    def reply(handler: Any) -> None:
        if handler.headers.get("Range"):
            refused(handler)
        else:
            handler.send(200, good)

    hub.target, hub.reply = WEIGHTS, reply
    ended = pull(hub, tmp_path)
    assert ended.code == 0, ended.stderr
    assert hub.replies == 2
    assert is_whole(hub, tmp_path)


def wait_for_more(path: Path, process: Started) -> None:
    """Wait until a running pull has written to a file."""
    before, ends = size_of(path), time.monotonic() + 40
    while time.monotonic() < ends and size_of(path) <= before and process.poll() is None:
        time.sleep(0.01)


def test_kills_at_random_moments_lose_nothing(hub: HostileHub, tmp_path: Path) -> None:
    starts: list[int] = []
    hub.target, hub.reply = WEIGHTS, slow_weights(hub, starts)
    sizes = [0]
    chance = random.Random(24)
    for number in range(STOPS):
        process = start_pull(hub, tmp_path)
        if number % 5 == 4:  # at any moment of its start
            time.sleep(chance.random() / 3)
        else:
            wait_for_more(part(hub, tmp_path), process)
            time.sleep(chance.random() / 30)
        process.kill()
        process.wait()
        sizes.append(size_of(part(hub, tmp_path)))
    assert sizes == sorted(sizes)
    assert sizes[1] > 0
    hub.reply = None
    hub.asked.clear()
    assert pull(hub, tmp_path).code == 0
    assert is_whole(hub, tmp_path)
    assert set(starts) <= set(sizes)  # every run continues where the one before ended
    assert hub.sent(WEIGHTS) == len(hub.files[WEIGHTS]) - sizes[-1]


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a disk of 64 MiB at a folder. Yields whether that is possible: root may do it."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(filler: Path, free: int) -> None:
    """Fill the disk of a file, but for so many bytes."""
    chunk, size = 32 * MIB, 0
    with filler.open("wb") as file:
        while chunk >= 4096:  # bytes of a page
            try:
                os.posix_fallocate(file.fileno(), size, chunk)
                size += chunk
            except OSError:
                chunk //= 2
    os.truncate(filler, max(size - free, 0))


def limit_files(process: Started, limit: int) -> None:
    """Forbid a process to write files of more bytes."""
    resource.prlimit(process.process, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def stop_writing(process: Started, filler: Path, part: Path, *, is_disk: bool) -> None:
    """Fill the disk of a running pull. Without a disk of its own, forbid it to write more."""
    if is_disk:
        fill(filler, 0)
    else:
        limit_files(process, size_of(part) + 1234)


def test_ten_full_disks_lose_nothing(hub: HostileHub, tmp_path: Path) -> None:
    """A disk that is full from the start, nearly full, and seven times full in the middle."""
    starts: list[int] = []
    chance = random.Random(24)
    filler = tmp_path / "hf" / "filler"
    with small_disk(tmp_path / "hf") as is_disk:
        for free in (0, 40_000, MIB) if is_disk else ():
            fill(filler, free)
            ended = pull(hub, tmp_path)
            assert (ended.code, ended.stderr.count("\n")) == (3, 1), ended.stderr
            assert re.search("is full: free some|has too little space", ended.stderr)
            filler.unlink()
        hub.target, hub.reply = WEIGHTS, slow_weights(hub, starts)
        sizes = [size_of(part(hub, tmp_path))]
        for _ in range(7):
            process = start_pull(hub, tmp_path)
            wait_for_more(part(hub, tmp_path), process)
            time.sleep(chance.random() / 50)
            stop_writing(process, filler, part(hub, tmp_path), is_disk=is_disk)
            assert process.wait(60) == 3
            error = (tmp_path / "stderr").read_text().splitlines()[-1]
            assert "is full: free some space, then run the same command to continue" in error
            filler.unlink(missing_ok=True)
            sizes.append(size_of(part(hub, tmp_path)))
        assert sizes == sorted(sizes)
        assert sizes[-1] > 0
        hub.reply = None
        hub.asked.clear()
        ended = pull(hub, tmp_path)
        assert ended.code == 0, ended.stderr
        assert is_whole(hub, tmp_path)
        assert set(starts) <= set(sizes)  # every run continues where the one before ended
        assert hub.sent(WEIGHTS) == len(hub.files[WEIGHTS]) - sizes[-1]


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize(
    "start", [b"", OK_HEAD, OK_HEAD + b"\r\n"], ids=["connection", "head", "body"]
)
def test_ctrl_c_ends_a_stalled_pull_at_once(start: bytes, hub: HostileHub, tmp_path: Path) -> None:
    hub.target, hub.reply = WEIGHTS, stall(start)
    assert interrupt(hub, tmp_path, HF_HUB_DOWNLOAD_TIMEOUT="300") == 130


def test_ctrl_c_ends_a_wait_and_an_endless_body(hub: HostileHub, tmp_path: Path) -> None:
    hub.target = WEIGHTS
    hub.reply = lambda handler: handler.send(429, Retry_After="50")
    assert interrupt(hub, tmp_path) == 130
    hub.reply = endless(OK_HEAD + b"\r\n", b"\0" * 1024, pause=0.01)
    assert interrupt(hub, tmp_path) == 130


def interrupt(hub: HostileHub, folder: Path, **variables: str) -> int | None:
    """Send SIGINT after the weights are asked for. Returns the exit code. Fails after 3 seconds."""
    asked = hub.replies
    process = start_pull(hub, folder, **variables)
    while hub.replies == asked:
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(3)
    finally:
        process.kill()

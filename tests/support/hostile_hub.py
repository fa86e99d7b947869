"""A hub on loopback that misbehaves in one way, and a run of the command with a budget."""

import json
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.support import hub as good_hub
from tests.support import warm
from tests.support.budget import Measured, run_measured, start_command
from tests.support.hub import COMMIT, StandInHub, serving
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED

REPOSITORY = PUBLISHED["7b"].repository
WEIGHTS = "model.safetensors"
LOOK_UP, LISTING = "look-up", "listing"  # the targets of an attack beside the names of files
VICTIM = "victim.txt"  # a file of the user beside the cache, which hostile paths lead to
OK_HEAD = b"HTTP/1.1 200 OK\r\n"
TIMEOUT = 1  # second: the read time-out in attacks, so that stalled replies end soon

Reply = Callable[["HostileHandler"], None]


@dataclass
class HostileHub(StandInHub):
    """A hub whose replies for one target come from `reply`, `times` times at most."""

    target: str = ""
    reply: Reply | None = None
    times: int = 10**9
    replies: int = 0
    paths: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


class HostileHandler(good_hub.Handler):
    """Answers one kind of request with the hub's `reply`, and the others well."""

    hub: HostileHub

    def do_GET(self) -> None:
        hub = self.hub
        hub.paths.append(self.path)
        hub.tokens.append(self.headers.get("Authorization"))
        if hub.reply is None or self._target() != hub.target or hub.replies >= hub.times:
            return super().do_GET()
        hub.replies += 1
        try:
            hub.reply(self)
        except OSError:  # the client has had enough
            self.close_connection = True
        return None

    def _target(self) -> str:
        api = re.match(r"/api/models/[^/]+/[^/]+/(revision|tree)/", self.path)
        if api:
            return LOOK_UP if api[1] == "revision" else LISTING
        return self.path.rpartition("/")[2]

    def send(
        self,
        status: int = 200,
        body: bytes = b"",
        length: int | None = -1,
        **headers: str,
    ) -> None:
        """Send a reply. A length of -1 is that of the body; without one the connection closes."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length == -1 else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = length != -1

    def send_json(self, value: object, **headers: str) -> None:
        headers["Content_Type"] = "application/json"
        self.send(200, json.dumps(value).encode(), -1, **headers)

    def entries(self) -> list[dict[str, Any]]:
        """Return the true list of files."""
        return [self.entry(name) for name in self.hub.files]

    def file(self) -> bytes:
        """Return the true content of the file that is asked for."""
        return self.hub.files[self._target()]


# --- replies ---------------------------------------------------------------------------------


def status(code: int, body: bytes = b"", length: int | None = -1, **headers: str) -> Reply:
    return lambda handler: handler.send(code, body, length, **headers)


def body(data: bytes, **headers: str) -> Reply:
    return status(200, data, -1, **headers)


def value(replied: object) -> Reply:
    return lambda handler: handler.send_json(replied)


def raw(data: bytes) -> Reply:
    """Send bytes that need not be HTTP, and close."""

    def reply(handler: HostileHandler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return reply


def endless(start: bytes, piece: bytes, pause: float = 0) -> Reply:
    """Send a start and then the same piece without end, if the client lets it."""

    def reply(handler: HostileHandler) -> None:
        handler.wfile.write(start)
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            handler.wfile.write(piece)
            time.sleep(pause)
        handler.close_connection = True

    return reply


def stall(start: bytes) -> Reply:
    """Send a start, and then nothing."""
    return endless(start, b"", pause=0.2)


@cache
def bomb(mebibytes: int) -> Reply:
    """Send spaces that gzip packs to a thousandth."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    pieces = [packer.compress(b" " * (1 << 20)) for _ in range(mebibytes)]
    return body(b"".join(pieces) + packer.flush(), Content_Encoding="gzip")


def changed_entry(name: str, **fields: Any) -> Reply:
    """List the files with other fields for one of them. None removes a field."""

    def reply(handler: HostileHandler) -> None:
        entries = handler.entries()
        [entry] = [each for each in entries if each["path"] == name]
        entry |= fields
        for key in [key for key, given in fields.items() if given is None]:
            del entry[key]
        handler.send_json(entries)

    return reply


def more_entries(*entries: object) -> Reply:
    return lambda handler: handler.send_json([*handler.entries(), *entries])


def named(*names: str) -> Reply:
    """List more files with these names, whose content the hub would send."""
    return lambda handler: handler.send_json(
        [*handler.entries(), *({**handler.entry("config.json"), "path": name} for name in names)]
    )


def pages(link: Callable[[int], str], count: int = 10) -> Reply:
    """List the files over pages, each with a link to the next."""

    def reply(handler: HostileHandler) -> None:
        number = handler.hub.replies
        entries = [{"type": "file", "path": f"{number}-{each}.pdf"} for each in range(count)]
        handler.send_json(entries, Link=f'<{link(number)}>; rel="next"')

    return reply


def headed(**headers: str) -> Reply:
    """Send the true file with other headers."""
    return lambda handler: handler.send(200, handler.file(), -1, **headers)


def cut(count: int, *, with_length: bool = True) -> Reply:
    """Send the first bytes that are asked for, and close the connection."""

    def reply(handler: HostileHandler) -> None:
        data = handler.file()
        first = int(re.sub(r"\D", "", handler.headers.get("Range", "0")) or 0)
        headers = {"Content_Range": f"bytes {first}-{len(data) - 1}/{len(data)}"} if first else {}
        length = len(data) - first if with_length else None
        handler.send(206 if first else 200, data[first : first + count], length, **headers)

    return reply


# --- runs ------------------------------------------------------------------------------------


@contextmanager
def hostile(target: str = "", reply: Reply | None = None, **fields: Any) -> Iterator[HostileHub]:
    """Serve the shipped model as the public 7B, with one misbehaviour."""
    files = {path.name: path.read_bytes() for path in BUNDLED["tiny"].iterdir() if path.is_file()}
    hub = HostileHub(REPOSITORY, files, target=target, reply=reply, **fields)
    with serving(hub, HostileHandler):
        yield hub


def environment(hub: StandInHub, folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a process that uses a hub, with all its files in a folder."""
    clean = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
    return clean | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DOWNLOAD_TIMEOUT": str(TIMEOUT),
        "VIPLLAVA_HOME": str(folder / "home"),
        "HOME": str(folder / "user"),
        **more,
    }


def command(*more: str) -> tuple[str, ...]:
    return ("models", "pull", "7b", "--yes", *more)


def start_pull(hub: StandInHub, folder: Path, *more: str, **variables: str) -> warm.Started:
    """Start `vipllava models pull 7b`, which writes to a file `stderr` in the folder."""
    with (folder / "stderr").open("wb") as err, Path(os.devnull).open("rb") as none:
        return start_command(
            *command(*more),
            folder=folder,
            environment=environment(hub, folder, **variables),
            streams=(none.fileno(), err.fileno(), err.fileno()),
        )


def pull(hub: StandInHub, folder: Path, *more: str, **variables: str) -> Measured:
    """Run `vipllava models pull 7b`, and measure it."""
    return run_measured(
        *command(*more), folder=folder, environment=environment(hub, folder, **variables)
    )


def files_outside(folder: Path) -> Mapping[str, bytes]:
    """Return the files in a folder but for those of the cache and of the run itself."""
    own = {folder / name for name in ("hf", "home", "stderr")}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not own & {path, *path.parents}
    }


def repository_cache(folder: Path) -> Path:
    """Return the folder of the model in the cache."""
    return folder / "hf" / "hub" / f"models--{REPOSITORY.replace('/', '--')}"


def is_whole(hub: StandInHub, folder: Path, commit: str = COMMIT) -> bool:
    """Return whether the model is complete in the cache, byte for byte."""
    snapshot = repository_cache(folder) / "snapshots" / commit
    names = [name for name in hub.files if name.endswith((".json", ".jinja", ".safetensors"))]
    return (repository_cache(folder) / "refs" / "main").read_text() == commit and all(
        (snapshot / name).read_bytes() == hub.files[name] for name in names
    )

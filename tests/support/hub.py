"""A stand-in for the hub on loopback. It answers the requests of the hub's client, or misbehaves."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class StandInHub:
    """One repository at one commit.

    `large` names the files with a checksum. `claimed` replaces the true sizes of files. `damaged`
    changes a byte of large files. `cut_after` drops the connection once, after this many bytes of a large
    file; with `stall`, the server stops sending instead. `asked` lists each GET of a file: name,
    first requested byte, number of bytes sent.
    """

    repository: str
    files: dict[str, bytes]
    large: frozenset[str] = frozenset({"model.safetensors"})
    claimed: Mapping[str, int] = field(default_factory=dict)
    damaged: bool = False
    gated: bool = False
    cut_after: int | None = None
    stall: bool = False
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    endpoint: str = ""

    def sent(self, name: str) -> int:
        """Count the bytes of a file that were sent."""
        return sum(count for file, _, count in self.asked if file == name)


@contextmanager
def serving(hub: StandInHub, handler: "type[Handler] | None" = None) -> Iterator[StandInHub]:
    """Serve until the block ends."""
    kind = type("ServingHandler", (handler or Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does."""

    hub: StandInHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._send_file(body=False)

    def do_GET(self) -> None:
        api = re.fullmatch(
            r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/?]+)(?:\?.*)?", self.path
        )
        if not api:
            self._send_file(body=True)
        elif api[1] != self.hub.repository:
            self._refuse(404, "RepoNotFound")
        elif api[3] not in {"main", COMMIT}:
            self._refuse(404, "RevisionNotFound")
        elif api[2] == "revision":
            self._send_json({"id": self.hub.repository, "sha": COMMIT, "siblings": []})
        else:
            self._send_json([self.entry(name) for name in self.hub.files])

    def entry(self, name: str) -> dict[str, Any]:
        """Return a file as the list of files describes it."""
        data = self.hub.files[name]
        entry = {"type": "file", "path": name, "size": self._size(name), "oid": git_id(data)}
        if name in self.hub.large:
            sha256 = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": self._size(name), "pointerSize": 130}
        return entry

    def _size(self, name: str) -> int:
        return self.hub.claimed.get(name, len(self.hub.files[name]))

    def _send_file(self, *, body: bool) -> None:
        request = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/([^/]+)", self.path)
        if not request or request[1] != self.hub.repository:
            return self._refuse(404, "RepoNotFound")
        name = request[3]
        if self.hub.gated:
            return self._refuse(403, "GatedRepo")
        if name not in self.hub.files:
            return self._refuse(404, "EntryNotFound")
        data = self.hub.files[name]
        first = int(re.sub(r"\D", "", self.headers.get("Range", "0").split("-")[0]) or 0)
        is_large = name in self.hub.large
        etag = hashlib.sha256(data).hexdigest() if is_large else git_id(data)
        self.send_response(206 if first else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if body:
            self._send_body(name, data, first, is_large=is_large)
        return None

    def _send_body(self, name: str, data: bytes, first: int, *, is_large: bool) -> None:
        if is_large and self.hub.damaged:
            data = data[:-1] + bytes([data[-1] ^ 1])
        last = len(data)
        cut = is_large and self.hub.cut_after is not None
        if cut:
            last, self.hub.cut_after = self.hub.cut_after or 0, None
        self.hub.asked.append((name, first, last - first))
        try:
            self.wfile.write(data[first:last])
            self.wfile.flush()
            if cut and self.hub.stall:
                time.sleep(5)
        except OSError:  # a test killed the client
            pass
        self.close_connection = self.close_connection or cut

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def git_id(data: bytes) -> str:
    """Return the id of git's object with this content."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()

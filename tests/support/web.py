"""Web servers on the loopback interface: a login page in place of everything, and statuses."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LOGIN_PAGE = b"<!doctype html>\n<html><title>Sign in to the network</title></html>"


@dataclass
class WebServer:
    """A server that answers `/NNN…` with the status NNN, `/image…` with an image, else a login page.

    All paths below `/NNN` get the same status.
    `agents` are the user agents, and `targets` the paths, of the requests. As a proxy, its targets are
    complete addresses. It redirects what is posted to `location`.
    """

    image: bytes = b""
    address: str = ""
    agents: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    location: str = ""


class _Handler(BaseHTTPRequestHandler):
    web: WebServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.web.agents.append(self.headers.get("User-Agent", ""))
        self.web.targets.append(self.path)
        name = self.path.rpartition("/")[2]
        first = self.path.partition("?")[0].split("/")[1]
        number = next((part[:3] for part in (first, name) if part[:3].isdecimal()), "200")
        status = int(number)
        body = self.web.image if name.startswith("image") else LOGIN_PAGE
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(307)
        self.send_header("Location", self.web.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()


@contextmanager
def serving(web: WebServer, certificate: Path | None = None) -> Iterator[WebServer]:
    """Serve until the block ends, encrypted with the certificate of `make_certificate`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"web": web}))
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    scheme = "https" if certificate else "http"
    web.address = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_certificate(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 that it signs itself, and its key."""
    path = folder / "server.pem"
    options = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    alternative = ("-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", path.with_suffix(".key"), "-out", path)
    subprocess.run(["openssl", *options, *alternative, *files], check=True, capture_output=True)
    return path

"""A web server on loopback that sends raw bytes, one misbehaviour for each path."""

import gzip
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from PIL import Image

from tests.support.images import ORANGE, encode

OK = b"HTTP/1.1 200 OK\r\n"
IMAGE = encode(Image.new("RGB", (40, 20), ORANGE))

Send = Callable[[bytes], None]


def reply(*parts: bytes) -> Callable[[Send], None]:
    return lambda send: send(b"".join(parts))


def slowly(start: bytes, piece: bytes, pause: float = 0.02) -> Callable[[Send], None]:
    """Send a piece again and again."""

    def run(send: Send) -> None:
        send(start)
        for _ in range(500):
            send(piece)
            time.sleep(pause)

    return run


def endless(start: bytes, piece: bytes) -> Callable[[Send], None]:
    """Send pieces without a pause, until the client has had enough."""

    def run(send: Send) -> None:
        send(start)
        for _ in range(5000):
            send(piece)

    return run


def stall(start: bytes) -> Callable[[Send], None]:
    def run(send: Send) -> None:
        send(start)
        time.sleep(4)

    return run


def body(content: bytes, *headers: bytes, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    head = b"".join(header + b"\r\n" for header in headers)
    return OK + head + b"Content-Length: %d\r\n\r\n" % size + content


def redirect(address: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: " + address + b"\r\nContent-Length: 0\r\n\r\n"


BOMB = gzip.compress(bytes(100_000_000), 9)

REPLIES: Mapping[str, Callable[[Send], None]] = {
    "cut in the body": reply(body(IMAGE[:40], length=len(IMAGE))),
    "cut in the head": reply(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "no reply": reply(b""),
    "stall before the head": stall(b""),
    "stall in the head": stall(OK + b"X: "),
    "stall in the body": stall(body(IMAGE[:40], length=len(IMAGE))),
    "slow head": slowly(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "slow body": slowly(OK + b"\r\n", b"x"),
    "slow headers": slowly(OK, b"X: 1\r\n"),
    "endless header": endless(OK + b"X: ", b"x" * 65_536),
    "endless headers": endless(OK, b"X: 1\r\n" * 10_000),
    "endless body": endless(OK + b"\r\n", b"x" * 65_536),
    "endless chunks": endless(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    ),
    "endless chunk extension": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 65_536),
    "endless interim replies": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000),
    "chunk of absurd size": reply(OK, b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n"),
    "chunk of no size": reply(OK, b"Transfer-Encoding: chunked\r\n\r\nhello\r\n"),
    "absurd length": reply(body(b"x" * 99, length=10**18)),
    "negative length": reply(OK, b"Content-Length: -5\r\n\r\n", IMAGE),
    "two lengths": reply(OK, b"Content-Length: 5\r\nContent-Length: 9\r\n\r\n", IMAGE),
    "gzip bomb": reply(body(BOMB, b"Content-Encoding: gzip")),
    "damaged gzip": reply(body(BOMB[:50] + b"x" * 50, b"Content-Encoding: gzip")),
    "unknown packing": reply(body(IMAGE, b"Content-Encoding: zstd")),
    "redirects to itself": reply(redirect(b"?")),
    "redirects to a file": reply(redirect(b"file:///etc/passwd")),
    "redirects nowhere": reply(redirect(b"http://")),
    "redirects with bytes": reply(redirect(b"\xff\xfe\x00")),
    "redirects to an absurd port": reply(redirect(b"http://127.0.0.1:99999999/")),
    "a web page": reply(body(b"<!doctype html><title>Sign in</title>")),
    "an empty body": reply(body(b"")),
    "status 204": reply(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "status 304": reply(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "status 206": reply(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\nabc"),
    "status 500": reply(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
    "status 999 with escapes": reply(b"HTTP/1.1 999 \x1b[31mred\r\nContent-Length: 0\r\n\r\n"),
    "status of letters": reply(b"HTTP/1.1 abc OK\r\n\r\n"),
    "no HTTP": reply(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "NUL in a header": reply(OK, b"X: \0\r\nContent-Length: 3\r\n\r\nabc"),
    "image cut by its length": reply(body(IMAGE, length=40)),
}
GOOD_REPLIES: Mapping[str, Callable[[Send], None]] = {
    "image": reply(body(IMAGE)),
    "longer than promised": reply(body(IMAGE), b"x" * 1000),
    "gzip": reply(body(gzip.compress(IMAGE), b"Content-Encoding: gzip")),
    "without length": reply(OK, b"\r\n", IMAGE),
    "HTTP 9": reply(b"HTTP/9.9 200 OK\r\n\r\n", IMAGE),
    "as text": reply(body(IMAGE, b"Content-Type: text/plain")),
}


def path_of(name: str) -> str:
    """Return the path of a reply on the server."""
    return "/" + name.replace(" ", "-")


_BY_PATH = {path_of(name): send for name, send in (*REPLIES.items(), *GOOD_REPLIES.items())}


class _Handler(socketserver.BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        self.request.settimeout(5)
        with suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                received = self.request.recv(65_536)
                if not received:
                    return
                head += received
            path = head.split(b" ")[1].decode().partition("?")[0]
            _BY_PATH[path](self.request.sendall)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


@contextmanager
def hostile_web() -> Iterator[str]:
    """Serve until the block ends. Yields the address of the server."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()

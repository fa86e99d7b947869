"""Downloads, with their limits of size and time."""

import gzip
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from PIL import Image

from tests.support.images import ORANGE, encode, has_center_color
from vipllava_cli.errors import InputError
from vipllava_cli.images import fetch
from vipllava_cli.images.load import load_image
from vipllava_cli.images.source import display_name

REDIRECTS = {"/moved": "/image", "/round": "/round", "/away": "file:///etc/hostname"}


class ImageServer(http.server.BaseHTTPRequestHandler):
    """Serves an image, text, 404, redirects, endless bytes, slow bytes, slow headers and a gzip bomb."""

    def do_GET(self) -> None:
        body = {
            "/image": encode(Image.new("RGB", (40, 20), ORANGE)),
            "/text": b"<html>hello</html>",
        }.get(self.path)
        if self.path in REDIRECTS:
            self.send_response(302)
            self.send_header("Location", REDIRECTS[self.path])
            self.end_headers()
        elif self.path == "/drip":
            with suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 80:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.02)
        elif self.path == "/bomb":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(gzip.compress(bytes(1 << 22)))
        elif self.path in ("/endless", "/slow"):
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(100):
                    self.wfile.write(b"x" * (1 << 16 if self.path == "/endless" else 1))
                    self.wfile.flush()
                    time.sleep(0 if self.path == "/endless" else 0.05)
            except OSError:
                pass
        elif body is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), ImageServer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_image_is_downloaded(web: str) -> None:
    assert has_center_color(load_image(f"{web}/image"), ORANGE)
    assert has_center_color(load_image(f"{web}/moved"), ORANGE)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("/text", "a web page"),
        ("/none", "404"),
        ("/round", "redirects too often"),
        ("/away", "cannot be reached"),
        ("/endless", "larger than 1 MiB"),
        ("/bomb", "larger than 1 MiB"),
        ("/slow", "took longer than 0.3 s"),
        ("/drip", "took longer than 0.3 s"),
    ],
)
def test_the_error_of_a_download_is_one_line_without_the_password(
    web: str, page: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_DOWNLOAD_BYTES", 1 << 20)
    if "took longer" in message:
        monkeypatch.setattr(fetch, "DOWNLOAD_SECONDS", 0.3)
    with pytest.raises(InputError, match=message) as caught:
        load_image(web.replace("//", "//me:secret@") + page)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_messages_do_not_show_the_password_of_an_address() -> None:
    assert display_name("https://me:secret@host/a@b.png") == "https://…@host/a@b.png"
    assert display_name("-") == "standard input"
    assert display_name("me@home.png") == "me@home.png"

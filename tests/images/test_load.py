"""Images: every file that a user may have becomes upright RGB, or one clear line."""

import gzip
import http.server
import io
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.images import fetch as fetching
from vipllava_cli.images import load as images
from vipllava_cli.images import memory
from vipllava_cli.images.load import decode, fingerprint, load_image, to_rgb, upright_size
from vipllava_cli.images.square import PADDING, pad_to_square
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.marked_image import crop_around
from vipllava_cli.marks.parse import parse_mark

ORANGE = (250, 120, 10)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def close_to(image: Image.Image, rgb: tuple[int, int, int], tolerance: int = 12) -> bool:
    found = image.getpixel((image.width // 2, image.height // 2))
    assert image.mode == "RGB"
    return all(abs(a - b) <= tolerance for a, b in zip(found, rgb, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_every_format_is_read_whatever_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image.dat"
    path.write_bytes(encoded(Image.new("RGB", (40, 30), ORANGE), kind))
    assert close_to(load_image(str(path)), ORANGE)


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (40, 30), color) for color in (ORANGE, (0, 0, 0))]
    for kind in ("GIF", "TIFF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert close_to(decode(data, "x"), ORANGE)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "YCbCr", "HSV", "CMYK", "LAB"])
def test_every_opaque_mode_keeps_its_colour(mode: str) -> None:
    white = Image.new("RGB", (8, 8), (255, 255, 255))
    image = white.convert(mode)
    assert close_to(to_rgb(image), (255, 255, 255))


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA", "RGBa"])
def test_transparency_lies_over_white(mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    assert close_to(to_rgb(clear), (255, 255, 255))


def test_a_palettes_transparent_colour_lies_over_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert close_to(decode(encoded(image, "PNG", transparency=0), "x"), (255, 255, 255))


def test_sixteen_bits_keep_their_brightness() -> None:
    values = np.full((8, 8), 32768, np.uint16)
    assert close_to(decode(encoded(Image.fromarray(values)), "x"), (128, 128, 128), 1)
    ramp = np.linspace(-3, 5, 64, dtype=np.float32).reshape(8, 8)
    grey = to_rgb(Image.fromarray(ramp)).convert("L")
    assert grey.getextrema() == (0, 255)


@pytest.mark.parametrize("values", [(-3.0, 5.0), (0.25, 0.25), (float("nan"), 7.0)])
def test_floats_are_scaled_in_bands_as_at_once(
    values: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.fromarray(np.linspace(*values, 90 * 7, dtype=np.float32).reshape(90, 7))
    banded = to_rgb(image).tobytes()
    monkeypatch.setattr(images, "_BAND", 1000)
    assert to_rgb(image).tobytes() == banded


def test_an_exif_rotation_is_applied() -> None:
    upright = Image.new("RGB", (40, 20), ORANGE)
    upright.paste((0, 0, 255), (0, 0, 10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    assert decode(encoded(turned, "PNG", exif=exif), "x").tobytes() == upright.tobytes()


def test_a_damaged_exif_block_is_passed_over() -> None:
    data = encoded(Image.new("RGB", (40, 20), ORANGE), "JPEG", exif=b"Exif\x00\x00MM\x00*garbage")
    assert close_to(decode(data, "x"), ORANGE)


def test_a_fingerprint_tells_images_apart() -> None:
    orange = encoded(Image.new("RGB", (40, 20), ORANGE))
    assert fingerprint(orange) == fingerprint(bytes(orange))
    assert fingerprint(orange) != fingerprint(encoded(Image.new("RGB", (20, 40), ORANGE)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_header_tells_the_upright_size(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.new("RGB", (40, 20), ORANGE), "JPEG", exif=exif)
    assert upright_size(data, "x") == decode(data, "x").size


def test_a_square_keeps_the_image_whole_in_its_middle() -> None:
    wide = Image.new("RGB", (60, 20), ORANGE)
    view = pad_to_square(wide)
    assert view.size == (60, 60)
    assert view.crop((0, 20, 60, 40)).tobytes() == wide.tobytes()
    assert view.getpixel((0, 0)) == PADDING


def test_a_very_long_image_is_made_shorter_before_it_is_made_square() -> None:
    assert pad_to_square(Image.new("RGB", (40_000, 3), ORANGE)).size == (8192, 8192)


def test_zoom_keeps_every_mark_inside_its_crop() -> None:
    specs = [parse_mark("box", "0,0,10,10"), parse_mark("point", "60,40")]
    marks = resolve_coordinates(specs, 400, 300).marks
    left, top, right, bottom = crop_around(marks, (400, 300))
    assert (left, top) == (0, 0)
    assert 60 < right < 200
    assert 40 < bottom < 150


def test_free_memory_ends_at_the_limit_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path)
    whole = memory.free_memory()
    assert whole > 10_000_000
    (tmp_path / "memory.current").write_text("4000000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 10_000_000
    (tmp_path / "memory.max").write_text("10000000\n")
    assert memory.free_memory() == 6_000_000


# --- the web ---------------------------------------------------------------------------------


MOVED = {"/moved": "/image", "/round": "/round", "/away": "file:///etc/hostname"}


class Server(http.server.BaseHTTPRequestHandler):
    """An image, a text, a wrong address, redirections, endless bytes, slow ones, slow headers."""

    def do_GET(self) -> None:
        body = {
            "/image": encoded(Image.new("RGB", (40, 20), ORANGE)),
            "/text": b"<html>hello</html>",
        }.get(self.path)
        if self.path in MOVED:
            self.send_response(302)
            self.send_header("Location", MOVED[self.path])
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
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_image_is_fetched_from_the_web(web: str) -> None:
    assert close_to(load_image(f"{web}/image"), ORANGE)
    assert close_to(load_image(f"{web}/moved"), ORANGE)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("/text", "a web page"),
        ("/none", "404"),
        ("/round", "from address to address without end"),
        ("/away", "cannot be reached"),
        ("/endless", "more than 1 MiB"),
        ("/bomb", "more than 1 MiB"),
        ("/slow", "took longer than 0.3 s"),
        ("/drip", "took longer than 0.3 s"),
    ],
)
def test_what_the_web_gives_wrongly_is_one_line(
    web: str, page: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_DOWNLOAD_BYTES", 1 << 20)
    if "took longer" in said:
        monkeypatch.setattr(fetching, "DOWNLOAD_SECONDS", 0.3)
    with pytest.raises(InputError, match=said) as caught:
        load_image(web.replace("//", "//me:secret@") + page)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)

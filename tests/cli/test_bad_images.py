"""Unusable images: one error line, and the exit code of bad input."""

import resource
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.commands import BOX, QUESTION, assert_error_line, run_in_process
from vipllava_cli.errors import ExitCode
from vipllava_cli.images import pixels


def huge_png() -> bytes:
    """Return the header of an image of 60,000 x 60,000 pixels, without pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"")


def truncated_jpeg(folder: Path) -> bytes:
    path = folder / "complete.jpg"
    Image.effect_noise((200, 200), 50).save(path)
    return path.read_bytes()[:3000]


def damaged_tiff(folder: Path) -> bytes:
    """Return a file about which libtiff prints lines to stderr, unless its handlers are removed."""
    path = folder / "complete.tif"
    Image.effect_noise((200, 200), 50).save(path, compression="tiff_lzw")
    data = path.read_bytes()
    return data[:200] + bytes(byte ^ 0x5A for byte in data[200:2000]) + data[2000:]


IMAGES: dict[str, tuple[Callable[[Path], bytes | None], str]] = {
    "missing.jpg": (lambda folder: None, "there is no file"),
    "empty.png": (lambda folder: b"", "is empty"),
    "text.jpg": (lambda folder: b"hello, I am a text", "found text"),
    "vector.png": (lambda folder: b"<svg xmlns='x'></svg>", "SVG"),
    "truncated.jpg": (truncated_jpeg, "cut short"),
    "damaged.tif": (damaged_tiff, "cut short or damaged"),
    "huge.png": (lambda folder: huge_png(), "60000x60000"),
    "only-a-header.png": (lambda folder: b"\x89PNG\r\n\x1a\n", "cut short or damaged"),
}


@pytest.mark.parametrize("command", ["ask", "annotate"])
@pytest.mark.parametrize("name", IMAGES)
def test_an_unusable_image_is_one_error_line(
    run: Run, tmp_path: Path, name: str, command: str
) -> None:
    make, message = IMAGES[name]
    data = make(tmp_path)
    if data is not None:
        (tmp_path / name).write_bytes(data)
    arguments = [QUESTION] if command == "ask" else ["-o", str(tmp_path / "out.png")]
    assert_error_line(run(command, tmp_path / name, *arguments), ExitCode.INPUT, message)
    assert not (tmp_path / "out.png").exists()


def test_libtiff_prints_nothing_about_a_damaged_tiff(tmp_path: Path) -> None:
    (tmp_path / "damaged.tif").write_bytes(damaged_tiff(tmp_path))
    ended = run_in_process("annotate", tmp_path / "damaged.tif", "-o", tmp_path / "out.png")
    assert_error_line(ended, ExitCode.INPUT, "cut short or damaged")


def test_an_image_above_the_free_memory_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (10_000, 5_000)).save(tmp_path / "large.png")
    monkeypatch.setattr(pixels, "free_memory", lambda: 500_000_000)
    result = run("annotate", tmp_path / "large.png", "-o", tmp_path / "out.png")
    assert_error_line(result, ExitCode.INPUT, "expected 0.6 GB, found 0.5 GB")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not enforce this limit")
def test_a_memory_error_is_one_error_line(tmp_path: Path) -> None:
    Image.new("1", (12_000, 10_000)).save(tmp_path / "large.png")
    limit = 900_000_000
    ended = run_in_process(
        "annotate", tmp_path / "large.png", "--box", BOX, "-o", tmp_path / "out.png",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert_error_line(ended, ended.code, "memory")
    assert ended.code in (ExitCode.INPUT, ExitCode.GENERATION)
    assert not (tmp_path / "out.png").exists()


def test_a_folder_is_not_an_image(run: Run, tmp_path: Path) -> None:
    assert_error_line(run("ask", tmp_path, QUESTION), ExitCode.INPUT, "is a folder")


def test_an_unreachable_address_is_refused(run: Run) -> None:
    result = run("ask", "http://127.0.0.1:9/image.png", QUESTION)
    assert_error_line(result, ExitCode.INPUT, "cannot be reached")


def test_an_invalid_address_is_refused(run: Run) -> None:
    assert run("ask", "http://[::1", QUESTION).code == ExitCode.INPUT
    assert run("ask", "https://", QUESTION).code == ExitCode.INPUT


def test_an_empty_name_is_refused(run: Run) -> None:
    assert_error_line(run("ask", "", QUESTION), ExitCode.INPUT, "no name")


def test_empty_standard_input_is_refused(run: Run) -> None:
    assert_error_line(run("ask", "-", QUESTION, stdin=b""), ExitCode.INPUT, "empty")

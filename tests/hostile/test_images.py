"""Images that attack: one line and exit code 3, or an image, within a budget of time and memory."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, SAMPLES
from tests.support.budget import Measured, assert_in_budget, assert_refused, read_tree, run_measured
from tests.support.hostile_images import ATTACKS, bmp_rle, ico_with, png, small_png, zeros
from tests.support.hostile_web import GOOD_REPLIES, REPLIES, hostile_web, path_of
from tests.support.images import ORANGE, animation, encode, has_center_color
from vipllava_cli.errors import ExitCode, InputError
from vipllava_cli.images import fetch, kinds, pixels, workers
from vipllava_cli.images.data_address import MAX_ESCAPED
from vipllava_cli.images.load import decode, decode_stored, load_image, read_header
from vipllava_cli.images.source import FIRST_FRAME

# Attacks that a bounded reader survives: it leaves out the bomb, or reads the first image.
READ = frozenset(
    {
        "6000 x 6000 JPEG of 1 kB",
        "1 strip claims 4 GB",
        "APNG of 4 billion frames",
        "IDAT with zeros for 2 GB",
        "5000 x 3000, maxval 1",
        "5000 x 3000, maxval 254",
        "PFM with scale 1e999",
        "QOI of 3000 x 3000 runs",
        "Raw profile bomb",
        "WebP of 1 million chunks",
        "arithmetic JPEG",
        "deflated bomb",
        "eXIf of 16,000 tags",
        "iCCP bomb",
        "iTXt bomb",
        "one row missing",
        "overlapping tags of bytes",
        "page that follows itself",
        "plain 2000 x 1500",
        "plain bits 5000 x 3000",
        "tiles of 0 x 0",
        "zTXt bomb",
    }
)


def run_in(tmp_path: Path, *arguments: str | Path, stdin: bytes = b"") -> Measured:
    """Run the command in a fork. Asserts that it changes nothing outside of `work`."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    own = [work, tmp_path / "state"]
    environment = os.environ | {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    before = read_tree(tmp_path, own)
    result = run_measured(*arguments, folder=work, environment=environment, stdin=stdin)
    assert read_tree(tmp_path, own) == before
    return result


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_image_ends_in_its_budget(tmp_path: Path, name: str) -> None:
    attack = tmp_path / "attack"
    attack.write_bytes(ATTACKS[name]())
    result = run_in(tmp_path, "annotate", attack, "--box", "1,1,9,9", "-o", "out.jpg")
    if name in READ:
        assert result.code == ExitCode.DONE, result.stderr
        assert (tmp_path / "work" / "out.jpg").exists()
        assert_in_budget(result)
    else:
        assert_refused(result, ExitCode.INPUT, max_lines=1)
        assert list((tmp_path / "work").iterdir()) == []
    attack.unlink()  # the tests would fill the disk


# --- the other commands read images in the same way -------------------------------------------

QUESTION = "what is in the red box?"
GOOD = SAMPLES / "zoo-red-box.png"
_EACH = ("5000 scans", "2 million text chunks", "40 MB comment", "icon with a PNG bomb")
COMMANDS = {
    "ask": ("ask", "{}", QUESTION),
    "chat": ("chat", "{}"),
    "a mask": ("annotate", GOOD, "--mask", "{}", "-o", "out.png"),
    "standard input": ("annotate", "-", "-o", "out.png"),
}


@pytest.mark.parametrize(
    ("command", "name"),
    [*((command, _EACH[0]) for command in COMMANDS), *(("ask", each) for each in _EACH[1:])],
)
def test_every_command_refuses_a_hostile_image(tmp_path: Path, command: str, name: str) -> None:
    attack = tmp_path / "attack"
    content = ATTACKS[name]()
    attack.write_bytes(content)
    arguments = [attack if part == "{}" else part for part in COMMANDS[command]]
    stdin = content if command == "standard input" else b""
    result = run_in(tmp_path, *arguments, stdin=stdin)
    assert_refused(result, ExitCode.INPUT, max_lines=1)
    attack.unlink()


def test_a_dry_run_of_a_batch_names_the_rows_that_fail(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate(_EACH):
        (folder / f"{number}.png").write_bytes(ATTACKS[name]())
    (folder / "good.png").write_bytes(GOOD.read_bytes())
    result = run_in(tmp_path, "batch", folder, "--question", QUESTION, "--dry-run")
    assert_in_budget(result)
    for number in range(3):  # the header of the icon is good
        assert f"{number}.png" in result.stderr + result.stdout


# --- files that are no regular files ----------------------------------------------------------


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 << 30)


def _loop(path: Path) -> None:
    path.symlink_to(path)


SPECIAL = {"pipe": _pipe, "socket": _socket, "sparse": _sparse, "loop": _loop}
DEVICES = (
    "/dev/zero",
    "/dev/random",
    "/dev/null",
    "/dev/tty",
    "/proc/self/mem",
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/self/status",
)


@pytest.mark.parametrize("as_mask", [False, True], ids=["image", "mask"])
@pytest.mark.parametrize("name", [*SPECIAL, *DEVICES])
def test_a_file_that_is_not_regular_is_refused_at_once(
    tmp_path: Path, name: str, as_mask: bool
) -> None:
    path = Path(name)
    if name in SPECIAL:
        path = tmp_path / "special"
        SPECIAL[name](path)
    arguments = (GOOD, "--mask", path) if as_mask else (path,)
    result = run_in(tmp_path, "annotate", *arguments, "-o", "out.png")
    assert_refused(result, ExitCode.INPUT, max_lines=1, max_seconds=20, max_bytes=1 << 30)


def test_a_file_that_becomes_a_pipe_after_the_check_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("vipllava_cli.storage.regular_files.os.stat", lambda path: os.lstat(GOOD))
    with pytest.raises(InputError, match="is a pipe"):
        load_image(str(tmp_path / "pipe"))


# --- data addresses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "data:image/png;base64," + "A" * (90 << 20),
        "data:image/png," + "%41" * (MAX_ESCAPED // 2),
        "data:" + "a" * 1_000_000,
        "data:" + ";" * 200 + "," + "A" * 1_000_000,
        "data:image/png;base64," + " " * 1_000_000,
        "data:image/png;base64," + "\u00e9" * 1000,
    ],
    ids=["huge", "huge escaped", "no comma", "many parameters", "spaces", "not ASCII"],
)
def test_a_data_address_of_absurd_size_is_refused(address: str) -> None:
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        load_image(address)
    assert time.monotonic() - start < 20
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


# --- downloads --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with hostile_web() as address:
        yield address


@pytest.mark.parametrize("name", REPLIES)
def test_a_hostile_reply_is_one_line_within_the_time_limit(
    web: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "DOWNLOAD_SECONDS", 1.0)
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        load_image(web + path_of(name))
    assert time.monotonic() - start < 10
    message = str(caught.value)
    assert len(message) < 500
    assert message.isprintable(), message
    assert message.startswith(web)


@pytest.mark.parametrize("name", GOOD_REPLIES)
def test_a_reply_that_is_only_odd_is_read(web: str, name: str) -> None:
    assert has_center_color(load_image(web + path_of(name)), ORANGE)


# --- frames -----------------------------------------------------------------------------------


def test_a_frame_behind_too_many_large_frames_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "MAX_PIXELS_BEFORE_FRAME", 25_000)
    for format in ("GIF", "WEBP", "PNG", "AVIF"):
        data = animation(format)
        assert decode(data, "x", frame=2).size == (40, 20)
        if format != "AVIF":  # the worker has the true limit
            with pytest.raises(InputError, match="too many large frames before frame 3"):
                decode(data, "x", frame=3)
    assert decode(animation("TIFF"), "x", frame=3).size == (40, 20)


# --- workers ----------------------------------------------------------------------------------

_RGBA = Image.fromarray(np.random.default_rng(3).integers(0, 255, (48, 64, 4), np.uint8), "RGBA")
_RGB = _RGBA.convert("RGB")


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


EQUAL = {
    **{f"{format}-{mode}": encode(_RGBA.convert(mode), format) for format, modes in {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
        "BMP": ("1", "L", "P", "RGB"),
        "GIF": ("L", "P", "RGB"),
        "JPEG": ("L", "RGB", "CMYK"),
        "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK"),
        "WEBP": ("RGB", "RGBA"),
        "AVIF": ("RGB", "RGBA"),
        "JPEG2000": ("L", "LA", "RGB", "RGBA"),
        "ICO": ("RGB", "RGBA"),
        "ICNS": ("RGBA",),
        "QOI": ("RGB", "RGBA"),
        "DDS": ("L", "LA", "RGB", "RGBA"),
        "PCX": ("1", "L", "P", "RGB"),
        "SGI": ("L", "RGB", "RGBA"),
        "TGA": ("L", "LA", "P", "RGB", "RGBA"),
        "PPM": ("1", "L", "RGB"),
    }.items() for mode in modes},
    "transparent palette": encode(_RGB.convert("P"), "PNG", transparency=3),
    "transparent entries": encode(_RGB.convert("P"), "PNG", transparency=bytes(range(200))),
    "transparent colour": encode(_RGB, "PNG", transparency=(1, 2, 3)),
    "16 bits": encode(Image.fromarray(np.arange(3072, dtype=np.uint16).reshape(48, 64) * 20)),
    "16-bit JPEG 2000": encode(
        Image.fromarray(np.arange(3072, dtype=np.uint16).reshape(48, 64) * 20), "JPEG2000"
    ),
    "floats": encode(Image.fromarray(np.linspace(-1, 5, 3072, dtype="f4").reshape(48, 64)), "TIFF"),
    **{f"turned {number}": encode(_RGB, "JPEG", exif=_exif(number)) for number in range(1, 9)},
    "turned AVIF": encode(_RGB, "AVIF", exif=_exif(6)),
    "run lengths": bmp_rle(64, 48, b"\x40\1\0\0" * 48 + b"\0\1"),
    "icon": ico_with(small_png()),
    "HEIC": (ROOT / "tests" / "fixtures" / "images" / "turned.heic").read_bytes(),
    "frames": animation("AVIF"),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_a_worker_reads_what_this_process_reads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = EQUAL[name]
    frame = 2 if name == "frames" else FIRST_FRAME
    results = []
    for is_costly in (False, True):
        monkeypatch.setattr(kinds, "needs_worker", lambda _, costly=is_costly: costly)
        monkeypatch.setattr("vipllava_cli.images.load.needs_worker", kinds.needs_worker)
        stored = decode_stored(data, "x", frame=frame)
        results.append((read_header(data, "x", frame), decode(data, "x", frame=frame), stored))
    (header, image, here), (header_there, image_there, there) = results
    assert header == header_there
    assert image.size == image_there.size == header.size
    assert image.tobytes() == image_there.tobytes()
    assert here.is_turned == there.is_turned
    if here.samples is not None:
        assert there.samples is not None
        assert np.array_equal(here.samples.values, there.samples.values)
        assert here.samples.kind == there.samples.kind
        return
    assert here.image is not None
    assert there.image is not None
    assert (here.image.mode, here.image.format) == (there.image.mode, there.image.format)
    assert here.image.tobytes() == there.image.tobytes()
    assert here.image.getpalette() == there.image.getpalette()
    assert here.image.info.get("transparency") == there.image.info.get("transparency")


def _endless() -> bytes:
    """Return an image that takes minutes in Pillow."""
    return bmp_rle(14000, 14000, b"\0\2\0\0" * 10_000_000)


def test_a_worker_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PIXELS_SECONDS", 0.5)
    monkeypatch.setattr(workers, "_FREE_BYTES", 1 << 40)
    start = time.monotonic()
    with pytest.raises(
        InputError, match=r"x cannot be decoded: its decoder took longer than 0\.5 s"
    ):
        decode(_endless(), "x")
    assert time.monotonic() - start < 15
    monkeypatch.undo()
    assert decode(EQUAL["TGA-RGB"], "x").tobytes() == _RGB.tobytes()


def test_a_worker_that_the_system_ended_is_replaced() -> None:
    decode(EQUAL["TGA-RGB"], "x")
    worker = workers._IDLE[-1]
    worker._process.kill()
    worker._process.wait()
    assert decode(EQUAL["TGA-RGB"], "x").tobytes() == _RGB.tobytes()


def test_a_worker_that_ends_during_its_work_is_one_line() -> None:
    decode(EQUAL["TGA-RGB"], "x")
    worker = workers._IDLE[-1]
    threading.Timer(0.3, worker._process.kill).start()
    with pytest.raises(InputError, match=r"its decoder failed \(-9\)"):
        decode(_endless(), "x")


def test_threads_have_a_worker_each() -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(decode(EQUAL["QOI-RGB"], "x").tobytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [_RGB.tobytes()] * 4


def test_ordinary_images_start_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_ask", lambda *_, **__: pytest.fail("a worker was asked"))
    for name in ("PNG-RGBA", "BMP-RGB", "GIF-P", "JPEG-RGB", "TIFF-RGB", "WEBP-RGB", "PPM-RGB"):
        assert decode(EQUAL[name], "x").size == (64, 48)


def test_a_worker_imports_nothing_from_the_working_folder(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "numpy.py").write_text("raise SystemExit")
    (work / "image.tga").write_bytes(EQUAL["TGA-RGB"])
    result = run_in(tmp_path, "annotate", "image.tga", "-o", "out.png")
    assert result.code == ExitCode.DONE, result.stderr


# --- real images ------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [1, 3, 100, 254])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_netpbm_values_are_scaled_as_pillow_does(kind: str, top: int) -> None:
    bands = 3 if kind in ("P3", "P6") else 1
    values = np.random.default_rng(top).integers(0, top + 1, (48, 64, bands), np.uint8)
    head = f"{kind} # a comment\n64 48\n{top}\n".encode()
    content = (
        values.tobytes() if kind in ("P5", "P6") else " ".join(map(str, values.ravel())).encode()
    )
    expected = [[[round(int(v) / top * 255) for v in pixel] for pixel in row] for row in values]
    found = np.asarray(decode(head + content, "x"))
    assert np.array_equal(found, np.broadcast_to(np.array(expected, np.uint8), (48, 64, 3)))


def test_a_real_image_of_200_megapixels_is_read(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(png(20_000, 10_000, zeros(10_000 * 20_001)))
    result = run_in(
        tmp_path, "annotate", tmp_path / "large.png", "--box", "1,1,9,9", "-o", "out.jpg"
    )
    assert result.code == ExitCode.DONE, result.stderr
    assert_in_budget(result, max_bytes=2_500_000_000)

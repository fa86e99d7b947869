"""What goes wrong: one line on stderr, nothing on stdout, the right exit code, nothing left behind."""

import os
import resource
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.conftest import ROOT, SAMPLES, Finished, Run
from tests.support.broken_checkpoints import (
    config_of_another_size,
    invalid_config_json,
    missing_shard,
    other_architecture,
    pickle_only,
)
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.errors import ExitCode
from vipllava_cli.images import load as images
from vipllava_cli.marks import parse as marks_text

BOX = "10,10,90,90"
QUESTION = "what is in the red box?"


def assert_one_line(result: Finished, code: int, said: str) -> None:
    stderr, stdout, found = result.stderr, result.stdout, result.code
    errors = [line for line in stderr.splitlines() if not line.startswith("note: ")]
    assert found == code, stderr
    assert stdout == ""
    assert len(errors) == 1, stderr
    assert errors[0].startswith("error: ")
    assert said in errors[0]
    assert "Traceback" not in stderr


def in_process(*arguments: str | Path, **options: object) -> Finished:
    """The command in a process of its own."""
    ended = subprocess.run(  # type: ignore[call-overload]
        [sys.executable, "-m", "vipllava_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    return Finished(ended.returncode, ended.stdout, ended.stderr)


def huge_png() -> bytes:
    """The header of an image of 60,000 x 60,000 pixels, and no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"")


def truncated_jpeg(folder: Path) -> bytes:
    path = folder / "whole.jpg"
    Image.effect_noise((200, 200), 50).save(path)
    return path.read_bytes()[:3000]


def damaged_tiff(folder: Path) -> bytes:
    """One over which libtiff, left alone, prints lines of its own."""
    path = folder / "whole.tif"
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
def test_images(run: Run, tmp_path: Path, name: str, command: str) -> None:
    make, said = IMAGES[name]
    data = make(tmp_path)
    if data is not None:
        (tmp_path / name).write_bytes(data)
    more = [QUESTION] if command == "ask" else ["-o", str(tmp_path / "out.png")]
    assert_one_line(run(command, tmp_path / name, *more), ExitCode.INPUT, said)
    assert not (tmp_path / "out.png").exists()


def test_a_damaged_tiff_is_one_line_below_python_too(tmp_path: Path) -> None:
    (tmp_path / "damaged.tif").write_bytes(damaged_tiff(tmp_path))
    ended = in_process("annotate", tmp_path / "damaged.tif", "-o", tmp_path / "out.png")
    assert_one_line(ended, ExitCode.INPUT, "cut short or damaged")


def test_an_image_that_does_not_fit_into_memory(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (10_000, 5_000)).save(tmp_path / "large.png")
    monkeypatch.setattr(images, "free_memory", lambda: 500_000_000)
    result = run("annotate", tmp_path / "large.png", "-o", tmp_path / "out.png")
    assert_one_line(result, ExitCode.INPUT, "expected 0.6 GB, found 0.5 GB")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep this limit")
def test_memory_that_runs_out_is_one_line(tmp_path: Path) -> None:
    Image.new("1", (12_000, 10_000)).save(tmp_path / "large.png")
    limit = 900_000_000
    ended = in_process(
        "annotate", tmp_path / "large.png", "--box", BOX, "-o", tmp_path / "out.png",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert_one_line(ended, ended.code, "memory")
    assert ended.code in (ExitCode.INPUT, ExitCode.GENERATION)
    assert not (tmp_path / "out.png").exists()


def test_a_folder(run: Run, tmp_path: Path) -> None:
    assert_one_line(run("ask", tmp_path, QUESTION), ExitCode.INPUT, "is a folder")


def test_an_address_that_cannot_be_reached(run: Run) -> None:
    result = run("ask", "http://127.0.0.1:9/image.png", QUESTION)
    assert_one_line(result, ExitCode.INPUT, "cannot be reached")


def test_an_address_that_is_none(run: Run) -> None:
    assert run("ask", "http://[::1", QUESTION).code == ExitCode.INPUT
    assert run("ask", "https://", QUESTION).code == ExitCode.INPUT


def test_an_image_without_a_name(run: Run) -> None:
    assert_one_line(run("ask", "", QUESTION), ExitCode.INPUT, "no name")


def test_empty_standard_input(run: Run) -> None:
    assert_one_line(run("ask", "-", QUESTION, stdin=b""), ExitCode.INPUT, "empty")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--box", "300,10,400,90"], "outside the image: the image is 200x100"),
        (["--point", "200.0001,50"], "lies at 200.0001,50, outside the image"),
        (["--box", "10,10,10,90"], "has no area"),
        (["--box", "10,10,90"], "found 3 numbers"),
        (["--box", "10,nan,90,90"], "finite"),
        (["--box", "10,10,1e400,90"], "finite"),
        (["--ellipse", "-1e308,-1e308,1e308,1e308"], "too far outside"),
        (["--scribble", "0,0,150000000,150000000"], "too far outside"),
        (["--box", "blurple:10,10,90,90"], "unknown colour 'blurple'"),
        (["--box", BOX, "--alpha", "2"], "alpha"),
        (["--box", BOX, "--width", "-1"], "width"),
        (["--mask", "nowhere.png"], "there is no file nowhere.png"),
        (["--marks", "nowhere.json"], "cannot be read"),
        (
            ["--ellipse", "-300,-300,500,400"],
            "touches no pixel of the image: the image is 200x100",
        ),
        (["--triangle", "-400,-50,600,-50,100,900"], "touches no pixel"),
        (["--mask", "-50,-50,-10,-50,-10,300,300,300,300,340,-50,340"], "touches no pixel"),
    ],
)
def test_marks(run: Run, image: Path, flags: list[str], said: str) -> None:
    assert_one_line(run("ask", image, QUESTION, *flags), ExitCode.INPUT, said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("7", "holds no list"),
        ('[{"shape": "box", "coords": [1, 2]}]', "mark 1: a box is"),
    ],
)
def test_marks_files(run: Run, image: Path, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "marks.json").write_text(text)
    result = run("ask", image, QUESTION, "--marks", tmp_path / "marks.json")
    assert_one_line(result, ExitCode.INPUT, said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("device", ["/dev/full", "/dev/zero"])
def test_marks_from_a_device_without_an_end(
    run: Run, image: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks_text, "MAX_BYTES", 1 << 20)
    result = run("ask", image, QUESTION, "--marks", device)
    assert_one_line(result, ExitCode.INPUT, f"the marks file {device} is longer than 1 MiB")


def test_a_mask_of_another_size(run: Run, image: Path, tmp_path: Path) -> None:
    Image.new("L", (20, 20), 255).save(tmp_path / "mask.png")
    result = run("ask", image, QUESTION, "--mask", tmp_path / "mask.png")
    assert_one_line(result, ExitCode.INPUT, "20x20")
    Image.new("L", (200, 100), 0).save(tmp_path / "mask.png")
    result = run("ask", image, QUESTION, "--mask", tmp_path / "mask.png")
    assert_one_line(result, ExitCode.INPUT, "no region")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "empty"),
        ("what is {3}?", "only 2"),
        ("word " * 100_000, "reads at most"),
    ],
)
def test_questions(run: Run, image: Path, question: str, said: str) -> None:
    result = run("ask", image, question, "--box", BOX, "--arrow", BOX)
    assert_one_line(result, ExitCode.USAGE, said)


def test_several_images(run: Run) -> None:
    result = run("ask", SAMPLES / "garden.png", SAMPLES / "farm.png", QUESTION)
    assert_one_line(result, ExitCode.USAGE, "vipllava batch")


def test_an_unknown_model(run: Run, image: Path) -> None:
    result = run("ask", image, QUESTION, "--model", "llama")
    assert_one_line(result, ExitCode.MODEL, "expected tiny, 7b, 13b")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (missing_shard, "is missing"),
        (invalid_config_json, "JSON"),
        (config_of_another_size, "mismatched"),
        (other_architecture, "expected a vipllava checkpoint"),
        (pickle_only, "pickle"),
    ],
)
def test_a_broken_model(
    run: Run, image: Path, tmp_path: Path, harm: Callable[[Path], None], said: str
) -> None:
    folder = shutil.copytree(BUNDLED["tiny"], tmp_path / "model")
    harm(folder)
    result = run("ask", image, QUESTION, "--model", folder)
    assert_one_line(result, ExitCode.MODEL, said)


ABSENT = [
    name
    for name, is_here in (
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    )
    if not is_here
]


@pytest.mark.parametrize("device", ABSENT)
def test_a_device_that_is_not_here(run: Run, image: Path, device: str) -> None:
    result = run("ask", image, QUESTION, "--device", device)
    assert_one_line(result, ExitCode.MODEL, f"no {device} device on this machine")


# --- output ----------------------------------------------------------------------------------


def test_nothing_to_do(run: Run, image: Path) -> None:
    assert_one_line(run("annotate", image, "--box", BOX), ExitCode.USAGE, "-o FILE")


def test_a_file_that_exists_is_kept(run: Run, image: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.png"
    kept.write_bytes(b"precious")
    result = run("annotate", image, "--box", BOX, "-o", kept)
    assert_one_line(result, ExitCode.INPUT, "--force")
    assert kept.read_bytes() == b"precious"
    assert run("annotate", image, "--box", BOX, "-o", kept, "--force").code == ExitCode.DONE
    with Image.open(kept) as written:
        assert written.size == (200, 100)


def test_what_is_read_is_never_written_over(run: Run, image: Path, tmp_path: Path) -> None:
    mask, marks, link = (tmp_path / name for name in ("mask.png", "marks.png", "link.png"))
    Image.new("L", (200, 100), 255).save(mask)
    marks.write_text("[]")
    link.symlink_to(image)
    before = image.read_bytes(), mask.read_bytes(), marks.read_bytes()
    for out, flags in (
        (image, ["--box", BOX]),
        (link, ["--box", BOX]),
        (mask, ["--mask", f"blue:{mask}"]),
        (marks, ["--marks", str(marks)]),
    ):
        result = run("annotate", image, *flags, "-o", out, "--force")
        assert_one_line(result, ExitCode.INPUT, "would lose it")
    assert (image.read_bytes(), mask.read_bytes(), marks.read_bytes()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_name_is_as_long_as_the_system_allows(run: Run, image: Path, tmp_path: Path) -> None:
    longest = "é" * 125 + "x.png"  # 255 bytes
    assert run("annotate", image, "--box", BOX, "-o", tmp_path / longest).code == ExitCode.DONE
    result = run("annotate", image, "--box", BOX, "-o", tmp_path / f"x{longest}")
    assert_one_line(result, ExitCode.INPUT, "too long")
    assert sorted(os.listdir(tmp_path)) == ["grey.png", longest]


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("grey.png/out.png", ExitCode.INPUT, "Not a directory"),
        ("out.xyz", ExitCode.USAGE, "suffix"),
        ("nowhere/out.png", ExitCode.INPUT, "there is no folder"),
        ("folder.png", ExitCode.INPUT, "is a folder"),
    ],
)
def test_a_wrong_place(
    run: Run, image: Path, tmp_path: Path, place: str, code: int, said: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    assert_one_line(run("annotate", image, "--box", BOX, "-o", tmp_path / place), code, said)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_read_only_place(run: Run, image: Path) -> None:
    result = run("annotate", image, "--box", BOX, "-o", "/proc/out.png")
    assert_one_line(result, ExitCode.INPUT, "cannot be written")


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's")
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """The limit on a file's size makes the write fail in its middle, as a full disk does."""
    Image.effect_noise((600, 600), 90).save(tmp_path / "noise.png")
    before = sorted(os.listdir(tmp_path))
    ended = in_process(
        "annotate", tmp_path / "noise.png", "--box", BOX, "-o", tmp_path / "out.png",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )  # fmt: skip
    assert_one_line(ended, ExitCode.INPUT, "cannot be written")
    assert sorted(os.listdir(tmp_path)) == before


# --- streams and signals ---------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("annotate grey.png -o out.png -q >&-", ExitCode.DONE, ""),
        ("annotate grey.png -o out.png <&- 2>&-", ExitCode.DONE, ""),
        ("annotate grey.png -o out.png <&- >&- 2>&-", ExitCode.DONE, ""),
        ("annotate - -o out.png <&-", ExitCode.INPUT, "standard input cannot be read"),
        ("annotate grey.png -o - >&-", ExitCode.INPUT, "the output cannot be written"),
        ("--help >&-", ExitCode.INPUT, "the output cannot be written"),
        ("annotate none.png -o out.png 2>&-", ExitCode.INPUT, ""),
    ],
)
def test_a_stream_that_was_closed_before(image: Path, arguments: str, code: int, said: str) -> None:
    ended = subprocess.run(
        f"'{sys.executable}' -m vipllava_cli {arguments}",
        shell=True,
        cwd=image.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if said:
        assert_one_line(Finished(ended.returncode, ended.stdout, ended.stderr), code, said)
    assert (ended.returncode, ended.stdout, bool(ended.stderr)) == (code, "", bool(said))
    assert (image.parent / "out.png").exists() == (code == ExitCode.DONE)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("module", ["vipllava_cli.cli.app", "vipllava_cli.cli.options", "cv2"])
def test_ctrl_c_while_the_program_is_loaded(image: Path, module: str) -> None:
    """The interrupt comes while a module is imported, early and late in the start."""
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # it may be ignored here
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from vipllava_cli.__main__ import main\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "annotate", str(image), "-o", f"{image}.png"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (ExitCode.INTERRUPTED, "", "")


def test_show_without_a_terminal(run: Run, image: Path) -> None:
    assert_one_line(run("annotate", image, "--show"), ExitCode.USAGE, "terminal")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_pick_without_a_display(run: Run, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert_one_line(run("annotate", image, "--pick"), ExitCode.USAGE, "no display")


def test_control_characters_in_a_name_do_not_reach_the_terminal(run: Run) -> None:
    result = run("ask", "evil\x1b]0;owned\x07.png", QUESTION)
    assert_one_line(result, ExitCode.INPUT, r"\x1b]0;owned\x07")
    assert "\x1b" not in result.stderr


def test_debug_shows_where_it_happened(run: Run) -> None:
    result = run("ask", "missing.png", QUESTION, "--debug")
    assert result.code == ExitCode.INPUT
    assert "Traceback" in result.stderr

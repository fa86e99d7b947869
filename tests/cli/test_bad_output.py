"""Unusable output paths: one error line, and every existing file is kept."""

import os
import resource
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.commands import BOX, assert_error_line, run_in_process
from vipllava_cli.errors import ExitCode


def test_an_existing_file_needs_force(run: Run, image: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.png"
    kept.write_bytes(b"precious")
    result = run("annotate", image, "--box", BOX, "-o", kept)
    assert_error_line(result, ExitCode.INPUT, "--force")
    assert kept.read_bytes() == b"precious"
    assert run("annotate", image, "--box", BOX, "-o", kept, "--force").code == ExitCode.DONE
    with Image.open(kept) as written:
        assert written.size == (200, 100)


def test_an_input_is_never_overwritten(run: Run, image: Path, tmp_path: Path) -> None:
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
        assert_error_line(result, ExitCode.INPUT, "would lose it")
    assert (image.read_bytes(), mask.read_bytes(), marks.read_bytes()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="this limit is POSIX's")
def test_a_name_may_be_as_long_as_the_system_allows(run: Run, image: Path, tmp_path: Path) -> None:
    longest = "é" * 125 + "x.png"  # 255 bytes
    assert run("annotate", image, "--box", BOX, "-o", tmp_path / longest).code == ExitCode.DONE
    result = run("annotate", image, "--box", BOX, "-o", tmp_path / f"x{longest}")
    assert_error_line(result, ExitCode.INPUT, "too long")
    assert sorted(os.listdir(tmp_path)) == ["grey.png", longest]


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("grey.png/out.png", ExitCode.INPUT, "Not a directory"),
        ("out.xyz", ExitCode.USAGE, "suffix"),
        ("nowhere/out.png", ExitCode.INPUT, "there is no folder"),
        ("folder.png", ExitCode.INPUT, "is a folder"),
    ],
)
def test_an_unusable_output_path_is_one_error_line(
    run: Run, image: Path, tmp_path: Path, path: str, code: int, message: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    assert_error_line(run("annotate", image, "--box", BOX, "-o", tmp_path / path), code, message)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_read_only_folder_is_refused(run: Run, image: Path) -> None:
    result = run("annotate", image, "--box", BOX, "-o", "/proc/out.png")
    assert_error_line(result, ExitCode.INPUT, "cannot be written")


@pytest.mark.skipif(sys.platform == "win32", reason="this limit is POSIX's")
def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    """The limit on the size of a file fails the write in the middle, as a full disk does."""
    Image.effect_noise((600, 600), 90).save(tmp_path / "noise.png")
    before = sorted(os.listdir(tmp_path))
    ended = run_in_process(
        "annotate", tmp_path / "noise.png", "--box", BOX, "-o", tmp_path / "out.png",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )  # fmt: skip
    assert_error_line(ended, ExitCode.INPUT, "cannot be written")
    assert sorted(os.listdir(tmp_path)) == before

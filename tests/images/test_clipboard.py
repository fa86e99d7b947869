"""The clipboard: the real call of a program that reads it, and every reason why there is no image."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.support.images import ORANGE, encode, has_center_color
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.load import load_image

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems need no program")

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a shell script in the place of a program. No other clipboard program is on the PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "cat").symlink_to("/bin/cat")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    def write(name: str, script: str) -> None:
        path = programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


@pytest.fixture
def orange(tmp_path: Path) -> Path:
    """An orange PNG."""
    path = tmp_path / "orange.png"
    path.write_bytes(encode(Image.new("RGB", (40, 20), ORANGE)))
    return path


def test_xclip_gives_the_image(install: Install, orange: Path) -> None:
    install("xclip", f'test "$*" = "-selection clipboard -t image/png -o" && cat {orange}')
    assert has_center_color(load_image("clipboard:"), ORANGE)


def test_wayland_uses_wl_paste(
    install: Install, orange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    install("xclip", "exit 1")
    install("wl-paste", f"cat {orange}")
    assert has_center_color(load_image("clipboard:"), ORANGE)


@pytest.mark.parametrize(
    ("display", "message"),
    [
        ({"DISPLAY": ":0"}, "`apt-get install xclip`"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "`apt-get install wl-clipboard`"),
        ({}, "there is no display"),
    ],
)
def test_a_missing_program_names_its_package(
    install: Install, display: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY")
    for name, value in display.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message):
        load_image("clipboard:")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'Error: target image/png not available' >&2; exit 1", "holds no image"),
        ("echo a text", "holds no image"),
        ("exit 0", "holds no image"),
        ("echo 'Broken\npipe' >&2; exit 1", r"cannot be read \(xclip error: Broken pipe\)"),
    ],
)
def test_a_clipboard_without_a_readable_image(install: Install, script: str, message: str) -> None:
    install("xclip", script)
    with pytest.raises(InputError, match=message) as caught:
        load_image("clipboard:")
    assert "\n" not in str(caught.value)


def test_a_remote_session_without_a_display(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY")
    install("xclip", 'echo "Error: Can\'t open display: (null)" >&2; exit 1')
    with pytest.raises(UsageError, match="there is no display, and so no clipboard"):
        load_image("clipboard:")


def test_windows_gives_the_names_of_copied_files(
    orange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [str(orange)]
    monkeypatch.setattr("PIL.ImageGrab.grabclipboard", lambda: files)
    assert has_center_color(load_image("clipboard:"), ORANGE)
    files.append(str(orange))
    with pytest.raises(InputError, match="holds 2 files"):
        load_image("clipboard:")
    files[:] = [os.devnull + "/none.png"]
    with pytest.raises(InputError, match="cannot be read"):
        load_image("clipboard:")

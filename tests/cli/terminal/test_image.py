"""Images in the terminal, by each protocol."""

import base64
import io
import re
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.conftest import SAMPLES
from tests.support.terminal import ESCAPES, QUERY, WITH_SIXEL, WITHOUT_SIXEL, run_in_terminal

if sys.platform == "win32":
    pytest.skip("needs a terminal of POSIX", allow_module_level=True)

pytestmark = pytest.mark.terminal

ZOO = SAMPLES / "zoo-red-box.png"
KITTY = b"\x1b_Gi=31;OK\x1b\\"


def shown(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return image.convert("RGB")


def looks_like_zoo(image: Image.Image) -> bool:
    with Image.open(ZOO) as zoo:
        other = zoo.convert("RGB").resize(image.size)
    return max(ImageStat.Stat(ImageChops.difference(image, other)).mean) < 5


@pytest.mark.parametrize(
    ("reply", "variables"),
    [
        (WITHOUT_SIXEL, {}),
        (b"", {}),
        (b"\x1b[?1;2c", {"TERM": "tmux-256color", "TMUX": "x", "LC_TERMINAL": "iTerm2"}),
    ],
    ids=["no sixel", "no reply", "tmux"],
)
def test_half_blocks_where_there_are_no_graphics(reply: bytes, variables: dict[str, str]) -> None:
    received = run_in_terminal("annotate", ZOO, "--show", variables=variables, reply=reply)
    assert received.partition(QUERY)[2].count("▀".encode()) == 48 * 24
    assert b"\x1bP" not in received
    assert b"1337" not in received


def test_half_blocks_show_an_image_from_standard_input_despite_no_color() -> None:
    received = run_in_terminal("annotate", "-", "--show", variables={"NO_COLOR": "1"}, stdin=ZOO)
    assert received.count("▀".encode()) == 48 * 24
    assert b"\x1b[38;" in received


def test_sixel_where_the_terminal_has_it() -> None:
    received = run_in_terminal("annotate", ZOO, "--show", reply=KITTY + WITH_SIXEL)
    sixels = re.findall(rb"\x1bP[\d;]*q([^\x1b]*)\x1b\\", received)
    assert len(sixels) == 1
    assert sixels[0].startswith(b'"1;1;384;384')
    assert "▀".encode() not in received


def test_kittys_graphics_where_the_terminal_has_them() -> None:
    received = run_in_terminal("annotate", ZOO, "--show", reply=KITTY + WITHOUT_SIXEL)
    messages = re.findall(rb"\x1b_G([^;\x1b]*);?([^\x1b]*)\x1b\\", received.partition(QUERY)[2])
    image = shown(b"".join(payload for _, payload in messages))
    assert image.size == (384, 384)
    assert looks_like_zoo(image)
    place = re.search(rb"a=p,i=(\d+),c=48,r=24,U=1", messages[-1][0])
    assert place
    number = int(place[1])
    color = f"\x1b[38;2;{number >> 16 & 255};{number >> 8 & 255};{number & 255}m"
    assert color.encode() in received, "the cells do not name the image"


@pytest.mark.parametrize("variables", [{"TERM_PROGRAM": "iTerm.app"}, {"LC_TERMINAL": "iTerm2"}])
def test_iterm2s_images_where_it_is_iterm2(variables: dict[str, str]) -> None:
    received = run_in_terminal("annotate", ZOO, "--show", variables=variables)
    image = re.fullmatch(rb"\x1b\]1337;File=([^:]*):([^\a]*)\a\r\n", received)
    assert image
    assert b"inline=1;" in image[1]
    assert b"width=48;height=24;" in image[1]
    assert f"size={len(base64.b64decode(image[2]))};".encode() in image[1]
    assert looks_like_zoo(shown(image[2]))


def test_a_dry_run_shows_no_image_on_a_terminal_without_colours(image: Path) -> None:
    out = image.parent / "out.jsonl"
    received = run_in_terminal(
        "batch", image.parent, "--out", out, "--dry-run", "-q", variables={"TERM": "dumb"}
    )
    assert received == b"would ask\tgrey.png\tDescribe this image.\r\n"


def test_a_terminal_without_colours_is_an_error() -> None:
    received = run_in_terminal("annotate", ZOO, "--show", variables={"TERM": "dumb"})
    assert received == (b"error: --show needs colours, and TERM=dumb has none; use -o FILE\r\n")


LATIN_1 = {"PYTHONIOENCODING": "iso8859-1"}


def test_a_terminal_without_utf_8_is_an_error() -> None:
    received = run_in_terminal("annotate", ZOO, "--show", variables=LATIN_1)
    assert " ".join(ESCAPES.sub("", received.decode()).split()) == (
        "error: --show needs UTF-8, and the encoding of this terminal is iso8859-1; use -o FILE"
    )


def test_iterm2_shows_images_without_utf_8() -> None:
    variables = {**LATIN_1, "LC_TERMINAL": "iTerm2"}
    received = run_in_terminal("annotate", ZOO, "--show", variables=variables)
    assert received.startswith(b"\x1b]1337;File=inline=1;")

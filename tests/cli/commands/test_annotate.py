"""`vipllava annotate`: the marked image, its outputs, and the options that exclude each other."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SAMPLES, Run
from tests.support.process import vipllava
from vipllava_cli.errors import ExitCode

ZOO = SAMPLES / "zoo-red-box.png"


@pytest.mark.parametrize("size", [(1920, 1080), (4032, 3024)])
def test_the_model_view_keeps_a_box_at_the_edge(
    run: Run, tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, (128, 128, 128)).save(tmp_path / "wide.png")
    result = run(
        "annotate", tmp_path / "wide.png", "--box", "0,25%,20%,75%",
        "--model-view", "-o", tmp_path / "view.png",
    )  # fmt: skip
    assert result.code == 0
    with Image.open(tmp_path / "view.png") as view:
        pixels = np.asarray(view.convert("RGB"), int)
    assert pixels.shape == (336, 336, 3)
    red = (pixels[..., 0] > 150) & (pixels[..., 1] < 100) & (pixels[..., 2] < 100)
    assert red.sum() > 300


def test_marks_follow_the_exif_orientation(run: Run, tmp_path: Path) -> None:
    with Image.open(SAMPLES / "astronaut-rotated.jpg") as stored:
        pixels = stored.convert("RGB").transpose(Image.Transpose.ROTATE_270)
        assert stored.getexif()[0x0112] == 6
        stored.convert("RGB").save(tmp_path / "rotated.png", exif=stored.getexif())
    pixels.save(tmp_path / "upright.png")
    for name in ("rotated", "upright"):
        flags = ["--box", "10,20,200,300", "--arrow", "20%,80%", "-o", tmp_path / f"{name}-out.png"]
        assert run("annotate", tmp_path / f"{name}.png", *flags).code == 0
    with (
        Image.open(tmp_path / "rotated-out.png") as one,
        Image.open(tmp_path / "upright-out.png") as other,
    ):
        assert one.tobytes() == other.tobytes()


def test_the_image_goes_to_a_pipe() -> None:
    drawn = vipllava("annotate", str(ZOO), "--point", "50,50", "-o", "-", "-q")
    with Image.open(io.BytesIO(drawn.stdout)) as image:
        assert image.size == (640, 640)


@pytest.mark.parametrize("option", ["-o", "--out", "--output"])
def test_every_name_of_the_output_option_works(run: Run, image: Path, option: str) -> None:
    out = image.parent / "marked.png"
    result = run("annotate", image, "--box", "10,10,50,50", option, out)
    assert (result.code, result.stdout) == (0, "")
    assert result.stderr == f"note: wrote {out}, 200x100 pixels, 1 mark\n"
    assert out.exists()


def test_an_image_on_stdout_is_noted(run: Run, image: Path) -> None:
    result = run("annotate", image, "-o", "-")
    assert result.code == 0
    assert result.stderr == "note: wrote to stdout, 200x100 pixels, 0 marks\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no output chosen: add -o FILE, --show or --pick"),
        (["-o", "-", "--show"], "-o - cannot be used with --show or --pick"),
        (["-o", "-", "--pick"], "-o - cannot be used with --show or --pick"),
        (["--show"], "--show needs a terminal; use -o FILE"),
    ],
)
def test_output_options_that_cannot_work(
    run: Run, image: Path, options: list[str], message: str
) -> None:
    result = run("annotate", image, *options)
    assert (result.code, result.stdout) == (ExitCode.USAGE, "")
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1

"""Marks of the options and of `--pick` on an image."""

from pathlib import Path

import pytest
from PIL import ExifTags, Image

from tests.conftest import Run
from tests.support.picker import Visit, fake_window
from vipllava_cli.cli.picker.keys import Outcome
from vipllava_cli.errors import ExitCode


def test_drawn_boxes_have_the_width_and_alpha_of_the_options(
    run: Run, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_window(monkeypatch, Visit([(10, 10, 50, 50), (60, 20, 90, 70)]))

    def annotate(name: str, *options: str) -> bytes:
        result = run("annotate", image, *options, "-o", tmp_path / name, "-q")
        assert (result.code, result.stderr) == (0, "")
        return (tmp_path / name).read_bytes()

    style = ("--width", "9", "--alpha", "0.4")
    typed = ("--box", "red:10,10,50,50", "--box", "lime:60,20,90,70")
    picked = annotate("picked.png", "--pick", *style)
    assert picked == annotate("typed.png", *typed, *style)
    assert picked != annotate("default.png", *typed)


def test_drawn_marks_are_printed_as_options(
    run: Run, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = fake_window(monkeypatch, Visit([(10, 10, 50, 50)]), Visit())
    result = run("annotate", image, "--point", "5,5", "--numbers", "--pick")
    assert (result.code, result.stdout) == (0, "--box lime:10,10,50,50\n")
    assert [mark.shape for mark in window.states[0].before] == ["point"]
    result = run("annotate", image, "--pick")
    assert (result.code, result.stdout, result.stderr) == (0, "", "note: no marks drawn\n")


@pytest.mark.parametrize("units", ["px", "percent", "unit", "thousand"])
def test_pasted_options_mean_the_same_in_any_units(
    run: Run, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, units: str
) -> None:
    fake_window(monkeypatch, Visit([(13, 17, 57, 91)], keys="e"))
    drawn = run("annotate", image, "--units", units, "--pick", "-o", tmp_path / "a.png")
    pasted = ("--units", units, *drawn.stdout.split())
    assert run("annotate", image, *pasted, "-o", tmp_path / "b.png").code == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("command", ["annotate", "ask"])
def test_a_cancelled_window_writes_and_asks_nothing(
    run: Run, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    fake_window(monkeypatch, Visit([(10, 10, 50, 50)], Outcome.CANCEL))
    words: list[str | Path] = ["what is {1}?"]
    if command == "annotate":
        words = ["-o", tmp_path / "out.png"]
    result = run(command, image, *words, "--pick")
    assert (result.code, result.stdout) == (ExitCode.INTERRUPTED, "")
    assert result.stderr == "cancelled: no file is written and no question asked\n"
    assert [path.name for path in tmp_path.iterdir()] == [image.name]


def test_marks_of_a_record_fit_an_image_of_another_size(run: Run, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    marks = '"marks": [{"shape": "box", "coords": [20, 10, 60, 40], "color": "red"}]'
    record.write_text(f'{{"width": 80, "height": 60, {marks}}}')
    small, tall = tmp_path / "small.png", tmp_path / "tall.png"
    Image.new("RGB", (40, 30)).save(small)
    Image.new("RGB", (40, 60)).save(tall)
    drawn = run("annotate", small, "--marks", record, "-o", tmp_path / "a.png")
    assert (drawn.code, drawn.stderr.count("note: scaled the marks to the image")) == (0, 1)
    run("annotate", small, "--box", "red:10,5,30,20", "-o", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    refused = run("annotate", tall, "--marks", record, "-o", tmp_path / "c.png")
    assert refused.code == ExitCode.INPUT
    assert "an image of 80x60 pixels, but it has 40x60 pixels" in refused.stderr
    assert not (tmp_path / "c.png").exists()


def test_marks_of_a_record_are_those_of_the_upright_image(run: Run, tmp_path: Path) -> None:
    record, turned = tmp_path / "record.json", tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (60, 60)).save(turned, exif=exif)
    marks = '"marks": [{"shape": "box", "coords": [20, 10, 60, 40]}]'
    record.write_text(f'{{"width": 60, "height": 60, {marks}}}')
    drawn = run("annotate", turned, "--marks", record, "-o", tmp_path / "a.png")
    assert drawn.stderr == f"note: wrote {tmp_path / 'a.png'}, 60x60 pixels, 1 mark\n"

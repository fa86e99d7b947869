"""Marks of the options and of `--pick` on an image."""

from pathlib import Path

import pytest

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

"""Marks of the options and of `--pick` on an image."""

from pathlib import Path

import pytest

from tests.conftest import Run


def test_picked_boxes_have_the_width_and_alpha_of_the_options(
    run: Run, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [(10.0, 10.0, 50.0, 50.0), (60.0, 20.0, 90.0, 70.0)]
    monkeypatch.setattr("vipllava_cli.cli.picker.pick_boxes", lambda image: boxes)

    def annotate(name: str, *options: str) -> bytes:
        result = run("annotate", image, *options, "-o", tmp_path / name, "-q")
        assert (result.code, result.stderr) == (0, "")
        return (tmp_path / name).read_bytes()

    style = ("--width", "9", "--alpha", "0.4")
    typed = ("--box", "red:10,10,50,50", "--box", "lime:60,20,90,70")
    picked = annotate("picked.png", "--pick", *style)
    assert picked == annotate("typed.png", *typed, *style)
    assert picked != annotate("default.png", *typed)
